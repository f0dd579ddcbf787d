"""Pictures as most codecs keep them, and RGB from them on any device.

Codecs keep brightness at full and colour at half resolution (Y'CbCr 4:2:0): half the bytes of RGB.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate

# Weights of red and blue in brightness, by FFmpeg's number of the colour space (ITU-T H.273).
_WEIGHTS = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
_BT601 = (0.299, 0.114)  # what decoders take for a video that says nothing


def rgb_matrix(colour_space: int, *, full_range: bool) -> npt.NDArray[np.float32]:
    """What turns Y', Cb, Cr and 1 into R, G, B, all of them 0 to 255.

    Args:
        colour_space: FFmpeg's number; an unknown one is taken for BT.601.
        full_range: Whether the values take the whole range, as in JPEG, and not 16 to 235 and 240.

    Returns:
        float32 (3, 4).
    """
    red, blue = _WEIGHTS.get(colour_space, _BT601)
    green = 1 - red - blue
    matrix = np.array(
        [
            [1, 0, 2 * (1 - red)],
            [1, -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green],
            [1, 2 * (1 - blue), 0],
        ]
    )
    if not full_range:
        matrix *= np.array([255 / 219, 255 / 224, 255 / 224])
    offset = np.array([0 if full_range else 16, 128, 128])
    return np.column_stack([matrix, -matrix @ offset]).astype(np.float32)


def rgb_from_planes(planes: Tensor, matrices: Tensor) -> Tensor:
    """RGB pictures from planes; every 2 × 2 pixels share a colour.

    Args:
        planes: uint8 (N, T, 3 · S / 2, S): brightness, then the blue and the red difference, each
            plane of colour in S / 4 rows that hold two of its own.
        matrices: `rgb_matrix` of each clip, (N, 3, 4).

    Returns:
        uint8 (N, T, 3, S, S); on a processor the colours of a pixel lie together in memory.
    """
    matrices = matrices.to(planes.device)
    if planes.device.type != "cpu":
        return converted_together(planes, matrices)
    side = planes.shape[-1]
    pictures = planes.new_empty((*planes.shape[:2], side, side, 3)).movedim(-1, 2)
    for clip, matrix, out in zip(planes, matrices, pictures, strict=True):
        out.copy_(rgb_of_region(clip, matrix, (0, 0, side, side)))
    return pictures


def converted_together(planes: Tensor, matrices: Tensor) -> Tensor:
    """What `rgb_from_planes` does, for all clips at once, as accelerators like it."""
    clips, frames, _, side = planes.shape
    half = side // 2
    chroma = planes[:, :, side:].reshape(clips, frames, 2, half, half).float()
    colour = torch.einsum("nrc,ntchw->ntrhw", matrices[:, :, 1:3], chroma)
    colour += matrices[:, None, :, 3, None, None]
    converted = interpolate(colour.flatten(0, 1), scale_factor=2).unflatten(0, (clips, frames))
    # Of brightness, all three take the same share.
    converted += planes[:, :, None, :side] * matrices[:, 0, 0].view(-1, 1, 1, 1, 1)
    return converted.round_().clamp_(0, 255).to(torch.uint8)


def rgb_of_region(planes: Tensor, matrix: Tensor, region: tuple[int, int, int, int]) -> Tensor:
    """The RGB pictures of a part of one clip's planes, on a processor.

    Args:
        planes: uint8 (T, 3 · S / 2, S), as `rgb_from_planes` takes them.
        matrix: Their `rgb_matrix`, (3, 4).
        region: Top, left, height and width in pixels.

    Returns:
        uint8 (T, 3, height, width); the colours of a pixel lie together in memory.
    """
    top, left, height, width = region
    side = planes.shape[-1]
    colours = planes[:, side:].unflatten(1, (2, -1)).view(-1, 2, side // 2, side // 2)
    colours = colours[..., top // 2 : (top + height + 1) // 2, left // 2 : (left + width + 1) // 2]
    top_half, left_half = top % 2, left % 2
    shared = _doubled(colours)[..., top_half : top_half + height, left_half : left_half + width]
    blue, red = shared.float().unbind(1)
    (share, *_), *_ = rows = matrix.tolist()
    brightness = planes[:, top : top + height, left : left + width].float().mul_(share)
    pictures = planes.new_empty((len(planes), height, width, 3))
    value = torch.empty_like(brightness)
    for place, (_, of_blue, of_red, offset) in enumerate(rows):
        torch.add(brightness, offset + 0.5, out=value)  # conversion to bytes cuts off
        for share_of_colour, colour in ((of_blue, blue), (of_red, red)):
            if share_of_colour:
                value.add_(colour, alpha=share_of_colour)
        pictures[..., place] = value.clamp_(0, 255)
    return pictures.movedim(-1, 1)


def _doubled(pictures: Tensor) -> Tensor:
    """Every pixel four times: bytes (..., H, W) to (..., 2 · H, 2 · W)."""
    # Both bytes of a whole number are alike if it is 257 times the byte.
    pairs = (pictures.to(torch.int16) * 257).view(torch.uint8)  # (..., H, 2 · W)
    return torch.stack((pairs, pairs), -2).flatten(-3, -2)
