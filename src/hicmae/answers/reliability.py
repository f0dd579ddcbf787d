"""What validation clips showed of a model's answers, small enough to go with its description."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from hicmae.answers.calibration import (
    fit_spread,
    fit_temperature,
    main_classes,
    with_temperature,
)
from hicmae.answers.familiarity import Familiarity
from hicmae.answers.selection import RiskCoverage
from hicmae.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Reliability:
    """What is known of a model's answers beyond the answers.

    Attributes:
        clips: Validation clips, or groups of clips, that it was learnt from.
        temperature: By which probabilities of classes are calibrated; None where there are none.
        spread: Standard deviations of the errors of regressed values (O,), or nothing.
        risk_coverage: Errors of calibrated answers by their confidence; None without classes.
        familiarity: Where training clips lie; None if that is not known.
    """

    clips: int
    temperature: float | None = None
    spread: tuple[float, ...] = ()
    risk_coverage: RiskCoverage | None = None
    familiarity: Familiarity | None = None

    @classmethod
    def of_classes(
        cls, probabilities: Tensor, targets: Tensor, familiarity: Familiarity | None
    ) -> Self:
        """Learns from validation clips.

        Args:
            probabilities: (N, K), N at least 1.
            targets: Class indices (N,) or shares of the classes (N, K), the largest of which is
                what an answer should be.
            familiarity: What is known of features.
        """
        temperature = fit_temperature(probabilities, targets)
        told = with_temperature(probabilities, temperature)
        curve = RiskCoverage.of(told, main_classes(targets))
        return cls(len(targets), temperature, (), curve, familiarity)

    @classmethod
    def of_values(cls, values: Tensor, targets: Tensor, familiarity: Familiarity | None) -> Self:
        """Learns from validation clips: predicted and true values (N, K); see `of_classes`."""
        return cls(len(targets), spread=fit_spread(values, targets), familiarity=familiarity)

    def calibrated(self, outputs: Tensor) -> Tensor:
        """Calibrated probabilities (..., K); values stay as they are."""
        return outputs if self.temperature is None else with_temperature(outputs, self.temperature)

    def mistake(self, outputs: int, features: int) -> str | None:
        """Why it cannot be of a model with so many outputs and features; None if it can."""
        if self.clips < 1:
            return f"its reliability is of {self.clips} clips"
        if self.temperature is not None and not 0 < self.temperature < math.inf:
            return f"its temperature is {self.temperature}"
        if self.spread and len(self.spread) != outputs:
            return f"{len(self.spread)} spreads are told of {outputs} outputs"
        if not all(0 <= spread < math.inf for spread in self.spread):
            return f"its spreads are {self.spread}"
        if self.familiarity and not self.familiarity.fits(features):
            return f"its familiarity is not of {features} features"
        return self.risk_coverage.mistake() if self.risk_coverage else None


def threshold_of(known: Reliability | None, wanted_error: float) -> float:
    """The least calibrated confidence of an answer that counts as sure.

    Args:
        known: What is known of a model's answers.
        wanted_error: Share of wrong answers that is borne among the sure ones.

    Raises:
        ConfigError: The error cannot be wanted of this model.
    """
    if not 0 <= wanted_error < 1:
        raise ConfigError(f"wanted_error is {wanted_error}; give a share in [0, 1).")
    if known is None or known.risk_coverage is None:
        raise ConfigError(
            f"wanted_error is {wanted_error}, but nothing is known of the errors of this model "
            "by its confidence: leave it out, or fine-tune a classifier with validation clips."
        )
    threshold = known.risk_coverage.threshold(wanted_error)
    if threshold is None:
        least = math.ceil(100 * min(known.risk_coverage.error)) / 100
        raise ConfigError(
            f"wanted_error is {wanted_error}, but of {known.clips} validation clips even the "
            f"surest answers were wrong more often: give {least:.2f} or more."
        )
    return threshold
