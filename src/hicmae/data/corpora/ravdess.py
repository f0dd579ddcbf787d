"""RAVDESS, speech: 24 actors, eight acted emotions."""

import logging
import re
from pathlib import Path
from typing import ClassVar

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.errors import DataError
from hicmae.media.listing import VIDEO_SUFFIXES, walk_files

log = logging.getLogger(__name__)

# modality, channel, emotion, intensity, statement, repetition, actor
_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_AUDIO_VIDEO, _VIDEO, _AUDIO = "01", "02", "03"
_SPEECH = "01"
_ACTORS_PER_FOLD = 4


class RAVDESS(Corpus):
    """Ryerson Audio-Visual Database of Emotional Speech and Song, the spoken part.

    A clip is named by the last six parts of its file name. Its picture and sound come from the
    audio-video file (modality 01) or, where there is none, from the video (02) and the sound (03)
    of the same take. The label is the emotion that the actor was asked to show. Fold k tests
    actors 4k - 3 to 4k, 1,200 clips against 240, as in the reference implementation's lists.
    """

    name: ClassVar[str] = "RAVDESS"
    layout: ClassVar[str] = (
        "Actor_01 to Actor_24, at any depth, with 01-01-*.mp4 (picture and sound) or "
        "02-01-*.mp4 beside 03-01-*.wav in some folder of the corpus"
    )
    folders: ClassVar[str] = r"Actor_\d\d|(Video|Audio)_(Speech|Song)_Actors?_\d\d(-\d\d)?"
    citation: ClassVar[str] = (
        "S. R. Livingstone and F. A. Russo, The Ryerson Audio-Visual Database of Emotional Speech "
        "and Song (RAVDESS), PLoS ONE 13(5), e0196391, 2018"
    )
    licence: ClassVar[str] = "CC BY-NC-SA 4.0; open download, Zenodo record 1188976"

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the public implementation's lists."""
        takes = {name: 96 if name == "neutral" else 192 for name in self.class_names}
        return ExpectedCounts(clips=1440, test_clips=(240,) * 6, class_clips=takes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The emotion number of the file name, less one, is the index."""
        return ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")

    @property
    def fold_count(self) -> int:
        """Six folds of four actors."""
        return 6

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the spoken clips below `root`; see `Corpus.clips`."""
        self.check_root(root)
        videos = self.files(root, (".mp4",), VIDEO_SUFFIXES, name=_spoken)
        takes = sorted({name[3:] for name in videos if name[:2] in {_AUDIO_VIDEO, _VIDEO}})
        # Which of several sounds is meant matters only where a video needs one.
        needed = {f"{_AUDIO}-{take}" for take in takes if f"{_AUDIO_VIDEO}-{take}" not in videos}
        sounds = self.files(root, (".wav",), wanted=needed)
        if not takes:
            raise self.nothing_found(root, "spoken video clip (01-01-*.mp4 or 02-01-*.mp4)")
        pictures: dict[str, Path] = {}
        rows = []
        for take in takes:
            whole, sound = videos.get(f"{_AUDIO_VIDEO}-{take}"), sounds.get(f"{_AUDIO}-{take}")
            path = whole or videos[f"{_VIDEO}-{take}"]
            if whole or sound:
                pictures[take] = path
            elif self.missing != "leave_out":
                raise DataError(
                    f"RAVDESS: {path} has no sound, and neither {_AUDIO_VIDEO}-{take}.mp4 nor "
                    f"{_AUDIO}-{take}.wav lies below {root}; unpack the audio-video files or "
                    "Audio_Speech_Actors_01-24.zip, or give `--data.missing leave_out`."
                )
            rows.append(self._row(take, path) | {"audio": str(sound) if sound else None})
        heard = {_spoken(path) or "" for path in walk_files(root, {".wav"})}
        unseen = {name[3:] for name in heard if name[:2] == _AUDIO} - set(takes)
        if unseen:
            log.info("RAVDESS: %d sound files without a video are left out.", len(unseen))
        return self.with_files(pd.DataFrame(rows), "video", pictures, root)

    def _row(self, take: str, path: Path) -> dict[str, str | int | None]:
        emotion, actor = int(take[3:5]), int(take[-2:])
        if not 1 <= emotion <= len(self.class_names) or not 1 <= actor <= 24:
            raise DataError(
                f"RAVDESS: {path} names emotion {emotion} of actor {actor}; "
                "emotions count from 1 to 8 and actors from 1 to 24."
            )
        return {
            "id": take,
            "subject": f"{actor:02d}",
            "fold": (actor - 1) // _ACTORS_PER_FOLD + 1,
            "emotion": self.class_names[emotion - 1],
        }


def _spoken(path: Path) -> str | None:
    """The name of a file of the spoken part."""
    parts = _NAME.fullmatch(path.stem)
    return path.stem if parts and parts[2] == _SPEECH else None
