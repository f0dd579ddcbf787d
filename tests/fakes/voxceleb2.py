"""A miniature of VoxCeleb2 dev in its real layout."""

import shutil
from pathlib import Path

from media_factory import write_clip

BROKEN = {
    "id00012/21Uxsk56VDQ/00003": "cannot be opened",
    "id00012/0fijmz4vTVU/00001": "differ in length",
}
"""Clips that the cleaning rule drops, with words of the message that says why."""


def write_voxceleb2(root: Path, *, speakers: int = 3) -> list[str]:
    """Writes two whole clips per speaker, and the broken ones.

    The sound of a speaker's first clip lies in the tree of sound as m4a. That of the second lies
    there as a wav beside the m4a for the first speaker, and inside the video for the others.

    Returns:
        The names of the whole clips, sorted.
    """
    mp4, aac = root / "dev" / "mp4", root / "dev" / "aac"
    size = (224, 224)
    whole = write_clip(root / "whole.mp4", seconds=2.8, size=size)
    silent = write_clip(root / "silent.mp4", seconds=2.8, size=size, sound=False)
    short = write_clip(root / "short.mp4", seconds=1.8, size=size, sound=False)
    m4a = write_clip(root / "sound.mp4", seconds=2.8, picture=False)
    wav = write_clip(root / "sound.wav", seconds=2.8)

    def put(file: Path, tree: Path, name: str, suffix: str) -> None:
        target = tree / (name + suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)

    names = []
    for speaker in range(speakers):
        first, second = (f"id{12 + 3 * speaker:05d}/21Uxsk56VDQ/{clip:05d}" for clip in (1, 2))
        names += [first, second]
        inside = speaker > 0
        put(silent, mp4, first, ".mp4")
        put(m4a, aac, first, ".m4a")
        put(whole if inside else silent, mp4, second, ".mp4")
        if not inside:
            put(m4a, aac, second, ".m4a")
            put(wav, aac, second, ".wav")
    cut_off, too_short = BROKEN
    put(short, mp4, too_short, ".mp4")
    put(silent, mp4, cut_off, ".mp4")
    (mp4 / f"{cut_off}.mp4").write_bytes(silent.read_bytes()[:2000])
    for name in BROKEN:
        put(m4a, aac, name, ".m4a")
    for file in (whole, silent, short, m4a, wav):
        file.unlink()
    return sorted(names)
