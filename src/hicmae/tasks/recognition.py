"""What classification and regression share: recogniser, views, evaluation, predictions on disk."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Generic, Literal, TypeVar, cast

import torch
from torch import Tensor

from hicmae.answers import Reliability
from hicmae.data.batches import Batch, MixedTarget
from hicmae.data.options import InputSettings
from hicmae.errors import CheckpointError, ConfigError
from hicmae.models import (
    UNCHANGED,
    Architecture,
    ArchitectureChanges,
    FusionOrder,
    Modality,
    Pooling,
    RecognitionModel,
    Size,
)
from hicmae.tasks.base import AudioVisualTask, empty
from hicmae.tasks.groups import GroupedOutputs
from hicmae.tasks.metrics import ClassificationMetrics, LabelMetrics, RegressionMetrics
from hicmae.tasks.parallel import of_all_processes, summed_over_processes
from hicmae.tasks.predictions import columns_beside, with_columns, write_rows
from hicmae.tasks.senses import check_shares, dropped, senses_for
from hicmae.weights.description import (
    DESCRIPTION,
    ModelDescription,
    TrainingFacts,
    reliability_of,
)

Metrics = TypeVar("Metrics", bound=ClassificationMetrics | LabelMetrics | RegressionMetrics)

LabelKind = Literal["classification", "regression"]

NO_LABELS = (
    "The data has no labels to train or test on: name a label column with --data.label, target "
    "columns with --data.targets, shares with --data.distribution or several labels with "
    "--data.labels."
)


class RecognitionTask(AudioVisualTask, Generic[Metrics]):
    """Fine-tunes an `RecognitionModel`; its subclasses say for what.

    Where batches carry a `group`, validation and test judge groups in place of clips: the outputs
    of a group's clips are averaged, and all figures of merit are over groups, under the same names,
    since that is how such a corpus is judged. The loss stays a mean over clips. Testing then writes
    `test_group_predictions.csv` beside `test_predictions.csv`, which has a row for every clip.

    Args:
        outputs: Names of the model's outputs.
        size: Published size of the model: tiny, small or base.
        architecture: Fields of the architecture that differ from the size's.
        drop_path: Largest stochastic depth rate.
        modality: What the model reads: audio_visual, audio or video. The latter two use one encoder
            alone; the data stays as it is.
        feature_fusion: Whether the features of all layers of an encoder are combined by learnt
            weights; else the last layer's is taken alone.
        pooling: mean, as published, or statistics: beside the mean over tokens how much they change
            in time, and no fusion encoder. Few labelled clips tell more with the latter.
        fusion_depth: Layers of the fusion encoder, in place of what `architecture` says.
        fusion_order: cross_then_self or self_then_cross, in place of what `architecture` says.
        freeze: "encoders" trains a linear probe: the encoders and the fusion encoder stay as
            `pretrained` gives them, in evaluation mode (`drop_path` does nothing), and only the
            head, its norm and the layer weights learn. Without `pretrained` the encoders stay as
            drawn, which is the yardstick of such a probe.
        modality_dropout: Shares of the training clips that are taken their picture, and their
            sound. The model then learns what stands in for either, and answers on clips that lack
            one; `[0, 0]` takes nothing from clips that have both. null is a model that reads both.
        **optimisation: See `AudioVisualTask`.

    Attributes:
        kind: What a model with a head is for, classification or regression; None without one.
        probe: What judges the features in place of a trained head, in words; None with a head.
        reliability: What validation showed of the answers of the weights; None if nothing.
        calibrated: Whether test and prediction answer with calibrated probabilities, if they can.
        wanted_error: Share of wrong answers that is borne among those that test and prediction call
            sure; None calls none so.

    Raises:
        ConfigError: There are no labels, or options do not fit together.
    """

    described_options = AudioVisualTask.described_options | {
        "activation",
        "architecture",
        "class_names",
        "feature_fusion",
        "fusion_depth",
        "fusion_order",
        "modality",
        "pooling",
        "size",
        "target_kind",
        "target_names",
    }
    kind: ClassVar[LabelKind | None] = None
    probe: ClassVar[str | None] = None

    model: RecognitionModel
    validation_metrics: Metrics
    test_metrics: Metrics

    def __init__(
        self,
        outputs: list[str],
        *,
        size: Size = "base",
        architecture: ArchitectureChanges = UNCHANGED,
        drop_path: float = 0.0,
        modality: Modality = "audio_visual",
        feature_fusion: bool = True,
        pooling: Pooling = "mean",
        fusion_depth: int | None = None,
        fusion_order: FusionOrder | None = None,
        freeze: Literal["none", "encoders"] = "none",
        modality_dropout: tuple[float, float] | None = None,
        **optimisation: Any,
    ) -> None:
        super().__init__(**optimisation)
        if not outputs:
            raise ConfigError(NO_LABELS)
        self.outputs = list(outputs)
        fusion = {"fusion_depth": fusion_depth, "fusion_order": fusion_order}
        for option, value in fusion.items():
            lacking = f"modality {modality}" if modality != "audio_visual" else f"pooling {pooling}"
            if value is not None and (modality != "audio_visual" or pooling != "mean"):
                raise ConfigError(
                    f"{option} is {value}, but with {lacking} there is no fusion encoder: leave "
                    f"out {option}, or choose modality audio_visual and pooling mean."
                )
        if modality_dropout is not None:
            check_shares(modality_dropout)
        self.modality_dropout = modality_dropout
        self.architecture = Architecture.of_size(size, architecture, **fusion)
        self.model = RecognitionModel(
            self.architecture,
            len(outputs),
            drop_path,
            modality=modality,
            feature_fusion=feature_fusion,
            pooling=pooling,
            stand_ins=modality_dropout is not None,
        )
        if freeze == "encoders":
            self.model.freeze_encoders()
        self.reliability: Reliability | None = None
        self.calibrated = True
        self.wanted_error: float | None = None
        self._last_features: Tensor | None = None  # (B, D), of a batch
        self._rows: list[dict[str, Any]] = []
        self._losses: list[Tensor] = []
        self._judged: list[tuple[Tensor, Tensor]] = []
        self._grouped = GroupedOutputs()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuses the weights of other outputs than those of the data.

        Raises:
            CheckpointError: Names or their order differ.
        """
        super().on_load_checkpoint(checkpoint)
        options = checkpoint.get("hyper_parameters", {})
        trained = options.get("class_names") or options.get("target_names")
        if trained and list(map(str, trained)) != list(map(str, self.outputs)):
            raise CheckpointError(
                f"The checkpoint tells apart {', '.join(map(str, trained))}, but the data has "
                f"{', '.join(map(str, self.outputs))}: give the data that it was trained for, or "
                "start from its weights with --model.pretrained."
            )
        self.reliability = reliability_of(checkpoint.get(DESCRIPTION))

    def on_train_start(self) -> None:
        """Forgets what was known of other weights."""
        super().on_train_start()
        self.reliability = None

    def describe(self, inputs: InputSettings, training: TrainingFacts) -> ModelDescription | None:
        """A model with a head; None where there is none to be used."""
        if self.kind is None:
            return None
        return ModelDescription(
            kind=self.kind,
            outputs=tuple(map(str, self.outputs)),
            architecture=self.architecture,
            modality=self.model.modality,
            feature_fusion=self.model.feature_fusion,
            pooling=self.model.pooling,
            stand_ins=self.model.stand_ins,
            inputs=inputs,
            training=training,
            reliability=self.reliability,
        )

    def example_forward(self) -> None:
        """Runs the model on one blank clip."""
        self.model(*self.example_clip())

    def view_outputs(self, batch: Batch) -> Tensor:
        """Raw outputs for every view of every clip.

        Args:
            batch: `video` (B, V, 3, T, H, W), `audio` (B, V, 1, T', F) and maybe `senses` (B, 2),
                of which training drops some.

        Returns:
            Outputs (B, V, O) in float32.
        """
        views = batch["video"].shape[1]
        senses = senses_for(self.model, batch)
        if senses is not None:
            if self.training and self.modality_dropout is not None:
                senses = dropped(senses, self.modality_dropout)
            senses = senses.repeat_interleave(views, 0)
        inputs = batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1), senses
        if self.training or self.reliability is None:
            outputs = self.model(*inputs)
        else:
            features = self.model.features(*inputs)
            self._last_features = features.float().unflatten(0, (-1, views)).mean(1)
            outputs = self.model.head(features)
        return outputs.float().unflatten(0, (-1, views))

    @property
    def calibrates(self) -> bool:
        """Whether outputs are probabilities that a temperature may make more or less sure."""
        return False

    def told(self, outputs: Tensor) -> Tensor:
        """What is answered: outputs (B, O), calibrated where that is known and wanted."""
        if self.reliability is None or not self.calibrated:
            return outputs
        return self.reliability.calibrated(outputs)

    def loss_of_no_clips(self) -> Tensor | None:
        """What a training step gives whose clips were all skipped.

        None leaves the step out. With several processes the others wait for this one's gradients,
        so that it gives a blank clip's output without weight.
        """
        if self.trainer.world_size == 1:
            return None
        return torch.as_tensor(self.model(*self.example_clip()).sum() * 0)

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """What a clip is judged by: outputs of its views, averaged (B, O)."""

    @abstractmethod
    def evaluation_loss(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """The loss of a batch, of which validation and test log the mean.

        Args:
            outputs: What `forward` gave (B, O).
            targets: Class indices (B,) or values (B, O).

        Returns:
            The mean over the clips; None where the batch is too small to have one.
        """

    @abstractmethod
    def log_scores(self, stage: str, metrics: Metrics) -> None:
        """Logs the figures of merit of a whole set under `stage/name`."""

    @abstractmethod
    def table_rows(self, batch: Batch, outputs: Tensor) -> list[dict[str, Any]]:
        """A row of the predictions file for every clip: its id, its target if known, its outputs.

        Args:
            batch: What the clips came in: `id`, and `target` if known.
            outputs: What is told of it (B, O).
        """

    def log_confidence(self, outputs: Tensor, targets: Tensor) -> None:
        """Logs how far a test bears out the confidence of answers.

        Args:
            outputs: What `forward` gave for all clips or groups (N, O).
            targets: Their targets.
        """

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures a batch."""
        if not empty(batch):
            self._measure(batch, self.validation_metrics)

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of the whole validation set."""
        self._log_loss("val")
        self._judge_groups(self.validation_metrics)
        self.log_scores("val", self.validation_metrics)
        self.validation_metrics.reset()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures a batch and keeps its predictions."""
        if not empty(batch):
            outputs = self._measure(batch, self.test_metrics)
            self._rows += self._rows_of(batch, outputs)

    def on_test_epoch_end(self) -> None:
        """Logs the metrics of the whole test set and writes its predictions."""
        self._log_loss("test")
        groups = self._judge_groups(self.test_metrics)
        self.log_scores("test", self.test_metrics)
        self.test_metrics.reset()
        judged = [pair for part in of_all_processes(self._judged) for pair in part]
        self._judged = []
        if judged:
            self.log_confidence(*(torch.cat(part) for part in zip(*judged, strict=True)))
        write_rows(self.trainer, "test_predictions", self._rows)
        self._rows = []
        write_rows(self.trainer, "test_group_predictions", groups)

    def _rows_of(self, batch: Batch, outputs: Tensor) -> list[dict[str, Any]]:
        """Rows of the predictions file for the clips of the batch answered last."""
        senses = batch.get("senses") if self.model.stand_ins else None
        columns = columns_beside(
            self.reliability, outputs, self.wanted_error, self._last_features, senses
        )
        return with_columns(self.table_rows(batch, self.told(outputs)), columns)

    def _measure(self, batch: Batch, metrics: Metrics) -> Tensor:
        targets = require_plain_targets(batch)
        outputs: Tensor = self(batch)
        loss = self.evaluation_loss(outputs, targets)
        if loss is not None:
            clips = len(targets)
            self._losses.append(torch.stack([loss * clips, loss.new_tensor(clips)]))
        if "group" in batch:
            self._grouped.add(batch["group"], batch["id"], outputs, targets)
        else:
            self._judge(outputs, targets, metrics)
        return outputs

    def _log_loss(self, stage: str) -> None:
        """Logs the mean over the clips of all processes, some of which may have no loss."""
        own = torch.stack([torch.zeros(2, device=self.device), *self._losses]).sum(0)
        self._losses = []
        total, clips = summed_over_processes(own)
        if clips:
            self.log(f"{stage}/loss", total / clips, prog_bar=True, sync_dist=True)

    def _judge(self, outputs: Tensor, targets: Tensor, metrics: Metrics) -> None:
        tested = metrics is self.test_metrics
        metrics.update(self.told(outputs) if tested else outputs, targets)
        if tested:
            self._judged.append((outputs.cpu(), targets.cpu()))

    def _judge_groups(self, metrics: Metrics) -> list[dict[str, Any]]:
        """Adds this process' share of the groups to the metrics; gives a row for each of them."""
        groups = self._grouped.merge()[self.global_rank :: self.trainer.world_size]
        self._grouped.reset()
        if not groups:
            return []
        outputs = torch.stack([group.output for group in groups]).to(self.device)
        targets = torch.stack([group.target for group in groups]).to(self.device)
        self._judge(outputs, targets, metrics)
        batch: Batch = {"id": [group.name for group in groups], "target": targets}
        beside = columns_beside(self.reliability, outputs, self.wanted_error)
        rows = with_columns(self.table_rows(batch, self.told(outputs)), beside)
        return [
            {"group": row.pop("id"), "clips": group.clips} | row
            for row, group in zip(rows, groups, strict=True)
        ]

    def predict_step(self, batch: Batch, batch_idx: int) -> list[dict[str, Any]]:
        """A row for every clip of the batch, also written to `predictions.csv`."""
        if empty(batch):
            return []
        rows = self._rows_of(batch, self(batch))
        self._rows += rows
        return rows

    def on_predict_epoch_end(self) -> None:
        """Writes the predictions."""
        write_rows(self.trainer, "predictions", self._rows)
        self._rows = []


def require_targets(batch: Batch) -> Tensor | MixedTarget:
    """The targets of a batch, mixed in training alone.

    Raises:
        ConfigError: The data has no labels.
    """
    if "target" not in batch:
        raise ConfigError(NO_LABELS)
    return batch["target"]


def require_plain_targets(batch: Batch) -> Tensor:
    """The targets of a batch that nothing has mixed; see `require_targets`."""
    return cast("Tensor", require_targets(batch))  # mixing takes classes in training alone
