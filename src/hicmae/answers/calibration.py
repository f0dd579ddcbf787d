"""Probabilities that are as high as answers are often right (Guo et al., 2017)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import one_hot

_LEAST = 1e-12  # probability
_LARGEST = 5.0  # temperature, and its inverse: fewer clips would find one without bounds
_HALVINGS = 40


def with_temperature(probabilities: Tensor, temperature: float) -> Tensor:
    """Makes probabilities surer (below 1) or less sure (above 1), and keeps their order.

    Of one window this is the softmax of its logits divided by the temperature; probabilities that
    were averaged over windows can be given as well.

    Args:
        probabilities: (..., K).
        temperature: Above 0.

    Returns:
        Probabilities (..., K); they sum to 1.
    """
    return (probabilities.clamp(min=_LEAST).log() / temperature).softmax(-1)


def fit_temperature(probabilities: Tensor, targets: Tensor) -> float:
    """The temperature under which the targets are likeliest.

    Args:
        probabilities: (N, K), N at least 1.
        targets: Class indices (N,) or shares of the classes (N, K).

    Returns:
        Between 0.2 and 5.
    """
    logs = probabilities.double().clamp(min=_LEAST).log()
    shares = targets if targets.is_floating_point() else one_hot(targets, logs.shape[1])
    told = (logs * shares).sum(-1).mean()
    low, high = 1 / _LARGEST, _LARGEST
    for _ in range(_HALVINGS):
        sharpness = (low * high) ** 0.5
        # The likelihood has one top, where the mean of the logs is that at the targets.
        if (logs * (logs * sharpness).softmax(-1)).sum(-1).mean() < told:
            low = sharpness
        else:
            high = sharpness
    return round(1 / sharpness, 4)


def fit_spread(values: Tensor, targets: Tensor) -> tuple[float, ...]:
    """The standard deviations of normally distributed errors under which targets are likeliest.

    Args:
        values: Predictions (N, K), N at least 1.
        targets: True values (N, K).

    Returns:
        K numbers.
    """
    return tuple((values.double() - targets.double()).square().mean(0).sqrt().tolist())


def main_classes(targets: Tensor) -> Tensor:
    """The class of each clip (N,), of its index (N,) or the largest of its shares (N, K)."""
    return targets.argmax(1) if targets.is_floating_point() else targets
