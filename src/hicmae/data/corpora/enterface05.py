"""eNTERFACE'05: 43 people react to six short stories, six emotions."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.media.listing import VIDEO_SUFFIXES

_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
# Copies have other signs in place of the blanks.
_PLACE = re.compile(
    rf"subject[ _-]?(\d+)/({'|'.join(_EMOTIONS)})/(?:sentence[ _-]?(\d)/)?[^/]+", re.IGNORECASE
)
_FOLDS = 5


class ENTERFACE05(Corpus):
    """The audio-visual emotion database of the workshop eNTERFACE'05.

    People, emotions and sentences are those of the folders, since names of files contradict them:
    those of subject 11 are called as if they were of subject 12, and some are misspelt. Subject 6
    is there as one long recording for each emotion and is left out; subject 23 lacks three clips.

    The corpus has no official folds. Here people are dealt in turn: fold k tests subjects k, k + 5
    and so on.

    Layout and numbers are those of the lists of a copy in emo-box/EmoBox, which agree with the
    1,293 files that albanie/mcnDatasets counts.
    """

    name: ClassVar[str] = "eNTERFACE'05"
    layout: ClassVar[str] = (
        "'subject 1' to 'subject 44' at any depth, with <emotion>/'sentence 1' to 'sentence 5' in "
        "each, and one avi file in each of these"
    )
    folders: ClassVar[str] = (
        rf"(enterface|project2)[ _-]?database|subject[ _-]?\d+|sentence[ _-]?\d|"
        rf"{'|'.join(_EMOTIONS)}"
    )
    citation: ClassVar[str] = (
        "O. Martin, I. Kotsia, B. Macq and I. Pitas, The eNTERFACE'05 Audio-Visual Emotion "
        "Database, ICDE Workshops 2006"
    )
    licence: ClassVar[str] = "MIT; open download, enterface.net/enterface05"
    known_bad: ClassVar[Mapping[str, str]] = MappingProxyType(
        {f"06_{emotion}": "not cut into sentences" for emotion in _EMOTIONS}
    )

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the whole download less subject 6."""
        sizes = (215, 215, 215, 212, 215, 215)
        return ExpectedCounts(clips=1287, class_clips=dict(zip(_EMOTIONS, sizes, strict=True)))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the folders."""
        return _EMOTIONS

    @property
    def fold_count(self) -> int:
        """Five folds of eight or nine people."""
        return _FOLDS

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the clips below `root`; see `Corpus.clips`."""
        self.check_root(root)
        videos = self.files(root, (".avi",), VIDEO_SUFFIXES, name=_clip)
        if not videos:
            raise self.nothing_found(root, "clip (subject 1/anger/sentence 1/*.avi)")
        rows = []
        for clip in sorted(videos):
            subject, emotion = clip.split("_")[:2]
            fold = (int(subject) - 1) % _FOLDS + 1
            rows.append({"id": clip, "subject": subject, "fold": fold, "emotion": emotion})
        table = self.without_known_bad(pd.DataFrame(rows))
        return self.with_files(table, "video", videos, root)


def _clip(path: Path) -> str | None:
    """Person, emotion and sentence of a file by its folders; no sentence where it is not cut."""
    place = _PLACE.search(path.as_posix())
    if place is None:
        return None
    subject, emotion, sentence = place.groups()
    clip = f"{int(subject):02d}_{emotion.lower()}"
    return clip if sentence is None else f"{clip}_{sentence}"
