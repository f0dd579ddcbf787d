"""Judging pre-trained features by nearest neighbours, without training anything."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from hicmae.data.batches import Batch
from hicmae.errors import ConfigError
from hicmae.models import UNCHANGED, ArchitectureChanges, FusionOrder, Modality, Size
from hicmae.tasks.base import empty
from hicmae.tasks.classification import ClassificationTask
from hicmae.tasks.parallel import of_all_processes
from hicmae.tasks.recognition import require_targets


class Neighbours(NamedTuple):
    """The clips that others are compared with.

    Attributes:
        features: Of unit length (N, C).
        targets: Class indices (N,).
    """

    features: Tensor
    targets: Tensor

    def vote(
        self, features: Tensor, *, classes: int, neighbours: int, temperature: float
    ) -> Tensor:
        """The classes of the most similar clips, weighted by exp(cosine similarity / temperature).

        Args:
            features: Of the clips to classify (B, C), of any length.
            classes: Number of classes, K.
            neighbours: Clips that vote.
            temperature: The smaller, the more the nearest ones count.

        Returns:
            Probabilities (B, K).
        """
        # Under mixed precision the product would keep three digits, and neighbours change places.
        with torch.autocast(features.device.type, enabled=False):
            similarities = F.normalize(features.float(), dim=-1) @ self.features.T  # (B, N)
        nearest, index = similarities.topk(neighbours, dim=1)
        votes = F.one_hot(self.targets[index], classes).to(nearest.dtype)  # (B, neighbours, K)
        return torch.einsum("bn,bnk->bk", (nearest / temperature).softmax(1), votes)


class FeatureCollection:
    """Features of labelled clips, averaged over the times that each was seen."""

    def __init__(self) -> None:
        self._clips: dict[str, tuple[Tensor, int]] = {}

    def add(self, names: Sequence[str], features: Tensor, targets: Tensor) -> None:
        """Adds the clips of a batch: features (B, C) and class indices (B,)."""
        for name, feature, target in zip(names, features.cpu(), targets.tolist(), strict=True):
            seen, _ = self._clips.get(name, (torch.zeros_like(feature), target))
            # The mean and the sum are of the same direction, and only that matters.
            self._clips[name] = seen + feature, target

    def merge(self) -> Neighbours:
        """The clips of all processes, each once; every process has to call this."""
        merged: dict[str, tuple[Tensor, int]] = {}
        items = chain.from_iterable(part.items() for part in of_all_processes(self._clips))
        for name, (feature, target) in items:
            merged[name] = merged[name][0] + feature if name in merged else feature, target
        if not merged:
            return Neighbours(torch.empty(0, 0), torch.empty(0, dtype=torch.long))
        features = torch.stack([feature for feature, _ in merged.values()])
        targets = torch.tensor([target for _, target in merged.values()])
        return Neighbours(F.normalize(features, dim=-1), targets)


class NearestNeighbourTask(ClassificationTask):
    """Classifies clips by the training clips whose features are most similar.

    Nothing is trained. `fit` passes over the training clips and keeps their features; an epoch sees
    one random window of every clip but those of a last, smaller batch, and the features of further
    epochs are averaged with it. Validation and test then compare the mean feature of a clip's views
    with them, and log and write the same as `ClassificationTask`, without a loss. `fit` leaves the
    features with the weights in `checkpoints/last.ckpt`, which `test` and `predict` read.

    A feature is what the head of a recogniser would read: the hierarchical features, all layers
    alike, and the means of the fusion encoder's streams, normalised together.

    Args:
        class_names: The classes in the order of their indices. On the command line they come from
            the data.
        neighbours: Training clips that vote on a clip's class.
        temperature: A vote weighs exp(cosine similarity / temperature).
        size: Published size of the model: tiny, small or base.
        architecture: Fields of the architecture that differ from the size's.
        modality: What features are of: audio_visual, audio or video.
        feature_fusion: Whether features are means over all layers of an encoder; else they are the
            last layer's.
        fusion_depth: Layers of the fusion encoder, in place of what `architecture` says.
        fusion_order: cross_then_self or self_then_cross, in place of what `architecture` says.
        pretrained: A Lightning, public-implementation or safetensors file whose weights are judged;
            without one, the weights are as drawn, which is the yardstick.

    Raises:
        ConfigError: There are no labels, or options do not fit together.
    """

    kind = None
    probe = "nearest neighbours"

    def __init__(
        self,
        class_names: list[str],
        *,
        neighbours: int,
        temperature: float,
        size: Size = "base",
        architecture: ArchitectureChanges = UNCHANGED,
        modality: Modality = "audio_visual",
        feature_fusion: bool = True,
        fusion_depth: int | None = None,
        fusion_order: FusionOrder | None = None,
        pretrained: str | None = None,
    ) -> None:
        for option, value in (("neighbours", neighbours), ("temperature", temperature)):
            if value <= 0:
                raise ConfigError(f"{option} is {value}: give a number above 0.")
        super().__init__(
            class_names,
            size=size,
            architecture=architecture,
            modality=modality,
            feature_fusion=feature_fusion,
            fusion_depth=fusion_depth,
            fusion_order=fusion_order,
            learning_rate=0.0,
            pretrained=pretrained,
        )
        self.neighbours = neighbours
        self.temperature = temperature
        self.automatic_optimization = False
        self._collected = FeatureCollection()
        self._known = self._collected.merge()

    def configure_optimizers(self) -> None:  # type: ignore[override]
        """None: nothing is trained."""

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Keeps the features of the clips."""
        if empty(batch):
            return
        targets = require_targets(batch)
        if not isinstance(targets, Tensor) or targets.ndim > 1:
            raise ConfigError(
                "Nearest neighbours have one class each, but the training clips are mixed or have "
                "shares or several labels: turn off mixing with --config probe/nearest.yaml, and "
                "name a column of one class with --data.label."
            )
        with torch.no_grad():
            self._collected.add(batch["id"], self._features(batch), targets)

    def on_train_end(self) -> None:
        """Writes the features with the weights, where the run keeps checkpoints."""
        self._known = self._collected.merge()
        clips = len(self._known.targets)
        rank_zero_info(f"Features of {clips} training clips are the neighbours.")
        keeper = self.trainer.checkpoint_callback
        # Lightning's own saving waits for an optimiser's steps, of which there are none.
        dry = self.trainer.fast_dev_run  # type: ignore[attr-defined]
        if isinstance(keeper, ModelCheckpoint) and keeper.dirpath and not dry:
            self.trainer.save_checkpoint(Path(keeper.dirpath) / "last.ckpt")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the features."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["neighbours"] = self._known._asdict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the features of a checkpoint, if it has them."""
        if "neighbours" in checkpoint:
            self._known = Neighbours(**checkpoint["neighbours"])

    def forward(self, batch: Batch) -> Tensor:
        """Shares of the votes for each class (B, K).

        Raises:
            ConfigError: There are fewer neighbours than are to vote.
        """
        if len(self._known.targets) < self.neighbours:
            raise ConfigError(
                f"There are features of {len(self._known.targets)} training clips, fewer than the "
                f"{self.neighbours} neighbours that vote: choose fewer with --model.neighbours, "
                "or give a checkpoint that a fit of this task left."
            )
        return self._known.vote(
            self._features(batch),
            classes=len(self.class_names),
            neighbours=self.neighbours,
            temperature=self.temperature,
        )

    def on_validation_epoch_start(self) -> None:
        """Gathers the features kept so far."""
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._known = self._collected.merge()
        self._bring_neighbours()

    def on_test_epoch_start(self) -> None:
        """Brings the features to the model's device."""
        self._bring_neighbours()

    def on_predict_epoch_start(self) -> None:
        """Brings the features to the model's device."""
        self._bring_neighbours()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures a batch, once there are neighbours."""
        if not self.trainer.sanity_checking:
            super().validation_step(batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of the whole validation set, once there are neighbours."""
        if not self.trainer.sanity_checking:
            super().on_validation_epoch_end()

    def evaluation_loss(self, outputs: Tensor, targets: Tensor) -> None:  # type: ignore[override]
        """None: votes have no loss."""

    def _features(self, batch: Batch) -> Tensor:
        """The mean feature of the views of every clip (B, C), in float32."""
        views = batch["video"].shape[1]
        features = self.model.features(batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1))
        return features.float().unflatten(0, (-1, views)).mean(1)

    def _bring_neighbours(self) -> None:
        self._known = Neighbours(*(part.to(self.device) for part in self._known))
