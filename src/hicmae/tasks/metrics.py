"""The field's figures of merit, over a whole set of clips (paper section 4.1)."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torchmetrics import (
    ConcordanceCorrCoef,
    CosineSimilarity,
    KLDivergence,
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
    MultilabelAveragePrecision,
    MultilabelExactMatch,
    MultilabelF1Score,
    MultilabelStatScores,
)
from torchmetrics.utilities import dim_zero_cat

from hicmae.errors import ConfigError


class KeptShares(Metric):
    """Keeps the shares of a whole set of clips, of all processes."""

    shares: list[Tensor]
    targets: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("shares", [], dist_reduce_fx="cat")
        self.add_state("targets", [], dist_reduce_fx="cat")

    def update(self, shares: Tensor, targets: Tensor) -> None:
        """Adds clips: predicted and true shares (B, K)."""
        self.shares.append(shares.float())
        self.targets.append(targets.float())

    def compute(self) -> tuple[Tensor, Tensor]:
        """Predicted and true shares (N, K)."""
        return dim_zero_cat(self.shares), dim_zero_cat(self.targets)


def _require_several(classes: int) -> None:
    if classes < 2:
        raise ConfigError(
            "The data has one class alone, and a model needs two to tell apart: check the column "
            "of --data.label or --data.labels, or name all classes with --data.classes."
        )


def _widen(classes: int, *metrics: Metric) -> None:
    """Gives metrics that keep lists and have seen no clip an empty part for each of them.

    Else a process without clips could not join the others when parts (B, K) are gathered.
    """
    for metric in metrics:
        if not metric.update_called:
            none = torch.empty(0, classes, device=metric.device)
            metric.update(none, none.long())


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
        _require_several(classes)
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


class DistributionMetrics(ClassificationMetrics):
    """The same of the classes with the largest shares, and KL and cosine of the shares.

    Args:
        classes: Number of classes, K.

    Attributes:
        kept: All shares, for what thresholds have to be fitted to.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.classes = classes
        self.kept = KeptShares()
        self.shares = MetricCollection({"KL": KLDivergence(), "cosine": CosineSimilarity("mean")})

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        """Adds clips: predicted and true shares (B, K), which sum to 1."""
        super().update(probabilities, targets.argmax(-1))
        self.shares["KL"].update(targets, probabilities)  # of the answer from the target
        self.shares["cosine"].update(probabilities, targets)
        self.kept.update(probabilities, targets)

    def compute(self) -> tuple[dict[str, Tensor], Tensor]:
        """Scores by name, and counts of the classes with the largest shares (K, K)."""
        _widen(self.classes, self.kept, self.shares["cosine"])
        scores, matrix = super().compute()
        return {**scores, **{name: part.compute() for name, part in self.shares.items()}}, matrix

    def reset(self) -> None:
        """Forgets all clips."""
        super().reset()
        self.shares.reset()
        self.kept.reset()


class LabelMetrics(nn.Module):
    """Means over the labels of average precision and F1, and the share of wholly right clips.

    The means are over the labels that any clip has; without one they are not a number.

    Args:
        labels: Number of labels, K.

    Raises:
        ConfigError: There is one label alone.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        _require_several(labels)
        self.labels = labels
        self.means = MetricCollection(
            {
                "mAP": MultilabelAveragePrecision(labels, average="none"),
                "F1_macro": MultilabelF1Score(labels, average="none"),
            }
        )
        self.exact = MultilabelExactMatch(labels)
        self.counts = MultilabelStatScores(labels, average="none")

    def update(self, probabilities: Tensor, targets: Tensor) -> None:
        """Adds clips: probabilities and targets (B, K); of a group, half of its clips decide."""
        for metric in self._metrics():
            metric.update(probabilities, (targets >= 0.5).long())

    def compute(self) -> tuple[dict[str, Tensor], None]:
        """Scores by name, each in [0, 1]; there is no confusion of labels."""
        _widen(self.labels, self.means["mAP"])
        there = self.there()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No positive samples")  # they are left out
            of_labels = self.means.compute()
        means = {name: scores[there].mean() for name, scores in of_labels.items()}
        return {**means, "exact": self.exact.compute()}, None

    def there(self) -> Tensor:
        """Which labels any clip has, bool (K,)."""
        support: Tensor = self.counts.compute()[:, -1]
        return support > 0

    def reset(self) -> None:
        """Forgets all clips."""
        for metric in self._metrics():
            metric.reset()

    def _metrics(self) -> tuple[MetricCollection | Metric, ...]:
        return self.means, self.exact, self.counts


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
