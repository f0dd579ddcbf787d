"""Black or frozen frames at the beginning and at the end of clips.

Cameras and editors leave them. Where they go with the label, a model can learn the label from them,
and score well without looking at a face.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from hicmae.media import VideoReader

BLACK = 16.0
"""Mean of a frame's pixels, 0 to 255, below which it is black."""

_GLIMMER = 48.0  # brightness that at most a hundredth of a black frame's pixels exceed
_STILL = 0.05  # mean change of pixels, 0 to 255, that compression alone makes of one picture
_SHORTEST_FREEZE = 0.12  # seconds for which a face may stand still by chance
_CHUNK = 8  # frames looked at first; most clips need no more
_SIZE = 32


@dataclass(frozen=True)
class LeadIns:
    """Frames that show nothing of the clip.

    Attributes:
        black_start: Black frames that a clip begins with.
        black_end: Black frames that it ends with.
        frozen_start: Frames through which its first picture stands still, where that is longer
            than it is black.
        frozen_end: The same of its last picture.
    """

    black_start: int = 0
    black_end: int = 0
    frozen_start: int = 0
    frozen_end: int = 0

    @property
    def start(self) -> int:
        """Frames to leave out at the beginning."""
        return max(self.black_start, self.frozen_start)

    @property
    def end(self) -> int:
        """Frames to leave out at the end."""
        return max(self.black_end, self.frozen_end)


def find_lead_ins(reader: VideoReader) -> LeadIns:
    """Looks at both ends of a clip, as far as they are black or frozen.

    Of a clip that is so as a whole, all is lead-in and nothing is end.

    Raises:
        DataError: A frame cannot be read.
    """
    count = reader.frame_count
    black_start, frozen_start = _runs(reader, range(count))
    if max(black_start, frozen_start + 1) >= count:
        return LeadIns(black_start=black_start, frozen_start=frozen_start)
    black_end, frozen_end = _runs(reader, range(count - 1, -1, -1))
    return LeadIns(black_start, black_end, frozen_start, frozen_end)


def shown_frames(reader: VideoReader) -> range:
    """The frames of a clip between its lead-ins; all of a clip that is a lead-in as a whole.

    Raises:
        DataError: A frame cannot be read.
    """
    found, count = find_lead_ins(reader), reader.frame_count
    if found.start + found.end >= count - 1:
        return range(count)
    return range(found.start, count - found.end)


def _runs(reader: VideoReader, frames: range) -> tuple[int, int]:
    """How many of these frames, from the first on, are black, and how many show what it shows."""
    black = frozen = 0
    black_goes_on = frozen_goes_on = True
    first: npt.NDArray[np.float32] | None = None
    for picture in _pictures(reader, frames):
        black_goes_on &= bool(picture.mean() < BLACK and np.quantile(picture, 0.99) < _GLIMMER)
        black += black_goes_on
        if first is None:
            first = picture
        else:
            frozen_goes_on &= bool(np.abs(picture - first).mean() < _STILL)
            frozen += frozen_goes_on
        if not black_goes_on and not frozen_goes_on:
            break
    shortest = max(round(_SHORTEST_FREEZE * reader.fps), 2)
    # Black frames stand still as well.
    return black, frozen if frozen >= shortest and frozen + 1 > black else 0


def _pictures(reader: VideoReader, frames: range) -> Iterator[npt.NDArray[np.float32]]:
    """Frames in this order, read in growing chunks, as small pictures."""
    whole = (0, 0, reader.height, reader.width)
    begin, length = 0, _CHUNK
    while begin < len(frames):
        chunk = frames[begin : begin + length]
        yield from reader.read(chunk, size=_SIZE, region=whole).astype(np.float32)
        begin, length = begin + length, 2 * length


def association(flags: pd.Series, labels: pd.Series) -> float:
    """How likely chance alone spreads marked clips so unevenly over labels (chi-squared test).

    Args:
        flags: Which clips are marked.
        labels: Their labels; clips without one do not count.

    Returns:
        The p-value in [0, 1]; 1 where there is nothing to compare.
    """
    counts = pd.crosstab(labels, flags).to_numpy(dtype=np.float64)
    if min(counts.shape, default=0) < 2:
        return 1.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    halves = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(halves[0], halves[1]))
