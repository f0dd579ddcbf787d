"""How far a clip lies from all that a model has learnt from (Lee et al., 2018)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

_MOST_AXES = 8
_LEAST_VARIANCE = 1e-6
_USUAL_SHARE = 0.95
_STORED = np.dtype("<f2")


@dataclass(frozen=True, slots=True)
class Familiarity:
    """The place of training clips among features: Mahalanobis distance by a shrunk covariance.

    Along the axes of most variance features vary as they do; along all others they are taken to
    vary alike.

    Attributes:
        variances: Along the axes (A,).
        rest: Variance along all other directions.
        values: Mean (D,) and axes of unit length (A, D) as base64 of 16-bit floats.
        limit: Distance below which 95 % of the validation clips lie.
    """

    variances: tuple[float, ...]
    rest: float
    values: str
    limit: float

    @classmethod
    def of(cls, learnt: Tensor, validation: Tensor) -> Familiarity:
        """Learns from features.

        Args:
            learnt: Of training clips (N, D), N at least 1.
            validation: Of clips that were not trained on (M, D), M at least 1.
        """
        mean = learnt.double().mean(0)
        centred = learnt.double() - mean
        _, strengths, axes = torch.linalg.svd(centred, full_matrices=False)
        variances = strengths.square() / len(learnt)
        count = min(_MOST_AXES, len(learnt) - 1)
        others = max(learnt.shape[1] - count, 1)
        rest = max(float(variances[count:].sum()) / others, _LEAST_VARIANCE)
        stored = torch.cat([mean[None], axes[:count]]).numpy().astype(_STORED)
        made = cls(
            variances=tuple(max(value, rest) for value in variances[:count].tolist()),
            rest=rest,
            values=b64encode(stored.tobytes()).decode(),
            limit=1.0,
        )
        distances = made.unfamiliarity(validation.double().numpy())
        limit = float(np.quantile(distances, _USUAL_SHARE, method="higher"))
        return cls(made.variances, rest, made.values, max(limit, _LEAST_VARIANCE))

    def unfamiliarity(self, features: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Distances from the training clips in units of the limit.

        Args:
            features: (N, D).

        Returns:
            (N,), at least 0: above 1 a clip is farther off than 95 % of the validation clips.
        """
        mean, axes = self._stored()
        off = features - mean
        along = off @ axes.T
        beside = np.square(off - along @ axes).sum(1) / self.rest
        squared = (np.square(along) / np.array(self.variances)).sum(1) + beside
        return np.sqrt(squared / features.shape[1]) / self.limit

    def fits(self, size: int) -> bool:
        """Whether it is of features of this size, D, and its numbers can be."""
        try:
            mean, axes = self._stored()
        except ValueError:
            return False
        numbers = np.concatenate([mean, axes.ravel(), [self.limit, self.rest, *self.variances]])
        positive = min(self.limit, self.rest, *self.variances, 1.0) > 0
        return len(mean) == size and bool(np.isfinite(numbers).all()) and positive

    def _stored(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Mean (D,) and axes (A, D)."""
        stored = np.frombuffer(b64decode(self.values, validate=True), _STORED).astype(np.float64)
        table = stored.reshape(len(self.variances) + 1, -1)
        return table[0], table[1:]
