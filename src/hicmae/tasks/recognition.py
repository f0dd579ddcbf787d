"""What classification and regression share: the recogniser, views, predictions on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from hicmae.errors import ConfigError
from hicmae.models import EmotionRecognizer, Size
from hicmae.tasks.base import AudioVisualTask, Batch, build_architecture

NO_LABELS = (
    "The data has no labels to train or test on: name a label column with --data.label, or target "
    "columns with --data.targets."
)


class RecognitionTask(AudioVisualTask):
    """Fine-tunes an `EmotionRecognizer`; its subclasses say for what.

    Args:
        outputs: Names of the model's outputs.
        size: Published size of the model: tiny, small or base.
        architecture: Fields of the architecture that differ from the size's; see
            `hicmae.models.Architecture`.
        drop_path: Largest stochastic depth rate.
        **optimisation: See `AudioVisualTask`.
    """

    model: EmotionRecognizer

    def __init__(
        self,
        outputs: list[str],
        *,
        size: Size = "base",
        architecture: dict[str, Any] | None = None,
        drop_path: float = 0.0,
        **optimisation: Any,
    ) -> None:
        super().__init__(**optimisation)
        if not outputs:
            raise ConfigError(NO_LABELS)
        self.outputs = list(outputs)
        self.architecture = build_architecture(size, architecture)
        self.model = EmotionRecognizer(self.architecture, len(outputs), drop_path)
        self._rows: list[dict[str, Any]] = []

    def example_forward(self) -> None:
        """Runs the model on one blank clip."""
        self.model(*self.example_clip())

    def view_outputs(self, batch: Batch) -> Tensor:
        """Raw outputs for every view of every clip.

        Args:
            batch: `video` (B, V, 3, T, H, W) and `audio` (B, V, 1, T', F).

        Returns:
            Outputs (B, V, O) in float32.
        """
        views = batch["video"].shape[1]
        outputs = self.model(batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1))
        return outputs.float().unflatten(0, (-1, views))

    def forward(self, batch: Batch) -> Tensor:
        """What a clip is judged by: outputs of its views, averaged (B, O)."""
        raise NotImplementedError

    def predict_step(self, batch: Batch, batch_idx: int) -> list[dict[str, Any]]:
        """A row for every clip of the batch, also written to `predictions.csv`."""
        if not len(batch["id"]):
            return []
        rows = self._table(batch, self(batch))
        self._rows += rows
        return rows

    def on_predict_epoch_end(self) -> None:
        """Writes the predictions."""
        self._write_rows("predictions")

    def _table(self, batch: Batch, outputs: Tensor) -> list[dict[str, Any]]:
        raise NotImplementedError

    def _write_rows(self, name: str) -> None:
        """Writes the collected rows of this process to the run folder."""
        rows, self._rows = self._rows, []
        folder = self.trainer.log_dir
        if folder is None or not rows:
            return
        suffix = f"-{self.global_rank}" if self.trainer.world_size > 1 else ""
        path = Path(folder) / f"{name}{suffix}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(path, index=False)
        rank_zero_info(f"Wrote {len(rows)} rows to {path}.")


def require_targets(batch: Batch) -> Tensor:
    """The targets of a batch.

    Raises:
        ConfigError: The data has no labels.
    """
    if "target" not in batch:
        raise ConfigError(NO_LABELS)
    targets: Tensor = batch["target"]
    return targets


def empty(batch: Batch) -> bool:
    """Whether all clips of a batch were skipped."""
    return not len(batch["id"])


def as_floats(values: Tensor) -> list[list[float]]:
    """Rows of plain numbers."""
    return torch.as_tensor(values).detach().cpu().double().tolist()
