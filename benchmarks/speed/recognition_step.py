"""A fine-tuning step and the evaluation of a clip beside their plain formulation.

    python benchmarks/speed/recognition_step.py

The published evaluation shows every clip in two windows and two spatial crops. Frames are always
squares here, where the crops coincide, so that only one of them is computed; each clip is opened
and decoded once for all its views. Base size, two clips, single precision, two threads.
`benchmarks/accelerator.py` measures the same step on an accelerator.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import av
import pandas as pd
import torch
import torch.nn.functional as F  # noqa: N812
from measure import CLIPS, Report, alternating, ratio, run
from plain_model import PlainRecognitionModel, take_weights
from pretraining_step import CPU_SIZES, SMALLEST, THREADS, noise
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
from torch import Tensor

from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import complete_manifest
from hicmae.models import Architecture
from hicmae.models.sizes import Size
from hicmae.tasks import ClassificationTask

CLASSES = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]

# configs/finetune/crema-d.yaml, with a rate so small that many steps on noise stay harmless.
RECIPE: dict[str, Any] = {
    "drop_path": 0.1,
    "label_smoothing": 0.1,
    "weight_decay": 0.05,
    "layer_decay": 0.75,
    "learning_rate": 1e-6,
}
WINDOWS, CROPS = 2, 2  # published views of a clip
CPU_BATCH = 2
MOST_ROUNDS = 3  # a round takes long


def main(options: argparse.Namespace, report: Report) -> None:
    """Measures on the processor; counts views and files."""
    changes = SMALLEST if options.smallest else {}
    rounds = min(options.rounds, MOST_ROUNDS)
    on_processor(report, changes, rounds, [64] if options.smallest else CPU_SIZES)
    if CLIPS.is_dir():
        count_files(report, clips=2 if options.smallest else 20)
    else:
        report.note(f"No clips at {CLIPS}: opened files were not counted.")


def on_processor(report: Report, changes: dict[str, Any], rounds: int, sizes: list[int]) -> None:
    """Single precision on two cores."""
    torch.set_num_threads(THREADS)
    device = torch.device("cpu")
    task = new_task(changes, device)
    plain = new_plain(task.architecture, device)
    take_weights(plain, task.model)
    batch = training_batch(task.architecture, CPU_BATCH, device)
    check(report, task, plain, batch)

    steps = {"plain": plain_step(plain, batch), "ours": our_step(task, batch)}
    count = operations(steps["ours"].gradients)
    products = MatrixProducts(sizes, device)
    seconds = alternating(steps | products.works(), rounds)
    rates = products.rates(seconds)
    counts = dict.fromkeys(steps, count)
    report_steps(report, "Fine-tuning step", counts, seconds, clips=CPU_BATCH, rates=rates)
    where_time_goes(report, "Where the time of a step goes", steps["ours"], device)
    report.target("Fine-tuning: times as fast as plain", faster(seconds), 1.5)
    share = share_of_rate(count, seconds["ours"], rates)
    report.target("Fine-tuning: share of the matrix rate", 100 * share, 70, "%")

    works = evaluations(report, task, plain, device)
    count = operations(works["ours"])
    seconds = alternating(works | products.works(), rounds)
    rates = products.rates(seconds)
    counts = dict.fromkeys(works, count) | {"plain, both crops": count * CROPS}
    report_steps(report, "Evaluation", counts, seconds, clips=CPU_BATCH, rates=rates)
    report.target("Evaluation: times as fast as plain", faster(seconds), 1.5)
    what = "Evaluation: times as fast as plain with both crops"
    report.target(what, faster(seconds, "plain, both crops"), 1.5)
    share = share_of_rate(count, seconds["ours"], rates)
    report.target("Evaluation: share of the matrix rate", 100 * share, 70, "%")


def evaluations(
    report: Report, task: ClassificationTask, plain: PlainRecognitionModel, device: torch.device
) -> dict[str, Callable[[], Tensor]]:
    """Ways to judge clips by their views; checks that they agree and counts their views."""
    task.eval()
    plain.eval()
    take_weights(plain, task.model)
    windows = noise(task.architecture, CPU_BATCH, device, views=WINDOWS)
    both_crops = {name: windows[name].repeat_interleave(CROPS, 1) for name in ("video", "audio")}

    def plainly(batch: dict[str, Any]) -> Tensor:
        with torch.inference_mode():
            video, audio = batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1)
            return plain(video, audio).softmax(-1).unflatten(0, (CPU_BATCH, -1)).mean(1)

    def ours() -> Tensor:
        with torch.inference_mode():
            return task(windows)

    views = []

    def count_views(_: object, arguments: tuple[Tensor, ...]) -> None:
        views.append(len(arguments[0]))

    with task.model.register_forward_pre_hook(count_views):
        outputs = ours()
    with plain.register_forward_pre_hook(count_views):
        published = plainly(both_crops)
    require_same(report, "Probabilities over all views", difference(outputs, published), 1e-5)
    report.note(
        f"Views of {CPU_BATCH} clips that go through the model: {views[0]} here, {views[1]} as "
        f"published; the {CROPS} crops of a square frame are the same picture."
    )
    return {
        "plain": lambda: plainly(windows),
        "plain, both crops": lambda: plainly(both_crops),
        "ours": ours,
    }


def count_files(report: Report, clips: int) -> None:
    """Counts how often the files of clips are opened for all of their views."""
    folder = CLIPS / "grid_s1"
    table = pd.DataFrame({"video": [str(path) for path in sorted(folder.glob("*.mp4"))[:clips]]})
    table = complete_manifest(table)
    rows: list[list[str | float]] = []
    for views in (1, WINDOWS, 8):
        dataset = ClipDataset(table, views=views)
        with opened_files() as opened:
            shapes = {dataset[index]["frames"].shape[0] for index in range(len(dataset))}
        rows.append([views, len(table), len(opened), len(opened) / len(table), str(shapes)])
    report.table(
        "Files opened in evaluation",
        ["views", "clips", "files opened", "per clip", "views read"],
        rows,
    )
    report.target(
        "Files opened for 8 views in units of those for one",
        float(rows[-1][2]) / float(rows[0][2]),
        1,
        most=True,
    )


@contextmanager
def opened_files() -> Iterator[list[str]]:
    """Keeps the names of all media files that are opened."""
    opened: list[str] = []
    original = av.open

    def counting(file: Any, *arguments: Any, **options: Any) -> Any:
        opened.append(str(file))
        return original(file, *arguments, **options)

    av.open = counting
    try:
        yield opened
    finally:
        av.open = original


def new_task(
    changes: dict[str, Any], device: torch.device, size: Size = "base"
) -> ClassificationTask:
    """The task of the recipe."""
    return ClassificationTask(CLASSES, **RECIPE, size=size, architecture=changes).to(device)


def new_plain(shape: Architecture, device: torch.device) -> PlainRecognitionModel:
    """The recogniser in its plain formulation."""
    return PlainRecognitionModel(shape, len(CLASSES), RECIPE["drop_path"]).to(device)


def training_batch(shape: Architecture, clips: int, device: torch.device) -> dict[str, Any]:
    """A preprocessed batch with labels."""
    target = torch.arange(clips, device=device) % len(CLASSES)
    return noise(shape, clips, device) | {"target": target}


def plain_step(
    plain: PlainRecognitionModel, batch: dict[str, Any], autocast: torch.dtype | None = None
) -> Step:
    """The plain formulation's step, with the framework's default AdamW."""
    optimiser = torch.optim.AdamW(
        plain.parameters(), lr=RECIPE["learning_rate"], weight_decay=RECIPE["weight_decay"]
    )
    return Step(lambda: plain_loss(plain, batch), optimiser, batch["video"].device, autocast)


def plain_loss(plain: PlainRecognitionModel, batch: dict[str, Any]) -> Tensor:
    """The plain formulation's loss under the recipe."""
    logits = plain(batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1))
    smoothing = RECIPE["label_smoothing"]
    return F.cross_entropy(logits.float(), batch["target"], label_smoothing=smoothing)


def check(
    report: Report, task: ClassificationTask, plain: PlainRecognitionModel, batch: dict[str, Any]
) -> None:
    """Compares loss and gradients, without stochastic depth."""
    task.eval()
    plain.eval()
    ours = cast("Tensor", task.training_step(batch, 0))  # None for no clips alone
    ours.backward()
    theirs = plain_loss(plain, batch)
    theirs.backward()
    require_same(report, "Losses", difference(ours.detach(), theirs.detach()), 1e-5)
    require_same(report, "Gradients", gradient_difference(task.model, plain))
    task.train()
    plain.train()


def faster(seconds: dict[str, list[float]], than: str = "plain") -> float:
    """How many times as fast ours is."""
    return ratio(seconds[than], seconds["ours"])


if __name__ == "__main__":
    run(main, "recognition_step", __doc__)
