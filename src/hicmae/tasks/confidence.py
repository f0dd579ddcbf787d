"""How far a test bears out the confidence of its answers, in numbers and pictures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import one_hot
from torchmetrics.functional.classification import multiclass_calibration_error

from hicmae.answers.calibration import main_classes
from hicmae.answers.selection import area_under_risk, errors_by_confidence
from hicmae.colours import as_hex, colour_of

BINS = 10
"""Bins of confidence, equally wide, over which calibration errors are averaged."""


def confidence_scores(probabilities: Tensor, targets: Tensor) -> dict[str, float]:
    """How far probabilities are from what they should be; 0 is best.

    Args:
        probabilities: (N, K), N at least 1.
        targets: Class indices (N,) or shares of the classes (N, K).

    Returns:
        `ECE`, the expected calibration error in [0, 1]; `Brier`, the squared distance from the
        true class summed over the classes, in [0, 2]; `NLL`, the negative log-likelihood; `AURC`,
        the area under the risk-coverage curve in [0, 1].
    """
    classes = probabilities.shape[1]
    probabilities = probabilities.clamp(max=1)  # means may be above by rounding
    right = main_classes(targets)
    truth = targets if targets.is_floating_point() else one_hot(targets, classes)
    return {
        "ECE": float(multiclass_calibration_error(probabilities, right, classes, BINS)),
        "Brier": float((probabilities - truth).square().sum(1).mean()),
        "NLL": float(-(probabilities.clamp(min=1e-12).log() * truth).sum(1).mean()),
        "AURC": area_under_risk(probabilities, right),
    }


def reliability_figure(answers: Mapping[str, Tensor], targets: Tensor) -> Figure:
    """How often answers were right, by how sure they were.

    Args:
        answers: Probabilities (N, K) by what they are called.
        targets: Class indices (N,).
    """
    figure, axes = _square("confidence of the answer", "share of right answers")
    axes.plot([0, 1], [0, 1], color="#999999", linestyle=":", label="as it should be")
    for place, (name, probabilities) in enumerate(answers.items()):
        confidence, found = probabilities.max(1)
        bins = (confidence * BINS).long().clamp(max=BINS - 1)
        counts = torch.bincount(bins, minlength=BINS)
        seen = counts > 0
        sure, right = (
            (torch.bincount(bins, values.double(), BINS) / counts)[seen]
            for values in (confidence, found == targets)
        )
        colour = as_hex(colour_of(place))
        axes.plot(sure, right, color=colour, label=name)
        axes.scatter(sure, right, s=12 + 160 * counts[seen] / len(targets), color=colour)
    axes.legend(frameon=False, title="larger points: more clips")
    return figure


def risk_coverage_figure(probabilities: Tensor, targets: Tensor) -> Figure:
    """How often answers are wrong where the less sure ones are withheld.

    Args:
        probabilities: (N, K).
        targets: Class indices (N,).
    """
    _, errors = errors_by_confidence(probabilities, targets)
    figure, axes = _square("share of clips answered, the surest first", "share of wrong answers")
    coverage = torch.arange(1, len(errors) + 1) / len(errors)
    axes.step(coverage, errors, where="post", color=as_hex(colour_of(0)))
    axes.axhline(float(errors[-1]), color="#999999", linestyle=":", label="all clips answered")
    axes.legend(frameon=False)
    return figure


def _square(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.6, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=across, ylabel=up, xlim=(0, 1), ylim=(0, 1))
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
