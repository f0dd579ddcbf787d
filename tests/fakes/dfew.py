"""A miniature of DFEW in its real layout."""

import shutil
from pathlib import Path

import pandas as pd
from media_factory import numbered_picture, write_clip, write_image

CLIPS = (
    *((1, 7), (2, 3), (16372, 3)),
    *((4, 1), (15, 1), (16, 3)),
    *((107, 7), (108, 1), (109, 3)),
    *((2010, 1), (2011, 4), (2012, 3)),
    *((13313, 1), (13314, 4), (13315, 4)),
)
"""Number and label (1 to 7) of each clip; three in turn are tested in each fold."""


def write_dfew(
    root: Path,
    *,
    lists: str = "EmoLabel_DataSplit/{part}(single-labeled)/set_{fold}.csv",
    padded: bool = False,
    faces: str = "Clip/clip_224x224",
) -> list[str]:
    """Writes whole clips, faces and lists, and what lies around them.

    There are the archives' folders around some whole clips, a clip without label and faces, the
    folders of 16 images and of avi files, a hidden twin and the table of votes.

    Args:
        root: Folder of the corpus.
        lists: Path of a list, with {part} and {fold}.
        padded: Whether the whole clips are called 00001.mp4 rather than 1.mp4.
        faces: Folder of the faces.

    Returns:
        The clips, sorted; numbers in five digits.
    """
    whole = write_clip(root / "whole.mp4", seconds=0.5, size=(64, 36))
    original = root / "Clip" / "original"
    original.mkdir(parents=True)
    for number, _ in (*CLIPS, (3, 0)):
        place = original / "data_part_10-11" if number > 13000 else original
        place.mkdir(exist_ok=True)
        shutil.copy(whole, place / (f"{number:05d}.mp4" if padded else f"{number}.mp4"))
    (original / "._1.mp4").write_bytes(b"\x00\x05\x16\x07")

    (root / "images").mkdir()
    images = [
        write_image(root / "images" / f"{index}.jpg", numbered_picture(index, (48, 48)))
        for index in range(12)
    ]
    for number, _ in CLIPS:
        folder = root / faces / f"{number:05d}"
        folder.mkdir(parents=True)
        for index, image in enumerate(images, start=1):
            shutil.copy(image, folder / f"{number:05d}_{index:05d}.jpg")
    sampled = root / "Clip" / "clip_224x224_16f" / "00001"
    sampled.mkdir(parents=True)
    shutil.copy(images[0], sampled / "1.jpg")
    (root / "Clip" / "clip_224x224_avi").mkdir()
    (root / "Clip" / "clip_224x224_avi" / "00001.avi").touch()
    _write_votes(root / "Annotation" / "annotation.xlsx")

    for fold in range(5):
        for part, tested in (("train", False), ("test", True)):
            path = root / lists.format(part=part, fold=fold + 1)
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [
                f"{number},{label}"
                for index, (number, label) in enumerate(CLIPS)
                if (index // 3 == fold) is tested
            ]
            path.write_text("\n".join(["video_name,label", *rows, ""]), encoding="utf-8")
    whole.unlink()
    shutil.rmtree(root / "images")
    return sorted(f"{number:05d}" for number, _ in CLIPS)


def votes_of(number: int, label: int) -> list[int]:
    """Ten votes for labels 1 to 7: seven or more for the label of a clip, if it has one."""
    votes = [0] * 7
    votes[label - 1 if label else 0] = 7 if label else 5
    votes[number % 7] += 10 - sum(votes)
    return votes


def _write_votes(path: Path) -> None:
    names = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
    columns = [*(f"{label}{name}" for label, name in enumerate(names, start=1)), "order", "label"]
    rows = [[*votes_of(number, label), number, label] for number, label in (*CLIPS, (3, 0))]
    path.parent.mkdir()
    pd.DataFrame(rows, columns=columns).to_excel(path, index=False)
