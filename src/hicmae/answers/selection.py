"""Answering where the model is sure, and else not (El-Yaniv and Wiener, 2010)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_MOST_POINTS = 64  # of a curve that goes into a file


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """How often answers are wrong, the surest first and ever less sure ones with them.

    Attributes:
        confidence: Of the least sure answers that are counted, descending (P,).
        coverage: Their share of all answers, in (0, 1], ascending (P,).
        error: The share of wrong ones among them, in [0, 1] (P,).
    """

    confidence: tuple[float, ...]
    coverage: tuple[float, ...]
    error: tuple[float, ...]

    @classmethod
    def of(cls, probabilities: Tensor, targets: Tensor) -> RiskCoverage:
        """The curve of answers, with at most 64 points.

        Args:
            probabilities: (N, K), N at least 1.
            targets: Class indices (N,).
        """
        confidence, errors = errors_by_confidence(probabilities, targets)
        # Equally sure answers are given together or not at all.
        last = torch.cat([confidence[1:] < confidence[:-1], torch.tensor([True])]).nonzero()[:, 0]
        place = last[torch.linspace(0, len(last) - 1, min(len(last), _MOST_POINTS)).round().long()]
        points = (confidence[place], (place + 1) / len(errors), errors[place])
        return cls(*(tuple(round(value, 6) for value in part.tolist()) for part in points))

    def mistake(self) -> str | None:
        """Why it cannot be a curve; None if it can."""
        lengths = {len(self.confidence), len(self.coverage), len(self.error)}
        if len(lengths) > 1 or 0 in lengths:
            return "its risk-coverage curve lacks points"
        if not all(0 <= x <= 1 for x in (*self.confidence, *self.coverage, *self.error)):
            return "its risk-coverage curve has numbers that are no shares"
        return None

    def threshold(self, wanted_error: float) -> float | None:
        """The confidence from which on answers were wrong no more often than wanted.

        Args:
            wanted_error: In [0, 1].

        Returns:
            The one with most answers; None where even the surest were wrong more often.
        """
        pairs = zip(self.confidence, self.error, strict=True)
        return min((sure for sure, error in pairs if error <= wanted_error), default=None)


def area_under_risk(probabilities: Tensor, targets: Tensor) -> float:
    """Area under the risk-coverage curve, in [0, 1]; 0 is best, the share of errors is no skill.

    Args:
        probabilities: (N, K), N at least 1.
        targets: Class indices (N,).
    """
    return float(errors_by_confidence(probabilities, targets)[1].mean())


def errors_by_confidence(probabilities: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How often answers are wrong, the surest first and ever less sure ones with them.

    Args:
        probabilities: (N, K).
        targets: Class indices (N,).

    Returns:
        Confidences, descending, and the share of errors down to each, both (N,).
    """
    confidence, answers = probabilities.double().max(1)
    order = confidence.argsort(descending=True, stable=True)
    wrong = (answers != targets)[order].double()
    return confidence[order], wrong.cumsum(0) / torch.arange(1, len(wrong) + 1)
