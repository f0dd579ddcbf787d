"""Features of many clips as they are gathered: a Parquet file for each clip, in one folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from safetensors import SafetensorError

from hicmae.choices import Per
from hicmae.errors import ConfigError, DataError
from hicmae.files import whole_file
from hicmae.inference.features import SUFFIXES, Setting, lists_of, write_features
from hicmae.inference.results import Embedding
from hicmae.ledger import Row

PARTS = 2
"""Format of what is kept of a clip; raise it when columns change, since one file takes all."""


class FeatureStore:
    """Keeps the features of each clip until all are written to one file.

    The features of a clip are a Parquet file in the folder `OUTPUT.parts`; `pyarrow.dataset` reads
    such files as one table. Which clip is in which file, a log of results tells.

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

    def add(self, clip: str, embeddings: Sequence[Embedding]) -> Row:
        """Keeps the features of a clip.

        Args:
            clip: Id of the clip.
            embeddings: Features of every person in it; at least one.

        Returns:
            Where they are kept: `part`, the name of the file, its `bytes` and `rows`.

        Raises:
            DataError: They cannot be written.
        """
        table = pa.concat_tables(self._rows(embedding) for embedding in embeddings)
        path = self.folder / f"{hashlib.sha256(clip.encode()).hexdigest()[:32]}.parquet"
        with _writing(self.output):
            with whole_file(path) as part:
                pq.write_table(table, part)
            return {"part": path.name, "bytes": path.stat().st_size, "rows": len(table)}

    def holds(self, row: Row) -> bool:
        """Whether what a row of the log names is kept whole."""
        path = self.folder / row["part"]
        return path.is_file() and path.stat().st_size == row["bytes"]

    def write_out(self, rows: Sequence[Row], sources: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Writes the output from the features of clips; what is kept stays.

        Args:
            rows: Rows of the log, of each clip in the order of the output; at least one.
            sources: What to call each clip.

        Returns:
            Shapes of the arrays of features by name.

        Raises:
            DataError: The output cannot be written.
        """
        parts = ds.dataset([self.folder / row["part"] for row in rows], format="parquet")
        with _writing(self.output):
            counts = [row["rows"] for row in rows]
            return write_features(self.output, parts, sources, counts, self.settings)

    def _rows(self, embedding: Embedding) -> pa.Table:
        """The rows of a person."""
        times = embedding.window_times
        seen, heard = embedding.window_senses.T.astype(np.float32)
        features = {"seen": seen, "heard": heard, "joint": embedding.joint}
        if self._layers:
            layers = {
                "video_layers": embedding.video_layers,
                "audio_layers": embedding.audio_layers,
            }
            features |= {name: array for name, array in layers.items() if array is not None}
        if self._per == "clip":
            times = np.stack([times[:, 0].min(), times[:, 1].max()])[None]
            features = {name: array.mean(axis=0, keepdims=True) for name, array in features.items()}
        columns: dict[str, npt.NDArray[np.int64 | np.float32]] = {
            "person": np.full(len(times), embedding.person, np.int64),
            "start": times[:, 0].astype(np.float32),
            "end": times[:, 1].astype(np.float32),
            **{name: array.astype(np.float32) for name, array in features.items()},
        }
        return pa.table({name: lists_of(array) for name, array in columns.items()})


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
