"""A miniature of MAFW in its real layout."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from media_factory import numbered_picture, write_clip, write_image

SINGLE = (
    *("00025 anger", "00411 neutral", "01007 sadness"),
    *("02316 anger", "03747 neutral", "04120 contempt"),
    *("05008 anger", "06611 sadness", "07059 contempt"),
    *("08827 anger", "09530 neutral", "11203 sadness"),
    *("13377 neutral", "15090 sadness", "20098 contempt"),
)
"""Clip and label."""

COMPOUND = (
    *("00025 anger", "00411 neutral", "16001 sadness, disappointment helplessness"),
    *("02316 anger", "03747 neutral", "16002 disgust_anger"),
    *("05008 anger", "16003 surprise_fear_anxiety", "16004 anger_disgust"),
    *("08827 anger", "09530 neutral", "16005 surprise,fear,anxiety"),
    *("13377 neutral", "15090 sadness", "16006 anger+disgust"),
)
"""The same with compounds, in several spellings."""

FOLDS = (*(1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5), *(1, 2, 3, 4, 5))
"""Folds in which the clips of one kind, then the silent ones are tested."""

SILENT = ("00903 neutral", "09529 anger", "03414 neutral", "03440 anger", "03721 neutral")
"""Listed clips without sound, one tested in each fold."""


def write_mafw(root: Path, *, classes: int = 11) -> list[str]:
    """Writes the clips, faces and lists of both kinds, and what lies around them.

    Faces are numbered without zeros. There are lists with captions in another encoding, a clip that
    no list holds, clips without sound, a hidden twin and label tables.

    Returns:
        The clips that a manifest of this number of classes lists, sorted.
    """
    clips, frames = root / "data" / "clips", root / "data" / "frames"
    whole = write_clip(root / "whole.mp4", seconds=0.5, size=(64, 36))
    silent = write_clip(root / "silent.mp4", seconds=0.5, size=(64, 36), sound=False)
    faces = root / "faces"
    faces.mkdir()
    for number in range(1, 13):
        write_image(faces / f"{number}.png", numbered_picture(number, (48, 48)))

    clips.mkdir(parents=True)
    for name in {line[:5] for line in (*SINGLE, *COMPOUND, "19999")}:
        shutil.copy(whole, clips / f"{name}.mp4")
        shutil.copytree(faces, frames / name)
    for line in SILENT:
        shutil.copy(silent, clips / f"{line[:5]}.mp4")
        shutil.copytree(faces, frames / line[:5])
    (clips / "._00025.mp4").write_bytes(b"\x00\x05\x16\x07")

    for kind, lines in (("single", SINGLE), ("compound", COMPOUND)):
        folder = root / "Train & Test Set" / kind / "no_caption"
        write_mafw_lists(folder, (*lines, *SILENT), FOLDS)
        captions = root / "Train & Test Set" / kind / "with_caption" / "set_1"
        captions.mkdir(parents=True)
        (captions / "test.txt").write_bytes("00025.mp4\tanger\t男人生气\n".encode("gbk"))
    for name in ("Labels/single-set.xlsx", "Labels(auto)/gender.txt"):
        (root / name).parent.mkdir()
        (root / name).write_text("00019: 1\n")
    for path in (whole, silent):
        path.unlink()
    shutil.rmtree(faces)
    return sorted(line[:5] for line in (SINGLE if classes == 11 else COMPOUND))


def write_mafw_lists(folder: Path, lines: Sequence[str], folds: Sequence[int]) -> None:
    """Writes set_1 to set_5; `folds` has the fold in which each line is tested."""
    for fold in range(1, 6):
        place = folder / f"set_{fold}"
        place.mkdir(parents=True, exist_ok=True)
        for part, tested in (("train", False), ("test", True)):
            text = [
                f"{line[:5]}.mp4 {line[6:]}\n"
                for line, tested_in in zip(lines, folds, strict=True)
                if (tested_in == fold) is tested
            ]
            (place / f"{part}.txt").write_text("".join(text), encoding="utf-8")
