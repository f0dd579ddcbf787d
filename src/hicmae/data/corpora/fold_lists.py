"""Official lists of a cross-validation, and the folders of frames that go with them."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from hicmae.errors import DataError


class LabelList(NamedTuple):
    """An official list: its file and the class of every clip in it."""

    path: Path
    labels: dict[str, str]


def listed_clips(corpus: str, folds: Sequence[tuple[LabelList, LabelList]]) -> pd.DataFrame:
    """The clips of the official lists of a cross-validation that tests every clip once.

    Args:
        corpus: Name of the corpus, for messages.
        folds: The training and the test list of every fold, from fold 1.

    Returns:
        Columns `id`, `fold` (in which the clip is tested) and `emotion`, sorted by id.

    Raises:
        DataError: A clip is tested twice, or a training list is not what its test list leaves of
            the corpus.
    """
    fold_of: dict[str, int] = {}
    label_of: dict[str, str] = {}
    for fold, (_, test) in enumerate(folds, start=1):
        for clip in test.labels:
            if clip in fold_of:
                raise DataError(
                    f"{corpus}: {test.path} lists clip {clip}, which fold {fold_of[clip]} tests "
                    "too; every clip is tested once, so take the official lists as they are."
                )
            fold_of[clip] = fold
        label_of |= test.labels
    for train, test in folds:
        rest = {clip: label for clip, label in label_of.items() if clip not in test.labels}
        if train.labels != rest:
            raise DataError(
                f"{corpus}: {train.path} {_difference(train, test, rest)}; "
                "take the official lists as they are."
            )
    clips = sorted(fold_of)
    return pd.DataFrame(
        {
            "id": clips,
            "fold": [fold_of[clip] for clip in clips],
            "emotion": [label_of[clip] for clip in clips],
        }
    )


def _difference(train: LabelList, test: LabelList, rest: dict[str, str]) -> str:
    """In words, for the first clip, how a training list differs from what it should be."""
    clip, _ = min(train.labels.items() ^ rest.items())
    if clip in test.labels:
        return f"lists clip {clip}, which {test.path} lists too"
    if clip not in rest:
        return f"lists clip {clip}, which is in no test list"
    if clip not in train.labels:
        return f"lacks clip {clip}, which {test.path} lacks too"
    return f"calls clip {clip} {train.labels[clip]}, but a test list calls it {rest[clip]}"


def numbered_folders(root: Path) -> Iterator[tuple[str, Path]]:
    """The folders below `root` whose names are numbers, with the number in five digits.

    They may lie in further folders, as archives are unpacked. They are not looked into, since each
    holds the many images of one clip.
    """
    for place, folders, _ in os.walk(root, followlinks=True):
        for name in folders:
            if name.isdecimal():
                yield name.zfill(5), Path(place, name)
        folders[:] = [name for name in folders if not name.isdecimal() and name[0] != "."]
