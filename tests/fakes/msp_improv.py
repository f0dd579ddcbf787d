"""A miniature of MSP-IMPROV in both of its layouts."""

import shutil
from pathlib import Path

from media_factory import write_clip

TURNS = {
    "S01A-F01-P-FM01": "N",
    "S01A-M01-R-MM01": "A",
    "S05H-F02-S-MF03": "H",
    "S05H-M02-T-MF01": "H",
    "S05H-M02-P-FM02": "N",
    "S07N-F03-T-FM01": "N",
    "S07N-M03-S-FM12": "S",
    "S10S-F04-R-FF01": "S",
    "S10S-M04-P-MF02": "A",
    "S12A-F05-T-FM02": "A",
    "S12A-M05-S-MF04": "H",
    "S12A-M05-P-MF05": "N",
    "S20N-F06-S-FM07": "S",
    "S20N-M06-T-MF01": "N",
    # Without one of the four emotions.
    "S01A-F01-S-FM02": "X",
    "S10S-M04-S-MF03": "O",
}
"""Sentence, speaker, condition and turn, with the raters' consensus."""


def evaluation(turns: dict[str, str]) -> str:
    """The label file: a header with the consensus of each turn, its raters, an empty line."""
    return "".join(
        f"UTD-IMPROV-{turn}.avi; {label}; A:2.600000; V:3.000000; D:NaN ; N:4.000000;\n"
        "MA01; Neutral; Neutral,; A:3.000000; V:3.000000; D:3.000000; N:4.000000;\n"
        "WORKER00000048; Other; déçu, UTD-IMPROV,; A:2.000000; V:3.000000; D:NaN; N:NaN;\n\n"
        for turn, label in turns.items()
    )


def file_of(turn: str, suffix: str, *, server: bool = False) -> str:
    """Where a turn's file lies below the root."""
    scenario, speaker, condition, _ = turn.split("-")
    tree = ("Video/" if suffix == ".avi" else "Audio/") if server else ""
    return f"{tree}session{speaker[-1]}/{scenario}/{condition}/MSP-IMPROV-{turn}{suffix}"


def write_msp_improv(root: Path, *, server: bool = False) -> list[str]:
    """Writes two or three usable turns per session, two without one of the emotions, and others.

    A turn is not labelled at all, and one labelled X has no files; the label file is not UTF-8.

    Args:
        root: Where to write.
        server: Whether picture and sound lie in two trees, as on the server, with the label file
            named Evaluation.txt, or side by side, as in the archive, with Evalution.txt.

    Returns:
        The names of the usable turns, sorted.
    """
    root.mkdir(parents=True, exist_ok=True)
    files = {
        ".avi": write_clip(root / "picture.avi", seconds=0.5, size=(64, 36), sound=False),
        ".wav": write_clip(root / "sound.wav", seconds=0.5, sample_rate=48_000),
    }
    for turn in (*TURNS, "S10S-M04-S-MF09"):
        for suffix, file in files.items():
            target = root / file_of(turn, suffix, server=server)
            target.parent.mkdir(parents=True, exist_ok=True)
            if turn != "S01A-F01-S-FM02":
                shutil.copy(file, target)
    hidden = root / file_of("S01A-F01-P-FM01", ".avi", server=server)
    (hidden.parent / f"._{hidden.name}").touch()
    label_file = root / ("Evaluation.txt" if server else "Evalution.txt")
    label_file.write_bytes(evaluation(TURNS).encode("latin-1"))
    for file in files.values():
        file.unlink()
    return sorted(f"MSP-IMPROV-{turn}" for turn, label in TURNS.items() if label in "AHNS")
