"""Fine-tuning for dimensional emotion (paper section 3.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hicmae.data.batches import Batch, MixedTarget
from hicmae.data.mixing import UNMIXABLE
from hicmae.data.options import InputSettings
from hicmae.errors import ConfigError
from hicmae.models import ACTIVATIONS, Activation
from hicmae.objectives.regression import REGRESSION_LOSSES, RegressionLoss
from hicmae.tasks.base import empty
from hicmae.tasks.metrics import RegressionMetrics
from hicmae.tasks.predictions import as_floats
from hicmae.tasks.recognition import (
    RecognitionTask,
    require_plain_targets,
    require_targets,
)
from hicmae.weights.description import ModelDescription, TrainingFacts


class RegressionTask(RecognitionTask[RegressionMetrics]):
    """Learns one or several continuous dimensions, such as arousal and valence.

    Validation and test average the outputs of a clip's views, and log PCC, CCC, MSE, RMSE and MAE
    of every target and their means; testing writes `test_predictions.csv`. Clips that carry a group
    are judged by group, under the same names; see `RecognitionTask`.

    Args:
        target_names: The targets in the order of the outputs. On the command line they come from
            the data.
        loss: mse, l1, smooth_l1, ccc (one minus concordance) or pcc (one minus correlation).
        activation: Applied to the outputs: none, sigmoid, relu or tanh.
        **recognition: See `RecognitionTask` and `AudioVisualTask`.
    """

    kind = "regression"

    def __init__(
        self,
        target_names: list[str],
        *,
        loss: RegressionLoss = "mse",
        activation: Activation = "none",
        **recognition: Any,
    ) -> None:
        super().__init__(target_names, **recognition)
        self.save_hyperparameters()
        self.target_names = list(target_names)
        self.criterion = REGRESSION_LOSSES[loss]
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]()
        self.validation_metrics = RegressionMetrics(len(target_names))
        self.test_metrics = RegressionMetrics(len(target_names))

    def describe(self, inputs: InputSettings, training: TrainingFacts) -> ModelDescription | None:
        """A model with a head and what its outputs go through."""
        described = super().describe(inputs, training)
        return described and replace(described, activation=self.activation_name)

    def forward(self, batch: Batch) -> Tensor:
        """Values of the targets, averaged over views (B, K)."""
        return self.activation(self.view_outputs(batch)).mean(1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """The loss of a batch; targets are values (B, K)."""
        if empty(batch):
            return self.loss_of_no_clips()
        targets = require_targets(batch)
        if isinstance(targets, MixedTarget):
            raise ConfigError(UNMIXABLE.format("numbers to regress"))
        loss = self.criterion(self(batch), targets)
        self.log_losses({"loss": loss}, "train", len(batch["id"]))
        return loss

    def evaluation_loss(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """The loss trained on; a single clip has none, as it has no correlation."""
        return self.criterion(outputs, targets) if len(targets) > 1 else None

    def log_scores(self, stage: str, metrics: RegressionMetrics) -> None:
        """Logs every metric of every target and its mean over the targets."""
        for name, values in metrics.compute().items():
            self.log(f"{stage}/{name}", values.mean(), prog_bar=stage == "val" and name == "CCC")
            for target, value in zip(self.target_names, values, strict=True):
                self.log(f"{stage}/{name}_{target}", value)

    def log_confidence(self, outputs: Tensor, targets: Tensor) -> None:
        """Logs the negative log-likelihood of targets under the known spread, per value."""
        if self.reliability is not None and self.reliability.spread:
            variance = outputs.new_tensor(self.reliability.spread).square().expand_as(outputs)
            likelihood = F.gaussian_nll_loss(outputs, targets, variance, full=True)
            self.log("test/NLL", likelihood, sync_dist=True)

    def table_rows(self, batch: Batch, outputs: Tensor) -> list[dict[str, Any]]:
        """The value of every target, true and predicted."""
        targets = as_floats(require_plain_targets(batch)) if "target" in batch else None
        rows = []
        for index, (name, values) in enumerate(zip(batch["id"], as_floats(outputs), strict=True)):
            row: dict[str, Any] = {"id": name}
            if targets is not None:
                for target, value in zip(self.target_names, targets[index], strict=True):
                    row[f"{target}_target"] = value
            row.update(zip(self.target_names, values, strict=True))
            rows.append(row)
        return rows
