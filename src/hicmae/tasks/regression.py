"""Fine-tuning for dimensional emotion (paper section 3.3)."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from hicmae.objectives.regression import REGRESSION_LOSSES, RegressionLoss
from hicmae.tasks.base import Batch
from hicmae.tasks.metrics import RegressionMetrics
from hicmae.tasks.recognition import RecognitionTask, as_floats, empty, require_targets

_ACTIVATIONS = {
    "none": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}


class RegressionTask(RecognitionTask):
    """Learns one or several continuous dimensions, such as arousal and valence.

    Validation and test average the outputs of a clip's views, and log PCC, CCC, MSE, RMSE and MAE
    of every target and their means; testing writes `test_predictions.csv`.

    Args:
        target_names: The targets in the order of the outputs. On the command line they come from
            the data.
        loss: mse, l1, smooth_l1, ccc (one minus concordance) or pcc (one minus correlation).
        activation: Applied to the outputs: none, sigmoid, relu or tanh.
        **recognition: See `RecognitionTask` and `AudioVisualTask`.
    """

    def __init__(
        self,
        target_names: list[str],
        *,
        loss: RegressionLoss = "mse",
        activation: Literal["none", "sigmoid", "relu", "tanh"] = "none",
        **recognition: Any,
    ) -> None:
        super().__init__(target_names, **recognition)
        self.save_hyperparameters()
        self.target_names = list(target_names)
        self.criterion = REGRESSION_LOSSES[loss]
        self.activation = _ACTIVATIONS[activation]()
        self.validation_metrics = RegressionMetrics(len(target_names))
        self.test_metrics = RegressionMetrics(len(target_names))

    def forward(self, batch: Batch) -> Tensor:
        """Values of the targets, averaged over views (B, K)."""
        return self.activation(self.view_outputs(batch)).mean(1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """The loss of a batch; targets are values (B, K)."""
        if empty(batch):
            return None
        loss = self.criterion(self(batch), require_targets(batch))
        self.log_losses({"loss": loss}, "train", len(batch["id"]))
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures a batch."""
        if not empty(batch):
            self._measure(batch, "val", self.validation_metrics)

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of the whole validation set."""
        self._log_scores("val", self.validation_metrics)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures a batch and keeps its predictions."""
        if not empty(batch):
            self._rows += self._table(batch, self._measure(batch, "test", self.test_metrics))

    def on_test_epoch_end(self) -> None:
        """Logs the metrics of the whole test set."""
        self._log_scores("test", self.test_metrics)
        self._write_rows("test_predictions")

    def _measure(self, batch: Batch, stage: str, metrics: RegressionMetrics) -> Tensor:
        targets = require_targets(batch)
        values: Tensor = self(batch)
        if len(targets) > 1:
            self.log_losses({"loss": self.criterion(values, targets)}, stage, len(targets))
        metrics.update(values, targets)
        return values

    def _log_scores(self, stage: str, metrics: RegressionMetrics) -> None:
        for name, values in metrics.compute().items():
            self.log(f"{stage}/{name}", values.mean(), prog_bar=stage == "val" and name == "CCC")
            for target, value in zip(self.target_names, values, strict=True):
                self.log(f"{stage}/{name}_{target}", value)
        metrics.reset()

    def _table(self, batch: Batch, outputs: Tensor) -> list[dict[str, Any]]:
        targets = as_floats(batch["target"]) if "target" in batch else None
        rows = []
        for index, (name, values) in enumerate(zip(batch["id"], as_floats(outputs), strict=True)):
            row: dict[str, Any] = {"id": name}
            if targets is not None:
                for target, value in zip(self.target_names, targets[index], strict=True):
                    row[f"{target}_target"] = value
            row.update(zip(self.target_names, values, strict=True))
            rows.append(row)
        return rows
