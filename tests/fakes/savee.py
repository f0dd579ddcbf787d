"""A miniature of SAVEE in its real layout."""

import shutil
from pathlib import Path

from media_factory import write_clip

CODES = ("a", "d", "f", "h", "n", "sa", "su")


def write_savee(root: Path) -> list[str]:
    """Writes a clip of every emotion for each speaker, the sound beside them and a description.

    Returns:
        The clips, sorted.
    """
    root.mkdir(parents=True, exist_ok=True)
    clip = write_clip(root / "clip.avi", seconds=0.5, fps=60, size=(64, 36))
    names = []
    for speaker in ("DC", "JE", "JK", "KL"):
        videos, sounds = (root / name / speaker for name in ("AudioVisualClip", "AudioData"))
        videos.mkdir(parents=True)
        sounds.mkdir(parents=True)
        for number, code in enumerate(CODES, start=9):
            shutil.copy(clip, videos / f"{code}{number}.avi")
            (sounds / f"{code}{number:02d}.wav").touch()
            names.append(f"{speaker}_{code}{number:02d}")
    (root / "AudioVisualClip" / "Info.txt").write_text("'DC', 'JE', 'JK' and 'KL'\n")
    clip.unlink()
    return sorted(names)
