"""Features of many clips in one file, gathered clip by clip so that a stopped run goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save, save_file

from hicmae.choices import Per
from hicmae.errors import ConfigError, DataError
from hicmae.files import whole_file
from hicmae.inference.results import Embedding, Floats

SUFFIXES = (".safetensors", ".npz", ".parquet")
"""Kinds of files that features are written to."""

Setting = str | float | bool | None

_UNREADABLE = (
    *(KeyError, ValueError, TypeError, OSError),
    *(BadZipFile, SafetensorError, pa.ArrowException),
)
_LAYERS = ("video_layers", "audio_layers")
_ROWS_AT_ONCE = 1024  # of a Parquet file: some tens of megabytes with the features of all layers


@dataclass(frozen=True, eq=False, slots=True)
class FeatureTable:
    """Features of N windows, or of N people where windows were averaged.

    Attributes:
        table: Columns source, person, start and end (seconds), a row per feature (N).
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


class FeatureStore:
    """Writes the features of many clips to one file, and keeps what is done until all is done.

    The features of a clip are written at once to a file of their own in the folder
    `OUTPUT.parts`; `join` makes the output of them and removes the folder. A clip whose size or
    time of change differs from what its part was made of is not held, so that it is done again;
    parts that were made with other settings, such as another model, are refused.

    What the output holds, by format:

    ============ ================================ =================== ===============
    what         safetensors                      npz                 parquet
    ============ ================================ =================== ===============
    source       int64 tensor `source` (N) of     unicode array       column of text
                 places in the list `sources` of  `source` (N)
                 the metadata
    person       int64 `person` (N)               likewise            column
    times        float32 `window_times` (N, 2)    likewise            `start`, `end`
    features     float32 `joint` (N, D),          likewise            fixed-size lists
                 `video_layers` and
                 `audio_layers` (N, L, C)
    settings     metadata `description`, JSON     text `description`  schema metadata
    ============ ================================ =================== ===============

    Args:
        output: File to write; its suffix chooses the format.
        settings: Whatever else the features depend on: plain values by name.
        per: "window" keeps a row for every window, "clip" the mean over the windows of each person.
        layers: Whether the features of every layer are kept.

    Raises:
        ConfigError: The suffix is unknown.
    """

    def __init__(
        self,
        output: Path,
        settings: Mapping[str, Setting],
        *,
        per: Per = "window",
        layers: bool = False,
    ) -> None:
        if output.suffix not in SUFFIXES:
            raise ConfigError(
                f"{output} has no suffix of a known format: name a file that ends in "
                f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}."
            )
        self.output = output
        self.folder = output.with_name(f"{output.name}.parts")
        self.settings: dict[str, Setting] = {**settings, "per": per, "layers": layers}
        self._per = per
        self._layers = layers

    def holds(self, clip: Path) -> bool:
        """Whether the features of a clip, as it is now, are kept already.

        Raises:
            ConfigError: They are, but were made with other settings.
            DataError: The clip does not exist.
        """
        stamp = _stamp(clip)
        try:
            with safe_open(self._part(clip), "np") as part:
                description = json.loads(part.metadata()["description"])
        except (FileNotFoundError, SafetensorError):
            return False
        before = description["settings"]
        for name in self.settings:
            if before.get(name) != self.settings[name]:
                raise ConfigError(
                    f"{self.folder} holds features made with {name} {before.get(name)}, not "
                    f"{self.settings[name]}: give another --output, or remove that folder to "
                    "begin anew."
                )
        return description["clip"] == stamp

    def add(self, clip: Path, embeddings: Sequence[Embedding]) -> None:
        """Keeps the features of a clip.

        Args:
            clip: The clip, a file or a folder.
            embeddings: Features of every person in it; at least one.

        Raises:
            DataError: They cannot be written.
        """
        arrays = self._arrays(embeddings)
        description = {"clip": _stamp(clip), "settings": self.settings}
        content = save(arrays, {"description": json.dumps(description)})
        with _writing(self.output), whole_file(self._part(clip)) as part:
            part.write_bytes(content)

    def join(self, sources: Mapping[Path, str]) -> dict[str, tuple[int, ...]]:
        """Writes the output from the kept features and removes their folder.

        Memory stays bounded: features pass through files in the folder.

        Args:
            sources: What to call each clip in the output, in the order of its rows; every clip is
                held. What else the folder holds is left out.

        Returns:
            Shapes of the arrays of features by name.

        Raises:
            DataError: The output cannot be written; what is kept stays.
        """
        with _writing(self.output):
            rows, arrays = self._gather(list(sources))
            names = list(sources.values())
            source = np.repeat(np.arange(len(names)), rows)
            with whole_file(self.output) as part:
                write = {".safetensors": _to_safetensors, ".npz": _to_npz, ".parquet": _to_parquet}
                write[self.output.suffix](part, names, source, arrays, self.settings)
            shapes = {name: arrays[name].shape for name in ("joint", *_LAYERS) if name in arrays}
            del arrays
            shutil.rmtree(self.folder)
        return shapes

    def _arrays(self, embeddings: Sequence[Embedding]) -> dict[str, npt.NDArray[Any]]:
        """The rows of a clip."""
        names = ("window_times", "joint", *(_LAYERS if self._layers else ()))
        parts: dict[str, list[npt.NDArray[Any]]] = {"person": []}
        for embedding in embeddings:
            for name in names:
                array = getattr(embedding, name)
                if array is not None:
                    averaged = array.mean(axis=0, keepdims=True)
                    parts.setdefault(name, []).append(array if self._per == "window" else averaged)
            times = embedding.window_times
            if self._per == "clip":
                parts["window_times"][-1] = np.stack([times[:, 0].min(), times[:, 1].max()])[None]
            people = len(parts["window_times"][-1])
            parts["person"].append(np.full(people, embedding.person, np.int64))
        whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
        return {
            name: np.ascontiguousarray(array, np.int64 if name == "person" else np.float32)
            for name, array in whole.items()
        }

    def _gather(self, clips: Sequence[Path]) -> tuple[list[int], dict[str, npt.NDArray[Any]]]:
        """Joins each array of all clips in a file; gives the rows of every clip and the arrays."""
        rows = []
        shapes: dict[str, tuple[int, ...]] = {}
        for clip in clips:
            with safe_open(self._part(clip), "np") as part:
                shapes = {name: part.get_slice(name).get_shape() for name in part.keys()}  # noqa: SIM118 (no mapping)
                rows.append(shapes["joint"][0])
        with ExitStack() as stack:
            paths = {name: self.folder / f"{name}.npy" for name in shapes}
            files = {name: stack.enter_context(path.open("wb")) for name, path in paths.items()}
            for name, shape in shapes.items():
                kind = "<i8" if name == "person" else "<f4"
                header = {"descr": kind, "fortran_order": False, "shape": (sum(rows), *shape[1:])}
                np.lib.format.write_array_header_2_0(files[name], header)
            for clip in clips:
                with safe_open(self._part(clip), "np") as part:
                    for name, file in files.items():
                        file.write(part.get_tensor(name).tobytes())
        arrays = {
            name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in paths.items()
        }
        return rows, arrays

    def _part(self, clip: Path) -> Path:
        name = hashlib.sha256(str(clip.resolve()).encode()).hexdigest()[:32]
        return self.folder / f"{name}.safetensors"


def read_features(path: str | Path) -> FeatureTable:
    """Reads a file of features.

    Args:
        path: What a `FeatureStore` wrote: .safetensors, .npz or .parquet.

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


def _stamp(clip: Path) -> dict[str, Any]:
    """What tells that a clip has changed."""
    try:
        files = sorted(clip.iterdir()) if clip.is_dir() else [clip]
        states = [file.stat() for file in files]
    except FileNotFoundError as error:
        raise DataError(f"{clip} does not exist: check the path.") from error
    return {
        "path": str(clip.resolve()),
        "size": sum(state.st_size for state in states),
        "changed": max((state.st_mtime_ns for state in states), default=0),
        "files": len(files),
    }


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    """Tells in one sentence why nothing can be written, and that a further run goes on."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(
            f"{output} cannot be written ({reason}): make room, or name a place that can be "
            "written with --output; clips that are done are kept for when the command is given "
            "again."
        ) from error


def _description(settings: Mapping[str, Setting], **more: Any) -> str:
    return json.dumps({"settings": settings, **more}, ensure_ascii=False)


def _to_safetensors(
    path: Path,
    names: Sequence[str],
    source: npt.NDArray[np.int64],
    arrays: Mapping[str, npt.NDArray[Any]],
    settings: Mapping[str, Setting],
) -> None:
    # One entry alone: several come in any order, and files of the same features would differ.
    metadata = {"description": _description(settings, sources=names)}
    path.touch()
    mode = path.stat().st_mode  # what files get here; the library lets nobody but the owner read
    save_file({"source": source.astype(np.int64), **arrays}, path, metadata)
    path.chmod(mode)


def _to_npz(
    path: Path,
    names: Sequence[str],
    source: npt.NDArray[np.int64],
    arrays: Mapping[str, npt.NDArray[Any]],
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
    path: Path,
    names: Sequence[str],
    source: npt.NDArray[np.int64],
    arrays: Mapping[str, npt.NDArray[Any]],
    settings: Mapping[str, Setting],
) -> None:
    text = np.array(names, object)
    writer = None
    try:
        for first in range(0, len(source), _ROWS_AT_ONCE):
            rows = slice(first, first + _ROWS_AT_ONCE)
            columns = {
                "source": pa.array(text[source[rows]], pa.string()),
                "person": pa.array(arrays["person"][rows]),
                "start": pa.array(arrays["window_times"][rows, 0]),
                "end": pa.array(arrays["window_times"][rows, 1]),
            } | {name: _lists(arrays[name][rows]) for name in ("joint", *_LAYERS) if name in arrays}
            table = pa.table(columns, metadata={"description": _description(settings)})
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _lists(array: npt.NDArray[Any]) -> Any:
    """An array (N, A, ...) as N fixed-size lists of A lists, and so on."""
    lists = pa.array(array.reshape(-1))
    for size in reversed(array.shape[1:]):
        lists = pa.FixedSizeListArray.from_arrays(lists, size)
    return lists


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
    table = pq.read_table(path, partitioning=None)
    arrays = {}
    for name in ("joint", *_LAYERS):
        if name in table.column_names:
            lists, shape = table[name].combine_chunks(), [len(table)]
            while pa.types.is_fixed_size_list(lists.type):
                shape.append(lists.type.list_size)
                lists = lists.flatten()
            arrays[name] = lists.to_numpy().reshape(shape)
    arrays["person"] = table["person"].to_numpy()
    arrays["window_times"] = np.stack([table[name].to_numpy() for name in ("start", "end")], 1)
    settings = json.loads(table.schema.metadata[b"description"])["settings"]
    return _features(np.array(table["source"].to_pylist(), object), arrays, settings)


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
        }
    )
    return FeatureTable(
        table,
        arrays["joint"],
        arrays.get("video_layers"),
        arrays.get("audio_layers"),
        settings,
    )
