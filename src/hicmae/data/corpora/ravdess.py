"""RAVDESS, speech: 24 actors, eight acted emotions."""

import logging
import re
from pathlib import Path
from typing import ClassVar

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.data.manifest import complete_manifest
from hicmae.errors import DataError
from hicmae.media.listing import walk_files

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

    def manifest(self, root: Path) -> pd.DataFrame:
        """Lists the spoken clips below `root`; see `Corpus.manifest`."""
        self.check_root(root)
        files = self._speech_files(root)
        takes = sorted({take for modality, take in files if modality != _AUDIO})
        if not takes:
            raise self.nothing_found(root, "spoken video clip (01-01-*.mp4 or 02-01-*.mp4)")
        rows = [self._row(root, take, files) for take in takes]
        silent = {take for modality, take in files if modality == _AUDIO} - set(takes)
        if silent:
            log.info("RAVDESS: %d sound files without a video are left out.", len(silent))
        return complete_manifest(pd.DataFrame(rows))

    def _speech_files(self, root: Path) -> dict[tuple[str, str], Path]:
        """Files by modality and take; the take is the rest of the name."""
        files: dict[tuple[str, str], Path] = {}
        for path in walk_files(root, {".mp4", ".wav"}):
            parts = _NAME.fullmatch(path.stem)
            if parts is None or parts[2] != _SPEECH:
                continue
            key = (parts[1], path.stem[3:])
            if key in files:
                raise DataError(
                    f"RAVDESS: {path} and {files[key]} have the same name; remove one of them."
                )
            files[key] = path
        return files

    def _row(
        self, root: Path, take: str, files: dict[tuple[str, str], Path]
    ) -> dict[str, str | int | None]:
        emotion, actor = int(take[3:5]), int(take[-2:])
        video = files.get((_AUDIO_VIDEO, take))
        audio = None
        if video is None:
            video = files[_VIDEO, take]
            audio = files.get((_AUDIO, take))
            if audio is None:
                raise DataError(
                    f"RAVDESS: {video} has no sound, and neither {_AUDIO_VIDEO}-{take}.mp4 nor "
                    f"{_AUDIO}-{take}.wav lies below {root}; unpack the audio-video files or "
                    "Audio_Speech_Actors_01-24.zip."
                )
        if not 1 <= emotion <= len(self.class_names) or not 1 <= actor <= 24:
            raise DataError(
                f"RAVDESS: {video} names emotion {emotion} of actor {actor}; "
                "emotions count from 1 to 8 and actors from 1 to 24."
            )
        return {
            "id": take,
            "video": str(video),
            "audio": None if audio is None else str(audio),
            "subject": f"{actor:02d}",
            "fold": (actor - 1) // _ACTORS_PER_FOLD + 1,
            "emotion": self.class_names[emotion - 1],
        }
