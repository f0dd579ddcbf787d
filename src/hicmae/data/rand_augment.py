"""RandAugment for clips: what is drawn holds for all frames of a clip.

The draws are pytorchvideo's, the operations torchvision's on whole clips of bytes, and the two sets
of operations those that timm calls `rand-...-inc1` and `rand-...-inc0`. pytorchvideo's own
operations turn bytes into floats and back, and go through the frames one by one.
"""

import math
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F  # noqa: N812

from hicmae.data.pytorchvideo_compat import AugmentTransform, OpSampler
from hicmae.errors import ConfigError

OperationSet = Literal["increasing", "plain"]

_HIGHEST_LEVEL = 10  # of pytorchvideo as of timm


class RandAugment(nn.Module):
    """Puts a clip through a few operations, drawn with replacement.

    With the increasing set a larger magnitude is a stronger change throughout; with the plain one
    posterize and solarize grow weaker, and brightness, contrast, colour and sharpness run from 0.1
    to 1.9, so that the middle changes nothing. What a shift, shear or rotation leaves empty is
    filled with middle grey. As torchvision interpolates tensors, geometry is bilinear; the
    reference implementation, on PIL images, is bicubic.

    Args:
        operations: The "increasing" or the "plain" set.
        magnitude: Mean strength, 0 to 10.
        std: Standard deviation of the strength, which is cut to 0 to 10.
        layers: Operations per clip, 1 to 15.
        probability: Probability of each operation to take place.
    """

    def __init__(
        self,
        operations: OperationSet = "increasing",
        *,
        magnitude: float = 7,
        std: float = 0.5,
        layers: int = 4,
        probability: float = 0.5,
    ) -> None:
        super().__init__()
        if operations not in SETS:
            raise ConfigError(f"rand_augment_set is {operations!r}; choose {' or '.join(SETS)}.")
        arguments = SETS[operations]
        if not 1 <= layers <= len(arguments):
            raise ConfigError(
                f"rand_augment_layers is {layers}; give a number from 0 (off) to {len(arguments)}."
            )
        self.draw = OpSampler(
            [
                AugmentTransform(
                    name,
                    magnitude,
                    prob=probability,
                    name_to_transform_func=OPERATIONS,
                    level_to_arg=arguments,
                    transform_max_paras=dict.fromkeys(arguments),
                    transform_hparas={"fill": [128.0, 128.0, 128.0]},
                    sampling_hparas={"sampling_std": std},
                )
                for name in arguments
            ],
            num_sample_op=layers,
            replacement=True,
        )

    def forward(self, clip: Tensor) -> Tensor:
        """uint8 (T, 3, H, W) to the same."""
        changed: Tensor = self.draw(clip)
        return changed


def _recolour(operation: Any, clip: Tensor, *argument: float, fill: list[float]) -> Tensor:
    """An operation that leaves nothing to be filled."""
    del fill
    result: Tensor = operation(clip, *argument)
    return result


def _solarize(clip: Tensor, threshold: int) -> Tensor:
    # torchvision refuses the threshold 256, which no pixel reaches.
    return clip if threshold > 255 else F.solarize(clip, threshold)


def _solarize_add(clip: Tensor, addend: int) -> Tensor:
    return torch.where(clip < 128, clip + addend, clip)


def _sharpen(clip: Tensor, factor: float) -> Tensor:
    # On a processor the convolution inside is several times as fast with the colours last.
    pictures = clip.contiguous(memory_format=torch.channels_last)
    return F.adjust_sharpness(pictures, factor).contiguous()


def _rotate(clip: Tensor, degrees: float, *, fill: list[float]) -> Tensor:
    return F.rotate(clip, degrees, InterpolationMode.BILINEAR, fill=fill)


def _move(
    clip: Tensor,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    slope: tuple[float, float] = (0.0, 0.0),
    fill: list[float],
) -> Tensor:
    """Shifts by parts of width and height, shears about the upper left corner."""
    height, width = clip.shape[-2:]
    return F.affine(
        clip,
        angle=0.0,
        translate=[-shift[0] * width, -shift[1] * height],
        scale=1.0,
        shear=[math.degrees(math.atan(part)) for part in slope],
        interpolation=InterpolationMode.BILINEAR,
        fill=fill,
        center=[0.0, 0.0],
    )


def _shear_x(clip: Tensor, slope: float, *, fill: list[float]) -> Tensor:
    return _move(clip, slope=(slope, 0.0), fill=fill)


def _shear_y(clip: Tensor, slope: float, *, fill: list[float]) -> Tensor:
    return _move(clip, slope=(0.0, slope), fill=fill)


def _translate_x(clip: Tensor, part: float, *, fill: list[float]) -> Tensor:
    return _move(clip, shift=(part, 0.0), fill=fill)


def _translate_y(clip: Tensor, part: float, *, fill: list[float]) -> Tensor:
    return _move(clip, shift=(0.0, part), fill=fill)


OPERATIONS = {
    "AutoContrast": partial(_recolour, F.autocontrast),
    "Equalize": partial(_recolour, F.equalize),
    "Invert": partial(_recolour, F.invert),
    "Rotate": _rotate,
    "Posterize": partial(_recolour, F.posterize),
    "Solarize": partial(_recolour, _solarize),
    "SolarizeAdd": partial(_recolour, _solarize_add),
    "Color": partial(_recolour, F.adjust_saturation),
    "Contrast": partial(_recolour, F.adjust_contrast),
    "Brightness": partial(_recolour, F.adjust_brightness),
    "Sharpness": partial(_recolour, _sharpen),
    "ShearX": _shear_x,
    "ShearY": _shear_y,
    "TranslateX": _translate_x,
    "TranslateY": _translate_y,
}


# A strength becomes an argument; pytorchvideo passes a second value, which is not needed here.
def _either_way(centre: float, reach: float, level: float, _: None) -> tuple[float]:
    """`centre` plus or minus up to `reach`."""
    sign = 1 if torch.rand(1).item() > 0.5 else -1
    return (centre + sign * reach * level / _HIGHEST_LEVEL,)


def _from_to(first: float, last: float, level: float, _: None) -> tuple[float]:
    return (first + (last - first) * level / _HIGHEST_LEVEL,)


def _up_to(most: int, level: float, _: None) -> tuple[int]:
    return (int(most * level / _HIGHEST_LEVEL),)


def _down_from(most: int, level: float, _: None) -> tuple[int]:
    return (most - int(most * level / _HIGHEST_LEVEL),)


# Ranges of timm.data.auto_augment, which the reference implementation shares: degrees, bits,
# thresholds and addends of bytes, factors, slopes, parts of the frame's side.
_EITHER_SET: dict[str, Any] = {
    "AutoContrast": None,
    "Equalize": None,
    "Invert": None,
    "Rotate": partial(_either_way, 0.0, 30.0),
    "SolarizeAdd": partial(_up_to, 110),
    "ShearX": partial(_either_way, 0.0, 0.3),
    "ShearY": partial(_either_way, 0.0, 0.3),
    "TranslateX": partial(_either_way, 0.0, 0.45),
    "TranslateY": partial(_either_way, 0.0, 0.45),
}
_ENHANCEMENTS = ("Color", "Contrast", "Brightness", "Sharpness")
SETS: dict[str, dict[str, Any]] = {
    "increasing": _EITHER_SET
    | {"Posterize": partial(_down_from, 4), "Solarize": partial(_down_from, 256)}
    | dict.fromkeys(_ENHANCEMENTS, partial(_either_way, 1.0, 0.9)),
    "plain": _EITHER_SET
    | {"Posterize": partial(_up_to, 4), "Solarize": partial(_up_to, 256)}
    | dict.fromkeys(_ENHANCEMENTS, partial(_from_to, 0.1, 1.9)),
}
