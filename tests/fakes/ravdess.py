"""A miniature of RAVDESS in its real layout."""

import shutil
from pathlib import Path

from media_factory import write_clip

TAKES = ("01-01-01-01", "03-01-01-02", "05-02-02-01", "08-01-02-02")
"""Emotion, intensity, statement and repetition of each actor's takes."""


def write_ravdess(root: Path, *, actors: tuple[int, ...] = (1, 5, 9, 24)) -> list[str]:
    """Writes four takes per actor and what lies around them in the archives.

    Odd actors come as audio-video files (modality 01) beside their silent twins (02), even actors
    as silent video (02) with the sound (03) in the archive of sounds. Actor 1 keeps the folder of
    its archive around its own; there are a song, a hidden twin and a sound without a video.

    Returns:
        The takes, sorted; a take is a file name less modality and suffix.
    """
    root.mkdir(parents=True, exist_ok=True)
    whole = write_clip(root / "whole.mp4", seconds=0.5, size=(64, 36), sample_rate=48_000)
    silent = write_clip(root / "silent.mp4", seconds=0.5, size=(64, 36), sound=False)
    sound = write_clip(root / "sound.wav", seconds=0.5, sample_rate=48_000)

    def put(file: Path, *parts: str) -> None:
        target = root.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)

    names = []
    for actor in actors:
        folder = f"Actor_{actor:02d}"
        video_folder = ("Video_Speech_Actor_01", folder) if actor == 1 else (folder,)
        for take in TAKES:
            name = f"01-{take}-{actor:02d}"
            names.append(name)
            put(silent, *video_folder, f"02-{name}.mp4")
            if actor % 2:
                put(whole, *video_folder, f"01-{name}.mp4")
            else:
                put(sound, "Audio_Speech_Actors_01-24", folder, f"03-{name}.wav")
    put(whole, "Actor_24", "01-02-03-01-01-01-24.mp4")
    put(silent, "Actor_24", "._02-01-01-01-01-01-24.mp4")
    put(sound, "Audio_Speech_Actors_01-24", "Actor_23", "03-01-02-01-01-01-23.wav")
    for file in (whole, silent, sound):
        file.unlink()
    return sorted(names)
