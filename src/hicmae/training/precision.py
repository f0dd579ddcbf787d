"""Precision that fits the machine: what `precision: auto` stands for."""

from __future__ import annotations

import time
from typing import Any, Literal

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import Accelerator, CUDAAccelerator, MPSAccelerator
from lightning.pytorch.plugins import Precision
from lightning.pytorch.utilities import rank_zero_info

from hicmae.machine import bfloat16_units

# How many times as fast a product has to be in bfloat16. Where it is emulated it is slower by far.
WORTH_IT = 1.2

Stated = Literal[
    "32-true",
    "16-mixed",
    "bf16-mixed",
    "16-true",
    "bf16-true",
    "64-true",
    "transformer-engine",
    "transformer-engine-float16",
    "64",
    "32",
    "16",
    "bf16",
    64,
    32,
    16,
]


class MachineTrainer(Trainer):
    """Lightning's trainer, whose precision can be "auto".

    Args:
        precision: "auto" is 16-mixed on a CUDA card, as published; on a processor bf16-mixed if it
            has units for bfloat16, else 32-true; 32-true on everything else. The log says which.
            All other values are Lightning's.
        **options: Of Lightning's trainer. A precision among its plugins comes before "auto".
    """

    def __init__(
        self, *, precision: Stated | Literal["auto"] | None = None, **options: Any
    ) -> None:
        if precision == "auto":
            precision = None
            if not _has_precision(options.get("plugins")):
                precision, reason = fitting_precision(options.get("accelerator", "auto"))
                rank_zero_info(f"Precision: {precision}, {reason}.")
        super().__init__(precision=precision, **options)


def fitting_precision(accelerator: str | Accelerator) -> tuple[Stated, str]:
    """What "auto" stands for on this machine, and why.

    Args:
        accelerator: As Lightning's trainer takes it.
    """
    name = accelerator if isinstance(accelerator, str) else accelerator.name()
    if name in {"auto", "gpu"}:
        found = {"cuda": CUDAAccelerator, "mps": MPSAccelerator}
        name = next((name for name, kind in found.items() if kind.is_available()), "cpu")
    if name == "cuda":
        return "16-mixed", "as published"
    if name != "cpu":
        return "32-true", f"as mixed precision is not for {name}"
    units = bfloat16_units()
    if _speed_up() > WORTH_IT if units is None else units:
        return "bf16-mixed", "as this processor has units for bfloat16"
    return "32-true", "as this processor has no units for bfloat16"


def _has_precision(plugins: Any) -> bool:
    return any(
        isinstance(plugin, Precision)
        for plugin in (plugins if isinstance(plugins, list) else [plugins])
    )


def _speed_up() -> float:
    """How many times as fast a small matrix product is in bfloat16, seen in a few milliseconds."""
    single = torch.ones(256, 256)
    seconds = {}
    for factor in (single, single.bfloat16()):
        taken = []
        for _ in range(4):  # the first time prepares the product
            begin = time.perf_counter()
            factor @ factor
            taken.append(time.perf_counter() - begin)
        seconds[factor.dtype] = min(taken)
    return seconds[torch.float32] / seconds[torch.bfloat16]
