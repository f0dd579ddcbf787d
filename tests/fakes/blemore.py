"""A miniature of BLEMORE in its real layout."""

import csv
import shutil
from pathlib import Path

from media_factory import write_clip

FIELDS = (
    "filename",
    "video_id",
    "mix",
    "emotion_1",
    "emotion_2",
    "emotion_1_salience",
    "emotion_2_salience",
    "version",
    "situation",
    "intensity_level",
    "fold",
)
# Of each actor; a blend is mix, emotions, saliences.
CLIPS = (
    "ang_int1_ver1",
    "neu_sit1_ver1",
    "mix_ang_hap_30_70_ver1",
    "mix_disg_sad_50_50_ver1",
    "mix_fea_hap_70_30_ver1",
)


def label_row(name: str, fold: int) -> dict[str, object]:
    """A row of the label file, as the organisers' parser of names would give it."""
    actor, first, *rest = name.split("_")
    row: dict[str, object] = {"filename": name, "video_id": actor, "fold": fold, "version": 1}
    if first == "mix":
        row |= {"mix": 1, "emotion_1": rest[0], "emotion_2": rest[1]}
        return row | {"emotion_1_salience": rest[2], "emotion_2_salience": rest[3]}
    kind = "intensity_level" if rest[0].startswith("int") else "situation"
    return row | {"mix": 0, "emotion_1": first, kind: rest[0][-1]}


def write_blemore(root: Path) -> list[str]:
    """Writes two actors of every fold, the label file and a clip of the test part.

    Returns:
        The clips, sorted.
    """
    folder = root / "train"
    folder.mkdir(parents=True)
    clip = write_clip(folder / "clip.mov", seconds=0.6, size=(64, 36))
    actors = {f"A{number}": place % 5 for place, number in enumerate(range(101, 111))}
    names = {f"{actor}_{name}": fold for actor, fold in actors.items() for name in CLIPS}
    for name in names:
        shutil.copy(clip, folder / f"{name}.mov")
    with (root / "train_metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(label_row(name, fold) for name, fold in names.items())
    (root / "test").mkdir()
    clip.rename(root / "test" / "test_0001.mov")
    return sorted(names)
