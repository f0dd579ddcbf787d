"""Fine-tuning for categorical emotion (paper section 3.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from hicmae.answers.blends import UNFITTED, BlendRule, blend_scores, percents
from hicmae.answers.calibration import main_classes
from hicmae.data.batches import Batch, MixedTarget
from hicmae.data.options import InputSettings, TargetKind
from hicmae.errors import CheckpointError, ConfigError
from hicmae.objectives.classification import ClassificationLoss, classification_loss
from hicmae.tasks.base import empty
from hicmae.tasks.confidence import (
    confidence_scores,
    reliability_figure,
    risk_coverage_figure,
)
from hicmae.tasks.figures import confusion_figure, log_figure
from hicmae.tasks.metrics import ClassificationMetrics, DistributionMetrics, LabelMetrics
from hicmae.tasks.predictions import as_floats
from hicmae.tasks.recognition import (
    LabelKind,
    RecognitionTask,
    require_plain_targets,
    require_targets,
)
from hicmae.weights.description import ModelDescription, TrainingFacts

_THRESHOLDS = "blend_rule.thresholds"
_METRICS: dict[TargetKind, type[ClassificationMetrics] | type[LabelMetrics]] = {
    "class": ClassificationMetrics,
    "distribution": DistributionMetrics,
    "labels": LabelMetrics,
}
_LOSSES: dict[TargetKind, tuple[ClassificationLoss, ...]] = {
    "class": ("cross_entropy",),
    "distribution": ("cross_entropy", "kl"),
    "labels": ("bce",),
}
# Scores of one answer for a clip and of several labels, by which a run might choose its checkpoint.
_OF_CLASSES, _OF_LABELS = {"val/UAR", "val/WAR", "val/F1_weighted"}, {"val/mAP", "val/exact"}


class ClassificationTask(RecognitionTask[ClassificationMetrics | LabelMetrics]):
    """Learns one of several emotions, a mixture of them, or which of them are there.

    Validation and test average the probabilities of a clip's views, and log UAR (mean recall of
    the classes that occur), WAR (accuracy), weighted and macro F1, each in [0, 1]; testing adds a
    confusion matrix and `test_predictions.csv`. Clips that carry a group are judged by group, under
    the same names; see `RecognitionTask`. Of mixtures those figures compare the largest share with
    the largest, and `KL` (of the answer from the target, in nats) and `cosine` the shares. Of
    labels `mAP` (average precision) and `F1_macro` are means over those that any clip has, and
    `exact` is the share of clips all of whose labels are right; a label is given from a probability
    of 0.5.

    Args:
        class_names: The classes in the order of their indices. On the command line they come from
            the data.
        target_kind: "class" if a clip is of one class, "distribution" if it is a mixture, whose
            shares sum to 1, "labels" if each class may be there or not. On the command line it
            comes from the data.
        loss: cross_entropy or, of a distribution, kl (its gradient is the same, and it is 0 where
            all shares are right); bce of labels. null is the first that fits the target.
        blends: Of a distribution, the classes that occur in blends of two with equal or 70 to 30
            parts. `presence` and `salience` are then logged with their mean, `blend`, by thresholds
            that each validation fits to its clips and the checkpoint keeps; see `BlendRule`.
        label_smoothing: Share of the target spread over all classes (of labels, halved between yes
            and no), in training. It is spread here and nowhere else, over single and mixed classes
            alike: mixing them before or after it comes to the same.
        **recognition: See `RecognitionTask` and `AudioVisualTask`.

    Raises:
        ConfigError: The loss or the blends do not fit the target.
    """

    kind: ClassVar[LabelKind | None] = "classification"

    def __init__(
        self,
        class_names: list[str],
        *,
        target_kind: TargetKind = "class",
        loss: ClassificationLoss | None = None,
        blends: list[str] | None = None,
        label_smoothing: float = 0.0,
        **recognition: Any,
    ) -> None:
        super().__init__(class_names, **recognition)
        self.save_hyperparameters()
        self.class_names = list(class_names)
        self.target_kind: TargetKind = target_kind
        self.label_smoothing = label_smoothing
        self.loss: ClassificationLoss = loss or _LOSSES[target_kind][0]
        if self.loss not in _LOSSES[target_kind]:
            raise ConfigError(
                f"loss is {loss}, and what the data has of every clip is a {target_kind}: choose "
                f"{' or '.join(_LOSSES[target_kind])}."
            )
        self.blend_rule = BlendRule(class_names, blends) if blends else None
        if blends and (target_kind != "distribution" or not {*blends} <= {*class_names}):
            raise ConfigError(
                f"blends are {', '.join(blends)}: name classes of the data "
                f"({', '.join(class_names)}), which has to give shares of them."
            )
        self.validation_metrics = _METRICS[target_kind](len(class_names))
        self.test_metrics = _METRICS[target_kind](len(class_names))
        self.train_accuracy = MulticlassAccuracy(len(class_names), average="micro")

    def forward(self, batch: Batch) -> Tensor:
        """Probabilities of the classes, averaged over views (B, K); those of labels are apart."""
        outputs = self.view_outputs(batch)
        return (outputs.sigmoid() if self.target_kind == "labels" else outputs.softmax(-1)).mean(1)

    def setup(self, stage: str) -> None:
        """Refuses a score of other targets to choose the checkpoint by; see `AudioVisualTask`.

        Raises:
            ConfigError: A callback monitors it.
        """
        super().setup(stage)
        run = self.trainer
        choosing = [*run.checkpoint_callbacks, *run.early_stopping_callbacks]
        monitored = {getattr(callback, "monitor", None) for callback in choosing}
        labels = self.target_kind == "labels"
        foreign = monitored & (_OF_CLASSES if labels else _OF_LABELS)
        if stage == "fit" and foreign:
            raise ConfigError(
                f"A callback monitors {foreign.pop()}, which is not logged of "
                f"{'several labels' if labels else 'one class or shares'}: take --config "
                f"finetune/manifest{'-labels' if labels else ''}.yaml, or have "
                f"{'val/mAP' if labels else 'val/WAR'} monitored."
            )

    @property
    def calibrates(self) -> bool:
        """Of labels each has a probability of its own; blends are told by raw shares."""
        return self.target_kind != "labels" and self.blend_rule is None

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes thresholds of blends where they are wanted; converted weights have none.

        Raises:
            CheckpointError: It tells whether labels are there, and the data has classes or shares,
                or the other way round.
        """
        super().on_load_checkpoint(checkpoint)
        options = checkpoint.get("hyper_parameters")
        trained = (options or {}).get("target_kind", "class")
        if options and trained != self.target_kind and "labels" in {trained, self.target_kind}:
            raise CheckpointError(
                f"The checkpoint was trained for target_kind {trained}, and that of the data is "
                f"{self.target_kind}: give data of the kind that it was trained on, or start from "
                "its weights with --model.pretrained."
            )
        weights = checkpoint["state_dict"]
        if self.blend_rule is None:
            weights.pop(_THRESHOLDS, None)
        elif _THRESHOLDS not in weights:
            rank_zero_warn(f"The checkpoint has no thresholds of blends: {UNFITTED} are taken.")
            weights[_THRESHOLDS] = self.blend_rule.thresholds

    def describe(self, inputs: InputSettings, training: TrainingFacts) -> ModelDescription | None:
        """A model with a head, what the classes are to a clip, and what makes a blend of them."""
        described = super().describe(inputs, training)
        blends = None if self.blend_rule is None else self.blend_rule.known()
        return described and replace(described, target_kind=self.target_kind, blends=blends)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """The loss; targets are class indices (B,), shares (B, K) or a `MixedTarget`."""
        if empty(batch):
            return self.loss_of_no_clips()
        targets = require_targets(batch)
        if isinstance(targets, MixedTarget):
            targets = targets.probabilities(len(self.class_names))
        logits = self.view_outputs(batch)[:, 0]
        loss = classification_loss(self.loss, logits, targets, label_smoothing=self.label_smoothing)
        self.log_losses({"loss": loss}, "train", len(targets))
        if targets.ndim == 1:
            self.train_accuracy(logits, targets)
            self.log("train/WAR", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def evaluation_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of the averaged probabilities, without smoothing."""
        if self.target_kind == "labels":
            return classification_loss(self.loss, outputs.logit(eps=1e-7), targets)
        return classification_loss(self.loss, outputs.clamp(min=1e-12).log(), targets)

    def log_scores(self, stage: str, metrics: ClassificationMetrics | LabelMetrics) -> None:
        """Logs the scores; testing also draws the confusion matrix, where there is one."""
        scores, matrix = metrics.compute()
        if isinstance(metrics, LabelMetrics):
            self._tell_missing(stage, metrics.there())
        if self.blend_rule is not None and isinstance(metrics, DistributionMetrics):
            shares, targets = metrics.kept.compute()
            if stage == "val":
                self.blend_rule.fit(shares, targets)
            of_blends = blend_scores(self.blend_rule(shares), percents(targets))
            of_blends["blend"] = sum(of_blends.values()) / len(of_blends)
            scores |= {name: torch.tensor(score) for name, score in of_blends.items()}
        for name, score in scores.items():
            shown = name in {"UAR", "WAR", "mAP", "presence", "salience"}
            self.log(f"{stage}/{name}", score, prog_bar=stage == "val" and shown)
        if stage == "test" and matrix is not None:
            log_figure(self, "confusion", confusion_figure(matrix, self.class_names))

    def _tell_missing(self, stage: str, there: Tensor) -> None:
        """Warns of labels that no clip has; `there` (K,) tells which are."""
        missing = [
            name for name, is_there in zip(self.class_names, there, strict=True) if not is_there
        ]
        if not missing or self.trainer.sanity_checking:
            return
        means = "are means over the others" if there.any() else "are not a number"
        rank_zero_warn(
            f"No {stage} clip has the label {' or '.join(missing)}: {stage}/mAP and "
            f"{stage}/F1_macro {means}."
        )

    def log_confidence(self, outputs: Tensor, targets: Tensor) -> None:
        """Logs calibration error, Brier score, likelihood and area under risk, and draws them.

        Where answers are calibrated, those before it are logged too, as `name_raw`. Labels that
        may be there or not have no such confidence.
        """
        if self.target_kind == "labels":
            return
        told = self.told(outputs)
        answers = {"calibrated": told} if told is not outputs else {}
        answers["raw"] = outputs
        for place, probabilities in enumerate(answers.values()):
            for name, score in confidence_scores(probabilities, targets).items():
                self.log(f"test/{name}{'_raw' if place else ''}", score, sync_dist=True)
        right = main_classes(targets)
        log_figure(self, "reliability", reliability_figure(answers, right))
        log_figure(self, "risk-coverage", risk_coverage_figure(told, right))

    def table_rows(self, batch: Batch, outputs: Tensor) -> list[dict[str, Any]]:
        """The likeliest class, or the labels, and the probability of every class.

        Shares and labels that are known follow, as `CLASS_target`.
        """
        targets: list[Any] = [None] * len(outputs)
        known = require_plain_targets(batch) if "target" in batch else None
        if known is not None:
            targets = as_floats(known) if known.is_floating_point() else known.tolist()
        blends: list[dict[str, Any]] = [{}] * len(outputs)
        if self.blend_rule is not None:
            blends = self.blend_rule.columns(outputs, known)
        rows = []
        for name, probabilities, target, blend in zip(
            batch["id"], as_floats(outputs), targets, blends, strict=True
        ):
            row: dict[str, Any] = {"id": name, **blend}
            if target is not None:
                row |= self._named("target", target)
            row |= self._named("prediction", probabilities)
            row.update(zip(self.class_names, probabilities, strict=True))
            if isinstance(target, list):
                row |= {f"{k}_target": v for k, v in zip(self.class_names, target, strict=True)}
            rows.append(row)
        return rows

    def _named(self, what: str, values: int | list[float]) -> dict[str, str]:
        """A cell that names the class of an index or of the largest value, or the labels."""
        if isinstance(values, int):
            return {what: self.class_names[values]}
        if self.target_kind == "labels":
            chosen = zip(self.class_names, values, strict=True)
            return {f"{what}s": "; ".join(name for name, value in chosen if value >= 0.5)}
        return {what: self.class_names[max(range(len(values)), key=values.__getitem__)]}
