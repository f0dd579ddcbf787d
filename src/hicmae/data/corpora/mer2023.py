"""MER2023: a Chinese challenge corpus, six emotions; MER-MULTI and its sister test sets."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.errors import DataError
from hicmae.media.listing import VIDEO_SUFFIXES

log = logging.getLogger(__name__)

_ORIGINALS = (".avi", ".mp4")
_TEST_FOLDERS = {"multi": "test1", "noise": "test2", "semi": "test3"}
_TRAINING_SIZES = (871, 822, 689, 383, 462, 146)
_TEST_SIZES = {
    "multi": (88, 105, 93, 50, 57, 18),
    "noise": (123, 98, 87, 40, 52, 12),
    "semi": (166, 183, 169, 257, 45, 14),
}


@dataclass(frozen=True)
class MER2023(Corpus):
    """Multi-modal Emotion Recognition challenge 2023, the labelled clips.

    One split: the clips of train-label.csv train, those of one test set test. Validation clips
    are not published. Whom a clip shows is not published either.

    The order of the classes is that of the organisers' baseline code; that of the reference
    implementation is unknown. Besides `emotion` there is `valence`, about -5 to 5, where the lists
    of both splits have it; that of the semi-supervised test set does not.

    Attributes:
        test_set: "multi" is test1 (MER-MULTI, the published protocol), "noise" is test2 (pictures
            and sound disturbed), "semi" is the labelled part of test3.
    """

    test_set: Literal["multi", "noise", "semi"] = "multi"

    name: ClassVar[str] = "MER2023"
    layout: ClassVar[str] = (
        "train/, test1/, test2/ and test3/ with clips, and train-label.csv and "
        "test{1,2,3}-label.csv beside them, or the same as downloaded: train/, train-label.csv "
        "and test3/ in mer2023train/, the labels of the test sets in test-labels/"
    )
    folders: ClassVar[str] = "train|test[1-3]"
    citation: ClassVar[str] = (
        "Z. Lian et al., MER 2023: Multi-label Learning, Modality Robustness, and Semi-Supervised "
        "Learning, ACM Multimedia 2023"
    )
    licence: ClassVar[str] = (
        "CC BY-NC 4.0 with an agreement, no redistribution; Hugging Face MERChallenge/MER2023"
    )

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the label files."""
        test = _TEST_SIZES[self.test_set]
        both = map(sum, zip(_TRAINING_SIZES, test, strict=True))
        return ExpectedCounts(
            clips=sum(_TRAINING_SIZES) + sum(test),
            test_clips=(sum(test),),
            class_clips=dict(zip(self.class_names, both, strict=True)),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the organisers' baseline code."""
        return ("neutral", "angry", "happy", "sad", "worried", "surprise")

    @property
    def subjects_may_repeat(self) -> bool:
        """Nothing is published about the people in training and in test."""
        return True

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the labelled clips below `root`; see `Corpus.clips`."""
        train = self._part(root, "train")
        test = self._part(root, _TEST_FOLDERS[self.test_set])
        train["split"], test["split"] = "train", "test"
        both = sorted(set(train["id"]) & set(test["id"]))
        if both:
            raise DataError(
                f"MER2023: clip {both[0]} is listed for training and for testing ({len(both)} in "
                "all); take the label files as they are downloaded."
            )
        return pd.concat([train, test], join="inner", ignore_index=True)

    def _part(self, root: Path, name: str) -> pd.DataFrame:
        """The labelled clips of one folder: `id`, `video`, `emotion` and perhaps `valence`."""
        path = self.find(
            root, f"{name}-label.csv", f"*/{name}-label.csv", what=f"label file of {name}"
        )
        table = self._read_labels(path)
        folder = self.find(root, name, f"*/{name}", what=f"folder of the {name} clips")
        labelled = set(table["id"])
        files = self.files(
            folder,
            _ORIGINALS,
            VIDEO_SUFFIXES,
            name=lambda path: path.stem if path.stem in labelled else str(path),
        )
        others = len(files.keys() - labelled)
        if others:
            log.info("MER2023: %d clips of %s without a label are left out.", others, name)
        return self.with_files(table, "video", files, folder)

    def _read_labels(self, path: Path) -> pd.DataFrame:
        emotions: dict[str, str] = {}
        valences: list[str] = []
        lines: list[str] = []
        for where, row in self.label_rows(path, "name", "discrete"):
            clip, emotion = row["name"], row["discrete"]
            if emotion not in self.class_names:
                raise DataError(
                    f"{where}: discrete is {emotion!r}, which is none of "
                    f"{', '.join(self.class_names)}."
                )
            if clip in emotions:
                raise DataError(
                    f"{where}: clip {clip} is listed a second time; "
                    "take the label file as it is downloaded."
                )
            emotions[clip] = emotion
            lines.append(where)
            valences.append(row.get("valence", ""))
        table = pd.DataFrame({"id": list(emotions), "emotion": list(emotions.values())})
        if any(valences):
            table["valence"] = [_number(*cell) for cell in zip(valences, lines, strict=True)]
        return table.sort_values("id", ignore_index=True)


def _number(text: str, where: str) -> float:
    try:
        number = float(text or "nan")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: valence is {text!r}, which is not a number.")
    return number
