"""What a model computed of the windows of a clip, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from hicmae.faces.people import PersonTrack
from hicmae.inference.results import Floats
from hicmae.inference.windows import InputWindow


@dataclass(frozen=True, eq=False)
class WindowTable:
    """What was computed of the windows of a clip.

    Attributes:
        people: Who is in view.
        numbers: Whose each window is (W,).
        times: Start and end of each window (W, 2).
        senses: Whether it was seen and whether it was heard (W, 2).
        columns: What was computed, each (W, ...).
    """

    people: Sequence[PersonTrack]
    numbers: npt.NDArray[np.int64]
    times: Floats
    senses: npt.NDArray[np.bool_]
    columns: list[Floats]

    @classmethod
    def gathered(
        cls,
        people: list[PersonTrack],
        computed: Iterable[tuple[Sequence[InputWindow], Sequence[Floats]]],
    ) -> Self:
        """The table of what comes batch by batch; nothing else of the windows is held.

        Args:
            people: Who is in view.
            computed: B windows, at least 1, with what was computed of them, each (B, ...).
        """
        numbers: list[int] = []
        times: list[tuple[float, float]] = []
        senses: list[tuple[bool, bool]] = []
        parts: list[Sequence[Floats]] = []
        for windows, part in computed:
            parts.append(part)
            senses += [window.senses for window in windows]
            numbers += [window.person for window in windows]
            times += [(window.start, window.end) for window in windows]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return cls(
            people, np.array(numbers), np.array(times, np.float32), np.array(senses), columns
        )

    def of(self, number: int) -> tuple[Floats, list[Floats]]:
        """Times and columns of the windows of one person."""
        own = self.numbers == number
        return self.times[own], [column[own] for column in self.columns]

    def senses_of(self, number: int) -> npt.NDArray[np.bool_]:
        """Whether the windows of one person were seen and heard."""
        return self.senses[self.numbers == number]
