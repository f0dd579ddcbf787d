"""A pre-training step beside its plain formulation and beside the device's matrix rate.

A step is what `hicmae fit` does with a batch on the device: masks, forward pass, targets, losses,
backward pass and AdamW. The plain formulation is `plain_model.py` with the same weights.

    python benchmarks/speed/pretraining_step.py

Base size, four clips, single precision, two threads. `benchmarks/accelerator.py` measures the same
step on an accelerator.
"""

from __future__ import annotations

import argparse
from typing import Any, cast

import torch
from measure import Report, alternating, ratio, run
from plain_model import PlainHiCMAE, take_weights
from steps import (
    MatrixProducts,
    Step,
    difference,
    gradient_difference,
    operations,
    our_step,
    report_steps,
    require_same,
    share_of_rate,
    where_time_goes,
)
from torch import Tensor, nn

from hicmae.models import Architecture, Mask
from hicmae.models.sizes import Size
from hicmae.objectives.masking import random_mask, tube_mask
from hicmae.tasks import PretrainingTask

# configs/pretrain.yaml, with a rate so small that hundreds of steps on noise stay harmless.
RECIPE: dict[str, Any] = {
    "video_mask_ratio": 0.9,
    "audio_mask_ratio": 0.8,
    "contrast_weight": 0.0025,
    "temperature": 0.07,
    "weight_decay": 0.05,
    "betas": (0.9, 0.95),
    "learning_rate": 1e-6,
}
SMALLEST: dict[str, Any] = {
    "width": 16,
    "heads": 2,
    "depth": 2,
    "fusion_depth": 1,
    "decoder_width": 16,
    "decoder_heads": 2,
    "decoder_depth": 2,
    "skip_layers": [2],
    "contrast_layers": [1, 2],
    "image_size": 64,
    "num_frames": 4,
    "audio_frames": 64,
    "mel_bins": 64,
}
CPU_BATCH = 4
CPU_SIZES = [2048, 4096]  # of matrix products
THREADS = 2


def main(options: argparse.Namespace, report: Report) -> None:
    """Measures on the processor."""
    changes = SMALLEST if options.smallest else {}
    on_processor(report, changes, options.rounds, [64] if options.smallest else CPU_SIZES)


def on_processor(report: Report, changes: dict[str, Any], rounds: int, sizes: list[int]) -> None:
    """Single precision on two cores."""
    torch.set_num_threads(THREADS)
    device = torch.device("cpu")
    task = new_task(changes, device)
    plain = new_plain(task.architecture, device)
    take_weights(plain, task.model)
    batch = noise(task.architecture, CPU_BATCH, device)
    ours = our_step(task, batch)
    theirs = plain_step(plain, batch)
    check(report, task, plain, batch)
    count = operations(ours.gradients)
    products = MatrixProducts(sizes, device)
    mixed = our_step(task, batch, torch.bfloat16)
    names = {"plain": theirs, "ours": ours, "ours, bf16 autocast": mixed}
    seconds = alternating(names | products.works(), rounds)
    rates = products.rates(seconds)
    counts = dict.fromkeys(names, count)
    report_steps(report, "Pre-training step", counts, seconds, clips=CPU_BATCH, rates=rates)
    where_time_goes(report, "Where the time of a step goes", ours, device)
    report.target("Times as fast as plain", ratio(seconds["plain"], seconds["ours"]), 1.5)
    share = share_of_rate(count, seconds["ours"], rates)
    report.target("Share of the matrix rate", 100 * share, 70, "%")


def new_task(changes: dict[str, Any], device: torch.device, size: Size = "base") -> PretrainingTask:
    """The task of the recipe."""
    return PretrainingTask(**RECIPE, size=size, architecture=changes).to(device)


def new_plain(shape: Architecture, device: torch.device) -> PlainHiCMAE:
    """The model in its plain formulation."""
    return PlainHiCMAE(shape).to(device)


def noise(shape: Architecture, clips: int, device: torch.device, views: int = 1) -> dict[str, Any]:
    """A preprocessed batch, drawn on the device."""
    side = shape.image_size
    return {
        "id": [str(clip) for clip in range(clips)],
        "video": torch.randn(clips, views, 3, shape.num_frames, side, side, device=device),
        "audio": torch.randn(clips, views, 1, shape.audio_frames, shape.mel_bins, device=device),
    }


training_batch = noise
"""What a step of this kind reads."""


def plain_step(
    plain: PlainHiCMAE, batch: dict[str, Any], autocast: torch.dtype | None = None
) -> Step:
    """The plain formulation's step, with the framework's default AdamW."""
    video, audio = batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1)
    shape = plain.shape
    rng = torch.Generator(video.device).manual_seed(0)

    def loss() -> Tensor:
        rows, columns = shape.audio_grid
        masks = (
            tube_mask(len(video), shape.video_grid, RECIPE["video_mask_ratio"], rng),
            random_mask(len(video), rows * columns, RECIPE["audio_mask_ratio"], rng),
        )
        return plain_loss(plain, video, audio, masks)

    optimiser = torch.optim.AdamW(
        plain.parameters(),
        lr=RECIPE["learning_rate"],
        betas=RECIPE["betas"],
        weight_decay=RECIPE["weight_decay"],
    )
    return Step(loss, optimiser, video.device, autocast)


def plain_loss(
    plain: PlainHiCMAE, video: Tensor, audio: Tensor, masks: tuple[Mask, Mask]
) -> Tensor:
    """The plain formulation's loss under the recipe."""
    weights = {name: RECIPE[name] for name in ("contrast_weight", "temperature")}
    return plain.loss(video, audio, masks, **weights)


def check(report: Report, task: PretrainingTask, plain: PlainHiCMAE, batch: dict[str, Any]) -> None:
    """Compares loss and gradients under the masks that the task draws."""
    drawn: list[tuple[Mask, Mask]] = []

    def keep_masks(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        drawn.append((arguments[2], arguments[3]))

    with task.model.register_forward_pre_hook(keep_masks):
        ours = cast("Tensor", task.training_step(batch, 0))  # None for no clips alone
    ours.backward()
    video, audio = batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1)
    theirs = plain_loss(plain, video, audio, drawn[0])
    theirs.backward()
    require_same(report, "Losses", difference(ours.detach(), theirs.detach()), 1e-5)
    require_same(report, "Gradients", gradient_difference(task.model, plain))


if __name__ == "__main__":
    run(main, "pretraining_step", __doc__)
