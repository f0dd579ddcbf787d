"""A miniature of IEMOCAP in its real layout."""

import shutil
from pathlib import Path

from media_factory import write_clip

DIALOGS = (
    "Ses01F_impro01",
    "Ses02M_script01_1",
    "Ses03F_script02_2",
    "Ses04M_impro08a",
    "Ses05F_impro03",
)

LABELS = {
    "F000": ("neu", "sad", "hap", "ang", "exc"),
    "F001": ("sad", "exc", "neu", "hap", "ang"),
    "M000": ("ang", "neu", "sad", "exc", "neu"),
    "M001": ("fru", "fru", "fru", "fru", "fru"),
    "MXX0": ("xxx", "sur", "xxx", "dis", "oth"),
}
"""Label of each turn in every dialog."""

COLUMNS_LINE = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"


def utterance_line(start: float, utterance: str, label: str) -> str:
    """The header of an utterance of half a second in a label file."""
    return f"[{start:.4f} - {start + 0.5:.4f}]\t{utterance}\t{label}\t[2.5000, 2.5000, 2.5000]"


def write_iemocap(root: Path) -> list[str]:
    """Writes a dialog per session with five utterances, and what lies around them.

    The actor with the markers is a woman in sessions 1, 3 and 5 and a man in the others. Files of
    macOS and a single rater's label files lie among the others; the utterance that has none of the
    classes has no sound file.

    Returns:
        The utterances of the four classes, sorted.
    """
    root.mkdir(parents=True, exist_ok=True)
    picture = write_clip(root / "dialog.avi", seconds=2.6, size=(72, 48))
    sound = write_clip(root / "sound.wav", seconds=0.5)
    names = []
    for number, dialog in enumerate(DIALOGS):
        session = root / "IEMOCAP_full_release" / f"Session{number + 1}"
        videos, texts = session / "dialog" / "avi" / "DivX", session / "dialog" / "EmoEvaluation"
        sounds = session / "sentences" / "wav" / dialog
        for folder in (videos, texts / "Categorical", sounds):
            folder.mkdir(parents=True)
        shutil.copy(picture, videos / f"{dialog}.avi")
        (videos / f"._{dialog}.avi").touch()
        lines = [COLUMNS_LINE, ""]
        for place, (turn, labels) in enumerate(LABELS.items()):
            utterance, label = f"{dialog}_{turn}", labels[number]
            lines += [
                utterance_line(0.5 * place, utterance, label),
                "C-E2:\tNeutral;\t(déçu)",
                "A-E3:\tval 3; act 2; dom  2;\t()",
                "",
            ]
            if turn != "MXX0":
                shutil.copy(sound, sounds / f"{utterance}.wav")
            if turn not in ("M001", "MXX0"):
                names.append(utterance)
        (texts / f"{dialog}.txt").write_bytes("\n".join(lines).encode("latin-1"))
        (texts / f"._{dialog}.txt").write_bytes(b"\x00\x05\x16\x07")
        (texts / "Categorical" / f"{dialog}_e2_cat.txt").write_text(f"{dialog}_F000 :Neutral; ()\n")
    picture.unlink()
    sound.unlink()
    return sorted(names)
