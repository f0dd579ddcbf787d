"""Werewolf-XL: players of a party game, rated for arousal, valence and dominance."""

import io
import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.errors import DataError
from hicmae.media.listing import VIDEO_SUFFIXES, walk_files

log = logging.getLogger(__name__)

# game, seat, utterance; the utterance is not padded
_NAME = re.compile(r"(\d\d)_(0[1-9])_(\d{1,3})")
_MISSING = frozenset({"", "nan", "na", "n/a", "none", "null"})
_LISTENER = "listener"
_GAMES = 30
_GAMES_PER_FOLD = 6


@dataclass(frozen=True)
class WerewolfXL(Corpus):
    """Speakers of 30 games of Werewolf, with continuous emotion.

    A clip is an utterance, named by game, seat and number. Fold k tests games 6k - 5 to 6k, which
    equals the lists of the reference implementation clip by clip. Ratings are taken as they are,
    without scaling. A clip without a rating for each target is left out.

    Who sits where is not part of the labels, so the subject is the seat of a game (`GG_PP`): one
    player of one game. The 129 people play several games each, on both sides of a fold too.

    Attributes:
        labels: CSV file of the ratings, relative to the folder of the corpus or absolute; None
            means the one file below it that has the columns.
        id_column: Column of the clip names.
        arousal_column: Column of the arousal.
        valence_column: Column of the valence, which the corpus calls pleasure.
        dominance_column: Column of the dominance.
        group_column: Column that tells speakers from listeners, if there is one: the label file
            has a row for every player of an utterance, and the clips are those of the speakers.
    """

    labels: str | None = None
    id_column: str = "VideoName"
    arousal_column: str = "Mean_A_1_2"
    valence_column: str = "Mean_P_1_2_3_4"
    dominance_column: str = "Mean_D_1_2_4"
    group_column: str = "Group"

    name: ClassVar[str] = "Werewolf-XL"
    layout: ClassVar[str] = (
        "clips <game>_<seat>_<number>.mp4, such as 01_01_128.mp4, at any depth, and a CSV file of "
        "their ratings"
    )
    folders: ClassVar[str] = r"Werewolf-XL_Speaker_Video|\d\d"
    citation: ClassVar[str] = (
        "K. Zhang, X. Wu, X. Xie, X. Zhang, H. Zhang, X. Chen and L. Sun, Werewolf-XL: A Database "
        "for Identifying Spontaneous Affect in Large Competitive Group Interactions, IEEE "
        "Transactions on Affective Computing 14(2), 2023, doi:10.1109/TAFFC.2021.3101563"
    )
    licence: ClassVar[str] = (
        "none stated, the authors ask to be cited; links with passwords in the repository "
        "Xinda-Wu/Werewolf-XL-Baseline"
    )

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the reference implementation's lists; the download holds 14,632 clips."""
        return ExpectedCounts(clips=14_457, test_clips=(3346, 2747, 3066, 3527, 1771))

    @property
    def target_names(self) -> tuple[str, ...]:
        """In the order of the reference implementation's lists."""
        return ("arousal", "valence", "dominance")

    @property
    def fold_count(self) -> int:
        """Five folds of six games."""
        return 5

    @property
    def subjects_may_repeat(self) -> bool:
        """People play in games of several folds."""
        return True

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the rated clips below `root`; see `Corpus.clips`."""
        self.check_root(root)
        files = self._clips(root)
        if not files:
            raise self.nothing_found(root, "clip <game>_<seat>_<number> in a video container")
        path, table = self._label_table(root)
        ratings = self._ratings(path, table)
        rated = {name: values for name, values in ratings.items() if None not in values}
        _tell(len(ratings) - len(rated), f"lack a rating in {path} and are left out")
        _tell(len(files.keys() - ratings.keys()), f"have no row in {path} and are left out")
        if not rated:
            raise DataError(f"{self.name}: {path} rates no clip.")
        rows = [
            {
                "id": name,
                "subject": name[:5],
                "fold": (int(name[:2]) - 1) // _GAMES_PER_FOLD + 1,
                **dict(zip(self.target_names, rated[name], strict=True)),
            }
            for name in sorted(rated)
        ]
        return self.with_files(pd.DataFrame(rows), "video", files, root)

    def _clips(self, root: Path) -> dict[str, Path]:
        """The files named like clips; recordings of whole games lie beside them."""
        return self.files(
            root,
            (".mp4",),
            VIDEO_SUFFIXES,
            name=lambda path: path.stem if _is_clip(path.stem) else None,
        )

    def _label_table(self, root: Path) -> tuple[Path, pd.DataFrame]:
        """The file of the ratings and what it holds."""
        columns = (
            self.id_column,
            self.arousal_column,
            self.valence_column,
            self.dominance_column,
        )
        if self.labels is not None:
            path = root / Path(self.labels).expanduser()
            if not path.is_file():
                raise DataError(f"{self.name}: data.labels {path} does not exist.")
            candidates = [path]
        else:
            candidates = list(walk_files(root, {".csv"}))
        tables = {path: _read_csv(path) for path in candidates}
        fitting = [path for path, table in tables.items() if set(columns) <= set(table.columns)]
        if len(fitting) == 1:
            return fitting[0], tables[fitting[0]]
        if fitting:
            raise DataError(
                f"{self.name}: several files have the columns {', '.join(columns)}: "
                f"{', '.join(map(str, fitting))}; choose one with data.labels."
            )
        found = "; ".join(
            f"{path} has {', '.join(table.columns) or 'none'}" for path, table in tables.items()
        )
        raise DataError(
            f"{self.name}: no CSV file with the columns {', '.join(columns)} "
            f"{'is' if self.labels else f'below {root}'} ({found or 'there is no CSV file'}); name "
            "the file with data.labels and its columns with data.id_column, data.arousal_column, "
            "data.valence_column and data.dominance_column."
        )

    def _ratings(self, path: Path, table: pd.DataFrame) -> dict[str, list[float | None]]:
        """Ratings by clip; None where there is none."""
        if self.group_column in table:
            listens = table[self.group_column].str.casefold() == _LISTENER
            _tell(int(listens.sum()), f"of {path} are listeners' and are left out", what="rows")
            table = table[~listens]
        columns = (self.arousal_column, self.valence_column, self.dominance_column)
        ratings: dict[str, list[float | None]] = {}
        cells = zip(
            table.index, *(table[column] for column in (self.id_column, *columns)), strict=True
        )
        for row, name, *values in cells:
            line = row + 2  # behind the header, from 1
            clip = _without_suffix(name)
            if not _is_clip(clip):
                raise DataError(
                    f"{self.name}: {path}, line {line}: {self.id_column} is {name!r}, which is "
                    "not <game>_<seat>_<number> with games 01 to 30 and seats 01 to 09."
                )
            if clip in ratings:
                raise DataError(f"{self.name}: {path}, line {line}: clip {clip} is listed twice.")
            ratings[clip] = []
            for column, value in zip(columns, values, strict=True):
                rating = None if value.casefold() in _MISSING else _number(value)
                if rating is not None and not math.isfinite(rating):
                    raise DataError(
                        f"{self.name}: {path}, line {line}: {column} is {value!r}, which is not "
                        "a number."
                    )
                ratings[clip].append(rating)
        return ratings


def _is_clip(stem: str) -> bool:
    parts = _NAME.fullmatch(stem)
    return parts is not None and 1 <= int(parts[1]) <= _GAMES


def _without_suffix(name: str) -> str:
    return name.rpartition(".")[0] if Path(name).suffix.lower() in VIDEO_SUFFIXES else name


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _read_csv(path: Path) -> pd.DataFrame:
    """A table of stripped text, also where Chinese labels are in the older encoding of the two."""
    content = path.read_bytes()
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        break
    else:
        raise DataError(f"{path} is neither UTF-8 nor GB18030 text; save it as UTF-8.")
    try:
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, index_col=False)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except pd.errors.ParserError as error:
        raise DataError(f"{path} is not a readable CSV file: {error}.") from error
    table = table.rename(columns=lambda column: str(column).strip())
    return table.apply(lambda column: column.str.strip())


def _tell(count: int, how: str, *, what: str = "clips") -> None:
    if count:
        log.info("Werewolf-XL: %d %s %s.", count, what, how)
