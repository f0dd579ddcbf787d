"""What a corpus states about itself: layout, labels, folds."""

import csv
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal, NamedTuple

import pandas as pd

from hicmae.data.manifest import complete_manifest
from hicmae.data.options import TargetKind
from hicmae.data.table_files import sheet_as_csv
from hicmae.errors import DataError
from hicmae.media.listing import files_by_name

log = logging.getLogger(__name__)

Missing = Literal["raise", "leave_out"]

_LACKING = "lacking"


@dataclass(frozen=True)
class ExpectedCounts:
    """What a whole copy of a corpus holds under the published protocol.

    Attributes:
        clips: Clips in all; None where it is not published.
        test_clips: Test clips of every fold, from fold 1; empty where not published.
        class_clips: Clips of every class; empty where not published.
    """

    clips: int | None = None
    test_clips: tuple[int, ...] = ()
    class_clips: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


class Listing(NamedTuple):
    """What a corpus lists.

    Attributes:
        table: A complete manifest.
        left_out: The listed clips that are not in it, since a file of theirs is missing.
    """

    table: pd.DataFrame
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Corpus(ABC):
    """Facts about a corpus and the way from its folder to a manifest.

    Options of a corpus, such as a variant of its classes, are fields of the subclass.

    Attributes:
        missing: Whether a listed clip without a file stops the reading or is left out.
        name: The corpus' own name.
        layout: What lies where below the root, for messages.
        folders: Names of the folders in which its clips are published, as a regular expression;
            what lies in other folders yields to what lies in these.
        citation: What to cite.
        licence: What the licence allows, and how the corpus is had.
        known_bad: Clips that the published protocol leaves out, with the reason.
    """

    missing: Missing = field(default="raise", kw_only=True)

    name: ClassVar[str]
    layout: ClassVar[str]
    folders: ClassVar[str] = ""
    citation: ClassVar[str]
    licence: ClassVar[str]
    known_bad: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the published protocol."""
        return ExpectedCounts()

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Classes in order of their index; None for regression and unlabelled corpora."""
        return None

    @property
    def target_names(self) -> tuple[str, ...] | None:
        """Columns to regress, in order; None for classification and unlabelled corpora."""
        return None

    @property
    def target_kind(self) -> TargetKind:
        """Whether a clip is of one class, a mixture of them, or has any number as labels."""
        return "class"

    @property
    def label_column(self) -> str | None:
        """Column of the manifest that holds the class names; None where each has a column."""
        return "emotion" if self.class_names and self.target_kind == "class" else None

    @property
    def fold_count(self) -> int:
        """Folds of the cross-validation; 1 where the corpus has one split."""
        return 1

    @property
    def subjects_may_repeat(self) -> bool:
        """Whether the published folds let a person be in training and in test."""
        return False

    @abstractmethod
    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the clips below `root` from file names and label files; no media is opened.

        Args:
            root: Folder of the corpus.

        Returns:
            Columns of a manifest with the labels, without the clips in `known_bad`. Its `fold` is
            the fold in which a clip is tested, or its `split` is given where there is one split.

        Raises:
            DataError: Nothing of the corpus lies below `root`, a listed clip has no file, or a file
                contradicts the layout.
        """

    def listing(self, root: Path) -> Listing:
        """The clips below `root` and those that are left out; see `clips`."""
        table = self.clips(root)
        left_out: tuple[str, ...] = ()
        if _LACKING in table:
            lacking = table.pop(_LACKING)
            left_out = tuple(table["id"][lacking])
            if left_out and len(left_out) == len(table):
                raise DataError(
                    f"{self.name}: none of the {len(table)} listed clips has its files below "
                    f"{root}; expected {self.layout}."
                )
            if left_out:
                log.warning(
                    "%s: %d of %d listed clips lack a file and are left out: %s.",
                    self.name,
                    len(left_out),
                    len(table),
                    ", ".join(left_out),
                )
                table = table[~lacking]
        return Listing(complete_manifest(table), left_out)

    def manifest(self, root: Path) -> pd.DataFrame:
        """The clips below `root` as a complete manifest; see `clips`."""
        return self.listing(root).table

    def check_root(self, root: Path) -> None:
        """Raises a DataError that tells the layout if the folder does not exist."""
        if not root.is_dir():
            raise DataError(f"{self.name}: folder {root} does not exist; expected {self.layout}.")

    def find(self, root: Path, *alternatives: str, what: str) -> Path:
        """The first of several files or folders that exists.

        It is looked for below `root` and below each folder in it, since archives are unpacked with
        and without a folder around them.

        Args:
            root: Folder of the corpus.
            *alternatives: Paths relative to it, best first; names may hold shell patterns.
            what: What is looked for, in words.

        Raises:
            DataError: There is none; tells what was looked for and what lies there.
        """
        return next(self._matches(root, alternatives, what))

    def find_all(self, root: Path, *alternatives: str, what: str) -> list[Path]:
        """All of several files or folders that exist, best first, at least one; see `find`."""
        return list(self._matches(root, alternatives, what))

    def _matches(self, root: Path, alternatives: Sequence[str], what: str) -> Iterator[Path]:
        self.check_root(root)
        places = [root, *sorted(entry for entry in root.iterdir() if entry.is_dir())]
        nothing = True
        for alternative in alternatives:
            for place in places:
                for match in sorted(place.glob(alternative)):
                    nothing = False
                    yield match
        if nothing:
            raise self.nothing_found(root, f"{what} ({' or '.join(alternatives)})")

    def files(
        self,
        root: Path,
        originals: Sequence[str],
        others: Sequence[str] = (),
        *,
        name: Callable[[Path], str | None] = lambda path: path.stem,
        wanted: Iterable[str] | None = None,
    ) -> dict[str, Path]:
        """The file of every clip below a folder, where it is published; see `files_by_name`.

        Args:
            root: The folder.
            originals: Suffixes that the files are published with, best first.
            others: Suffixes of files that were encoded anew, best first.
            name: What a file is called; None if it is not meant.
            wanted: The names of interest; None means all.
        """
        return files_by_name(
            root,
            originals,
            others,
            folders=self.published_folders,
            name=name,
            wanted=None if wanted is None else set(wanted),
        )

    @property
    def published_folders(self) -> re.Pattern[str]:
        """Names of the folders in which clips are published, one of them that of the corpus."""
        return re.compile(f"{re.escape(self.name)}|{self.folders}", re.IGNORECASE)

    def nothing_found(self, root: Path, looked_for: str) -> DataError:
        """The error for what is not there: what was looked for and what lies there."""
        return DataError(
            f"{self.name}: no {looked_for} below {root} (it holds: {_contents(root)}); "
            f"expected {self.layout}."
        )

    def label_rows(self, path: Path, *columns: str) -> Iterator[tuple[str, dict[str, str]]]:
        """The rows of a file of labels, with the place that messages name.

        Labels are ASCII; the free text beside them may be of any encoding.

        Args:
            path: A CSV file, or the first sheet of an Excel file (.xlsx).
            *columns: What it needs to have; the rows have all its columns, without blanks around.

        Raises:
            DataError: A column is missing, a row has more cells than the header, or it is no Excel
                file.
            ConfigError: The package that reads Excel files is missing.
        """
        excel = path.suffix.lower() == ".xlsx"
        with (
            sheet_as_csv(path)
            if excel
            else path.open(encoding="utf-8-sig", errors="replace", newline="")
        ) as file:
            rows = csv.DictReader(file, restval="")
            there = rows.fieldnames or ()
            if not set(columns) <= set(there):
                expected = ", ".join(name or "one without a name" for name in columns)
                raise DataError(
                    f"{self.name}: {path} has the columns {', '.join(there) or '(none)'}; "
                    f"expected {expected}."
                )
            for row in rows:
                place = f"{self.name}: {path}, line {rows.line_num}"
                beyond = row.get(None, ())
                if any(cell.strip() for cell in beyond):
                    raise DataError(
                        f"{place}: it has {len(there) + len(beyond)} cells, but the header "
                        f"{len(there)}; put text with commas in quotes, or download it anew."
                    )
                yield place, {name: row[name].strip() for name in there}

    def without_known_bad(self, table: pd.DataFrame) -> pd.DataFrame:
        """The clips that are not in `known_bad`; the log has the others with their reasons."""
        bad = table["id"].isin(list(self.known_bad))
        reasons: dict[str, list[str]] = {}
        for clip in table["id"][bad]:
            reasons.setdefault(self.known_bad[clip], []).append(clip)
        if reasons:
            told = "; ".join(f"{', '.join(clips)}: {reason}" for reason, clips in reasons.items())
            log.info("%s: %d clips are left out (%s).", self.name, bad.sum(), told)
        return table[~bad].reset_index(drop=True)

    def with_votes(
        self, table: pd.DataFrame, votes: Mapping[str, Mapping[str, str]], path: Path
    ) -> pd.DataFrame:
        """Puts the votes for every class into a column of its name, in place of the label.

        Args:
            table: The clips in the lists.
            votes: The votes for each class, by clip.
            path: Where they were read, for messages.

        Raises:
            DataError: A listed clip has no votes.
        """
        lacking = [clip for clip in table["id"] if clip not in votes]
        if lacking:
            raise DataError(
                f"{self.name}: {path} has no votes for {len(lacking)} of {len(table)} listed "
                f"clips, such as {lacking[0]}; take the table as it is downloaded."
            )
        shares = pd.DataFrame([votes[clip] for clip in table["id"]], index=table.index)
        return pd.concat([table.drop(columns="emotion"), shares], axis=1)

    def with_files(
        self,
        table: pd.DataFrame,
        column: str,
        files: Mapping[str, Path],
        where: Path,
        *,
        key: str = "id",
        suffix: str = "",
    ) -> pd.DataFrame:
        """Puts the file of every clip into a column.

        Args:
            table: The clips in the lists.
            column: The column to fill.
            files: The files that are there, by what `key` says of a clip.
            where: Folder in which they were looked for.
            key: Column that names the file of a clip.
            suffix: What messages put behind the name of a file.

        Returns:
            The table with the column; where clips without a file are left out, they are marked.

        Raises:
            DataError: Listed clips have no file.
        """
        paths = [files.get(name) for name in table[key]]
        lacking = pd.Series([path is None for path in paths], index=table.index)
        if lacking.any() and self.missing != "leave_out":
            names = [f"{name}{suffix}" for name in table[key][lacking].unique()]
            first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            raise DataError(
                f"{self.name}: {len(names)} of {table[key].nunique()} listed clips have no file "
                f"below {where} ({first}); the download is incomplete or laid out otherwise: "
                f"expected {self.layout}. `--data.missing leave_out` goes on without them."
            )
        if _LACKING in table:
            lacking |= table[_LACKING]
        table = table.copy()
        table[column] = [None if path is None else str(path) for path in paths]
        table[_LACKING] = lacking
        return table


def _contents(folder: Path) -> str:
    entries = sorted(entry.name for entry in folder.iterdir())
    return ", ".join(entries[:8]) + (", ..." if len(entries) > 8 else "") or "nothing"
