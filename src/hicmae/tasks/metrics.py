"""The field's figures of merit, over a whole set of clips (paper section 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchmetrics import (
    ConcordanceCorrCoef,
    MeanAbsoluteError,
    MeanSquaredError,
    Metric,
    MetricCollection,
    PearsonCorrCoef,
)
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)

from hicmae.errors import ConfigError


class ClassificationMetrics(nn.Module):
    """UAR, WAR, weighted and macro F1, and the confusion matrix.

    UAR is the mean recall of the classes that occur among the targets.

    Args:
        classes: Number of classes, K.

    Raises:
        ConfigError: There is one class alone.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise ConfigError(
                "The data has one class alone, and a model needs two to tell apart: check the "
                "column of --data.label, or name all classes with --data.classes."
            )
        self.scores = MetricCollection(
            {
                "WAR": MulticlassAccuracy(classes, average="micro"),
                "F1_weighted": MulticlassF1Score(classes, average="weighted"),
                "F1_macro": MulticlassF1Score(classes, average="macro"),
            }
        )
        self.confusion = MulticlassConfusionMatrix(classes)

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        """Adds clips: probabilities (B, K) and class indices (B,)."""
        self.scores.update(probabilities, targets)
        self.confusion.update(probabilities, targets)

    def compute(self) -> tuple[dict[str, Tensor], Tensor]:
        """Scores by name, each in [0, 1], and counts (K, K) with a row for every true class."""
        matrix: Tensor = self.confusion.compute()
        support = matrix.sum(1)
        recall = matrix.diagonal() / support.clamp(min=1)
        return {"UAR": recall[support > 0].mean(), **self.scores.compute()}, matrix

    def reset(self) -> None:
        """Forgets all clips."""
        self.scores.reset()
        self.confusion.reset()


class RegressionMetrics(nn.Module):
    """PCC, CCC (unbiased), MSE, RMSE and MAE of every target.

    Args:
        targets: Number of targets, K.
    """

    def __init__(self, targets: int) -> None:
        super().__init__()
        self.squeeze = targets == 1
        self.metrics = MetricCollection(
            {
                "PCC": PearsonCorrCoef(targets),
                "CCC": ConcordanceCorrCoef(targets),
                "MSE": MeanSquaredError(num_outputs=targets),
                "RMSE": MeanSquaredError(squared=False, num_outputs=targets),
                "MAE": MeanAbsoluteError(num_outputs=targets),
            },
            compute_groups=False,
        )

    def update(self, values: Tensor, targets: Tensor) -> None:
        """Adds clips: predicted and true values (B, K)."""
        if self.squeeze:  # torchmetrics takes a single target as (B,)
            values, targets = values.squeeze(1), targets.squeeze(1)
        self.metrics.update(values, targets)

    def compute(self) -> dict[str, Tensor]:
        """Values (K,) by metric name."""
        metrics: dict[str, Metric] = dict(self.metrics.items())
        return {name: torch.atleast_1d(metric.compute()) for name, metric in metrics.items()}

    def reset(self) -> None:
        """Forgets all clips."""
        self.metrics.reset()
