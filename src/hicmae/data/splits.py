"""Which rows train, which validate and which test, by a policy that is stated in one line."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from hicmae.errors import DataError

Rows: TypeAlias = npt.NDArray[np.int64]
ValidationPolicy = Literal["from_train", "same_as_test", "own"]


@dataclass(frozen=True)
class Splits:
    """The rows of each split, by their position in the table; a split may be empty.

    Attributes:
        table: The manifest that is divided.
        train_rows: Positions of the rows to train on, int64.
        val_rows: Positions of the rows to select by.
        test_rows: Positions of the rows to report.
        policy: How they were found, as one sentence.
    """

    table: pd.DataFrame
    train_rows: Rows
    val_rows: Rows
    test_rows: Rows
    policy: str

    def rows(self, split: str) -> Rows:
        """Positions of the rows of "train", "val" or "test"."""
        return {"train": self.train_rows, "val": self.val_rows, "test": self.test_rows}[split]

    @property
    def train(self) -> pd.DataFrame:
        """A copy of the training rows."""
        return self.table.iloc[self.train_rows]

    @property
    def val(self) -> pd.DataFrame:
        """A copy of the validation rows."""
        return self.table.iloc[self.val_rows]

    @property
    def test(self) -> pd.DataFrame:
        """A copy of the test rows."""
        return self.table.iloc[self.test_rows]


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
    and all others training rows. Else every row is a training row. Then `val_split` decides:

    - "from_train" keeps the validation rows of the table; where it has none, it holds out
      `val_fraction` of the training subjects (of each class's rows, where subjects are unknown or
      there is one alone).
    - "same_as_test" validates on the test rows, as the reference implementation does, which makes
      the score of the best epoch optimistic.
    - "own" insists on the validation rows of the table.

    Args:
        table: A complete manifest.
        source: What the table was made from, as messages call it.
        fold: Fold to test, from 1.
        val_split: Where validation rows come from.
        val_fraction: Part of the training subjects or rows to hold out, in [0, 1); 0 means that
            nothing is held out.
        train_fraction: Part of the training rows to train on, in (0, 1], drawn per class; the rows
            of a smaller fraction are among those of a larger one.
        strata: Class of every row; None where there are no classes.
        seed: Draws the held-out and the kept rows.

    Returns:
        The splits.

    Raises:
        DataError: The table has folds, but not this one; or it has no validation rows under "own".
    """
    rows = np.arange(len(table))
    classes = np.zeros(len(table), dtype=np.int64) if strata is None else strata
    rng = np.random.default_rng([seed, 0])
    if table["split"].notna().any():
        train, val, test = (
            rows[(table["split"] == name).to_numpy(dtype=bool)] for name in ("train", "val", "test")
        )
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

    if val_split == "own" and not len(val):
        raise DataError(
            f"{source} has no validation rows of its own, which data.val_split=own asks for; "
            "choose from_train or same_as_test."
        )
    if val_split == "same_as_test" and len(test):
        if len(val):
            policy += f"; the table's {len(val)} validation rows are not used"
        val = test
        policy += "; validation uses the test rows, so the best epoch is chosen on them"
    elif not len(val) and val_split == "from_train" and val_fraction > 0 and len(train):
        val, how = _hold_out(table, train, classes, val_fraction, rng)
        train = train[~np.isin(train, val)]
        policy += f"; validation holds out {how}"
    if train_fraction < 1:
        kept = _per_class(train, classes, train_fraction, np.random.default_rng([seed, 1]))
        policy += f"; {len(kept)} of {len(train)} training rows are kept"
        train = kept
    policy += f": {len(train)} train, {len(val)} val, {len(test)} test"
    return Splits(table, train, val, test, policy)


def _hold_out(
    table: pd.DataFrame,
    train: Rows,
    classes: npt.NDArray[Any],
    fraction: float,
    rng: np.random.Generator,
) -> tuple[Rows, str]:
    """Rows to take out of `train`, and in words what they are."""
    subjects = table["subject"].iloc[train]
    known = sorted(subjects.dropna().unique())
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
    rows: Rows,
    classes: npt.NDArray[Any],
    fraction: float,
    rng: np.random.Generator,
    *,
    least: int = 1,
    leave: int = 0,
) -> Rows:
    """A random part of the rows of each class, in order of the table."""
    parts = [rows[:0]]
    for name in sorted(set(classes[rows].tolist())):
        members = rng.permutation(rows[classes[rows] == name])
        count = min(max(int(fraction * len(members) + 0.5), least), len(members) - leave)
        parts.append(members[:count])
    return np.sort(np.concatenate(parts))
