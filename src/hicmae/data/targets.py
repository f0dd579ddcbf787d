"""Labels of a table as what a model is to give."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from hicmae.data.manifest import row_name
from hicmae.errors import DataError


def class_targets(
    rows: pd.DataFrame, column: str, class_names: Sequence[str], source: str
) -> npt.NDArray[np.int64]:
    """Index of each row's class (N,).

    Args:
        rows: N rows of a complete manifest.
        column: Column of class names.
        class_names: The classes in order of their index.
        source: What the rows come from, for messages.

    Raises:
        DataError: A label is none of the classes.
    """
    index_of = {name: index for index, name in enumerate(class_names)}
    labels = rows[column].tolist()
    for position, label in enumerate(labels):
        if label not in index_of:
            found = "empty" if pd.isna(label) else repr(label)
            raise DataError(
                f"{source}, {row_name(rows, position)}: {column} is {found}, "
                f"which is none of the classes {', '.join(index_of)}."
            )
    return np.array([index_of[label] for label in labels], dtype=np.int64)


def number_targets(
    rows: pd.DataFrame, columns: Sequence[str], source: str
) -> npt.NDArray[np.float32]:
    """Numbers to regress (N, K).

    Args:
        rows: N rows of a complete manifest.
        columns: K columns of numbers.
        source: What the rows come from, for messages.

    Raises:
        DataError: A label is no number.
    """
    return np.stack([_numbers(rows, column, source) for column in columns], axis=1)


def _numbers(rows: pd.DataFrame, column: str, source: str) -> npt.NDArray[np.float32]:
    numbers = pd.to_numeric(rows[column], errors="coerce").to_numpy(dtype=np.float32)
    wrong = ~np.isfinite(numbers)
    if wrong.any():
        position = int(wrong.argmax())
        raise DataError(
            f"{source}, {row_name(rows, position)}: {column} is "
            f"{rows[column].iloc[position]!r}, which is not a number."
        )
    return numbers
