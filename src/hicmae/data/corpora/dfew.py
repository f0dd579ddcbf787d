"""DFEW: film clips, seven emotions."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.data.corpora.fold_lists import LabelList, listed_clips, numbered_folders
from hicmae.data.options import TargetKind
from hicmae.errors import DataError
from hicmae.media.listing import VIDEO_SUFFIXES, nearest

_FOLDS = range(1, 6)
_LISTS = (
    "EmoLabel_DataSplit/{part}(single-labeled)/set_{fold}.csv",
    "EmoLabel_DataSplit/{part}*single*/set_{fold}.csv",
    "{part}*single*/set_{fold}.csv",
    "EmoLabel_DataSplit/{part}*/{part}*/set_{fold}.csv",
    "EmoLabel_DataSplit/{part}/set_{fold}.csv",
    "{part}/set_{fold}.csv",
    "label/single_{part}set_{fold}.csv",
)
"""Spellings of a list in copies of the corpus, the official one first."""
_FACES = ("clip_224x224", "clip_224x224_part_*", "jpg_256")
"""Spellings of the folder of aligned faces; its archives may lie side by side."""


@dataclass(frozen=True)
class DFEW(Corpus):
    """Dynamic Facial Expression in the Wild, the clips with a single label.

    Folds are the official lists `set_1` to `set_5`; every clip is tested once. A clip is named by
    its number in five digits. Whom a clip shows is not published.

    Sound lies in the whole clips alone, so these are needed with either kind of picture. The
    folder of 16 images per clip is never read: its images are interpolated in time and no longer
    fit the sound.

    Attributes:
        pictures: "faces" shows the aligned faces that the corpus brings; "original" the whole
            scene.
        target: "class" is the single label, "votes" the share of each emotion among the ten votes
            that it comes from.
    """

    pictures: Literal["faces", "original"] = "faces"
    target: Literal["class", "votes"] = "class"

    name: ClassVar[str] = "DFEW"
    layout: ClassVar[str] = (
        "EmoLabel_DataSplit/{train,test}(single-labeled)/set_{1..5}.csv, Clip/original/N.mp4 and, "
        "for pictures=faces, Clip/clip_224x224/NNNNN/"
    )
    folders: ClassVar[str] = r"data_part_[\d-]+|clip_224x224|jpg_256"
    citation: ClassVar[str] = (
        "X. Jiang, Y. Zong, W. Zheng, C. Tang, W. Xia, C. Lu and J. Liu, DFEW: A Large-Scale "
        "Database for Recognizing Dynamic Facial Expressions in the Wild, ACM Multimedia 2020"
    )
    licence: ClassVar[str] = "non-commercial research; a signed agreement sent by e-mail"

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the official lists.

        How many clips the reference implementation dropped for want of sound is not published.
        """
        sizes = (2445, 1894, 2669, 2173, 1469, 145, 902)
        return ExpectedCounts(
            clips=11_697,
            test_clips=(2341, 2341, 2340, 2339, 2336),
            class_clips=dict(zip(self.class_names, sizes, strict=True)),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The label of the lists, less one, is the index."""
        return ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")

    @property
    def target_kind(self) -> TargetKind:
        """Votes are shares of the classes."""
        return "distribution" if self.target == "votes" else "class"

    @property
    def fold_count(self) -> int:
        """Five official folds."""
        return len(_FOLDS)

    @property
    def subjects_may_repeat(self) -> bool:
        """The official lists divide clips, not people."""
        return True

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the clips of the official lists below `root`; see `Corpus.clips`."""
        table = listed_clips(
            self.name,
            [(self._list(root, "train", fold), self._list(root, "test", fold)) for fold in _FOLDS],
        )
        if self.target == "votes":
            table = self._with_votes(table, root)
        place = self.find(
            root,
            "Clip/original",
            "original",
            what="folder of whole clips, which hold the sound",
        )
        files = self.files(place, (".mp4",), VIDEO_SUFFIXES, name=_number, wanted=table["id"])
        if self.pictures == "original":
            return self.with_files(table, "video", files, place)
        table = self.with_files(table, "audio", files, place)
        places = self.find_all(
            root,
            *(f"{above}{name}" for name in _FACES for above in ("Clip/", "")),
            what="folder of aligned faces",
        )
        faces: dict[str, Path] = {}
        for place in reversed(places):
            faces |= nearest(numbered_folders(place), place, folders=self.published_folders)
        return self.with_files(table, "video", faces, places[0])

    def _with_votes(self, table: pd.DataFrame, root: Path) -> pd.DataFrame:
        names = ("annotation.csv", "annotation.xlsx")
        places = (f"{folder}{name}" for name in names for folder in ("Annotation/", ""))
        path = self.find(root, *places, what="table of votes")
        columns = {name: f"{label}{name}" for label, name in enumerate(self.class_names, start=1)}
        votes = {
            row["order"].zfill(5): {name: row[column] for name, column in columns.items()}
            for _, row in self.label_rows(path, "order", *columns.values())
        }
        return self.with_votes(table, votes, path)

    def _list(self, root: Path, part: str, fold: int) -> LabelList:
        spellings = (spelling.format(part=part, fold=fold) for spelling in _LISTS)
        path = self.find(root, *spellings, what=f"{part} list of fold {fold}")
        labels: dict[str, str] = {}
        for where, row in self.label_rows(path, "video_name", "label"):
            clip, label = row["video_name"], row["label"]
            if not clip.isdecimal():
                raise DataError(f"{where}: video_name is {clip!r}, which is not a clip number.")
            if label not in map(str, range(1, len(self.class_names) + 1)):
                raise DataError(
                    f"{where}: label is {label!r}; expected 1 to {len(self.class_names)}."
                )
            clip = clip.zfill(5)
            if clip in labels:
                raise DataError(
                    f"{where}: clip {clip} is listed a second time; "
                    "take the official list as it is."
                )
            labels[clip] = self.class_names[int(label) - 1]
        return LabelList(path, labels)


def _number(path: Path) -> str | None:
    """The number of a clip in five digits; copies differ in the zeros."""
    return path.stem.zfill(5) if path.stem.isdecimal() else None
