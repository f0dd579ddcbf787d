"""Which clips are meant, and which of their pictures and sound a model reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from hicmae.choices import Use
from hicmae.errors import ConfigError, DataError
from hicmae.faces.people import Progress
from hicmae.media.listing import clips_of_folder, is_media_folder
from hicmae.media.recording import FileRecording, Recording
from hicmae.models import Modality
from hicmae.weights.description import ModelDescription

Result = TypeVar("Result")

Clip = str | Path | Recording
"""A video or sound file, a folder of images or of media files, or a recording."""


class MissingSenseError(DataError):
    """A clip lacks what a model reads.

    Args:
        message: What is wrong, and the way out.
        lacking: "sound" or "pictures".
    """

    def __init__(self, message: str, lacking: str = "") -> None:
        super().__init__(message)
        self.lacking = lacking


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


def each(
    clip: Clip | Sequence[Clip],
    work: Callable[[Recording, Progress | None], Result],
    progress: Progress | None,
    *,
    sounds_alone: bool,
) -> list[Result]:
    """Works on every clip that is meant, opening one at a time.

    Args:
        clip: As for `openers`.
        work: What is done with one, and told of its progress.
        progress: Is told the share of all that is done, from 0 to 1.
        sounds_alone: As for `openers`.
    """
    clips = openers(clip, sounds_alone=sounds_alone)
    results = []
    for number, opened in enumerate(clips):
        told = None if progress is None else _part_of(progress, number, len(clips))
        results.append(work(opened(), told))
    return results


def _part_of(progress: Progress, number: int, count: int) -> Progress:
    return lambda share: progress((number + share) / count)


def takes_sounds(description: ModelDescription, use: Use) -> bool:
    """Whether sound files of a folder are clips of their own for a model.

    Args:
        description: What the model is.
        use: What of a clip is asked for.
    """
    return "audio" in {description.modality, use} or (description.stand_ins and use == "both")


def senses(
    recording: Recording, modality: Modality, use: Use, *, lacking: bool = False
) -> tuple[bool, bool]:
    """Whether a model reads the pictures of a clip, and whether its sound.

    Args:
        recording: The clip.
        modality: What the model reads.
        use: What of that is asked for.
        lacking: Whether the clip may lack what is not asked for by name.

    Raises:
        ConfigError: The model does not read what `use` names.
        MissingSenseError: The clip lacks what is read.
    """
    if use not in get_args(Use):
        raise ConfigError(f"use is '{use}': choose {', '.join(get_args(Use))}.")
    if use != "both" and modality not in {"audio_visual", use}:
        raise ConfigError(
            f"use is '{use}', but this model reads {modality} alone: leave use at 'both'."
        )
    sees = modality != "audio" and use != "audio"
    hears = modality != "video" and use != "video"
    if lacking and use == "both":
        return recording.has_video, recording.has_sound
    if hears and not recording.has_sound:
        silent = modality == "audio_visual" and recording.has_video
        option = ", or take the pictures alone with use='video' (--use video)" if silent else ""
        raise MissingSenseError(
            f"{recording.source} has no sound, which this model reads: give a clip with "
            f"sound{option}.",
            "sound",
        )
    if sees and not recording.has_video:
        blind = modality == "audio_visual"
        option = ", or take the sound alone with use='audio' (--use audio)" if blind else ""
        raise MissingSenseError(
            f"{recording.source} has no pictures, which this model reads: give a video{option}.",
            "pictures",
        )
    return sees, hears
