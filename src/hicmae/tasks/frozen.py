"""What tasks share that judge pre-trained features as they are: passes that keep features."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from hicmae.data.batches import Batch
from hicmae.data.options import InputSettings
from hicmae.errors import ConfigError
from hicmae.models import UNCHANGED, ArchitectureChanges, FusionOrder, Modality, Pooling, Size
from hicmae.tasks.base import empty
from hicmae.tasks.classification import ClassificationTask
from hicmae.tasks.parallel import of_all_processes
from hicmae.tasks.recognition import require_targets
from hicmae.weights.description import ModelDescription, TrainingFacts


class LabelledFeatures(NamedTuple):
    """Features of clips whose classes are known.

    Attributes:
        features: The mean over the times that each clip was seen (N, D).
        targets: Class indices (N,).
    """

    features: Tensor
    targets: Tensor


class FeatureCollection:
    """Features of labelled clips, summed over the times that each was seen."""

    def __init__(self) -> None:
        self._clips: dict[str, tuple[Tensor, int, int]] = {}

    def add(self, names: Sequence[str], features: Tensor, targets: Tensor) -> None:
        """Adds the clips of a batch: features (B, D) and class indices (B,)."""
        for name, feature, target in zip(names, features.cpu(), targets.tolist(), strict=True):
            self._add(name, feature, target, 1)

    def merge(self) -> LabelledFeatures:
        """The clips of all processes, each once; every process has to call this."""
        merged = FeatureCollection()
        for part in of_all_processes(self._clips):
            for name, seen in part.items():
                merged._add(name, *seen)
        if not merged._clips:
            return LabelledFeatures(torch.empty(0, 0), torch.empty(0, dtype=torch.long))
        clips = [merged._clips[name] for name in sorted(merged._clips)]
        means = torch.stack([feature / times for feature, _, times in clips])
        return LabelledFeatures(means, torch.tensor([target for _, target, _ in clips]))

    def _add(self, name: str, feature: Tensor, target: int, times: int) -> None:
        if name in self._clips:
            known, _, before = self._clips[name]
            feature, times = known + feature, before + times
        self._clips[name] = feature, target, times


class FrozenFeaturesTask(ClassificationTask):
    """Classifies clips by the features of weights that stay as they are.

    `fit` passes over the training clips and keeps their features; an epoch sees one random window
    of every clip but those of a last, smaller batch, and a clip's feature is the mean over epochs.
    What subclasses learn of them is learnt before each validation and at the end, when it is kept
    with the weights in `checkpoints/last.ckpt`.

    Args:
        class_names: The classes in the order of their indices. On the command line they come from
            the data.
        size: Published size of the model: tiny, small or base.
        architecture: Fields of the architecture that differ from the size's.
        modality: What features are of: audio_visual, audio or video.
        feature_fusion: Whether features are means over all layers of an encoder; else they are the
            last layer's.
        pooling: mean or statistics; see `RecognitionTask`.
        fusion_depth: Layers of the fusion encoder, in place of what `architecture` says.
        fusion_order: cross_then_self or self_then_cross, in place of what `architecture` says.
        pretrained: A Lightning, public-implementation or safetensors file whose features are read;
            without one, the weights are as drawn, which is the yardstick.

    Raises:
        ConfigError: There are no labels, or options do not fit together.

    Attributes:
        overlay: The config that goes with the task, for messages.
    """

    overlay: ClassVar[str]

    def __init__(
        self,
        class_names: list[str],
        *,
        size: Size = "base",
        architecture: ArchitectureChanges = UNCHANGED,
        modality: Modality = "audio_visual",
        feature_fusion: bool = True,
        pooling: Pooling = "mean",
        fusion_depth: int | None = None,
        fusion_order: FusionOrder | None = None,
        pretrained: str | None = None,
    ) -> None:
        super().__init__(
            class_names,
            size=size,
            architecture=architecture,
            modality=modality,
            feature_fusion=feature_fusion,
            pooling=pooling,
            fusion_depth=fusion_depth,
            fusion_order=fusion_order,
            learning_rate=0.0,
            pretrained=pretrained,
        )
        self.automatic_optimization = False
        self._collected = FeatureCollection()

    @abstractmethod
    def learn(self, known: LabelledFeatures) -> None:
        """Learns what there is to learn of the training clips (on the CPU)."""

    def configure_optimizers(self) -> None:  # type: ignore[override]
        """None: no step is taken."""

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Keeps the features of the clips.

        Raises:
            ConfigError: They have more than one class.
        """
        if empty(batch):
            return
        targets = require_targets(batch)
        if not isinstance(targets, Tensor) or targets.ndim > 1:
            raise ConfigError(
                "Frozen features are of clips of one class, but the training clips are mixed or "
                f"have shares or several labels: turn off mixing with --config {self.overlay}, "
                "and name a column of one class with --data.label."
            )
        with torch.no_grad():
            self._collected.add(batch["id"], self.clip_features(batch), targets)

    def describe(self, inputs: InputSettings, training: TrainingFacts) -> ModelDescription | None:
        """The model; it is kept after training has ended, when the trainer counts a pass more."""
        return super().describe(inputs, {**training, "epochs": self.current_epoch})

    def on_train_end(self) -> None:
        """Learns of all that was seen, and writes it with the weights where the run keeps any."""
        known = self._collected.merge()
        rank_zero_info(f"Features of {len(known.targets)} training clips are known.")
        self.learn(known)
        keeper = self.trainer.checkpoint_callback
        # Lightning's own saving waits for an optimiser's steps, of which there are none.
        dry = self.trainer.fast_dev_run  # type: ignore[attr-defined]
        if isinstance(keeper, ModelCheckpoint) and keeper.dirpath and not dry:
            self.trainer.save_checkpoint(Path(keeper.dirpath) / "last.ckpt")

    def on_validation_epoch_start(self) -> None:
        """Learns of what was seen so far."""
        if self.trainer.state.fn == TrainerFn.FITTING and not self.trainer.sanity_checking:
            self.learn(self._collected.merge())

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures a batch, once something is learnt."""
        if not self.trainer.sanity_checking:
            super().validation_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of the whole validation set, once something is learnt."""
        if not self.trainer.sanity_checking:
            super().on_validation_epoch_end()

    def clip_features(self, batch: Batch) -> Tensor:
        """The mean feature of the views of every clip (B, D), in float32."""
        views = batch["video"].shape[1]
        features = self.model.features(batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1))
        return features.float().unflatten(0, (-1, views)).mean(1)
