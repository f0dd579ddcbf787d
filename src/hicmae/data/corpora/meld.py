"""MELD: clips of a television series, seven emotions."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.errors import DataError
from hicmae.media.listing import VIDEO_SUFFIXES


class _Part(NamedTuple):
    """A part of the corpus: how a manifest calls it, its label file and its folder of clips."""

    split: str
    labels: str
    folder: str


_PARTS = {
    "train": _Part("train", "train_sent_emo.csv", "train_splits"),
    "dev": _Part("val", "dev_sent_emo.csv", "dev_splits_complete"),
    "test": _Part("test", "test_sent_emo.csv", "output_repeated_splits_test"),
}


class MELD(Corpus):
    """Multimodal EmotionLines Dataset: utterances of the series Friends.

    The official parts train, validate and test. Each counts its dialogues from 0, so a clip is
    named by its part too: `dev_dia0_utt3`. A clip shows whoever is in the scene, and the same
    actors play in all parts; who speaks is known by the name of the role alone and is not taken
    for the person seen.

    Names, folders, the order of the classes and the numbers of utterances are those of the
    organisers' repository, declare-lab/MELD; that all clips but two can be read is told by the
    lists of a copy in emo-box/EmoBox.
    """

    name: ClassVar[str] = "MELD"
    layout: ClassVar[str] = (
        "train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv, and the clips "
        "dia<dialogue>_utt<utterance>.mp4 in train_splits/, dev_splits_complete/ and "
        "output_repeated_splits_test/, at most two folders down"
    )
    citation: ClassVar[str] = (
        "S. Poria, D. Hazarika, N. Majumder, G. Naik, E. Cambria and R. Mihalcea, MELD: A "
        "Multimodal Multi-Party Dataset for Emotion Recognition in Conversations, ACL 2019"
    )
    licence: ClassVar[str] = "open download; labels under GPL-3.0, pictures and sound of the series"
    known_bad: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "dev_dia110_utt7": "not in the download",
            "train_dia125_utt3": "a video that does not open",
        }
    )

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the label files less the clips in `known_bad`, all three parts together."""
        sizes = (6434, 1636, 358, 1002, 2308, 361, 1607)
        return ExpectedCounts(
            clips=13_706,
            test_clips=(2610,),
            class_clips=dict(zip(self.class_names, sizes, strict=True)),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the organisers' repository."""
        return ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")

    @property
    def subjects_may_repeat(self) -> bool:
        """The actors of the series play in every part."""
        return True

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the clips of the three label files; see `Corpus.clips`."""
        return pd.concat([self._part(root, name) for name in _PARTS], ignore_index=True)

    def _part(self, root: Path, name: str) -> pd.DataFrame:
        part = _PARTS[name]
        labels = self.find(root, part.labels, f"*/{part.labels}", what="label file")
        emotions: dict[str, str] = {}
        for where, row in self.label_rows(labels, "Dialogue_ID", "Utterance_ID", "Emotion"):
            clip = f"{name}_dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
            emotion = row["Emotion"]
            if emotion not in self.class_names:
                raise DataError(
                    f"{where}: Emotion is {emotion!r}, which is none of "
                    f"{', '.join(self.class_names)}."
                )
            if clip in emotions:
                raise DataError(
                    f"{where}: clip {clip} is listed a second time; take the label file as it is "
                    "downloaded."
                )
            emotions[clip] = emotion
        table = pd.DataFrame({"id": list(emotions), "emotion": list(emotions.values())})
        table = self.without_known_bad(table).assign(split=part.split)
        place = self.find(root, part.folder, f"*/{part.folder}", what="folder of clips")
        files = self.files(
            place,
            (".mp4",),
            VIDEO_SUFFIXES,
            name=lambda path: f"{name}_{path.stem}",
            wanted=table["id"],
        )
        return self.with_files(table, "video", files, place, suffix=".mp4")
