"""One table that every corpus becomes: a row per clip with its files, segment, split and labels.

Columns, in order; the label columns of a corpus follow them:

- `id` (str): unique name of the clip; predictions and error messages carry it.
- `video` (str): media file or folder of face images.
- `audio` (str or None): sound file; None means that the sound lies in `video`.
- `start`, `end` (float, seconds or NaN): the part of `video` that is the clip.
- `audio_start`, `audio_end` (float, seconds or NaN): the part of the sound that is the clip. A
  table without these columns gets `start` and `end`; a corpus whose sound files are already cut to
  the clip has them, empty.
- `subject` (str or None): the person seen, so that people can be kept apart.
- `fold` (Int64 or NA): the fold of a cross-validation, from 1, in which the clip is tested.
- `split` (str or None): `train`, `val` or `test`; None in a table with splits means unused.
- `side` (str or None): `left` or `right`, the half of the picture that shows the subject, where two
  people are in view; None is the whole picture.
- `group` (str or None): clips of one group, such as the pieces of a long recording, are judged
  together by the mean of their outputs; None is a clip judged alone.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hicmae.errors import DataError

TEXT_COLUMNS = ("id", "video", "audio", "subject", "split", "side", "group")
TIME_COLUMNS = ("start", "end", "audio_start", "audio_end")
COLUMNS = (
    "id",
    "video",
    "audio",
    "start",
    "end",
    "audio_start",
    "audio_end",
    "subject",
    "fold",
    "split",
    "side",
    "group",
)
SPLITS = ("train", "val", "test")
SIDES = ("left", "right")


def label_columns(table: pd.DataFrame) -> list[str]:
    """The columns of a manifest that carry labels, in order."""
    return [name for name in table.columns if name not in COLUMNS]


def row_name(table: pd.DataFrame, position: int) -> str:
    """How messages call a row: its number, counted from 1 below the header, and its clip.

    The number is that of the whole table, also where `table` is a part of it.
    """
    return f"row {table.index[position] + 1} (clip {table['id'].iloc[position]})"


def complete_manifest(table: pd.DataFrame) -> pd.DataFrame:
    """Gives a table every manifest column, in order and with its type; labels follow.

    Args:
        table: At least `id` and `video`; the other columns may be missing.

    Returns:
        A new table, numbered from 0.

    Raises:
        DataError: A time or a fold is not a number.
    """
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        if name in table:
            column = table[name]
        elif name in ("audio_start", "audio_end") and name.removeprefix("audio_") in table:
            column = table[name.removeprefix("audio_")]
        else:
            column = pd.Series([None] * len(table), index=table.index, dtype=object)
        if name in TEXT_COLUMNS:
            values = np.array(column, dtype=object)
            values[column.isna().to_numpy()] = None
            columns[name] = pd.Series(values, dtype=object)
        else:
            numbers = _numbers(column, table)
            columns[name] = pd.Series(numbers).astype("Int64") if name == "fold" else numbers
    for name in label_columns(table):
        columns[name] = table[name].to_numpy()
    return pd.DataFrame(columns)


def _numbers(column: "pd.Series[Any]", table: pd.DataFrame) -> npt.NDArray[np.float64]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.isnan(numbers) & column.notna().to_numpy()
    if column.name == "fold":
        wrong |= ~np.isnan(numbers) & (numbers != np.floor(numbers))
    if wrong.any():
        position = int(wrong.argmax())
        raise DataError(
            f"{row_name(table, position)}: {column.name} is {column.iloc[position]!r}, "
            f"which is not {'a whole' if column.name == 'fold' else 'a'} number."
        )
    return numbers


def read_manifest(path: str | Path, root: str | Path | None = None) -> pd.DataFrame:
    """Reads a manifest of the user's own from a CSV file.

    The file has a header; `video` (or `path`) is needed, the other columns of this module may
    follow, and every further column is a label. Only an empty cell is missing: words such as
    "None" or "NA" are labels like any other. Without an `id` column the text of `video`, with the
    segment behind it, names the clip.

    Args:
        path: CSV file, UTF-8, divided by commas (`.tsv`: by tabs).
        root: Folder against which relative media paths resolve; None means that of the file.

    Returns:
        A complete, checked manifest with resolved paths; label columns are str or None.

    Raises:
        DataError: The file cannot be read, lacks a column, or a row contradicts itself.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"Manifest {path} does not exist; give the path of a CSV file.")
    try:
        table = pd.read_csv(
            path,
            sep="\t" if path.suffix.lower() == ".tsv" else ",",
            dtype=str,
            keep_default_na=False,
            na_values=[""],
            encoding="utf-8-sig",
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"Manifest {path} is not a readable UTF-8 CSV file: {error}.") from error
    table = table.rename(columns=lambda name: str(name).strip())
    table = table.apply(lambda column: column.str.strip())
    if "video" not in table and "path" in table:
        table = table.rename(columns={"path": "video"})
    if "video" not in table:
        raise DataError(
            f"Manifest {path} has no video column (found: {', '.join(table.columns)}); "
            "name the column with the media files video or path."
        )
    if table["video"].isna().any():
        position = int(table["video"].isna().to_numpy().argmax())
        raise DataError(f"Manifest {path}, row {position + 1}: the video cell is empty.")
    if "id" not in table:
        table["id"] = _names(table)
    try:
        table = complete_manifest(table)
    except DataError as error:
        raise DataError(f"Manifest {path}, {error}") from error
    folder = path.parent if root is None else Path(root).expanduser()
    for name in ("video", "audio"):
        table[name] = _resolve(table[name].tolist(), folder)
    for name in label_columns(table):
        labels = table[name].to_numpy(dtype=object, copy=True)
        labels[table[name].isna().to_numpy()] = None
        table[name] = pd.Series(labels, dtype=object)
    check_manifest(table, f"Manifest {path}")
    return table


def _names(table: pd.DataFrame) -> "pd.Series[str]":
    names = table["video"]
    if "start" in table or "end" in table:
        segment = pd.DataFrame({edge: table.get(edge) for edge in ("start", "end")}).fillna("")
        cut = (segment != "").any(axis=1)
        names = names.mask(cut, names + ":" + segment["start"] + "-" + segment["end"])
    return names


def _resolve(paths: Sequence[str | None], folder: Path) -> "pd.Series[Any]":
    base = str(folder)
    return pd.Series(
        [None if path is None else os.path.join(base, path) for path in paths],  # noqa: PTH118
        dtype=object,
    )


def check_manifest(table: pd.DataFrame, source: str) -> None:
    """Checks that a complete manifest has rows that can be used.

    Args:
        table: What `complete_manifest` gives.
        source: What the table was made from, as messages call it.

    Raises:
        DataError: No row; an id twice; a segment that ends before it starts; a split of another
            name than train, val, test; a side other than left, right; a fold below 1.
    """
    if table.empty:
        raise DataError(f"{source} lists no clip.")

    def refuse(wrong: npt.NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            raise DataError(f"{source}, {row_name(table, int(wrong.argmax()))}: {what}")

    refuse(table["id"].isna().to_numpy(), "the id is empty.")
    refuse(table["video"].isna().to_numpy(), "the video is empty.")
    refuse(
        table["id"].duplicated().to_numpy(),
        "an earlier row has the same id; give every clip an id of its own in an id column.",
    )
    for prefix in ("", "audio_"):
        start, end = table[f"{prefix}start"].to_numpy(), table[f"{prefix}end"].to_numpy()
        refuse(start < 0, f"{prefix}start is negative.")
        refuse(end <= np.nan_to_num(start), f"{prefix}end does not lie after {prefix}start.")
    refuse(
        (table["split"].notna() & ~table["split"].isin(SPLITS)).to_numpy(),
        f"split is none of {', '.join(SPLITS)}.",
    )
    refuse(
        (table["side"].notna() & ~table["side"].isin(SIDES)).to_numpy(),
        f"side is none of {', '.join(SIDES)}.",
    )
    refuse((table["fold"] < 1).fillna(value=False).to_numpy(dtype=bool), "folds count from 1.")


def check_files(table: pd.DataFrame, source: str) -> None:
    """Checks that every file of a manifest exists.

    Args:
        table: A complete manifest with resolved paths.
        source: What the table was made from, as messages call it.

    Raises:
        DataError: A file is missing; names the first one, its row, and how many are missing.
    """
    exists: dict[str | None, bool] = {None: True}
    for name in ("video", "audio"):
        for path in table[name].unique():
            if path not in exists:
                exists[path] = Path(path).exists()
    if all(exists.values()):
        return
    files = zip(table["video"], table["audio"], strict=True)
    missing = np.array([not (exists[video] and exists[audio]) for video, audio in files])
    position = int(missing.argmax())
    row = table.iloc[position]
    file = row["audio"] if exists[row["video"]] else row["video"]
    raise DataError(
        f"{source}, {row_name(table, position)}: {file} does not exist "
        f"({int(missing.sum())} of {len(table)} rows lack a file); "
        "check the root folder or take the rows out of the table."
    )
