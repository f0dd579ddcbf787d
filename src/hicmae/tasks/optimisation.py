"""Parameter groups and the learning-rate schedule (paper section 4.2)."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from torch import nn

from hicmae.errors import ConfigError

# The clips of a step for which `learning_rate` is stated; the rate in use grows with those of a run
# (paper section 4.2, after Goyal et al.).
REFERENCE_CLIPS = 256

_LAYER = re.compile(r"^(video_encoder|audio_encoder)\.blocks\.(\d+)\.")
_FUSION_LAYER = re.compile(r"^fusion_encoder\.(?:video|audio)_blocks\.(\d+)\.")


@dataclass(frozen=True)
class LearningRate:
    """A learning rate that is stated for steps of 256 clips, for those of a run.

    Attributes:
        stated: The rate for 256 clips.
        clips_per_batch: Clips that one process trains on in one batch.
        processes: Processes of all nodes together.
        accumulated: Batches whose gradients are summed before a step.

    Raises:
        ConfigError: The stated rate is none that anything is learnt with.
    """

    stated: float
    clips_per_batch: int
    processes: int
    accumulated: int

    def __post_init__(self) -> None:
        if not 0 < self.stated < math.inf:
            raise ConfigError(f"learning_rate is {self.stated}; give a number above 0.")

    @property
    def clips_per_step(self) -> int:
        """Clips that the weights learn from in one step."""
        return self.clips_per_batch * self.processes * self.accumulated

    @property
    def peak(self) -> float:
        """The rate in use, before warm-up, cosine and layer decay."""
        return self.stated * self.clips_per_step / REFERENCE_CLIPS

    def __str__(self) -> str:
        """One line for a log."""
        return (
            f"Peak learning rate {self.peak:.3g}: {self.stated:.3g} for {REFERENCE_CLIPS} clips, "
            f"at {self.clips_per_step} clips per step ({self.clips_per_batch} per batch × "
            f"{self.processes} processes × {self.accumulated} accumulated)"
        )


def layer_index(name: str, depth: int, fusion_depth: int) -> int:
    """How far from the input a parameter lies, for layer-wise learning-rate decay.

    Patch embeddings are 0, encoder layers 1 to `depth`, fusion layers above them, everything else
    (norms of whole encoders, layer weights, head) is on top.
    """
    if ".embedding." in name:
        return 0
    if match := _LAYER.match(name):
        return int(match[2]) + 1
    if match := _FUSION_LAYER.match(name):
        return depth + int(match[1]) + 1
    return depth + fusion_depth + 1


def parameter_groups(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    depth: int,
    fusion_depth: int,
) -> list[dict[str, Any]]:
    """Groups a model's parameters by learning rate and weight decay.

    Biases, norms, other one-dimensional parameters, mask tokens and tokens that stand in for a
    stream have no weight decay.

    Args:
        model: A model of `hicmae.models`.
        learning_rate: Of the topmost parameters.
        weight_decay: Of all that decays.
        layer_decay: Factor of the learning rate from one layer to the one below it.
        depth: Encoder layers.
        fusion_depth: Fusion layers.

    Returns:
        Groups for an optimiser, each with `params`, `lr`, `weight_decay`, `lr_scale` and `names`.
    """
    top = depth + fusion_depth + 1
    names: dict[tuple[float, float], list[str]] = defaultdict(list)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for name, parameter in parameters.items():
        decays = parameter.ndim > 1 and not name.endswith(("mask_token", "stand_ins"))
        scale = layer_decay ** (top - layer_index(name, depth, fusion_depth))
        names[scale, weight_decay if decays else 0.0].append(name)
    return [
        {
            "params": [parameters[name] for name in members],
            "lr": learning_rate * scale,
            "weight_decay": decay,
            "lr_scale": scale,
            "names": members,
        }
        for (scale, decay), members in names.items()
    ]


def warmup_cosine(
    step: int, *, warmup_steps: int, total_steps: int, floor: float = 0.0, start: float = 0.0
) -> float:
    """The factor on the learning rate at an optimiser step.

    It rises linearly from `start` to 1, which the last warm-up step reaches, and falls along half a
    cosine towards `floor`, as the public implementation steps it.

    Args:
        step: Optimiser steps taken, from 0.
        warmup_steps: Steps of the warm-up.
        total_steps: Steps of the run.
        floor: Lowest factor.
        start: First factor of the warm-up.
    """
    if step < warmup_steps:
        return start + (1 - start) * step / max(warmup_steps - 1, 1)
    progress = min((step - warmup_steps) / max(total_steps - warmup_steps, 1), 1.0)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))
