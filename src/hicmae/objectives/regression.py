"""Losses for dimensional emotion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

RegressionLoss = Literal["mse", "l1", "smooth_l1", "ccc", "pcc"]


def ccc_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """One minus the concordance correlation coefficient, averaged over targets (B, K).

    Variances are those of the batch (divided by B), as in the public implementation.
    """
    covariance, prediction_variance, target_variance = _moments(prediction, target)
    gap = prediction.mean(0) - target.mean(0)
    spread = prediction_variance + target_variance + gap.square()
    return 1 - (2 * covariance / (spread + 1e-12)).mean()


def pcc_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """One minus Pearson's correlation coefficient, averaged over targets (B, K)."""
    covariance, prediction_variance, target_variance = _moments(prediction, target)
    # Clamped: where nothing varies the root has no finite slope, and the gradient would be NaN.
    deviations = (prediction_variance * target_variance).clamp(min=1e-24).sqrt()
    return 1 - (covariance / (deviations + 1e-6)).mean()


def _moments(prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    centred = prediction - prediction.mean(0)
    centred_target = target - target.mean(0)
    return (
        (centred * centred_target).mean(0),
        centred.square().mean(0),
        centred_target.square().mean(0),
    )


REGRESSION_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "smooth_l1": F.smooth_l1_loss,
    "ccc": ccc_loss,
    "pcc": pcc_loss,
}
