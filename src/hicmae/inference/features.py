"""Files of features: safetensors, NumPy and Parquet.

What they hold, by format:

============ ================================ =================== ===============
what         safetensors                      npz                 parquet
============ ================================ =================== ===============
source       int64 tensor `source` (N) of     unicode array       column of text
             places in the list `sources` of  `source` (N)
             the metadata
person       int64 `person` (N)               likewise            column
times        float32 `window_times` (N, 2)    likewise            `start`, `end`
senses       float32 `seen`, `heard` (N)      likewise            columns
features     float32 `joint` (N, D),          likewise            fixed-size lists
             `video_layers` and
             `audio_layers` (N, L, C)
settings     metadata `description`, JSON     text `description`  schema metadata
============ ================================ =================== ===============
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from hicmae.errors import ConfigError, DataError
from hicmae.files import whole_file
from hicmae.inference.results import Floats

SUFFIXES = (".safetensors", ".npz", ".parquet")
"""Kinds of files that features are written to."""

Setting = str | float | bool | None
Arrays = Mapping[str, npt.NDArray[Any]]

_UNREADABLE = (
    *(KeyError, ValueError, TypeError, OSError),
    *(BadZipFile, SafetensorError, pa.ArrowException),
)
_FEATURES = ("joint", "video_layers", "audio_layers")
_ROWS_AT_ONCE = 1024  # of a Parquet file: some tens of megabytes with the features of all layers


@dataclass(frozen=True, eq=False, slots=True)
class FeatureTable:
    """Features of N windows, or of N people where windows were averaged.

    Attributes:
        table: Columns source, person, start and end (seconds), and seen and heard, which are 1 or
            0, or the share of windows where these were averaged; a row per feature (N). Files of
            older versions lack the latter.
        joint: What the head of the model reads, float32 (N, D): hierarchical video, hierarchical
            audio, fused video and fused audio side by side, normalised, or the feature of the one
            modality.
        video_layers: Mean token of every layer of the video encoder (N, L, C), or None if the file
            has none.
        audio_layers: Mean token of every layer of the audio encoder (N, L, C), or None likewise.
        settings: What the features depend on, such as the hash of the model.
    """

    table: pd.DataFrame
    joint: Floats
    video_layers: Floats | None
    audio_layers: Floats | None
    settings: dict[str, Setting]


def write_features(
    path: Path,
    parts: ds.Dataset,
    sources: Sequence[str],
    rows: Sequence[int],
    settings: Mapping[str, Setting],
) -> dict[str, tuple[int, ...]]:
    """Writes a file of features, whole or not at all.

    Of Parquet a group of rows is held in memory at a time, of the other formats all rows.

    Args:
        path: The file; its suffix chooses the format.
        parts: The rows of all clips in order: `person`, `start`, `end`, `seen`, `heard` and the
            features.
        sources: What to call each clip.
        rows: Rows of each clip.
        settings: What the features depend on.

    Returns:
        Shapes of the arrays of features by name.
    """
    source = np.repeat(np.arange(len(sources)), rows)
    with whole_file(path) as hidden:
        if path.suffix == ".parquet":
            _to_parquet(hidden, parts, pa.array(sources, pa.string()).take(source), settings)
        else:
            write = {".safetensors": _to_safetensors, ".npz": _to_npz}[path.suffix]
            write(hidden, _arrays_of(parts), sources, source, settings)
    shapes = {name: _row_shape(parts.schema.field(name).type) for name in parts.schema.names}
    return {name: (len(source), *shapes[name]) for name in _FEATURES if name in shapes}


def read_features(path: str | Path) -> FeatureTable:
    """Reads a file of features.

    Args:
        path: What `hicmae embed` wrote: .safetensors, .npz or .parquet.

    Raises:
        ConfigError: The suffix is unknown.
        DataError: The file is missing, damaged, or holds something else.
    """
    path = Path(path)
    read = {".safetensors": _from_safetensors, ".npz": _from_npz, ".parquet": _from_parquet}
    if path.suffix not in read:
        raise ConfigError(f"{path} is no file of features: give one of {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise DataError(f"There is no file {path}: write it with `hicmae embed`.")
    try:
        return read[path.suffix](path)
    except _UNREADABLE as error:
        raise DataError(
            f"{path} holds no features that can be read ({type(error).__name__}: {error}): write "
            "it anew with `hicmae embed`."
        ) from error


def _description(settings: Mapping[str, Setting], **more: Any) -> str:
    return json.dumps({"settings": settings, **more}, ensure_ascii=False)


def _to_safetensors(
    path: Path,
    arrays: Arrays,
    names: Sequence[str],
    source: npt.NDArray[np.int64],
    settings: Mapping[str, Setting],
) -> None:
    # One entry alone: several come in any order, and files of the same features would differ.
    metadata = {"description": _description(settings, sources=list(names))}
    path.touch()
    mode = path.stat().st_mode  # what files get here; the library lets nobody but the owner read
    save_file({"source": source.astype(np.int64), **arrays}, path, metadata)
    path.chmod(mode)


def _to_npz(
    path: Path,
    arrays: Arrays,
    names: Sequence[str],
    source: npt.NDArray[np.int64],
    settings: Mapping[str, Setting],
) -> None:
    text = np.array(_description(settings))
    with path.open("wb") as file:  # by its name, numpy would add a suffix
        np.savez(
            file,
            allow_pickle=False,
            source=np.array(names, np.str_)[source],
            description=text,
            **arrays,
        )


def _to_parquet(
    path: Path, parts: ds.Dataset, source: pa.Array, settings: Mapping[str, Setting]
) -> None:
    text = {"description": _description(settings)}
    schema = pa.schema([("source", pa.string()), *parts.schema], metadata=text)
    first = 0
    with pq.ParquetWriter(path, schema) as writer:
        for table in _in_groups(parts.to_batches(batch_size=_ROWS_AT_ONCE)):
            column = source.slice(first, len(table))
            writer.write_table(table.add_column(0, "source", column).cast(schema), _ROWS_AT_ONCE)
            first += len(table)


def _in_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Joins the rows of clips until they are enough for a group."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(map(len, waiting)) >= _ROWS_AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def lists_of(array: npt.NDArray[Any]) -> Any:
    """An array (N, A, ...) as a column of N fixed-size lists of A lists, and so on."""
    lists = pa.array(array.reshape(-1))
    for size in reversed(array.shape[1:]):
        lists = pa.FixedSizeListArray.from_arrays(lists, size)
    return lists


def _row_shape(kind: pa.DataType) -> tuple[int, ...]:
    """The shape of what `lists_of` made of a row."""
    if pa.types.is_fixed_size_list(kind):
        return (kind.list_size, *_row_shape(kind.value_type))
    return ()


def _arrays_of(parts: ds.Dataset) -> dict[str, npt.NDArray[Any]]:
    """All columns of numbers as arrays, the times as one."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    total, first = parts.count_rows(), 0
    columns = [name for name in parts.schema.names if name != "source"]
    for batch in parts.to_batches(columns=columns):
        for name in columns:
            shape = _row_shape(batch[name].type)
            numbers = batch[name]
            for _ in shape:
                numbers = numbers.flatten()
            values = numbers.to_numpy().reshape(-1, *shape)
            if name not in arrays:
                arrays[name] = np.empty((total, *shape), values.dtype)
            arrays[name][first : first + len(batch)] = values
        first += len(batch)
    return {"window_times": np.stack([arrays.pop("start"), arrays.pop("end")], axis=1), **arrays}


def _from_safetensors(path: Path) -> FeatureTable:
    with safe_open(path, "np") as file:
        description = json.loads(file.metadata()["description"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    sources = np.array(description["sources"], object)[arrays.pop("source")]
    return _features(sources, arrays, description["settings"])


def _from_npz(path: Path) -> FeatureTable:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    settings = json.loads(str(arrays.pop("description")))["settings"]
    return _features(arrays.pop("source").astype(object), arrays, settings)


def _from_parquet(path: Path) -> FeatureTable:
    # A single file, whose path tells nothing of its rows.
    parts = ds.dataset(path, format="parquet", partitioning=None)
    sources = np.array(parts.to_table(columns=["source"])["source"].to_pylist(), object)
    settings = json.loads(parts.schema.metadata[b"description"])["settings"]
    return _features(sources, _arrays_of(parts), settings)


def _features(
    sources: npt.NDArray[np.object_],
    arrays: Mapping[str, npt.NDArray[Any]],
    settings: dict[str, Setting],
) -> FeatureTable:
    times = arrays["window_times"]
    table = pd.DataFrame(
        {
            "source": sources,
            "person": arrays["person"],
            "start": times[:, 0],
            "end": times[:, 1],
            **{name: arrays[name] for name in ("seen", "heard") if name in arrays},
        }
    )
    return FeatureTable(
        table,
        arrays["joint"],
        arrays.get("video_layers"),
        arrays.get("audio_layers"),
        settings,
    )
