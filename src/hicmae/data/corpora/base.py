"""What a corpus states about itself: layout, labels, folds."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pandas as pd

from hicmae.errors import DataError


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


@dataclass(frozen=True)
class Corpus(ABC):
    """Facts about a corpus and the way from its folder to a manifest.

    Options of a corpus, such as a variant of its classes, are fields of the subclass.

    Attributes:
        name: The corpus' own name.
        layout: What lies where below the root, for messages.
        citation: What to cite.
        licence: What the licence allows, and how the corpus is had.
        known_bad: Clips that the published protocol leaves out, with the reason.
    """

    name: ClassVar[str]
    layout: ClassVar[str]
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
    def label_column(self) -> str | None:
        """Column of the manifest that holds the class names."""
        return "emotion" if self.class_names else None

    @property
    def fold_count(self) -> int:
        """Folds of the cross-validation; 1 where the corpus has one split."""
        return 1

    @property
    def subjects_may_repeat(self) -> bool:
        """Whether the published folds let a person be in training and in test."""
        return False

    @abstractmethod
    def manifest(self, root: Path) -> pd.DataFrame:
        """Lists the clips below `root` from file names and label files; no media is opened.

        Args:
            root: Folder of the corpus.

        Returns:
            A complete manifest with the labels, without the clips in `known_bad`. Its `fold` is
            the fold in which a clip is tested, or its `split` is given where there is one split.

        Raises:
            DataError: Nothing of the corpus lies below `root`, a listed clip has no file, or a file
                contradicts the layout.
        """

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
        self.check_root(root)
        places = [root, *sorted(entry for entry in root.iterdir() if entry.is_dir())]
        for alternative in alternatives:
            for place in places:
                found = sorted(place.glob(alternative))
                if found:
                    return found[0]
        raise self.nothing_found(root, f"{what} ({' or '.join(alternatives)})")

    def nothing_found(self, root: Path, looked_for: str) -> DataError:
        """The error for what is not there: what was looked for and what lies there."""
        return DataError(
            f"{self.name}: no {looked_for} below {root} (it holds: {_contents(root)}); "
            f"expected {self.layout}."
        )

    def paths_of(self, names: Sequence[str], files: Mapping[str, Path], where: Path) -> list[str]:
        """The file of every listed clip.

        Args:
            names: The clips in the lists.
            files: The files that are there, by clip.
            where: Folder in which they were looked for.

        Raises:
            DataError: Listed clips have no file.
        """
        missing = [name for name in names if name not in files]
        if missing:
            raise self.files_missing(missing, len(names), where)
        return [str(files[name]) for name in names]

    def files_missing(self, names: Sequence[str], listed: int, where: Path) -> DataError:
        """The error for listed clips without a file.

        Args:
            names: The clips without a file.
            listed: Number of clips in the lists.
            where: Folder in which the files were looked for.
        """
        first = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        return DataError(
            f"{self.name}: {len(names)} of {listed} listed clips have no file below {where} "
            f"({first}); the download is incomplete or laid out otherwise: expected {self.layout}."
        )


def _contents(folder: Path) -> str:
    entries = sorted(entry.name for entry in folder.iterdir())
    return ", ".join(entries[:8]) + (", ..." if len(entries) > 8 else "") or "nothing"
