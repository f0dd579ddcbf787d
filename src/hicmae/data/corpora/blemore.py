"""BLEMORE: actors show emotions alone and blended by two, without words."""

from pathlib import Path
from typing import ClassVar

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.data.options import TargetKind
from hicmae.errors import DataError
from hicmae.media.listing import VIDEO_SUFFIXES

_LABELS = "train_metadata.csv"
_CODES = {
    "ang": "anger",
    "disg": "disgust",
    "fea": "fear",
    "hap": "happiness",
    "sad": "sadness",
    "neu": "neutral",
}
_FOLDS = 5


class BLEMORE(Corpus):
    """Blended emotions with relative salience.

    A clip shows one of six emotions, or two of the five that are not neutral, equally (50 and 50)
    or one more than the other (70 and 30). The label is the share of each emotion that the actor
    was asked for. The training part has labels and five folds; those of the test part are the
    organisers' own, and it is not read.

    Names, columns and the order of the classes are those of the organisers' code,
    BlEmoRe/blemore-common; the number of clips is that of their page. That the first part of a name
    (A102 of A102_ang_int1_ver1) stands for the actor is seen from these, and stated nowhere.
    """

    name: ClassVar[str] = "BLEMORE"
    layout: ClassVar[str] = (
        f"{_LABELS} and, at any depth, the clips that it names, such as "
        "A102_ang_int1_ver1.mov and A411_mix_ang_hap_30_70_ver1.mov"
    )
    folders: ClassVar[str] = r"train.*"
    citation: ClassVar[str] = (
        "T. Lachmann, A. Israelsson, C. Tornberg, T. Saghinadze, M. Balazia, P. Müller and P. "
        "Laukka, Not all Blends are Equal: The BLEMORE Dataset of Blended Emotion Expressions with "
        "Relative Salience Annotations, arXiv:2601.13225, 2026"
    )
    licence: ClassVar[str] = "by the terms of its record, zenodo.org/records/17787362"

    @property
    def expected(self) -> ExpectedCounts:
        """Clips of the training part."""
        return ExpectedCounts(clips=2456)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the organisers' code."""
        return tuple(_CODES.values())

    @property
    def target_kind(self) -> TargetKind:
        """A clip has a share of each emotion."""
        return "distribution"

    @property
    def fold_count(self) -> int:
        """Five folds, as the label file has them."""
        return _FOLDS

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the clips of the label file; see `Corpus.clips`."""
        labels = self.find(root, _LABELS, f"*/{_LABELS}", what="label file")
        columns = ("filename", "mix", "emotion_1", "emotion_2", "fold")
        salience = ("emotion_1_salience", "emotion_2_salience")
        rows = [
            self._clip(where, row) for where, row in self.label_rows(labels, *columns, *salience)
        ]
        if not rows:
            raise DataError(f"{labels} has no rows: download it anew.")
        table = pd.DataFrame(rows)
        files = self.files(root, (".mov",), VIDEO_SUFFIXES, wanted=table["id"])
        return self.with_files(table, "video", files, root, suffix=".mov")

    def _clip(self, where: str, row: dict[str, str]) -> dict[str, object]:
        name = row["filename"]
        clip = Path(name).stem if Path(name).suffix in VIDEO_SUFFIXES else name
        fold = row["fold"]
        if fold not in map(str, range(_FOLDS)):
            raise DataError(f"{where}: fold is {fold!r}; expected 0 to {_FOLDS - 1}.")
        parts = {row["emotion_1"]: "100"}
        if row["mix"] == "1":
            parts = {row[name]: row[f"{name}_salience"] for name in ("emotion_1", "emotion_2")}
        shares = dict.fromkeys(self.class_names, 0.0)
        for code, part in parts.items():
            if code not in _CODES:
                raise DataError(
                    f"{where}: the emotion is {code!r}, which is none of {', '.join(_CODES)}."
                )
            percent = pd.to_numeric(part, errors="coerce")
            if percent not in {30, 50, 70, 100}:
                raise DataError(f"{where}: the salience of {code} is {part!r}; expected percents.")
            shares[_CODES[code]] = percent / 100
        return {"id": clip, "subject": clip.split("_")[0], "fold": int(fold) + 1, **shares}
