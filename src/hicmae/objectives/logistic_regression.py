"""A linear classifier of features, found at once: it has one best answer."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_ITERATIONS = 1000


def logistic_regression(
    features: Tensor, targets: Tensor, classes: int, penalty: float
) -> tuple[Tensor, Tensor]:
    """Weights and bias that minimise the mean cross-entropy + penalty / 2 · squared weights.

    The penalty is on weights of standardised features, so that no feature counts for more by its
    scale; what is returned is for features as they are.

    Args:
        features: Of N clips (N, D).
        targets: Their class indices (N,).
        classes: Number of classes, K.
        penalty: Above 0; the fewer the clips and the more the features, the larger.

    Returns:
        Weights (K, D) and bias (K,), float32 on the CPU.
    """
    known = features.detach().cpu().double()
    mean, deviation = known.mean(0), known.std(0, correction=0)
    deviation = deviation.where(deviation > 0, 1)  # of a feature that is the same of all clips
    standardised, wanted = (known - mean) / deviation, targets.cpu()
    weight = torch.zeros(classes, known.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias],
        max_iter=_ITERATIONS,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        solver.zero_grad()
        value = F.cross_entropy(F.linear(standardised, weight, bias), wanted)
        value = value + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        solver.step(loss)
    weight, bias = weight.detach() / deviation, bias.detach()
    return weight.float(), (bias - weight @ mean).float()
