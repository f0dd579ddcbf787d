"""Steps of pre-training and fine-tuning: the plain formulation and ours, on noise of one batch.

What is measured stands beside what matrix products alone would take in `basics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import pretraining_step
import recognition_step
import torch
from steps import Step, free, largest_batch, operations, our_step, peak_gib, twice
from torch import Tensor

from card.basics import timed
from card.measurement import Measurement, Result, Setting
from hicmae.models import Architecture
from hicmae.models.sizes import Size
from hicmae.tasks.finiteness import LossWatch
from hicmae.tasks.parallel import checkpoint_activations


class Way(NamedTuple):
    """How a step is computed.

    Attributes:
        formulation: "plain" or "ours".
        precision: "fp16" or "bf16".
        mode: "eager" or "compiled".
    """

    formulation: str
    precision: str
    mode: str


KINDS = {"pretraining": pretraining_step, "finetuning": recognition_step}
BATCH = {"pretraining": 128, "finetuning": 64}  # clips, halved until they fit
OTHER_SIZES: tuple[Size, ...] = ("small", "tiny")
PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}
# What the targets need comes first: time on a card may end.
WAYS = [
    Way("plain", "fp16", "eager"),
    Way("ours", "fp16", "eager"),
    Way("ours", "bf16", "compiled"),
    Way("ours", "fp16", "compiled"),
    Way("ours", "bf16", "eager"),
    Way("plain", "bf16", "eager"),
    Way("plain", "fp16", "compiled"),
    Way("plain", "bf16", "compiled"),
]
EAGER = WAYS[4]
DRY_WAYS = {"pretraining": WAYS[:3], "finetuning": [WAYS[0], EAGER]}


def measurements(setting: Setting, kind: str) -> Iterator[Measurement]:
    """Base size in every way."""
    for way in DRY_WAYS[kind] if setting.dry else WAYS:
        yield measurement(setting, kind, "base", way)


def other_sizes(setting: Setting) -> Iterator[Measurement]:
    """Both kinds of steps of the smaller models in every way."""
    for kind in KINDS:
        for size in OTHER_SIZES[:1] if setting.dry else OTHER_SIZES:
            for way in [EAGER] if setting.dry else WAYS:
                one = measurement(setting, kind, size, way)
                yield replace(one, name=f"{kind}, {one.name}")


def measurement(setting: Setting, kind: str, size: Size, way: Way) -> Measurement:
    """One kind of step of one size in one way."""
    takes = 150 if way.mode == "compiled" else 30
    work = partial(step_rate, setting, kind, size, way)
    return Measurement(", ".join((size, *way)), work, takes)


def memory(setting: Setting) -> Iterator[Measurement]:
    """Peak and largest batch of our steps at base size, under bf16 autocast."""
    for kind in KINDS:
        for kept in ("all activations", "activation checkpointing"):
            yield Measurement(
                f"{kind}, {kept}",
                partial(memory_of, setting, kind, checkpointing=kept != "all activations"),
                takes=120,
            )


def waiting(setting: Setting) -> Iterator[Measurement]:
    """What it costs to look at losses: at once, so that the forward pass is awaited, or late."""
    for when in ("never", "at once", "a step late"):
        yield Measurement(f"loss looked at {when}", partial(looking, setting, when))


def built(
    setting: Setting,
    kind: str,
    size: Size,
    way: Way,
    clips: int,
    *,
    checkpointing: bool = False,
) -> Step:
    """A step with everything that it needs on the device."""
    module = KINDS[kind]
    changes: dict[str, Any] = pretraining_step.SMALLEST if setting.dry else {}
    shape = Architecture.of_size(size, **changes)
    plain = way.formulation == "plain"
    task = None if plain else module.new_task(changes, setting.device, size)
    model = module.new_plain(shape, setting.device) if plain else task.model
    if checkpointing:
        checkpoint_activations(model)
    if way.mode == "compiled":
        # In a dry run the graph is captured and not compiled, which takes minutes on a processor.
        model.compile(backend="eager" if setting.dry else "inductor")
    batch = module.training_batch(shape, clips, setting.device)
    autocast = PRECISIONS[way.precision]
    return module.plain_step(model, batch, autocast) if plain else our_step(task, batch, autocast)


def step_rate(setting: Setting, kind: str, size: Size, way: Way) -> Result:
    """Clips per second, and the rate of the operations of their matrix products."""
    few = 2
    per_clip = operations(built(setting, kind, size, EAGER, few).gradients) / few
    clips = few if setting.dry else BATCH[kind]
    while True:
        free()
        try:
            seconds = timed(setting, built(setting, kind, size, way, clips))
            break
        except torch.OutOfMemoryError:
            if clips == 1:
                raise
        clips //= 2
    rate = clips / seconds
    return {"clips": clips, "clips/s": rate, "TFLOP/s": rate * per_clip / 1e12}


def memory_of(setting: Setting, kind: str, *, checkpointing: bool) -> Result:
    """Memory at its peak for one batch, and the largest batch that fits."""

    def steps(clips: int) -> None:
        twice(built(setting, kind, "base", EAGER, clips, checkpointing=checkpointing))

    largest = largest_batch(steps, step=1 if setting.dry else 8, most=1 if setting.dry else 4096)
    result: Result = {"largest batch": largest}
    if setting.device.type == "cuda":
        few = min(32, largest)
        result[f"GiB at peak, {few} clips"] = peak_gib(lambda: steps(few))
    return result


def looking(setting: Setting, when: str) -> Result:
    """Milliseconds of one of several steps in a row whose losses are looked at."""
    clips = 2 if setting.dry else BATCH["pretraining"] // 2
    step = built(setting, "pretraining", "base", EAGER, clips)
    forward, watch = step.loss, LossWatch(late=when == "a step late")

    def watched() -> Tensor | None:
        loss = forward()
        if loss is not None and when != "never":
            watch.ask(loss, "a benchmark", [])
        return loss

    step.loss = watched
    count = 2 if setting.dry else 5

    def several() -> None:
        for _ in range(count):
            step.advance()

    return {"clips": clips, "ms": 1e3 * timed(setting, several) / count}
