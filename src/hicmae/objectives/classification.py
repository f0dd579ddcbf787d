"""Losses for categorical emotion: one class, a mixture of classes, or any number of them."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

ClassificationLoss = Literal["cross_entropy", "kl", "bce"]


def classification_loss(
    loss: ClassificationLoss, logits: Tensor, targets: Tensor, *, label_smoothing: float = 0.0
) -> Tensor:
    """The mean loss of a batch.

    Args:
        loss: cross_entropy; kl, which is cross_entropy less the entropy of the targets, so that its
            gradient is the same and a perfect answer costs 0; or bce, the mean over the classes of
            what a yes or no to each costs.
        logits: Raw outputs (B, K).
        targets: Class indices (B,), for cross_entropy alone, or shares of the classes (B, K).
        label_smoothing: Share of a target that is spread over all classes; under bce it is halved
            between yes and no.
    """
    if loss == "cross_entropy":
        return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)
    evenly = 0.5 if loss == "bce" else 1 / logits.shape[1]
    targets = (1 - label_smoothing) * targets + label_smoothing * evenly
    if loss == "bce":
        return F.binary_cross_entropy_with_logits(logits, targets)
    return F.kl_div(logits.log_softmax(-1), targets, reduction="batchmean")
