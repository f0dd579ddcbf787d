"""Which clips are meant, and which of their pictures and sound a model reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

from hicmae.choices import Use
from hicmae.errors import ConfigError, DataError
from hicmae.media.listing import clips_of_folder, is_media_folder
from hicmae.media.recording import FileRecording, Recording
from hicmae.models import Modality

Clip = str | Path | Recording
"""A video or sound file, a folder of images or of media files, or a recording."""


def is_one(clip: Clip | Sequence[Clip]) -> bool:
    """Whether one clip is meant, not a list or a folder of media files."""
    if isinstance(clip, str | Path):
        return not is_media_folder(Path(clip).expanduser())
    return isinstance(clip, Recording)


def openers(clip: Clip | Sequence[Clip], *, sounds_alone: bool) -> list[Callable[[], Recording]]:
    """What opens each of the clips that are meant.

    Args:
        clip: One, a list, or a folder of media files.
        sounds_alone: Whether sound files of a folder are clips of their own.
    """
    if isinstance(clip, Recording):
        return [lambda: clip]
    if not isinstance(clip, str | Path):
        return [opener for one in clip for opener in openers(one, sounds_alone=sounds_alone)]
    path = Path(clip).expanduser()
    if not is_media_folder(path):
        return [partial(FileRecording, clip)]
    files = clips_of_folder(path, sounds_alone=sounds_alone)
    return [partial(FileRecording, video, sound=sound) for video, sound in files]


def senses(recording: Recording, modality: Modality, use: Use) -> tuple[bool, bool]:
    """Whether a model reads the pictures of a clip, and whether its sound.

    Args:
        recording: The clip.
        modality: What the model reads.
        use: What of that is asked for.

    Raises:
        ConfigError: The model does not read what `use` names.
        DataError: The clip lacks what is read.
    """
    if use not in get_args(Use):
        raise ConfigError(f"use is '{use}': choose {', '.join(get_args(Use))}.")
    if use != "both" and modality not in {"audio_visual", use}:
        raise ConfigError(
            f"use is '{use}', but this model reads {modality} alone: leave use at 'both'."
        )
    sees = modality != "audio" and use != "audio"
    hears = modality != "video" and use != "video"
    if hears and not recording.has_sound:
        silent = modality == "audio_visual" and recording.has_video
        option = ", or take the pictures alone with use='video' (--use video)" if silent else ""
        raise DataError(
            f"{recording.source} has no sound, which this model reads: give a clip with "
            f"sound{option}."
        )
    if sees and not recording.has_video:
        blind = modality == "audio_visual"
        option = ", or take the sound alone with use='audio' (--use audio)" if blind else ""
        raise DataError(
            f"{recording.source} has no pictures, which this model reads: give a video{option}."
        )
    return sees, hears
