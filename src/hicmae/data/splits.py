"""Which rows train, which validate and which test, by a policy that is stated in one line."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hicmae.errors import DataError

ValidationPolicy = Literal["from_train", "same_as_test"]


@dataclass(frozen=True)
class Splits:
    """The rows of each split; a split may be empty.

    Attributes:
        train: Rows to train on.
        val: Rows to select by.
        test: Rows to report.
        policy: How they were found, as one sentence.
    """

    train: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    policy: str


def make_splits(
    table: pd.DataFrame,
    *,
    source: str,
    fold: int = 1,
    val_split: ValidationPolicy = "from_train",
    val_fraction: float = 0.1,
    train_fraction: float = 1.0,
    strata: npt.NDArray[Any] | None = None,
    seed: int = 0,
) -> Splits:
    """Divides a manifest.

    A `split` column is taken as it is. Else a `fold` column makes the rows of `fold` the test rows
    and all others training rows. Else every row is a training row. Only where no row is for
    validation does `val_split` decide: "from_train" holds out `val_fraction` of the training
    subjects (of each class's rows, where subjects are unknown or there is one alone);
    "same_as_test" validates on the test rows, as the reference implementation does, which makes
    the score of the best epoch optimistic.

    Args:
        table: A complete manifest.
        source: What the table was made from, as messages call it.
        fold: Fold to test, from 1.
        val_split: Where validation rows come from if the table has none.
        val_fraction: Part of the training subjects or rows to hold out, in [0, 1); 0 means that
            nothing is held out.
        train_fraction: Part of the training rows to train on, in (0, 1], drawn per class; the rows
            of a smaller fraction are among those of a larger one.
        strata: Class of every row; None where there are no classes.
        seed: Draws the held-out and the kept rows.

    Returns:
        The splits.

    Raises:
        DataError: The table has folds, but not this one.
    """
    rows = np.arange(len(table))
    classes = np.zeros(len(table), dtype=np.int64) if strata is None else strata
    split = table["split"].to_numpy(dtype=object)
    rng = np.random.default_rng([seed, 0])
    if table["split"].notna().any():
        train, val, test = (rows[split == name] for name in ("train", "val", "test"))
        policy = "splits as the table has them"
        unused = len(table) - len(train) - len(val) - len(test)
        if unused:
            policy += f" ({unused} rows without one are not used)"
    elif table["fold"].notna().any():
        folds = sorted(int(number) for number in table["fold"].dropna().unique())
        inside = (table["fold"] == fold).fillna(value=False).to_numpy(dtype=bool)
        if fold not in folds:
            raise DataError(f"{source} has no fold {fold}, only {folds}; give one of these.")
        train, val, test = rows[~inside], rows[:0], rows[inside]
        policy = f"fold {fold} is for testing"
    else:
        train, val, test = rows, rows[:0], rows[:0]
        policy = "every row is for training"

    if not len(val) and val_split == "same_as_test" and len(test):
        val = test
        policy += "; validation uses the test rows, so the best epoch is chosen on them"
    elif not len(val) and val_split == "from_train" and val_fraction > 0 and len(train):
        val, how = _hold_out(table, train, classes, val_fraction, rng)
        train = np.setdiff1d(train, val)
        policy += f"; validation holds out {how}"
    if train_fraction < 1:
        kept = _per_class(train, classes, train_fraction, np.random.default_rng([seed, 1]))
        policy += f"; {len(kept)} of {len(train)} training rows are kept"
        train = kept
    policy += f": {len(train)} train, {len(val)} val, {len(test)} test"
    return Splits(table.iloc[train], table.iloc[val], table.iloc[test], policy)


def _hold_out(
    table: pd.DataFrame,
    train: npt.NDArray[np.int64],
    classes: npt.NDArray[Any],
    fraction: float,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.int64], str]:
    """Rows to take out of `train`, and in words what they are."""
    subjects = table["subject"].iloc[train]
    known = sorted(set(subjects.dropna()))
    if subjects.notna().all() and len(known) > 1:
        count = min(max(round(fraction * len(known)), 1), len(known) - 1)
        held = set(rng.permutation(np.array(known, dtype=object))[:count].tolist())
        return train[subjects.isin(held).to_numpy()], f"{count} of {len(known)} training subjects"
    # Never the last row of a class, so that no class is left without a training clip.
    held_rows = _per_class(train, classes, fraction, rng, least=0, leave=1)
    if not len(held_rows) and len(train) > 1:
        held_rows = rng.choice(train, size=1)
    reason = "there is one subject" if len(known) == 1 else "subjects are not all known"
    return held_rows, f"{len(held_rows)} of {len(train)} training rows by class ({reason})"


def _per_class(
    rows: npt.NDArray[np.int64],
    classes: npt.NDArray[Any],
    fraction: float,
    rng: np.random.Generator,
    *,
    least: int = 1,
    leave: int = 0,
) -> npt.NDArray[np.int64]:
    """A random part of the rows of each class, in order of the table."""
    parts = [rows[:0]]
    for name in sorted(set(classes[rows].tolist())):
        members = rng.permutation(rows[classes[rows] == name])
        count = min(max(int(fraction * len(members) + 0.5), least), len(members) - leave)
        parts.append(members[:count])
    return np.sort(np.concatenate(parts))
