"""From files to the card: loaders by their workers, the share of waiting, decoding on the card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import end_to_end
import pandas as pd
import torch
from clips import clips_for
from loader import BATCH, REGION, packed
from measure import Report

from card.basics import timed
from card.measurement import Measurement, Result, Setting
from hicmae.media import VideoReader

SOURCES = ("mp4", "pack")
PIXELS = {"planes": "yuv420", "RGB": "rgb"}
WANTED = list(range(5, 69, 4))  # frames of a clip
BASE_BATCH = 64  # clips of a training step


def loading(setting: Setting, report: Report) -> Iterator[Measurement]:
    """Clips per second of 1 to 16 workers, from every source, in every form."""
    sources = [("pack", "planes")] if setting.dry else [(s, p) for s in SOURCES for p in PIXELS]
    for source, pixels in sources:
        work = partial(in_folder, partial(loader_rates, setting, report, source, pixels))
        yield Measurement(f"{source}, {pixels}", work, takes=90)


def share(setting: Setting, report: Report) -> Iterator[Measurement]:
    """How much of a training run at base size the card waits for clips."""
    for workers in [0] if setting.dry else end_to_end.numbers_of_workers()[::-1]:
        work = partial(in_folder, partial(training_share, setting, report, workers))
        yield Measurement(f"base, {workers} workers", work, takes=90)


def decoding(setting: Setting, report: Report) -> Iterator[Measurement]:
    """Decoding of clips on the processor and on the card."""
    work = partial(in_folder, partial(decoded, setting, report))
    yield Measurement("frames of a clip", work, takes=60)


def in_folder(work: Callable[[Path], Result]) -> Result:
    """A work that needs a folder, which is removed behind it."""
    with tempfile.TemporaryDirectory() as scratch:
        return work(Path(scratch))


def table_of(setting: Setting, report: Report, folder: Path) -> pd.DataFrame:
    """Clips: real ones of GRID where there are any."""
    return clips_for(report, folder, 2 if setting.dry else 48)


def loader_rates(
    setting: Setting, report: Report, source: str, pixels: str, folder: Path
) -> Result:
    """Clips per second by the number of workers."""
    table = table_of(setting, report, folder)
    options: dict[str, Any] = {"pixels": PIXELS[pixels]}
    if source == "pack":
        table = packed(table, folder / "pack", report)
        options["region"] = None
    rates = {}
    for workers in [0] if setting.dry else end_to_end.numbers_of_workers():
        count = (2 if setting.dry else 10) * BATCH * max(workers, 1)
        data = end_to_end.data_of(table, folder, count, BATCH, workers, **options)
        rates[str(workers)] = end_to_end.reader(data)()
    return {"clips/s by workers": rates}


def training_share(setting: Setting, report: Report, workers: int, folder: Path) -> Result:
    """Clips per second of training, and the shares of waiting and of preparing batches."""
    table = table_of(setting, report, folder)
    load = end_to_end.Workload("base", BASE_BATCH, 30, 20, {"size": "base"})
    if setting.dry:
        load = end_to_end.workloads(smallest=True)[0]
    rate, waits, prepares = end_to_end.train(load, table, folder, workers)
    return {
        "clips/s": rate * load.batch,
        "waiting, %": 100 * waits,
        "preparing, %": 100 * prepares,
    }


def decoded(setting: Setting, report: Report, folder: Path) -> Result:
    """Clips per second whose frames become a tensor on the device."""
    clips = [str(video) for video in table_of(setting, report, folder)["video"]][:16]

    def by_reader() -> None:
        for clip in clips:
            with VideoReader(clip) as reader:
                torch.from_numpy(reader.read(WANTED, size=160, region=REGION)).to(setting.device)

    result: Result = {"PyAV, one core, clips/s": len(clips) / timed(setting, by_reader)}
    if find_spec("torchcodec") is None:
        return result | {"torchcodec": "not installed"}
    from torchcodec.decoders import VideoDecoder  # noqa: PLC0415 (is not asked of anyone)

    top, left, height, width = REGION

    def by_card() -> list[torch.Tensor]:
        found = []
        for clip in clips:
            frames = VideoDecoder(clip, device=str(setting.device)).get_frames_at(WANTED).data
            found.append(frames[..., top : top + height, left : left + width])
        return found

    try:
        result["torchcodec, clips/s"] = len(clips) / timed(setting, by_card)
    except RuntimeError as error:
        return result | {"torchcodec": f"fails: {str(error).splitlines()[0]}"}
    with VideoReader(clips[0]) as reader:
        exact = torch.from_numpy(reader.read(WANTED, size=160, region=REGION)).float()
    gap = by_card()[0].permute(0, 2, 3, 1).cpu().float() - exact
    return result | {"mean difference of pixels": float(gap.abs().mean())}
