"""Reading and training together: workers, the share of time spent waiting, and what it costs.

    python benchmarks/speed/end_to_end.py --core_hour_price 0.05 --device_rate 1000

- How the rate of the data module's own loader grows with the number of workers.
- How much of a training run the device waits for clips: Lightning's profiler around real steps of
  `PretrainingTask`, on real and synthetic clips. Crops, normalisation and spectrograms are made of
  whole batches on the device: a column of their own.
- Hours and money for a million clips and for the pre-training of the paper, with the arithmetic.

`--core_hour_price` is what a processor core costs for an hour, and `--device_rate` how many clips
an accelerator trains on in a second; the defaults are assumptions. On an accelerator the same
script trains the base size in bf16.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from clips import clips_for
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.profilers import SimpleProfiler
from loader import BATCH, REGION
from measure import CLIPS, Report, run
from pretraining_step import RECIPE

from hicmae.data.augmentation import PretrainingAugmentation
from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.manifest import read_manifest
from hicmae.demo.corpus import make_corpus
from hicmae.machine import processors
from hicmae.tasks import PretrainingTask
from hicmae.training.commands import quieten

CORES = processors()
PRE_TRAINING: dict[str, Any] = {
    "num_frames": 16,
    "stride": 4,
    "frame_size": 160,
    "region": REGION,
    "audio_by": "time",
    "val_fraction": 0.0,
}
VERY_SMALL: dict[str, Any] = {
    "width": 32,
    "heads": 2,
    "depth": 2,
    "fusion_depth": 1,
    "decoder_width": 32,
    "decoder_heads": 2,
    "decoder_depth": 2,
    "skip_layers": [2],
    "contrast_layers": [1, 2],
}
# Names that Lightning's profiler gives to the parts of a step.
WAITING = "[_TrainingEpochLoop].train_dataloader_next"
PREPARING = "[LightningDataModule]ManifestDataModule.on_after_batch_transfer"
VOXCELEB2 = 1_091_581  # clips of dev that pass the published cleaning
EPOCHS = 100  # paper, section 4.2
MILLION = 1_000_000
MOST_ROUNDS = 3  # of reading


@dataclass
class Workload:
    """A model and how it is trained here.

    Attributes:
        name: In the table.
        batch: Clips of a step.
        steps: Steps that count.
        warm: Steps before them: the first is slow, and meanwhile workers read ahead.
        task: Options of the task beyond the recipe.
        workers: Numbers of workers; with 0, reading is all waiting.
        corpora: Clips to train on.
    """

    name: str
    batch: int
    steps: int
    warm: int
    task: dict[str, Any]
    workers: tuple[int, ...] = (1, 2)
    corpora: tuple[str, ...] = ("real", "synthetic")


@dataclass
class Clock(Callback):
    """When each training step was done, on the device too, so that no wait hides behind it."""

    ends: list[float] = field(default_factory=list)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Takes the time."""
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())


def main(options: argparse.Namespace, report: Report) -> None:
    """Measures and reports."""
    quieten()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Total length of `list`")  # no validation
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        corpora = clips(report, folder, smallest=options.smallest)
        one, many = reading(corpora, folder, options, report)
        trained = training(corpora, folder, options, report)
    costs(one, many, trained, options, report)


def clips(report: Report, folder: Path, *, smallest: bool) -> dict[str, pd.DataFrame]:
    """Tables of clips of 3 seconds at 224 × 224, real ones first where there are any."""
    table = clips_for(report, folder, 8 if smallest else 48)
    if not (CLIPS / "grid_s1").is_dir():
        return {"synthetic": table}
    if smallest:
        return {"real": table}
    manifest = make_corpus(
        folder / "synthetic",
        speakers=3,
        clips_per_emotion=1,
        size=224,
        seconds=3.0,
        workers=1,  # more of them would import this script first, which takes longer
        progress=False,
    )
    return {"real": table, "synthetic": read_manifest(manifest)}


def data_of(
    table: pd.DataFrame, folder: Path, count: int, batch: int, workers: int, **options: Any
) -> ManifestDataModule:
    """The data module over as many training clips as asked for: those of a table, repeated."""
    rows = table.iloc[np.arange(count) % len(table)][["video"]].assign(split="train")
    rows.insert(0, "id", [f"{row}" for row in range(count)])
    manifest = folder / f"{count}-{workers}.csv"
    rows.to_csv(manifest, index=False)
    return ManifestDataModule(
        str(manifest), batch_size=batch, num_workers=workers, **(PRE_TRAINING | options)
    )


def numbers_of_workers() -> list[int]:
    """1, 2, 4, … as far as there are cores, at most 16."""
    return [workers for workers in (1, 2, 4, 8, 16) if workers <= CORES]


def reading(
    corpora: dict[str, pd.DataFrame], folder: Path, options: argparse.Namespace, report: Report
) -> tuple[float, float]:
    """Clips per second through the loader.

    Returns:
        Rate of one worker, and that of each where there are as many as cores, both for planes.
    """
    table = next(iter(corpora.values()))
    batches = 2 if options.smallest else 10
    workers = [0, 1] if options.smallest else [0, *numbers_of_workers()]
    readers = {
        (pixels, count): reader(
            data_of(table, folder, batches * BATCH * max(count, 1), BATCH, count, pixels=pixels)
        )
        for pixels in ("rgb", "yuv420")
        for count in workers
    }
    rates: dict[tuple[str, int], list[float]] = {key: [] for key in readers}
    for _ in range(min(options.rounds, MOST_ROUNDS)):
        for key, read in readers.items():
            rates[key].append(read())
    rows: list[list[str | float]] = []
    for (pixels, count), measured in rates.items():
        alone = rates[pixels, 1]
        shares = [rate / one / max(count, 1) for rate, one in zip(measured, alone, strict=True)]
        share = statistics.median(shares)
        rows.append(
            [
                pixels,
                count,
                statistics.median(measured),
                f"{share:.0%}" if count else "",
            ]
        )
    columns = ["pixels", "workers", "clips/s", "a worker's share of one alone"]
    report.table(f"Loader in batches of {BATCH}, warm, on {CORES} cores", columns, rows)
    most = workers[-1]
    if most > 1:
        report.target(f"{most} workers: a worker's share of one alone", 100 * share, 90, "%")
    one, many = (statistics.median(rates["yuv420", count]) for count in (1, most))
    return one, many / most


def reader(data: ManifestDataModule) -> Callable[[], float]:
    """Measures the clips per second of an epoch; workers live from one to the next.

    The first batch of each worker is not counted, nor the time until all of them were due.
    """
    data.setup("fit")
    loader = data.train_dataloader()
    first = max(data.num_workers, 1)

    def read() -> float:
        batches = iter(loader)
        for _ in range(first):
            next(batches)
        begin = time.perf_counter()
        count = sum(len(batch["id"]) for batch in batches)
        return count / (time.perf_counter() - begin)

    return read


def workloads(*, smallest: bool) -> list[Workload]:
    """What is trained on this machine."""
    very_small = {"size": "tiny", "architecture": VERY_SMALL}
    if smallest:
        return [Workload("very small", 4, 2, 1, very_small, (1,))]
    if torch.cuda.is_available():
        return [Workload("base", 40, 40, 40, {"size": "base"}, (0, *numbers_of_workers()))]
    return [
        Workload("very small", 8, 8, 5, very_small, (0, 1, 2)),
        Workload("tiny", 4, 4, 2, {"size": "tiny"}, corpora=("real",)),
        Workload("base", 4, 3, 1, {"size": "base"}, corpora=("real",)),
    ]


def training(
    corpora: dict[str, pd.DataFrame], folder: Path, options: argparse.Namespace, report: Report
) -> tuple[str, float]:
    """Steps per second and the share of waiting in training runs.

    Returns:
        Name of the last model, and the most clips per second it was trained on.
    """
    rows: list[list[str | float]] = []
    for load in workloads(smallest=options.smallest):
        best = 0.0
        for name, table in corpora.items():
            if name not in load.corpora and len(corpora) > 1:
                continue
            for count in load.workers:
                rate, waiting, preparing = train(load, table, folder, count)
                best = max(best, rate * load.batch)
                measured = [rate, rate * load.batch, 100 * waiting, 100 * preparing]
                rows.append([load.name, load.batch, name, count, *measured])
    columns = ["model", "batch", "clips", "workers", "steps/s", "clips/s"]
    columns += ["waiting for data %", "preparing on the device %"]
    precision = "bf16-mixed" if torch.cuda.is_available() else "32-true"
    report.table(f"Training under the profiler, {precision}", columns, rows)
    what = f"{load.name}, workers {count}: waiting for data"
    report.target(what, 100 * waiting, 5, "%", most=True)
    if not torch.cuda.is_available():
        report.note(
            "No accelerator here: the device is the processor that the workers read on, so that "
            "they slow it down without its waiting."
        )
    return load.name, best


def train(
    load: Workload, table: pd.DataFrame, folder: Path, workers: int
) -> tuple[float, float, float]:
    """Steps per second, and the shares of the time for waiting for a batch and for preparing it."""
    steps = load.warm + load.steps
    data = data_of(
        table,
        folder,
        steps * load.batch,
        load.batch,
        workers,
        pixels="yuv420",
        augmentation=PretrainingAugmentation(),
    )
    profiler, clock = SimpleProfiler(), Clock()
    trainer = Trainer(
        accelerator="auto",
        devices=1,
        precision="bf16-mixed" if torch.cuda.is_available() else "32-true",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        profiler=profiler,
        callbacks=[clock],
    )
    trainer.fit(PretrainingTask(**RECIPE, **load.task), data)
    took = clock.ends[-1] - clock.ends[load.warm - 1]
    waiting, preparing = (
        sum(profiler.recorded_durations[part][load.warm : steps]) / took
        for part in (WAITING, PREPARING)
    )
    return load.steps / took, waiting, preparing


def costs(
    one: float,
    many: float,
    trained: tuple[str, float],
    options: argparse.Namespace,
    report: Report,
) -> None:
    """Extrapolates the measured rates, with the arithmetic.

    Args:
        one: Clips per second of one worker alone.
        many: Of each of as many workers as there are cores.
        trained: Name of a model and clips per second that it is trained on.
        options: Assumed prices and rates.
        report: Where to.
    """
    price, device_rate = options.core_hour_price, options.device_rate
    model, rate = trained
    million = MILLION / many / 3600
    step = MILLION / rate / 3600
    epoch = VOXCELEB2 / rate / 3600
    read = EPOCHS * VOXCELEB2 / many / 3600
    rows: list[list[str | float]] = [
        ["reading 1 M clips, core-hours", f"1e6 / {many:.1f} clips/s / 3600", million],
        ["its price", f"{million:.2f} × {price}", million * price],
        [
            f"reading for {EPOCHS} epochs of VoxCeleb2, core-hours",
            f"{EPOCHS} × {VOXCELEB2} / {many:.1f} / 3600",
            read,
        ],
        ["its price", f"{read:.0f} × {price}", read * price],
        [
            "cores that feed one accelerator",
            f"{device_rate:g} clips/s / {many:.1f} (alone {one:.1f})",
            device_rate / many,
        ],
        [f"training {model} on 1 M clips, hours here", f"1e6 / {rate:.2f} clips/s / 3600", step],
        ["one epoch of VoxCeleb2, hours here", f"{VOXCELEB2} / {rate:.2f} / 3600", epoch],
        [f"{EPOCHS} epochs, hours here", f"{EPOCHS} × {epoch:.1f}", EPOCHS * epoch],
        [
            f"price of {CORES} cores for as long",
            f"{EPOCHS * epoch:.0f} × {CORES} × {price}",
            EPOCHS * epoch * CORES * price,
        ],
    ]
    report.table("What it comes to", ["what", "arithmetic", "result"], rows)
    report.note(
        f"Measured: {many:.1f} clips/s for each worker (planes, all cores reading) and {rate:.2f} "
        f"clips/s in training. Assumed: {price} for an hour of a core, accelerators left out of "
        f"it, and an accelerator that trains on {device_rate:g} clips/s."
    )


if __name__ == "__main__":
    run(main, "end_to_end", __doc__, core_hour_price=0.05, device_rate=1000.0)
