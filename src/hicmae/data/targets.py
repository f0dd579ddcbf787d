"""Labels of a table as what a model is to give."""

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hicmae.data.manifest import row_name
from hicmae.data.options import TargetKind
from hicmae.errors import DataError

__all__ = ["Labelling", "TargetKind", "names_in"]

_BETWEEN_NAMES = re.compile(r"\s*[,;|]\s*")


@dataclass(frozen=True)
class Labelling:
    """How a table says what a model is to give.

    Attributes:
        kind: What the classes are to a clip; "values" are numbers to regress.
        names: The K classes in order of their index, or the regressed values; none without labels.
        column: Column of class names; None where every name has a column of its own.
    """

    kind: TargetKind | Literal["values"]
    names: list[str]
    column: str | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that hold the labels."""
        return self.names if self.column is None else [self.column]

    def strata(self, rows: pd.DataFrame) -> npt.NDArray[Any] | None:
        """What rows (N,) are divided by: their cell, or the class of their largest share."""
        if self.column is not None:
            return rows[self.column].to_numpy(dtype=str)
        if self.kind != "distribution":
            return None
        # Rows of no split need not have shares.
        shares = rows[self.names].apply(pd.to_numeric, errors="coerce").fillna(-1)
        return shares.to_numpy().argmax(axis=1)

    def targets(self, rows: pd.DataFrame, source: str) -> npt.NDArray[Any] | None:
        """The targets of N clips.

        Args:
            rows: N rows of a complete manifest.
            source: What the rows come from, for messages.

        Returns:
            Of "class" the index of each row's class, int64 (N,). Else float32 (N, K): of
            "distribution" shares that sum to 1, of "labels" 1 for each class that the clip has and
            else 0, of "values" the numbers. None without labels.

        Raises:
            DataError: A cell does not say what is wanted.
        """
        if not self.names:
            return None
        cells = _Cells(rows, source)
        if self.column is None:
            return cells.numbers(self.names, self.kind)
        named = cells.named(self.column, self.names, several=self.kind == "labels")
        return named if self.kind == "labels" else named.argmax(axis=1)


def names_in(cell: str) -> list[str]:
    """The names in a cell, which commas, semicolons or bars divide."""
    return [name for name in _BETWEEN_NAMES.split(cell.strip()) if name]


@dataclass(frozen=True)
class _Cells:
    rows: pd.DataFrame
    source: str

    def named(self, column: str, names: list[str], *, several: bool) -> npt.NDArray[np.float32]:
        """1 for each of the names (N, K) that a cell has."""
        index_of = {name: index for index, name in enumerate(names)}
        found = np.zeros((len(self.rows), len(names)), dtype=np.float32)
        for position, cell in enumerate(self.rows[column].tolist()):
            for name in (several and not pd.isna(cell) and names_in(cell)) or [cell]:
                if name not in index_of:
                    what = "empty" if pd.isna(name) else repr(name)
                    classes = ", ".join(names)
                    raise self._error(
                        position, f"{column} is {what}, which is none of the classes {classes}."
                    )
                found[position, index_of[name]] = 1
        return found

    def numbers(self, names: list[str], kind: str) -> npt.NDArray[np.float32]:
        """What stands in the columns of those names (N, K)."""
        cells = [pd.to_numeric(self.rows[name], errors="coerce") for name in names]
        numbers = np.stack([column.to_numpy(dtype=np.float32) for column in cells], axis=1)
        self._refuse(~np.isfinite(numbers), names, "is not a number")
        if kind == "labels":
            self._refuse((numbers != 0) & (numbers != 1), names, "is neither 0 nor 1")
        if kind == "distribution":
            self._refuse(numbers < 0, names, "is below 0 and no share")
            totals = numbers.sum(axis=1, keepdims=True)
            if not totals.all():
                raise self._error(
                    int(totals.argmin()), f"the shares of {', '.join(names)} are all 0."
                )
            numbers /= totals
        return numbers

    def _refuse(self, wrong: npt.NDArray[np.bool_], columns: list[str], why: str) -> None:
        """Raises if a cell (N, K) is wrong, and names the first of the first such column."""
        if wrong.any():
            place, position = divmod(int(wrong.T.argmax()), len(self.rows))
            cell = self.rows[columns[place]].iloc[position]
            raise self._error(position, f"{columns[place]} is {cell!r}, which {why}.")

    def _error(self, position: int, what: str) -> DataError:
        return DataError(f"{self.source}, {row_name(self.rows, position)}: {what}")
