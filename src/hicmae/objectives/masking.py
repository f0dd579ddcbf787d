"""Masks of the pre-training task (paper section 3.2), drawn on the device, of fixed counts."""

from __future__ import annotations

import torch
from torch import Tensor

from hicmae.errors import ConfigError
from hicmae.models import Mask


def tube_mask(
    batch: int, grid: tuple[int, int, int], ratio: float, generator: torch.Generator
) -> Mask:
    """Masks the same positions of the frame in every time slice.

    Args:
        batch: Clips, B.
        grid: Tokens along time, height and width.
        ratio: Share of positions masked; int(ratio · positions) of them are.
        generator: Source of randomness; its device is the mask's.

    Raises:
        ConfigError: The ratio leaves nothing visible or nothing masked.
    """
    slices, rows, columns = grid
    positions = rows * columns
    frame = random_mask(batch, positions, ratio, generator)

    def repeat(index: Tensor) -> Tensor:
        offsets = torch.arange(slices, device=index.device) * positions
        return (index.unsqueeze(1) + offsets[:, None]).flatten(1)

    return Mask(repeat(frame.visible), repeat(frame.masked))


def random_mask(batch: int, tokens: int, ratio: float, generator: torch.Generator) -> Mask:
    """Masks int(ratio · tokens) tokens of each clip, all equally likely.

    Args:
        batch: Clips, B.
        tokens: Tokens of a clip, N.
        ratio: Share of tokens masked.
        generator: Source of randomness; its device is the mask's.

    Raises:
        ConfigError: The ratio leaves nothing visible or nothing masked.
    """
    num_masked = int(ratio * tokens)
    if not 0 < num_masked < tokens:
        raise ConfigError(
            f"A mask ratio of {ratio} masks {num_masked} of {tokens} tokens: "
            f"choose one that leaves at least one masked and one visible."
        )
    order = torch.rand(batch, tokens, generator=generator, device=generator.device).argsort(1)
    return Mask(
        visible=order[:, num_masked:].sort(1).values, masked=order[:, :num_masked].sort(1).values
    )
