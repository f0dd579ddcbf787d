"""CREMA-D: 91 actors, twelve sentences, six acted emotions."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.data.manifest import complete_manifest
from hicmae.errors import ConfigError, DataError
from hicmae.media.listing import files_by_stem

log = logging.getLogger(__name__)

# actor, sentence, emotion, intensity
_NAME = re.compile(r"(\d{4})_[A-Z]{3}_([A-Z]{3})_(?:LO|MD|HI|XX)")
# Copies of AudioWAV spell one file otherwise than its video.
_SPELLINGS = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}
_FIRST_ACTOR, _ACTORS_PER_FOLD, _FOLDS = 1001, 18, 5
_STUB = b"version https://git-lfs"

_TEST_CLIPS = {6: (1463, 1470, 1475, 1474, 1555), 4: (963, 968, 971, 971, 1023)}
_CLASS_CLIPS = {"ANG": 1271, "DIS": 1270, "FEA": 1271, "HAP": 1271, "NEU": 1086, "SAD": 1268}


@dataclass(frozen=True)
class CREMAD(Corpus):
    """Crowd-sourced Emotional Multimodal Actors Dataset.

    The label is the emotion that the actor was asked to show, as the file name has it, not the
    raters' vote. Picture comes from the Flash videos and sound from the wav files, since some
    videos of early copies are silent. Fold k tests 18 actors, 1001 to 1018 first; the last fold
    tests the remaining 19, as in the reference implementation's lists.

    Attributes:
        classes: 6, or 4 to leave out the clips of disgust and fear.

    Raises:
        ConfigError: `classes` is neither 6 nor 4.
    """

    classes: Literal[6, 4] = 6

    name: ClassVar[str] = "CREMA-D"
    layout: ClassVar[str] = (
        "VideoFlash/<clip>.flv and AudioWAV/<clip>.wav with clips named like 1001_DFA_ANG_XX"
    )
    citation: ClassVar[str] = (
        "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova and R. Verma, CREMA-D: "
        "Crowd-sourced Emotional Multimodal Actors Dataset, IEEE Transactions on Affective "
        "Computing 5(4), 377-390, 2014"
    )
    licence: ClassVar[str] = (
        "Open Database License 1.0 and Database Contents License 1.0; open download with Git LFS, "
        "github.com/CheyneyComputerScience/CREMA-D"
    )
    known_bad: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "1040_ITH_SAD_XX": "in none of the reference implementation's lists",
            "1064_IEO_DIS_MD": "a minute long",
            "1064_TIE_SAD_XX": "video without a duration",
            "1076_MTI_NEU_XX": "very short, without sound",
            "1076_MTI_SAD_XX": "very short, without sound",
        }
    )

    def __post_init__(self) -> None:
        if self.classes not in _TEST_CLIPS:
            raise ConfigError(f"data.classes is {self.classes}; CREMA-D is used with 6 or 4.")

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the public implementation's lists; those of 4 classes follow from them."""
        test_clips = _TEST_CLIPS[self.classes]
        class_clips = {name: _CLASS_CLIPS[name] for name in self.class_names}
        return ExpectedCounts(sum(test_clips), test_clips, class_clips)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The emotions as file names have them."""
        return tuple(_CLASS_CLIPS) if self.classes == 6 else ("ANG", "HAP", "NEU", "SAD")

    @property
    def fold_count(self) -> int:
        """Five folds of 18 or 19 actors."""
        return _FOLDS

    def manifest(self, root: Path) -> pd.DataFrame:
        """Lists the clips of the classes in use; see `Corpus.manifest`.

        Raises:
            DataError: Files are the text stubs of a clone without Git LFS.
        """
        video_folder = self.find(root, "VideoFlash", what="folder of videos")
        audio_folder = self.find(root, "AudioWAV", what="folder of sound")
        videos = _files(video_folder, ".flv")
        sounds = _files(audio_folder, ".wav")
        clips = sorted(videos.keys() | sounds.keys())
        dropped = [clip for clip in clips if clip in self.known_bad]
        if dropped:
            reasons = "; ".join(f"{clip}: {self.known_bad[clip]}" for clip in dropped)
            log.info("CREMA-D: %d clips are left out (%s).", len(dropped), reasons)
        clips = [clip for clip in clips if clip not in self.known_bad]
        if not clips:
            raise self.nothing_found(video_folder, "video (*.flv)")
        for files, folder in ((videos, video_folder), (sounds, audio_folder)):
            self.paths_of(clips, files, folder)
            _refuse_stubs(files[clip] for clip in {clips[0], clips[-1]})
        rows = [_row(clip, videos[clip], sounds[clip]) for clip in clips]
        rows = [row for row in rows if row["emotion"] in self.class_names]
        if len(rows) < len(clips):
            log.info("CREMA-D: %d clips of other classes are left out.", len(clips) - len(rows))
        return complete_manifest(pd.DataFrame(rows))


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    """The files of a folder by clip."""
    files = files_by_stem(folder, (suffix,))
    return {_SPELLINGS.get(stem, stem): path for stem, path in files.items()}


def _refuse_stubs(files: Iterable[Path]) -> None:
    for path in files:
        with path.open("rb") as file:
            if file.read(len(_STUB)) == _STUB:
                raise DataError(
                    f"CREMA-D: {path} is a Git LFS text stub instead of the clip; install Git LFS "
                    "and run `git lfs pull` in the clone."
                )


def _row(clip: str, video: Path, audio: Path) -> dict[str, str | int]:
    parts = _NAME.fullmatch(clip)
    actor, emotion = (int(parts[1]), parts[2]) if parts else (0, "")
    if not _FIRST_ACTOR <= actor <= 1091 or emotion not in _CLASS_CLIPS:
        raise DataError(
            f"CREMA-D: {video} is not named <actor>_<sentence>_<emotion>_<level>, with actors 1001 "
            f"to 1091, emotions {', '.join(_CLASS_CLIPS)} and levels LO, MD, HI, XX; rename it or "
            "take it out of the folder."
        )
    return {
        "id": clip,
        "video": str(video),
        "audio": str(audio),
        "subject": str(actor),
        "fold": min((actor - _FIRST_ACTOR) // _ACTORS_PER_FOLD, _FOLDS - 1) + 1,
        "emotion": emotion,
    }
