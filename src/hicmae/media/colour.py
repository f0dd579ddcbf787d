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
        uint8 (N, T, 3, S, S).
    """
    clips, frames, _, side = planes.shape
    half = side // 2
    matrices = matrices.to(planes.device)
    chroma = planes[:, :, side:].reshape(clips, frames, 2, half, half).float()
    colour = torch.einsum("nrc,ntchw->ntrhw", matrices[:, :, 1:3], chroma)
    colour += matrices[:, None, :, 3, None, None]
    pictures = interpolate(colour.flatten(0, 1), scale_factor=2).unflatten(0, (clips, frames))
    # Of brightness, all three take the same share.
    pictures += planes[:, :, None, :side] * matrices[:, 0, 0].view(-1, 1, 1, 1, 1)
    return pictures.round_().clamp_(0, 255).to(torch.uint8)
