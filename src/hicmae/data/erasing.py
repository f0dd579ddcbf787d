"""Rectangles of clips that are erased, the same in all frames."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torchvision.transforms import v2

from hicmae.media import Region


class Erasing:
    """Erases a rectangle of some clips, torchvision's in place and size.

    Args:
        probability: Of a clip to lose one.
        value: "pixel" fills with normal noise, "zero" with 0.
    """

    def __init__(self, probability: float, value: Literal["pixel", "zero"]) -> None:
        self.rectangle = v2.RandomErasing()
        self.probability = probability
        self.noisy = value == "pixel"

    def __call__(self, frames: Tensor) -> Tensor:
        """(N, T, 3, H, W) to the same; on a processor it is written to."""
        height, width = frames.shape[-2:]
        boxes = [self._draw(height, width) for _ in range(len(frames))]
        erase = erase_each if frames.device.type == "cpu" else erase_together
        return erase(frames, boxes, noisy=self.noisy)

    def _draw(self, height: int, width: int) -> Region:
        """A rectangle; an empty one erases nothing."""
        if torch.rand(()) >= self.probability:
            return 0, 0, 0, 0
        drawn = self.rectangle.make_params([torch.empty(3, height, width, device="meta")])
        if drawn["v"] is None:  # none of the right shape was found
            return 0, 0, 0, 0
        return drawn["i"], drawn["j"], drawn["h"], drawn["w"]


def erase_each(frames: Tensor, boxes: Sequence[Region], *, noisy: bool) -> Tensor:
    """Erases clip by clip, writing to `frames`, as a processor likes it.

    Args:
        frames: (N, T, 3, H, W).
        boxes: Top, left, height and width in each clip.
        noisy: Whether noise, or 0, takes the place.
    """
    for clip, (top, left, height, width) in zip(frames, boxes, strict=True):
        part = clip[..., top : top + height, left : left + width]
        part.copy_(torch.randn(part.shape[1:])) if noisy else part.zero_()
    return frames


def erase_together(frames: Tensor, boxes: Sequence[Region], *, noisy: bool) -> Tensor:
    """What `erase_each` does, with other noise, for all clips at once."""
    edges = torch.tensor(boxes).view(-1, 4).to(frames.device, non_blocking=True)
    top, left, height, width = edges[:, :, None, None].unbind(1)
    row = torch.arange(frames.shape[-2], device=frames.device)[:, None]
    column = torch.arange(frames.shape[-1], device=frames.device)
    erased = (row >= top) & (row < top + height) & (column >= left) & (column < left + width)
    shape = (len(frames), 1, *frames.shape[2:])
    filling = frames.new_empty(shape).normal_() if noisy else frames.new_zeros(())
    return torch.where(erased[:, None, None], filling, frames)
