"""Judging pre-trained features by nearest neighbours, without training anything."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from hicmae.data.batches import Batch
from hicmae.errors import ConfigError
from hicmae.tasks.frozen import FrozenFeaturesTask, LabelledFeatures


def vote(
    known: LabelledFeatures,
    features: Tensor,
    *,
    classes: int,
    neighbours: int,
    temperature: float,
) -> Tensor:
    """The classes of the most similar clips, weighted by exp(cosine similarity / temperature).

    Args:
        known: The clips that vote; their features are of unit length.
        features: Of the clips to classify (B, D), of any length.
        classes: Number of classes, K.
        neighbours: Clips that vote.
        temperature: The smaller, the more the nearest ones count.

    Returns:
        Probabilities (B, K).
    """
    # Under mixed precision the product would keep three digits, and neighbours change places.
    with torch.autocast(features.device.type, enabled=False):
        similarities = F.normalize(features.float(), dim=-1) @ known.features.T  # (B, N)
    nearest, index = similarities.topk(neighbours, dim=1)
    votes = F.one_hot(known.targets[index], classes).to(nearest.dtype)  # (B, neighbours, K)
    return torch.einsum("bn,bnk->bk", (nearest / temperature).softmax(1), votes)


class NearestNeighbourTask(FrozenFeaturesTask):
    """Classifies clips by the training clips whose features are most similar.

    Nothing is trained; see `FrozenFeaturesTask`. Validation and test compare the mean feature of a
    clip's views with those of the training clips, and log and write the same as
    `ClassificationTask`, without a loss. `test` and `predict` read the features from the
    checkpoint.

    A feature is what the head of a recogniser would read: the hierarchical features, all layers
    alike, and with pooling mean those of the fusion encoder's streams, normalised together.

    Args:
        class_names: The classes in the order of their indices. On the command line they come from
            the data.
        neighbours: Training clips that vote on a clip's class.
        temperature: A vote weighs exp(cosine similarity / temperature).
        **frozen: See `FrozenFeaturesTask`.

    Raises:
        ConfigError: There are no labels, or options do not fit together.
    """

    kind = None
    probe = "nearest neighbours"
    overlay = "probe/nearest.yaml"

    def __init__(
        self,
        class_names: list[str],
        *,
        neighbours: int,
        temperature: float,
        **frozen: Any,
    ) -> None:
        for option, value in (("neighbours", neighbours), ("temperature", temperature)):
            if value <= 0:
                raise ConfigError(f"{option} is {value}: give a number above 0.")
        super().__init__(class_names, **frozen)
        self.neighbours = neighbours
        self.temperature = temperature
        self._known = LabelledFeatures(torch.empty(0, 0), torch.empty(0, dtype=torch.long))

    def learn(self, known: LabelledFeatures) -> None:
        """Takes the training clips for neighbours."""
        self._known = known._replace(features=F.normalize(known.features, dim=-1))
        self._bring_neighbours()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the features."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["neighbours"] = self._known._asdict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes the features of a checkpoint, if it has them."""
        if "neighbours" in checkpoint:
            self._known = LabelledFeatures(**checkpoint["neighbours"])

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
        return vote(
            self._known,
            self.clip_features(batch),
            classes=len(self.class_names),
            neighbours=self.neighbours,
            temperature=self.temperature,
        )

    def on_validation_epoch_start(self) -> None:
        """Brings the features to the model's device, in a fit those kept so far."""
        super().on_validation_epoch_start()
        self._bring_neighbours()

    def on_test_epoch_start(self) -> None:
        """Brings the features to the model's device."""
        self._bring_neighbours()

    def on_predict_epoch_start(self) -> None:
        """Brings the features to the model's device."""
        self._bring_neighbours()

    def evaluation_loss(self, outputs: Tensor, targets: Tensor) -> None:  # type: ignore[override]
        """None: votes have no loss."""

    def _bring_neighbours(self) -> None:
        self._known = LabelledFeatures(*(part.to(self.device) for part in self._known))
