"""MAFW: scenes from film, television and the web; eleven emotions, or 43 with compounds."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.data.corpora.fold_lists import LabelList, listed_clips, numbered_folders
from hicmae.data.options import TargetKind
from hicmae.errors import ConfigError, DataError
from hicmae.media.listing import VIDEO_SUFFIXES, nearest

_FOLDS = range(1, 6)
_SINGLE = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "contempt",
    "anxiety",
    "helplessness",
    "disappointment",
)
_COMPOUND = (
    "anger_anxiety",
    "anger_disgust",
    "anger_disgust_anxiety",
    "anger_disgust_contempt",
    "anger_helplessness",
    "anger_sadness",
    "anger_surprise",
    "anxiety_helplessness",
    "anxiety_helplessness_disappointment",
    "disgust_anxiety",
    "disgust_anxiety_helplessness",
    "disgust_contempt",
    "disgust_disappointment",
    "disgust_helplessness",
    "disgust_helplessness_disappointment",
    "disgust_sadness",
    "disgust_surprise",
    "fear_anxiety",
    "fear_sadness",
    "fear_sadness_anxiety",
    "fear_surprise",
    "fear_surprise_anxiety",
    "happiness_contempt",
    "happiness_surprise",
    "helplessness_disappointment",
    "sadness_anxiety",
    "sadness_anxiety_helplessness",
    "sadness_disappointment",
    "sadness_helplessness",
    "sadness_helplessness_disappointment",
    "sadness_surprise",
    "surprise_anxiety",
)
_BETWEEN = re.compile(r"\s*,\s*|\s+")
_QUOTES = "\"' "
_BETWEEN_PARTS = re.compile(r"[\s_,;+&/|-]+")


@dataclass(frozen=True)
class MAFW(Corpus):
    """Multi-modal Affective Database for dynamic facial expression recognition in the Wild.

    Folds are the official lists `set_1` to `set_5`; every clip is tested once. Clips without sound
    are left out, as in the reference implementation's lists. Whom a clip shows is not published.

    The order of the eleven classes is that of the reference implementation. For 43 classes its
    order is unknown: here the compounds follow the eleven in alphabetical order. A compound in a
    list may name its parts in any order and with any usual sign between them.

    Attributes:
        classes: 11 for the lists of single labels, 43 for those that have compounds too.
        pictures: "clips" shows the whole scene of data/clips; "frames" the faces that the corpus
            brings in data/frames, with the sound of the clip.
        target: "class" is one class of a clip; "labels" reads the lists that have compounds, and
            gives a clip every one of the eleven emotions that its compound names.

    Raises:
        ConfigError: `target` is labels, which are of eleven classes, and `classes` is not 11.
    """

    classes: Literal[11, 43] = 11
    pictures: Literal["clips", "frames"] = "clips"
    target: Literal["class", "labels"] = "class"

    name: ClassVar[str] = "MAFW"
    layout: ClassVar[str] = (
        "'Train & Test Set/{single,compound}/no_caption/set_{1..5}/{train,test}.txt', "
        "data/clips/NNNNN.mp4 and, for pictures=frames, data/frames/NNNNN/"
    )
    folders: ClassVar[str] = "clips|frames"
    citation: ClassVar[str] = (
        "Y. Liu, W. Dai, C. Feng, W. Wang, G. Yin, J. Zeng and S. Shan, MAFW: A Large-scale, "
        "Multi-modal, Compound Affective Database for Dynamic Facial Expression Recognition in the "
        "Wild, ACM Multimedia 2022"
    )
    licence: ClassVar[str] = (
        "non-commercial research, no redistribution; a form signed by staff of a university"
    )
    # The reference implementation's lists are the official ones less these.
    known_bad: ClassVar[MappingProxyType[str, str]] = MappingProxyType(
        dict.fromkeys(
            (
                *("00903", "03414", "03440", "03721", "03724", "03726", "03727", "03728"),
                *("03730", "03732", "03810", "03855", "03927", "03928", "03931", "09529"),
            ),
            "no sound",
        )
    )

    def __post_init__(self) -> None:
        if self.target == "labels" and self.classes != 11:
            raise ConfigError(
                "data.target is labels, each of eleven emotions: leave data.classes out."
            )

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the public implementation's lists; it has none with compounds."""
        if self._compounds:
            return ExpectedCounts()
        sizes = (1388, 639, 625, 1236, 1136, 1466, 1070, 236, 916, 262, 182)
        return ExpectedCounts(
            clips=9156,
            test_clips=(1836, 1833, 1827, 1829, 1831),
            class_clips=dict(zip(_SINGLE, sizes, strict=True)),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The single emotions, then the compounds."""
        return _SINGLE if self.classes == 11 else _SINGLE + _COMPOUND

    @property
    def target_kind(self) -> TargetKind:
        """Whether a clip has one class or several labels, which one column names."""
        return self.target

    @property
    def label_column(self) -> str:
        """The column that names the class or the labels."""
        return "emotion"

    @property
    def _compounds(self) -> bool:
        return self.classes == 43 or self.target == "labels"

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
        kind = "compound" if self._compounds else "single"
        folder = self.find(
            root,
            f"Train & Test Set/{kind}/no_caption",
            f"[Tt]rain*[Tt]est*/{kind}/no_caption",
            f"{kind}/no_caption",
            what="folder of the official lists",
        )
        table = listed_clips(
            self.name,
            [
                (
                    self._read_list(folder / f"set_{fold}", "train"),
                    self._read_list(folder / f"set_{fold}", "test"),
                )
                for fold in _FOLDS
            ],
        )
        table = self.without_known_bad(table)
        if self.target == "labels":
            table["emotion"] = table["emotion"].str.replace("_", "; ")
        place = self.find(root, "data/clips", "clips", what="folder of clips")
        files = self.files(place, (".mp4",), VIDEO_SUFFIXES, wanted=table["id"])
        if self.pictures == "clips":
            return self.with_files(table, "video", files, place)
        table = self.with_files(table, "audio", files, place)
        place = self.find(root, "data/frames", "frames", what="folder of face images")
        faces = nearest(numbered_folders(place), place, folders=self.published_folders)
        return self.with_files(table, "video", faces, place)

    def _read_list(self, folder: Path, part: str) -> LabelList:
        path, table = folder / f"{part}.txt", folder / f"{part}.csv"
        if table.is_file() and not path.is_file():
            path = table
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise DataError(
                f"MAFW: {path} does not exist; expected train.txt and test.txt in each of "
                "set_1 to set_5."
            ) from error
        except UnicodeDecodeError as error:
            raise DataError(
                f"MAFW: {path} is not UTF-8 text as the lists of no_caption are ({error})."
            ) from error
        classes = _SINGLE + _COMPOUND if self._compounds else _SINGLE
        class_of = {frozenset(name.split("_")): name for name in classes}
        labels: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            if not line.strip():
                continue
            file, _, label = (
                part.strip(_QUOTES) for part in _BETWEEN.sub(" ", line.strip()).partition(" ")
            )
            clip = file.removesuffix(".mp4")
            if number == 1 and path == table and not clip.isdecimal():
                continue  # the header
            name = class_of.get(frozenset(_BETWEEN_PARTS.split(label.lower())))
            if name is None:
                raise DataError(
                    f"MAFW: {path}, line {number}: {label!r} is none of the {len(classes)} "
                    f"classes made of {', '.join(_SINGLE)}; expected a line such as "
                    "'00025.mp4 anger'."
                )
            if clip in labels:
                raise DataError(
                    f"MAFW: {path}, line {number}: clip {clip} is listed a second time; "
                    "take the official list as it is."
                )
            labels[clip] = name
        return LabelList(path, labels)
