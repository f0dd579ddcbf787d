"""A miniature of eNTERFACE'05 in its real layout."""

import shutil
from pathlib import Path

from media_factory import write_clip

EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def write_enterface05(root: Path, *, blank: str = " ") -> list[str]:
    """Writes a clip of every emotion for six people, and the long recordings of subject 6.

    Files of subjects 3 and 11 have the wrong names of the download; there is a file of Windows.

    Args:
        root: Folder of the corpus.
        blank: What stands between the words of a folder; copies avoid blanks.

    Returns:
        The clips, sorted.
    """
    root.mkdir(parents=True, exist_ok=True)
    clip = write_clip(root / "clip.avi", seconds=0.5, size=(64, 36), sample_rate=48_000)
    names = []
    for subject in (1, 2, 3, 4, 5, 6, 11):
        for emotion in EMOTIONS:
            folder = root / "enterface database" / f"subject{blank}{subject}" / emotion
            called = {3: "s_3", 11: "s12"}.get(subject, f"s{subject}")
            if subject == 6:
                folder.mkdir(parents=True)
                shutil.copy(clip, folder / f"{called}_{emotion[:2]}.avi")
                continue
            names.append(f"{subject:02d}_{emotion}_1")
            sentence = folder / f"sentence{blank}1"
            sentence.mkdir(parents=True)
            shutil.copy(clip, sentence / f"{called}_{emotion[:2]}_1.avi")
            (sentence / "Thumbs.db").touch()
    clip.unlink()
    return sorted(names)
