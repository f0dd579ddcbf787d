"""Answers that are one class, or a blend of two: what shares say, and how right it is.

The two figures of merit are those of BLEMORE (Lachmann et al., 2026): presence is the part of all
clips of which just the right classes are named; salience the part of the blends, of which the
classes and their order, or that they are equal, are right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

UNFITTED = 0.1
_GRID = torch.linspace(0.05, 0.95, 20)
_AND = " + "
_PERCENT = re.compile(r" \d+$")


@dataclass(frozen=True, slots=True)
class Blends:
    """What turns shares of a trained model into one class or a blend of two; see `BlendRule`.

    Attributes:
        classes: Those that can be part of a blend.
        thresholds: Of presence and of salience.
    """

    classes: tuple[str, ...]
    thresholds: tuple[float, float]

    def named(self, outputs: Sequence[str], shares: Tensor) -> str:
        """The answer of shares (K,) of the outputs: `anger`, or `anger 70 + fear 30`."""
        rule = BlendRule(outputs, self.classes)
        (parts,) = rule(shares[None], torch.tensor(self.thresholds)).tolist()
        return written(outputs, parts)

    def mistake(self, outputs: Sequence[str]) -> str | None:
        """Why it cannot be of a model with these outputs; None if it can."""
        if len(outputs) < 2 or not {*self.classes} <= {*outputs}:
            return f"its blends are of {', '.join(self.classes)}"
        if not all(0 <= threshold <= 1 for threshold in self.thresholds):
            return f"its thresholds of blends are {self.thresholds}"
        return None


class BlendRule(nn.Module):
    """Turns shares into one class or a blend of two, by two thresholds.

    The second largest share makes a blend if it is as large as the first threshold and both classes
    can be blended. Its parts are equal if the two shares differ by no more than the second
    threshold, and else 70 to 30.

    Args:
        classes: The K classes in order of their index.
        blended: Those of them that can be part of a blend.

    Attributes:
        thresholds: Of presence and of salience (2,); 0.1 until they are fitted.
    """

    thresholds: Tensor
    can_blend: Tensor

    def __init__(self, classes: Sequence[str], blended: Sequence[str]) -> None:
        super().__init__()
        self.classes = list(classes)
        self.blended = tuple(blended)
        self.register_buffer("thresholds", torch.full((2,), UNFITTED))
        can_blend = torch.tensor([name in blended for name in classes])
        self.register_buffer("can_blend", can_blend, persistent=False)

    def forward(self, shares: Tensor, thresholds: Tensor | None = None) -> Tensor:
        """Percents of the classes (N, K): 100, 50 and 50, or 70 and 30; the others are 0."""
        presence, salience = self.thresholds if thresholds is None else thresholds
        values, places = shares.topk(2, dim=1)
        blends = (values[:, 1] >= presence) & self.can_blend[places].all(1)
        even = values[:, 0] - values[:, 1] <= salience
        first = torch.where(blends, torch.where(even, 50, 70), 100)
        return torch.zeros_like(shares, dtype=torch.long).scatter_(
            1, places, torch.stack([first, 100 - first], dim=1)
        )

    def known(self) -> Blends:
        """The rule as plain values."""
        presence, salience = self.thresholds.tolist()
        return Blends(self.blended, (presence, salience))

    def fit(self, shares: Tensor, targets: Tensor) -> None:
        """Takes the thresholds with the best mean of presence and salience, the lowest of several.

        Args:
            shares: Of validation clips (N, K).
            targets: Their true shares (N, K).
        """
        true = percents(targets)
        best = -1.0
        for thresholds in torch.cartesian_prod(_GRID, _GRID).to(shares):
            scores = blend_scores(self(shares, thresholds), true)
            score = sum(scores.values()) / len(scores)
            if score > best:
                best = score
                self.thresholds.copy_(thresholds)

    def columns(self, shares: Tensor, targets: Tensor | None) -> list[dict[str, Any]]:
        """Cells of the table of predictions, as of `written`, for every clip."""
        cells = [{"blend": written(self.classes, parts)} for parts in self(shares).tolist()]
        if targets is None:
            return cells
        true = [written(self.classes, parts) for parts in percents(targets).tolist()]
        return [{"blend_target": text} | cell for text, cell in zip(true, cells, strict=True)]


def written(classes: Sequence[str], parts: Sequence[int]) -> str:
    """Percents of the classes as `anger`, or as `anger 70 + fear 30`, the largest first."""
    shown = [(name, part) for name, part in zip(classes, parts, strict=True) if part]
    shown.sort(key=lambda pair: -pair[1])  # equal parts stay in the order of the classes
    if len(shown) == 1:
        return shown[0][0]
    return _AND.join(f"{name} {part}" for name, part in shown)


def percents(targets: Tensor) -> Tensor:
    """True shares (N, K) in whole percents."""
    return (100 * targets).round().long()


def blend_scores(answers: Tensor, targets: Tensor) -> dict[str, float]:
    """Presence and salience in [0, 1] of percents (N, K); salience if there is any blend."""
    present = ((answers > 0) == (targets > 0)).all(1)
    scores = {"presence": present.float().mean().item()}
    blends = (targets > 0).sum(1) == 2
    if blends.any():
        scores["salience"] = (answers == targets).all(1)[blends].float().mean().item()
    return scores


def written_blend_scores(answers: Iterable[str], targets: Iterable[str]) -> dict[str, float]:
    """The same of cells that `BlendRule.columns` wrote."""
    pairs = list(zip(answers, targets, strict=True))
    present = [_named(answer) == _named(target) for answer, target in pairs]
    salient = [answer == target for answer, target in pairs if target.count(_AND) == 1]
    scores = {"presence": sum(present) / len(pairs)}
    return scores | ({"salience": sum(salient) / len(salient)} if salient else {})


def _named(cell: str) -> set[str]:
    """The classes of a cell."""
    parts = cell.split(_AND)
    return {_PERCENT.sub("", part) for part in parts} if len(parts) > 1 else {cell}
