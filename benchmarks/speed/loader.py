"""Clips per second that one core reads for pre-training, beside the usual pipeline.

    python benchmarks/speed/loader.py

16 frames at stride 4 of clips of 3 seconds at 224 × 224, the crop of 160 × 160 that pre-training
reads, and the sound of the same 2.56 seconds, in batches of 8. What is counted first is what has to
happen on the processor: decoding, cutting and collating. Crops, normalisation and spectrograms are
made on an accelerator, if there is one; a second table has them on the same core, a third alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import torch
from clips import clips_for
from measure import Report, alternating, ratio, run
from PIL import Image

from hicmae.data.augmentation import FinetuningAugmentation, PretrainingAugmentation
from hicmae.data.cache import ClipCache
from hicmae.data.collation import collate_repeats
from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import read_manifest
from hicmae.data.options import ClipOptions, Pixels
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.ledger import Plan
from hicmae.media import VideoReader
from hicmae.media.colour import rgb_from_planes
from hicmae.preparation.pack import MANIFEST, pack
from hicmae.preparation.pack_writing import PackOptions

REGION = (0, 32, 160, 160)  # of 224 × 224, as pre-training reads VoxCeleb2
BATCH = 8
PLANES = "planes (data.pixels yuv420)"
PACKED = "packed, planes"
CACHED = "decoded clips in a cache"
PUBLISHED = PretrainingAugmentation()

try:
    from usual_pipeline import UsualDataset
except ImportError:
    UsualDataset = None


def clips_of_core(
    table: pd.DataFrame, region: Any = REGION, pixels: Pixels = "rgb", **options: Any
) -> ClipDataset:
    """The training clips of a table."""
    core = ClipOptions(region=region, audio_by="time", pixels=pixels)
    return ClipDataset(table, core, **options)


def batches(clips: int) -> list[range]:
    """Indices of clips, batch by batch."""
    return [range(first, min(first + BATCH, clips)) for first in range(0, clips, BATCH)]


def read_all(dataset: ClipDataset) -> Callable[[], Iterator[dict[str, Any]]]:
    """Reads every clip once, in batches, another window each time it is called."""
    epoch = -1

    def read() -> Iterator[dict[str, Any]]:
        nonlocal epoch
        epoch += 1
        for batch in batches(len(dataset)):
            yield collate_repeats([dataset[index, epoch] for index in batch])

    return read


def alone(read: Callable[[], Iterator[dict[str, Any]]]) -> Callable[[], object]:
    """What `read` does and no more, without keeping it."""
    return lambda: deque(read(), maxlen=0)


def usual(table: pd.DataFrame) -> Callable[[], object]:
    """Reads every clip as the usual pipeline does."""
    dataset = UsualDataset(table["video"].tolist())

    def work() -> None:
        for batch in batches(len(dataset)):
            torch.utils.data.default_collate([dataset[index] for index in batch])

    return work


def prepared(
    read: Callable[[], Iterable[dict[str, Any]]], augmentation: Any = PUBLISHED
) -> Callable[[], object]:
    """What `read` does, and then all that comes before the model, without keeping it."""
    preprocess = BatchPreprocessor(augmentation=augmentation)

    def work() -> None:
        for batch in read():
            preprocess(batch, augment=augmentation is not None)

    return work


def main(options: argparse.Namespace, report: Report) -> None:
    """Measures and reports."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        measure(options, report, Path(scratch))


def measure(options: argparse.Namespace, report: Report, scratch: Path) -> None:
    """All tables, with files that last as long as they are made."""
    table = clips_for(report, scratch, 7 if options.smallest else 48)  # of two speakers
    packed_table = packed(table, scratch / "pack", report)
    cache = ClipCache(scratch / "cache", 160)
    reading = {
        "RGB": read_all(clips_of_core(table)),
        PLANES: read_all(clips_of_core(table, pixels="yuv420")),
        "planes, 4 windows a clip": read_all(clips_of_core(table, pixels="yuv420", repeats=4)),
        PACKED: read_all(clips_of_core(packed_table, None, pixels="yuv420")),
        CACHED: read_all(clips_of_core(table, cache=cache)),
    }
    everything = {
        f"{name}, prepared": prepared(reading[name]) for name in ("RGB", PLANES, PACKED, CACHED)
    }
    candidates = {name: alone(read) for name, read in reading.items()}
    if UsualDataset is None:
        report.note("The usual pipeline is not measured: pip install 'hicmae[benchmark]' (decord).")
    else:
        candidates = {"usual": usual(table), **candidates}
    seconds = alternating(candidates | everything, options.rounds)
    windows = {name: len(table) * (4 if "4 windows" in name else 1) for name in seconds}
    rates = {name: windows[name] / statistics.median(times) for name, times in seconds.items()}

    def rows(names: list[str]) -> list[list[str | float]]:
        return [
            [
                name,
                rates[name],
                1e3 / rates[name],
                ratio(seconds["usual"], seconds[name]) * windows[name] / len(table)
                if "usual" in seconds
                else "",
            ]
            for name in names
        ]

    columns = ["clips", "clips/s/core", "ms", "× usual"]
    report.table("What has to happen on the processor, one core", columns, rows([*candidates]))
    report.table(
        "The same, with crops, normalisation and spectrograms on the same core",
        columns,
        rows([name for name in ("usual", *everything) if name in seconds]),
    )
    report.target("clips/s/core from mp4", rates[PLANES], 100, "clips/s")
    if "usual" in seconds:
        times = ratio(seconds["usual"], seconds[PLANES])
        report.target("times as fast as the usual pipeline, from mp4", times, 6, "×")
        times = ratio(seconds["usual"], seconds[PACKED])
        report.target("times as fast as the usual pipeline, packed", times, 6, "×")
        for wanted, name in ((2.5, PLANES), (4, PACKED)):
            times = ratio(seconds["usual"], seconds[f"{name}, prepared"])
            report.target(
                f"times as fast as the usual pipeline, {name}, prepared", times, wanted, "×"
            )
    preparing([*reading["RGB"]()], [*reading[PLANES]()], options, report)
    stages(table, report)
    folders(table, scratch / "folders", options, report)
    difference(table, packed_table, report)


def packed(table: pd.DataFrame, folder: Path, report: Report) -> pd.DataFrame:
    """The same clips, cut to the region, in shards; says what they take."""
    begin = time.perf_counter()
    pack(table, folder, PackOptions(region=REGION, size=160), Plan(jobs=1))
    took = time.perf_counter() - begin
    size = sum(shard.stat().st_size for shard in folder.glob("*.tar"))
    before = sum(Path(path).stat().st_size for path in table["video"])
    report.note(
        f"Packed: {size / len(table) / 1024:.0f} KiB a clip (mp4 before: "
        f"{before / len(table) / 1024:.0f} KiB), {took / len(table) * 1e3:.0f} ms a clip to make."
    )
    return read_manifest(folder / MANIFEST)


def preparing(
    rgb: list[dict[str, Any]],
    planes: list[dict[str, Any]],
    options: argparse.Namespace,
    report: Report,
) -> None:
    """What comes between the reading of clips and the model, alone."""
    first = "pre-training"
    augmentations = {
        first: PUBLISHED,
        "pre-training, resized as floats": PretrainingAugmentation(resizing="floats"),
        "fine-tuning": FinetuningAugmentation(mixup=0.8),
        "evaluation": None,
    }
    labelled = [
        [batch | {"target": torch.arange(len(batch["id"]))} for batch in read]
        for read in (rgb, planes)
    ]
    candidates = {
        (name, place): prepared(lambda place=place: labelled[place], augmentation)
        for name, augmentation in augmentations.items()
        for place in range(2)
    }
    clips = sum(len(batch["id"]) for batch in rgb)
    spent = {
        key: statistics.median(times) / clips * 1e3
        for key, times in alternating(candidates, options.rounds).items()
    }
    report.table(
        "Milliseconds to prepare a clip, once it is read",
        ["for", "RGB", "planes"],
        [[name, spent[name, 0], spent[name, 1]] for name in augmentations],
    )
    report.target("to prepare a clip for pre-training", spent[first, 0], 6, "ms", most=True)


def stages(table: pd.DataFrame, report: Report) -> None:
    """Where the time of a clip goes."""
    spent: dict[str, list[float]] = {}

    def stage(name: str, begin: float) -> float:
        now = time.perf_counter()
        spent.setdefault(name, []).append(now - begin)
        return now

    wanted = list(range(5, 69, 4))
    for path in table["video"]:
        now = time.perf_counter()
        reader = VideoReader(path)
        now = stage("open, read packets", now)
        reader.sound()
        now = stage("decode sound", now)
        reader.read_planes(wanted, size=160, region=REGION)
        now = stage("decode and cut frames 5 to 65", now)
        reader.close()
        stage("close", now)
    report.table(
        "Milliseconds of a clip (median)",
        ["stage", "ms"],
        [[name, statistics.median(times) * 1e3] for name, times in spent.items()],
    )


def folders(table: pd.DataFrame, folder: Path, options: argparse.Namespace, report: Report) -> None:
    """Clips that are folders of JPEG images: opened one by one, or read as bytes and decoded."""
    for clip, path in enumerate(table["video"][:8]):
        (folder / str(clip)).mkdir(parents=True)
        with av.open(path) as container:
            for index, frame in enumerate(container.decode(video=0)):
                picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
                picture.save(folder / str(clip) / f"{index:03}.jpg", quality=90)
    clips = sorted(folder.iterdir())
    wanted = list(range(5, 69, 4))

    def pillow() -> None:
        for clip in clips:
            images = sorted(clip.iterdir())
            np.stack(
                [
                    np.asarray(Image.open(images[i]).convert("RGB").resize((160, 160)))
                    for i in wanted
                ]
            )

    def read(*, planar: bool) -> None:
        for clip in clips:
            with VideoReader(clip) as reader:
                (reader.read_planes if planar else reader.read)(wanted, size=160)

    candidates: dict[str, Callable[[], object]] = {
        "PIL": pillow,
        "RGB": lambda: read(planar=False),
        "planes": lambda: read(planar=True),
    }
    seconds = alternating(candidates, options.rounds)
    report.table(
        "Folders of JPEG images, 16 frames of 224 × 224 to 160 × 160",
        ["frames", "clips/s/core", "× PIL"],
        [
            [name, len(clips) / statistics.median(times), ratio(seconds["PIL"], times)]
            for name, times in seconds.items()
        ],
    )


def difference(table: pd.DataFrame, packed_table: pd.DataFrame, report: Report) -> None:
    """How far pixels lie from those of the exact path, in levels of 0 to 255."""
    rows: list[list[str | float]] = []
    wanted = list(range(5, 69, 4))
    for name, clips, planar, region in (
        ("planes", table, True, REGION),
        ("planes, scaled from 224", table, True, None),
        ("packed", packed_table, False, None),
    ):
        videos = dict(zip(clips["id"], clips["video"], strict=True))
        gaps = []
        for clip, path in zip(table["id"][:8], table["video"][:8], strict=True):
            exact = read_rgb(path, wanted, None if "scaled" in name else REGION)
            with VideoReader(videos[clip]) as reader:
                if planar:
                    planes, matrix = reader.read_planes(wanted, size=160, region=region)
                    rgb = rgb_from_planes(torch.tensor(planes[None]), torch.tensor(matrix[None]))
                    other = rgb[0].permute(0, 2, 3, 1).numpy()
                else:
                    other = reader.read(wanted, size=160)
            gaps.append(np.abs(exact.astype(int) - other))
        gap = np.stack(gaps)
        rows.append([name, gap.mean(), float(np.quantile(gap, 0.999)), float(gap.max())])
    report.table(
        "Difference of pixels from RGB by FFmpeg, levels of 0 to 255",
        ["pixels", "mean", "99.9 %", "largest"],
        rows,
    )


def read_rgb(path: str, wanted: list[int], region: Any) -> np.ndarray:
    """Pictures as they are without any option."""
    with VideoReader(path) as reader:
        return reader.read(wanted, size=160, region=region)


if __name__ == "__main__":
    run(main, "loader", __doc__)
