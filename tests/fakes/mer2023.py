"""A miniature of MER2023 in its real layouts."""

import shutil
from pathlib import Path
from typing import Literal

from media_factory import write_clip

TRAIN = {
    "sample_00000013": ("neutral", "0.0"),
    "sample_00000094": ("angry", "-3.5"),
    "sample_00000251": ("happy", "2.75"),
    "sample_00000300": ("worried", "-1.25"),
    "sample_00002721": ("happy", "1.25"),
    "sample_00003777": ("neutral", "-0.25"),
    "sample_00004005": ("angry", "-2.0"),
    "sample_00005120": ("worried", "-1.5"),
    "sample_00006001": ("sad", "-2.25"),
    "sample_00006002": ("sad", "-3.0"),
}
TEST = {
    "test1": {
        "sample_00001998": ("surprise", "0.5"),
        "sample_00002000": ("neutral", "0"),
        "sample_00004444": ("angry", "-2.5"),
        "sample_00005555": ("happy", "3.0"),
    },
    "test2": {
        "sample_00000777": ("neutral", "0.25"),
        "sample_00000778": ("sad", "-1.75"),
        "sample_00000779": ("happy", "1.0"),
    },
    "test3": {
        "samplenew_00006611": ("sad", ""),
        "samplenew_00030000": ("happy", ""),
        "sample_00007000": ("angry", ""),
    },
}
"""Emotion and valence of the labelled clips of every test set."""


def write_mer2023(
    root: Path,
    *,
    form: Literal["flat", "download"] = "flat",
    test_set: Literal["test1", "test2", "test3"] = "test1",
) -> list[str]:
    """Writes training clips, three test sets and their labels.

    Clips are avi with sound of 44.1 kHz, but test2 is mp4 with 16 kHz, and test3 is both. There are
    clips without labels in test3, and a hidden twin in train.

    Returns:
        The clips of train and `test_set`, sorted.
    """
    avi = write_clip(root / "clip.avi", seconds=0.5, size=(64, 36))
    mp4 = write_clip(root / "clip.mp4", seconds=0.5, size=(64, 36), sample_rate=16_000)
    packed = root / "mer2023train" if form == "download" else root
    labels = root / "test-labels" if form == "download" else root
    labels.mkdir(exist_ok=True)
    packed.mkdir(exist_ok=True)

    _write_labels(packed / "train-label.csv", TRAIN)
    for name in TRAIN:
        _put(avi, packed / "train" / f"{name}.avi")
    (packed / "train" / "._sample_00000013.avi").write_bytes(b"\x00\x05\x16\x07")
    for folder, clips in TEST.items():
        _write_labels(labels / f"{folder}-label.csv", clips, valence=folder != "test3")
        place = (packed if folder == "test3" else root) / folder
        for name in clips:
            source = avi if folder == "test1" or name == "sample_00007000" else mp4
            _put(source, place / f"{name}{source.suffix}")
    for number in (40000, 40001):
        _put(mp4, packed / "test3" / f"samplenew_{number:08d}.mp4")
    avi.unlink()
    mp4.unlink()
    return sorted([*TRAIN, *TEST[test_set]])


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.copy(source, target)


def _write_labels(path: Path, clips: dict[str, tuple[str, str]], *, valence: bool = True) -> None:
    lines = ["name,discrete,valence" if valence else "name,discrete"]
    for name, (emotion, number) in clips.items():
        lines.append(f"{name},{emotion},{number}" if valence else f"{name},{emotion}")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
