"""RandAugment for clips: what is drawn holds for all frames of a clip.

The draws are pytorchvideo's, and the two sets of operations those that timm calls `rand-...-inc1`
and `rand-...-inc0`. pytorchvideo's own operations turn bytes into floats and back, and go through
the frames one by one.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hicmae.data.batched_operations import OPERATIONS
from hicmae.data.pytorchvideo_compat import AugmentTransform, OpSampler
from hicmae.errors import ConfigError

OperationSet = Literal["increasing", "plain"]
Plan = list[tuple[str, float]]

_HIGHEST_LEVEL = 10  # of pytorchvideo as of timm


class RandAugment(nn.Module):
    """Puts a clip through a few operations, drawn with replacement.

    With the increasing set a larger magnitude is a stronger change throughout; with the plain one
    posterize and solarize grow weaker, and brightness, contrast, colour and sharpness run from 0.1
    to 1.9, so that the middle changes nothing. What a shift, shear or rotation leaves empty is
    filled with middle grey. Geometry is bilinear; the reference implementation, on PIL images, is
    bicubic.

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
                    name_to_transform_func={name: partial(_noted, name)},
                    level_to_arg=arguments,
                    transform_max_paras=dict.fromkeys(arguments),
                    transform_hparas={"fill": None},
                    sampling_hparas={"sampling_std": std},
                )
                for name in arguments
            ],
            num_sample_op=layers,
            replacement=True,
        )

    def forward(self, clips: Tensor) -> Tensor:
        """uint8 (N, T, 3, H, W) to the same, each clip by draws of its own."""
        plans = [self.draw([]) for _ in range(len(clips))]
        follow = follow_each if clips.device.type == "cpu" else follow_together
        return follow(clips, plans)


def _noted(name: str, plan: Plan, strength: float = 0.0, *, fill: None) -> Plan:
    """In place of an operation on a clip, a note of it."""
    del fill
    return [*plan, (name, strength)]


def follow_each(clips: Tensor, plans: Sequence[Plan]) -> Tensor:
    """Puts clips through their operations one by one, as a processor likes it.

    Args:
        clips: uint8 (N, T, 3, H, W).
        plans: Names and strengths of the operations of each clip.
    """
    changed = clips.clone(memory_format=torch.contiguous_format)
    for clip, plan in enumerate(plans):
        out = changed[clip : clip + 1]
        for name, strength in plan:
            out.copy_(OPERATIONS[name](out, torch.tensor([float(strength)])))
    return changed


def follow_together(clips: Tensor, plans: Sequence[Plan]) -> Tensor:
    """What `follow_each` does, for all clips at once that an operation comes next for."""
    changed = clips.clone()
    for step in range(max(map(len, plans), default=0)):
        groups: dict[str, dict[int, float]] = {}
        for clip, plan in enumerate(plans):
            if step < len(plan):
                name, strength = plan[step]
                groups.setdefault(name, {})[clip] = strength
        for name, group in groups.items():
            chosen, strengths = (torch.tensor([*part]) for part in (group, group.values()))
            chosen = chosen.to(clips.device, non_blocking=True)
            strengths = strengths.float().to(clips.device, non_blocking=True)
            changed[chosen] = OPERATIONS[name](changed[chosen], strengths)
    return changed


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
