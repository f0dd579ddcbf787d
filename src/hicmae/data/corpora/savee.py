"""SAVEE: four men speak phonetically balanced sentences, seven acted emotions."""

import re
from pathlib import Path
from typing import ClassVar

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.media.listing import VIDEO_SUFFIXES

_SPEAKERS = ("DC", "JE", "JK", "KL")
_EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}
# The speaker is a folder, or the beginning of the name.
_NAME = re.compile(rf"({'|'.join(_SPEAKERS)})[/_]({'|'.join(_EMOTIONS)})(\d\d?)")


class SAVEE(Corpus):
    """Surrey Audio-Visual Expressed Emotion database.

    Picture and sound come from the clips; the sound files beside them (`AudioData`) hold the same
    and are not needed. The label is the emotion that the actor was asked to show, as the file name
    has it. Fold k tests the k-th speaker, as in the lists of emo-box/EmoBox, which leave one
    speaker out at a time.

    Names and counts are those of the corpus' own description, repeated in robertjkeck2/EmoNet.
    """

    name: ClassVar[str] = "SAVEE"
    layout: ClassVar[str] = (
        "AudioVisualClip/ with folders DC, JE, JK and KL of clips a1.avi to su15.avi, at any depth"
    )
    folders: ClassVar[str] = rf"AudioVisualClip|{'|'.join(_SPEAKERS)}"
    citation: ClassVar[str] = (
        "S. Haq and P. J. B. Jackson, Multimodal Emotion Recognition, in Machine Audition: "
        "Principles, Algorithms and Systems, 398-423, 2010"
    )
    licence: ClassVar[str] = "research alone; by registration, kahlan.eps.surrey.ac.uk/savee"

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the corpus' description."""
        sizes = {name: 120 if name == "neutral" else 60 for name in self.class_names}
        return ExpectedCounts(clips=480, test_clips=(120,) * 4, class_clips=sizes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the alphabetical order of the codes of the file names."""
        return tuple(_EMOTIONS.values())

    @property
    def fold_count(self) -> int:
        """One speaker is tested at a time."""
        return len(_SPEAKERS)

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the clips below `root`; see `Corpus.clips`."""
        self.check_root(root)
        videos = self.files(root, (".avi",), VIDEO_SUFFIXES, name=_clip)
        if not videos:
            raise self.nothing_found(root, "clip (AudioVisualClip/DC/a1.avi)")
        rows = []
        for clip in sorted(videos):
            speaker, sentence = clip.split("_")
            rows.append(
                {
                    "id": clip,
                    "subject": speaker,
                    "fold": _SPEAKERS.index(speaker) + 1,
                    "emotion": _EMOTIONS[sentence.rstrip("0123456789")],
                }
            )
        return self.with_files(pd.DataFrame(rows), "video", videos, root)


def _clip(path: Path) -> str | None:
    """Speaker, emotion and sentence of a file, such as DC_a01."""
    name = _NAME.fullmatch(path.stem) or _NAME.fullmatch(f"{path.parent.name}/{path.stem}")
    return None if name is None else f"{name[1]}_{name[2]}{int(name[3]):02d}"
