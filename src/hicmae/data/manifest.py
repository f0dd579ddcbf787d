"""One table that every corpus becomes: a row per clip with its files, segment, split and labels.

Columns, in order; the label columns of a corpus follow them:

Text is pandas' `str`, which keeps a column in two blocks of memory, however many rows there are;
what is missing in it is NaN.

- `id` (str): unique name of the clip; predictions and error messages carry it.
- `video` (str): media file or folder of face images, or `shard.tar#OFFSET+SIZE`: a media file
  within a tar file, by the bytes that it takes there.
- `audio` (str or NaN): sound file; NaN means that the sound lies in `video`.
- `start`, `end` (float, seconds or NaN): the part of `video` that is the clip.
- `audio_start`, `audio_end` (float, seconds or NaN): the part of the sound that is the clip. A
  table without these columns gets `start` and `end`, and sound within `video` is where the pictures
  are if both are empty; a corpus whose sound files are already cut to the clip has them, empty.
- `subject` (str or NaN): the person seen, so that people can be kept apart.
- `fold` (Int64 or NA): the fold of a cross-validation, from 1, in which the clip is tested.
- `split` (str or NaN): `train`, `val` or `test`; NaN in a table with splits means unused.
- `side` (str or NaN): `left` or `right`, the half of the picture that shows the subject, where two
  people are in view; NaN is the whole picture.
- `group` (str or NaN): clips of one group, such as the pieces of a long recording, are judged
  together by the mean of their outputs; NaN is a clip judged alone.
"""

from dataclasses import dataclass, fields
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hicmae.data.clip_names import clip_names
from hicmae.data.table_files import read_table
from hicmae.errors import DataError
from hicmae.files import whole_file
from hicmae.media import Side
from hicmae.media.listing import TABLE_SUFFIXES
from hicmae.media.members import file_of, is_there

TEXT_COLUMNS = ("id", "video", "audio", "subject", "split", "side", "group")
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


@dataclass(frozen=True)
class Clip:
    """A row of a manifest without its labels; what is missing is None."""

    id: str
    video: str
    audio: str | None = None
    start: float | None = None
    end: float | None = None
    audio_start: float | None = None
    audio_end: float | None = None
    side: Side | None = None
    group: str | None = None

    @property
    def sound(self) -> str:
        """The file that holds the sound."""
        return self.video if self.audio is None else self.audio

    @property
    def sound_segment(self) -> tuple[float | None, float | None]:
        """Start and end of the sound in its file, in seconds.

        In the file of the pictures and without times of its own, it is where they are.
        """
        times = (self.audio_start, self.audio_end)
        in_video = self.audio in {None, self.video}
        return (self.start, self.end) if in_video and times == (None, None) else times

    @property
    def one_source(self) -> bool:
        """Whether picture and sound are the same segment of one file."""
        return self.sound == self.video and self.sound_segment == (self.start, self.end)


def clips_of(table: pd.DataFrame) -> list[Clip]:
    """The rows of a complete manifest as clips."""
    columns = []
    for item in fields(Clip):
        column = table[item.name]
        missing = column.isna().tolist()
        columns.append(
            [None if gone else value for value, gone in zip(column.tolist(), missing, strict=True)]
        )
    return [Clip(*values) for values in zip(*columns, strict=True)]


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
    table = table.reset_index(drop=True)
    # One empty column of each kind stands for all of them, and nothing is copied: a table may have
    # a million rows.
    no_text = pd.Series(index=table.index, dtype="str")
    no_number = pd.Series(index=table.index, dtype=np.float64)
    columns: dict[str, pd.Series[Any]] = {}
    for name in COLUMNS:
        given = table.get(name)
        if given is None and name in ("audio_start", "audio_end"):
            given = columns[name.removeprefix("audio_")]
        if name in TEXT_COLUMNS:
            columns[name] = no_text if given is None else given.astype("str")
        else:
            columns[name] = no_number if given is None else _numbers(given, table)
    columns["fold"] = columns["fold"].astype("Int64")
    for name in label_columns(table):
        columns[name] = table[name]
    return pd.DataFrame(columns, copy=False)


def _numbers(column: "pd.Series[Any]", table: pd.DataFrame) -> "pd.Series[float]":
    if column.dtype == np.float64 and column.name != "fold":
        return column
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~np.isfinite(numbers) & column.notna().to_numpy()
    if column.name == "fold":
        wrong |= ~np.isnan(numbers) & (numbers != np.floor(numbers))
    if wrong.any():
        position = int(wrong.argmax())
        raise DataError(
            f"{row_name(table, position)}: {column.name} is {column.iloc[position]!r}, "
            f"which is not {'a whole' if column.name == 'fold' else 'a'} number."
        )
    return pd.Series(numbers)


def read_manifest(
    path: str | Path, root: str | Path | None = None, *, sounds_alone: bool = False
) -> pd.DataFrame:
    """Reads a manifest from a CSV or Parquet file.

    The file has a header; `video` (or `path`) is needed, the other columns of this module may
    follow, and every further column is a label. Only an empty cell is missing: words such as
    "None" or "NA" are labels like any other. Without an `id` column clips are called by their
    files, below the folder that all share, with the segment behind it.

    Args:
        path: CSV file, UTF-8, divided by commas (`.tsv`: by tabs), or Parquet file.
        root: Folder against which relative media paths resolve; None means that of the file.
        sounds_alone: Whether a row may name a sound file alone, which then is its `video` too.

    Returns:
        A complete, checked manifest with resolved paths; labels are text, or floats of a Parquet
        file.

    Raises:
        DataError: The file cannot be read, lacks a column, or a row contradicts itself.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(f"Manifest {path} does not exist; give the path of a CSV file.")
    table = read_table(path)
    if "video" not in table and "path" in table:
        table = table.rename(columns={"path": "video"})
    _check_columns(table, path)
    if sounds_alone and "audio" in table:
        table["video"] = table["video"].fillna(table["audio"])
    if table["video"].isna().any():
        position = int(table["video"].isna().to_numpy().argmax())
        raise DataError(f"Manifest {path}, row {position + 1}: the video cell is empty.")
    folder = path.parent if root is None else Path(root).expanduser()
    if "id" not in table:
        table["id"] = clip_names(table, folder)
    try:
        table = complete_manifest(table)
    except DataError as error:
        raise DataError(f"Manifest {path}, {error}") from error
    for name in ("video", "audio"):
        table[name] = _resolve(table[name], folder)
        _check_slashes(table, name, path)
    check_manifest(table, f"Manifest {path}")
    return table


def _check_slashes(table: pd.DataFrame, name: str, path: Path) -> None:
    """Refuses paths of Windows, where one of them does not exist."""
    with_backslash = table[name].str.contains("\\", regex=False).fillna(value=False).to_numpy(bool)
    if with_backslash.any():
        position = int(with_backslash.argmax())
        file = Path(table[name].iloc[position])
        if not file.exists():
            raise DataError(
                f"Manifest {path}, {row_name(table, position)}: {file} does not exist; write paths "
                "with / between folders."
            )


def _check_columns(table: pd.DataFrame, path: Path) -> None:
    names = [str(name) for name in table.columns]
    known = COLUMNS if "video" in names else (*COLUMNS, "path")
    misspelt = [name for name in names if name not in known and name.lower() in known]
    if misspelt:
        raise DataError(
            f"Manifest {path} has a column {misspelt[0]}; write it in small letters: "
            f"{misspelt[0].lower()}."
        )
    if "video" not in names:
        raise DataError(
            f"Manifest {path} has no video column (found: {', '.join(names)}); "
            "name the column with the media files video or path."
        )
    twice = [name for name in names if names.count(name) > 1 or f"{name}.1" in names]
    if twice:
        raise DataError(f"Manifest {path} has two columns {twice[0]}; rename one of them.")


def save_manifest(table: pd.DataFrame, path: str | Path, *, overwrite: bool = False) -> bool:
    """Writes a manifest to a file that `read_manifest` reads.

    Media below the folder of the file are written relative to it, others by their whole path.
    Optional columns that say nothing are left out.

    Args:
        table: A complete manifest.
        path: File to write: .csv, .tsv or, for millions of rows, .parquet; its folder is made.
        overwrite: Whether a file with other content may be replaced.

    Returns:
        Whether the file was written; False if it holds the same already.

    Raises:
        DataError: The file exists with other content, or its suffix is none of these.
    """
    path = Path(path).expanduser()
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise DataError(f"{path} is no name for a manifest; let it end in .csv, .tsv or .parquet.")
    folder = path.parent.absolute()
    table = table.drop(columns=[name for name in COLUMNS if _says_nothing(table, name)])
    for name in {"video", "audio"} & set(table.columns):
        table[name] = _relative(table[name], folder)
    content = BytesIO()
    if suffix == ".parquet":
        table.to_parquet(content, index=False)
    else:
        table.to_csv(content, index=False, sep="\t" if suffix == ".tsv" else ",")
    if path.exists() and path.read_bytes() == content.getvalue():
        return False
    if path.exists() and not overwrite:
        raise DataError(
            f"{path} exists and holds another table; remove it, give another name or --overwrite."
        )
    with whole_file(path) as part:
        part.write_bytes(content.getvalue())
    return True


def _says_nothing(table: pd.DataFrame, name: str) -> bool:
    """Whether a column can be left out, because reading gives it back."""
    if name in ("audio_start", "audio_end"):
        return table[name].equals(table[name.removeprefix("audio_")].rename(name))
    return name in ("split", "side", "group") and bool(table[name].isna().all())


def _relative(paths: "pd.Series[str]", folder: Path) -> "pd.Series[str]":
    absolute = paths.where(paths.isna() | paths.str.startswith("/"), f"{Path.cwd()}/" + paths)
    inside = absolute.str.startswith(f"{folder}/").fillna(value=False).astype(bool)
    below = absolute.str.slice(len(f"{folder}/"))
    # Reading takes blanks off the ends of a cell.
    blank = below.str.startswith((" ", "\t")).fillna(value=False).astype(bool)
    return absolute.mask(inside, below.mask(blank, "./" + below))


def _resolve(paths: "pd.Series[str]", folder: Path) -> "pd.Series[str]":
    whole = paths.isna() | paths.str.startswith("/")
    return paths if whole.all() else paths.where(whole, f"{folder}/" + paths)


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
        _repeats(table["id"]),
        "an earlier row has the same id; give every clip an id of its own in an id column.",
    )
    for prefix in ("", "audio_"):
        start, end = table[f"{prefix}start"].to_numpy(), table[f"{prefix}end"].to_numpy()
        refuse(start < 0, f"{prefix}start is negative.")
        refuse(end <= np.nan_to_num(start), f"{prefix}end does not lie after {prefix}start.")
    for name, allowed in (("split", SPLITS), ("side", SIDES)):
        wrong = (table[name].notna() & ~table[name].isin(allowed)).to_numpy()
        if wrong.any():
            found = table[name].iloc[int(wrong.argmax())]
            refuse(wrong, f"{name} is {found!r}, but {' or '.join(allowed)} is needed.")
    refuse((table["fold"] < 1).fillna(value=False).to_numpy(dtype=bool), "folds count from 1.")


def _repeats(names: "pd.Series[str]") -> npt.NDArray[np.bool_]:
    """Which names an earlier row has."""
    # Corpora are listed in order; seeing that needs no hash table of a million names.
    values = pa.array(names)
    if pc.all(pc.less(values[:-1], values[1:])).as_py() is not False:
        return np.zeros(len(names), dtype=bool)
    return names.duplicated().to_numpy()


def check_files(table: pd.DataFrame, source: str) -> None:
    """Checks that every file of a manifest exists.

    Args:
        table: A complete manifest with resolved paths.
        source: What the table was made from, as messages call it.

    Raises:
        DataError: A file is missing; names the first one, its row, and how many are missing.
    """
    found: dict[str, bool] = {}
    # Neighbours in the table share the files of a pack.
    is_there_once = lru_cache(maxsize=64)(is_there)
    missing = np.zeros(len(table), dtype=bool)
    for name in ("video", "audio"):
        paths = table[name]
        for path in paths.dropna().unique():
            if path not in found:
                found[path] = is_there_once(file_of(path))
        lost = [path for path, is_there in found.items() if not is_there]
        missing |= paths.isin(lost).to_numpy()
    if not missing.any():
        return
    position = int(missing.argmax())
    row = table.iloc[position]
    file = file_of(row["audio"] if found[row["video"]] else row["video"])
    raise DataError(
        f"{source}, {row_name(table, position)}: {file} does not exist "
        f"({int(missing.sum())} of {len(table)} rows lack a file); check the root "
        "folder or take the rows out of the table."
    )
