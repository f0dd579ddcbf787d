"""The operations of RandAugment on several clips at once, each with a strength of its own.

Clips are bytes, uint8 (N, T, 3, H, W), and strengths float32 (N,) on the same device. Results are
those of Pillow to within a level of 255, as interpolation is bilinear throughout.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.transforms.v2 import functional as F  # noqa: N812

Operation = Callable[[Tensor, Tensor], Tensor]

_GREY = 128  # what a shift, shear or rotation leaves empty


def _per_clip(strength: Tensor) -> Tensor:
    return strength.view(-1, 1, 1, 1, 1)


def _auto_contrast(clips: Tensor, _: Tensor) -> Tensor:
    result: Tensor = F.autocontrast(clips)
    return result


def _equalize(clips: Tensor, _: Tensor) -> Tensor:
    result: Tensor = F.equalize(clips)
    return result


def _invert(clips: Tensor, _: Tensor) -> Tensor:
    return ~clips


def _posterize(clips: Tensor, bits: Tensor) -> Tensor:
    kept = (256 - torch.exp2(8 - bits).round()).to(torch.uint8)
    return clips & _per_clip(kept)


def _solarize(clips: Tensor, threshold: Tensor) -> Tensor:
    # No byte reaches 256. Bytes with all their bits turned over are those taken from 255.
    turned = (threshold <= 255).to(torch.uint8) * 255
    bright = clips >= _per_clip(threshold.clamp(max=255).to(torch.uint8))
    return clips ^ (bright.view(torch.uint8) * _per_clip(turned))


def _solarize_add(clips: Tensor, addend: Tensor) -> Tensor:
    return clips + (clips < 128).view(torch.uint8) * _per_clip(addend.to(torch.uint8))


def _colour(clips: Tensor, factor: Tensor) -> Tensor:
    return _blended(clips.float(), _brightness_of(clips), factor)


def _contrast(clips: Tensor, factor: Tensor) -> Tensor:
    mean = _brightness_of(clips).mean((-2, -1), keepdim=True)
    return _blended(clips.float(), mean, factor)


def _brightness(clips: Tensor, factor: Tensor) -> Tensor:
    return clips.float().mul_(_per_clip(factor)).clamp_(0, 255).to(torch.uint8)


def _sharpness(clips: Tensor, factor: Tensor) -> Tensor:
    pictures = clips.float()
    rows = pictures[..., :-2, :] + pictures[..., 1:-1, :] + pictures[..., 2:, :]
    inner = pictures[..., 1:-1, 1:-1]
    blurred = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    blurred = blurred.add_(inner, alpha=4).div_(13).round_()
    inner.add_(blurred.sub_(inner).mul_(_per_clip(1 - factor)))  # borders stay
    return pictures.clamp_(0, 255).to(torch.uint8)


def _brightness_of(clips: Tensor) -> Tensor:
    red, green, blue = clips.unbind(2)
    grey = (red * 0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114)
    return grey.floor_().unsqueeze(2)


def _blended(pictures: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """`factor` of the pictures, which are written to, and 1 − `factor` of the other."""
    pictures.mul_(_per_clip(factor)).add_(other * _per_clip(1 - factor))
    return pictures.clamp_(0, 255).to(torch.uint8)


def _rotate(clips: Tensor, degrees: Tensor) -> Tensor:
    height, width = clips.shape[-2:]
    angle = degrees * (math.pi / 180)
    cos, sin = angle.cos(), angle.sin()
    across, down = width / 2, height / 2
    return _moved(
        clips,
        (cos, -sin, across - cos * across + sin * down),
        (sin, cos, down - sin * across - cos * down),
    )


def _shear_x(clips: Tensor, slope: Tensor) -> Tensor:
    zero, one = torch.zeros_like(slope), torch.ones_like(slope)
    return _moved(clips, (one, slope, zero), (zero, one, zero))


def _shear_y(clips: Tensor, slope: Tensor) -> Tensor:
    zero, one = torch.zeros_like(slope), torch.ones_like(slope)
    return _moved(clips, (one, zero, zero), (slope, one, zero))


def _translate_x(clips: Tensor, part: Tensor) -> Tensor:
    zero, one = torch.zeros_like(part), torch.ones_like(part)
    return _moved(clips, (one, zero, part * clips.shape[-1]), (zero, one, zero))


def _translate_y(clips: Tensor, part: Tensor) -> Tensor:
    zero, one = torch.zeros_like(part), torch.ones_like(part)
    return _moved(clips, (one, zero, zero), (zero, one, part * clips.shape[-2]))


Shares = tuple[Tensor, Tensor, Tensor]


def _moved(clips: Tensor, column: Shares, row: Shares) -> Tensor:
    """Takes each pixel from another place, bilinear.

    Args:
        clips: The clips.
        column: What the columns and rows of the result and 1 give to the column it is taken from.
        row: The same for the row.
    """
    height, width = clips.shape[-2:]
    across = torch.arange(width, device=clips.device) + 0.5
    down = (torch.arange(height, device=clips.device) + 0.5)[:, None]

    def place(shares: Shares, side: int) -> Tensor:
        of_column, of_row, of_one = (share[:, None, None] for share in shares)
        return (of_column * across + of_row * down + of_one) * (2 / side) - 1

    places = torch.stack((place(column, width), place(row, height)), -1)
    # All frames move alike, and so are taken for colours of one picture.
    pictures = clips.flatten(1, 2).float().sub_(_GREY)
    moved = grid_sample(pictures, places, align_corners=False)
    return moved.add_(_GREY).round_().to(torch.uint8).view_as(clips)


OPERATIONS: dict[str, Operation] = {
    "AutoContrast": _auto_contrast,
    "Equalize": _equalize,
    "Invert": _invert,
    "Rotate": _rotate,
    "Posterize": _posterize,
    "Solarize": _solarize,
    "SolarizeAdd": _solarize_add,
    "Color": _colour,
    "Contrast": _contrast,
    "Brightness": _brightness,
    "Sharpness": _sharpness,
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
}
