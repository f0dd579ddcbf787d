"""Tables as people save them: CSV files of spreadsheets, and Parquet."""

from __future__ import annotations

import codecs
import re
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hicmae.errors import ConfigError, DataError

_BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_table(path: Path) -> pd.DataFrame:
    """Reads a table of clips as it stands there.

    Only an empty cell is missing. Rows at the end of a CSV file in which every cell is empty, as
    spreadsheets leave them, are no rows.

    Args:
        path: CSV file, UTF-8, divided by commas (`.tsv`: by tabs), or Parquet file.

    Returns:
        Cells of CSV files are text; of Parquet files text and floats, everything else being the
        text that a CSV file would have.

    Raises:
        DataError: The file cannot be read as such a table, or a row has more cells than the header.
    """
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    return table.rename(columns=lambda name: str(name).strip())


def sheet_as_csv(path: Path) -> StringIO:
    """The first sheet of an Excel file as the CSV file that it could be saved as.

    Raises:
        ConfigError: The package that reads it is missing.
        DataError: It is no Excel file.
    """
    try:
        sheet = pd.read_excel(path, dtype=str, keep_default_na=False)
    except ImportError as error:
        raise ConfigError(
            f"{path} is read by the package openpyxl: pip install 'hicmae[excel]', or save the "
            f"table beside it as {path.with_suffix('.csv').name}."
        ) from error
    except (ValueError, BadZipFile, KeyError) as error:
        raise DataError(f"{path} is no Excel file ({error}); download it again.") from error
    return StringIO(sheet.to_csv(index=False))


def _read_csv(path: Path) -> pd.DataFrame:
    tabs = path.suffix.lower() == ".tsv"
    _check_text(path, "\t" if tabs else ",")
    options: dict[str, Any] = {
        "sep": "\t" if tabs else ",",
        "dtype": str,
        "keep_default_na": False,
        "na_values": [""],
        "encoding": "utf-8-sig",
    }
    try:
        table = pd.read_csv(path, **options)
        if not isinstance(table.index, pd.RangeIndex):
            # pandas takes what the first row has beyond the header for an index.
            names = [*pd.read_csv(path, nrows=0, **options).columns, *_beyond(table)]
            table = pd.read_csv(path, header=0, names=names, **options)
            table = _without_beyond(table, path)
    except pd.errors.ParserError as error:
        found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if found:
            raise DataError(
                f"Manifest {path}, line {found[2]}: it has {found[3]} cells, but the header "
                f"{found[1]}; put text with commas in quotes."
            ) from error
        raise DataError(f"Manifest {path} is not a readable CSV file: {error}.") from error
    except (pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(
            f"Manifest {path} is not a readable CSV file ({error}); save it as CSV in UTF-8."
        ) from error
    table = table.apply(lambda column: column.str.strip().mask(lambda cells: cells == ""))
    filled = table.notna().any(axis=1).to_numpy().nonzero()[0]
    return table.iloc[: filled[-1] + 1 if len(filled) else 0]


def _check_text(path: Path, divider: str) -> None:
    """Refuses what is no table of this kind at all, by its first bytes."""
    with path.open("rb") as file:
        begin = file.read(1 << 16)
    if begin.startswith(_BYTE_ORDER_MARKS) or b"\0" in begin:
        raise DataError(
            f"Manifest {path} is not text in UTF-8 (UTF-16, or no text at all); save it as CSV in "
            "UTF-8."
        )
    header = begin.decode("utf-8-sig", errors="replace").split("\n", 1)[0]
    for other, name in ((";", "semicolons"), ("\t", "tabs"), (",", "commas")):
        if divider not in header and other in header:
            raise DataError(
                f"Manifest {path} is divided by {name}; save it with commas as .csv or with tabs "
                "as .tsv."
            )


def _beyond(table: pd.DataFrame) -> list[str]:
    return [f"beyond the header {number}" for number in range(table.index.nlevels)]


def _without_beyond(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table without cells beyond the header, which have to be empty."""
    extra = [name for name in table.columns if name.startswith("beyond the header ")]
    filled = table[extra].notna().any(axis=1).to_numpy()
    if filled.any():
        position = int(filled.argmax())
        named = table.shape[1] - len(extra)
        cells = named + int(table[extra].iloc[position].notna().to_numpy().nonzero()[0][-1]) + 1
        raise DataError(
            f"Manifest {path}, row {position + 1}: it has {cells} cells, but the header {named}; "
            "put text with commas in quotes."
        )
    return table.drop(columns=extra)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        # Threads and reading ahead would save little time and hold the file's pages twice.
        columns = pq.read_table(path, use_threads=False, pre_buffer=False)
        table = columns.to_pandas(split_blocks=True, self_destruct=True)
    except (OSError, ValueError) as error:
        raise DataError(f"Manifest {path} is not a readable Parquet file: {error}.") from error
    # What decoding needed is as large as the table.
    pa.default_memory_pool().release_unused()
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    for name in table.columns:
        table[name] = as_text(table[name], numbers=False)
    return table


def as_text(column: pd.Series[Any], *, numbers: bool = True) -> pd.Series[Any]:
    """A column as a CSV file would have it.

    Args:
        column: Of any type.
        numbers: Whether floats become text too.

    Returns:
        Text, empty text being missing; floats as they are where they are to stay.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.is_float_dtype(column.dtype) and not numbers:
        return column
    if not isinstance(column.dtype, pd.StringDtype):
        gone = column.isna()
        column = column.astype("str").mask(gone)
    return column if not column.eq("").any() else column.mask(column.eq(""))
