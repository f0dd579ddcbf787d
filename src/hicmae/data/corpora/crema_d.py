"""CREMA-D: 91 actors, twelve sentences, six acted emotions."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.data.options import TargetKind
from hicmae.errors import ConfigError, DataError
from hicmae.media.listing import VIDEO_SUFFIXES

log = logging.getLogger(__name__)

# actor, sentence, emotion, intensity
_NAME = re.compile(r"(\d{4})_[A-Z]{3}_([A-Z]{3})_(?:LO|MD|HI|XX)")
# Until October 2022 the download spelled one sound file otherwise than its video.
_SPELLINGS = {"1040_ITH_SAD_X": "1040_ITH_SAD_XX"}
_FIRST_ACTOR, _ACTORS_PER_FOLD, _FOLDS = 1001, 18, 5
_STUB = b"version https://git-lfs"
_LARGEST_STUB = 1024  # bytes, by the specification of Git LFS

_TEST_CLIPS = {6: (1463, 1470, 1475, 1474, 1555), 4: (963, 968, 971, 971, 1023)}
_CLASS_CLIPS = {"ANG": 1271, "DIS": 1270, "FEA": 1271, "HAP": 1271, "NEU": 1086, "SAD": 1268}


@dataclass(frozen=True)
class CREMAD(Corpus):
    """Crowd-sourced Emotional Multimodal Actors Dataset.

    The label is the emotion that the actor was asked to show, as the file name has it, or the votes
    of the people who saw and heard the clip, about ten. Picture comes from the Flash videos and
    sound from the wav files, since some videos of early copies are silent. Fold k tests 18 actors,
    1001 to 1018 first; the last fold tests the remaining 19, as in the reference implementation's
    lists.

    Attributes:
        classes: 6, or 4 to leave out the clips of disgust and fear.
        target: "intended" is what the actor was to show, "votes" the share of each emotion among
            the votes.

    Raises:
        ConfigError: `classes` is neither 6 nor 4, or is 4 with votes, which are for six.
    """

    classes: Literal[6, 4] = 6
    target: Literal["intended", "votes"] = "intended"

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
        if self.target == "votes" and self.classes != 6:
            raise ConfigError(
                "data.target is votes, which are for six emotions: leave data.classes out."
            )

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
    def target_kind(self) -> TargetKind:
        """Votes are shares of the classes."""
        return "distribution" if self.target == "votes" else "class"

    @property
    def fold_count(self) -> int:
        """Five folds of 18 or 19 actors."""
        return _FOLDS

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the clips of the classes in use; see `Corpus.clips`.

        Raises:
            DataError: Files are the text stubs of a clone without Git LFS.
        """
        video_folder = self.find(root, "VideoFlash", "Video*/", what="folder of videos")
        audio_folder = self.find(root, "AudioWAV", what="folder of sound")
        videos = self.files(video_folder, (".flv",), VIDEO_SUFFIXES, name=_name_in(video_folder))
        sounds = self.files(audio_folder, (".wav",), name=_name_in(audio_folder))
        names = sorted(videos.keys() | sounds.keys())
        if not names:
            raise self.nothing_found(video_folder, "video (*.flv)")
        rows = [_row(name, videos.get(name) or sounds[name]) for name in names]
        table = self.without_known_bad(pd.DataFrame(rows))
        used = table["emotion"].isin(self.class_names)
        if not used.all():
            log.info("CREMA-D: %d clips of other classes are left out.", (~used).sum())
        table = table[used]
        for column, files, folder in (
            ("video", videos, video_folder),
            ("audio", sounds, audio_folder),
        ):
            table = self.with_files(table, column, self._without_stubs(files), folder)
        return self._with_votes(table, root) if self.target == "votes" else table

    def _with_votes(self, table: pd.DataFrame, root: Path) -> pd.DataFrame:
        """Adds the votes of those who saw and heard a clip; its rows count from 300001."""
        path = self.find(root, "processedResults/tabulatedVotes.csv", what="table of votes")
        codes = {name: name[0] for name in self.class_names}
        votes = {
            row["fileName"]: {name: row[code] for name, code in codes.items()}
            for _, row in self.label_rows(path, "", "fileName", *codes.values())
            if row[""].startswith("3")
        }
        return self.with_votes(table, votes, path)

    def _without_stubs(self, files: dict[str, Path]) -> dict[str, Path]:
        """The files that are clips, not text that Git LFS leaves in their place.

        Raises:
            DataError: There are such texts, and clips without a file are not to be left out.
        """
        used = {name: path for name, path in files.items() if name not in self.known_bad}
        stubs = {name: path for name, path in used.items() if _is_stub(path)}
        if stubs and self.missing != "leave_out":
            raise DataError(
                f"CREMA-D: {next(iter(stubs.values()))} is a Git LFS text stub instead of the "
                f"clip, one of {len(stubs)} among {len(used)} files; install Git LFS and run "
                "`git lfs pull` in the clone."
            )
        return {name: path for name, path in used.items() if name not in stubs}


def _name_in(folder: Path) -> Callable[[Path], str | None]:
    """Names the files of a folder.

    Files of the published kind are named whatever they are called, so that a wrong name is told;
    others, and those in folders within, only if they are called as a clip.
    """

    def name(path: Path) -> str | None:
        clip = _SPELLINGS.get(path.stem, path.stem)
        published = path.parent == folder and path.suffix.lower() in {".flv", ".wav"}
        return clip if published or _NAME.fullmatch(clip) else None

    return name


def _is_stub(path: Path) -> bool:
    if path.stat().st_size > _LARGEST_STUB:
        return False
    with path.open("rb") as file:
        return file.read(len(_STUB)) == _STUB


def _row(clip: str, path: Path) -> dict[str, str | int]:
    parts = _NAME.fullmatch(clip)
    actor, emotion = (int(parts[1]), parts[2]) if parts else (0, "")
    if not _FIRST_ACTOR <= actor <= 1091 or emotion not in _CLASS_CLIPS:
        raise DataError(
            f"CREMA-D: {path} is not named <actor>_<sentence>_<emotion>_<level>, with actors 1001 "
            f"to 1091, emotions {', '.join(_CLASS_CLIPS)} and levels LO, MD, HI, XX; rename it or "
            "take it out of the folder."
        )
    return {
        "id": clip,
        "subject": str(actor),
        "fold": min((actor - _FIRST_ACTOR) // _ACTORS_PER_FOLD, _FOLDS - 1) + 1,
        "emotion": emotion,
    }
