"""Fine-tuning for categorical emotion (paper section 3.3)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from hicmae.data.batches import Batch, MixedTarget
from hicmae.tasks.base import empty
from hicmae.tasks.figures import confusion_figure, log_figure
from hicmae.tasks.metrics import ClassificationMetrics
from hicmae.tasks.recognition import (
    LabelKind,
    RecognitionTask,
    as_floats,
    require_plain_targets,
    require_targets,
)


class ClassificationTask(RecognitionTask[ClassificationMetrics]):
    """Learns one of several emotions.

    Validation and test average the softmax outputs of a clip's views, and log UAR (mean recall of
    the classes that occur), WAR (accuracy), weighted and macro F1, each in [0, 1]; testing adds a
    confusion matrix and `test_predictions.csv`. Clips that carry a group are judged by group, under
    the same names; see `RecognitionTask`.

    Args:
        class_names: The classes in the order of their indices. On the command line they come from
            the data.
        label_smoothing: Share of the target spread over all classes, in training. It is spread here
            and nowhere else, over single and mixed classes alike: mixing them before or after it
            comes to the same.
        **recognition: See `RecognitionTask` and `AudioVisualTask`.
    """

    kind: ClassVar[LabelKind | None] = "classification"

    def __init__(
        self, class_names: list[str], *, label_smoothing: float = 0.0, **recognition: Any
    ) -> None:
        super().__init__(class_names, **recognition)
        self.save_hyperparameters()
        self.class_names = list(class_names)
        self.label_smoothing = label_smoothing
        self.validation_metrics = ClassificationMetrics(len(class_names))
        self.test_metrics = ClassificationMetrics(len(class_names))
        self.train_accuracy = MulticlassAccuracy(len(class_names), average="micro")

    def forward(self, batch: Batch) -> Tensor:
        """Probabilities of the classes, averaged over views (B, K)."""
        return self.view_outputs(batch).softmax(-1).mean(1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """Cross-entropy; targets are class indices (B,), soft labels (B, K) or a `MixedTarget`."""
        if empty(batch):
            return self.loss_of_no_clips()
        targets = require_targets(batch)
        if isinstance(targets, MixedTarget):
            targets = targets.probabilities(len(self.class_names))
        logits = self.view_outputs(batch)[:, 0]
        loss = F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        self.log_losses({"loss": loss}, "train", len(targets))
        if targets.ndim == 1:
            self.train_accuracy(logits, targets)
            self.log("train/WAR", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def evaluation_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the averaged probabilities."""
        return F.nll_loss(outputs.clamp(min=1e-12).log(), targets)

    def log_scores(self, stage: str, metrics: ClassificationMetrics) -> None:
        """Logs UAR, WAR and F1; testing also draws the confusion matrix."""
        scores, matrix = metrics.compute()
        for name, score in scores.items():
            self.log(f"{stage}/{name}", score, prog_bar=stage == "val" and name in {"UAR", "WAR"})
        if stage == "test":
            log_figure(self, "confusion", confusion_figure(matrix, self.class_names))

    def table_rows(self, batch: Batch, outputs: Tensor) -> list[dict[str, Any]]:
        """The likeliest class and the probability of every class."""
        targets: list[int | None] = [None] * len(outputs)
        if "target" in batch:
            targets = require_plain_targets(batch).tolist()
        rows = []
        for name, probabilities, target in zip(
            batch["id"], as_floats(outputs), targets, strict=True
        ):
            best = max(range(len(probabilities)), key=probabilities.__getitem__)
            row: dict[str, Any] = {"id": name}
            if target is not None:
                row["target"] = self.class_names[target]
            row["prediction"] = self.class_names[best]
            row.update(zip(self.class_names, probabilities, strict=True))
            rows.append(row)
        return rows
