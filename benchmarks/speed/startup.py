"""How long commands take to start: their help, an answer, and the demo until its first step.

Every number is the time of a fresh process, from its start to the end of it, to the first clip of
the demo's corpus, or to the end of the first step of the optimiser. What is recognised is a clip of
that corpus, whole, by models whose weights are drawn. `import torch` and `import lightning.pytorch`
say what no command that trains can do without.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from measure import Report, alternating, run

from hicmae import EmotionRecognizer
from hicmae.demo.corpus import make_corpus
from hicmae.models import Architecture, RecognitionModel
from hicmae.weights.description import ModelDescription

MOST_ROUNDS = 3  # a round takes about 25 s
WANTED_HELP = 1.0  # seconds
WANTED_FIRST_STEP = 5.0
WANTED_ANSWER = 3.0

HICMAE = [sys.executable, "-m", "hicmae.cli"]
LIGHT = (
    "recognize",
    "embed",
    "serve",
    "visualize",
    "convert",
    "export",
    "crossval",
    "report",
    "data",
    "demo",
)
"""Commands that need no torch to list their options."""

HEAVY = ("fit",)
"""Whose options are those of classes on torch; validate, test and predict are as fit."""

FIRST_STEP = """
import os
import time
from pathlib import Path

from lightning.pytorch import Callback


class FirstStep(Callback):
    def on_train_batch_end(self, *_):
        Path(os.environ["FIRST_STEP"]).write_text(str(time.time()))
"""


def main(options: argparse.Namespace, report: Report) -> None:
    """Measures and prints."""
    rounds = min(options.rounds, MOST_ROUNDS)
    _helps(rounds, report, smallest=options.smallest)
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "first_step.py").write_text(FIRST_STEP)
        manifest = make_corpus(
            folder / "corpus",
            speakers=6 if options.smallest else 8,
            clips_per_emotion=1,
            seed=0,
            seconds=1.0 if options.smallest else 2.7,
            progress=False,
        )
        clip = next((folder / "corpus").glob("clips/*/*.mp4"))
        _answers(rounds, report, folder, clip, smallest=options.smallest)
        clips, steps, ends = [], [], []
        for number in range(rounds):
            clips.append(_seconds_to_first_clip(folder / f"demo-{number}"))
            step, end = _seconds_to_first_step(manifest, folder / f"run-{number}")
            steps.append(step)
            ends.append(end)
    report.table(
        "The demo, seconds from the start of its process",
        ("until", "median", "least"),
        [
            ("the first clip of its corpus is there", median(clips), min(clips)),
            ("its pre-training has done one step, corpus there", median(steps), min(steps)),
            ("that process, stopped after the step, has ended", median(ends), min(ends)),
        ],
    )
    report.target("first step of the demo", median(steps), WANTED_FIRST_STEP, "s", most=True)


def _helps(rounds: int, report: Report, *, smallest: bool) -> None:
    light, heavy = (LIGHT[:1], ()) if smallest else (LIGHT, HEAVY)
    commands = {"python -c pass": [sys.executable, "-c", "pass"]}
    for library in () if smallest else ("torch", "lightning.pytorch"):
        commands[f"import {library}"] = [sys.executable, "-c", f"import {library}"]
    commands["hicmae --help"] = [*HICMAE, "--help"]
    for name in (*light, *heavy):
        commands[f"hicmae {name} --help"] = [*HICMAE, name, "--help"]
    work: dict[str, Callable[[], object]] = {
        name: partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
        for name, command in commands.items()
    }
    seconds = alternating(work, rounds, warm_up=False)
    report.table(
        "Seconds of a fresh process",
        ("command", "median", "least"),
        [(name, median(taken), min(taken)) for name, taken in seconds.items()],
    )
    report.target("hicmae --help", median(seconds["hicmae --help"]), WANTED_HELP, "s", most=True)
    report.target(
        f"slowest help of {', '.join(light)}",
        max(median(seconds[f"hicmae {name} --help"]) for name in light),
        WANTED_HELP,
        "s",
        most=True,
    )


def _answers(rounds: int, report: Report, folder: Path, clip: Path, *, smallest: bool) -> None:
    """From the start of `hicmae recognize` to the end of its process."""
    work: dict[str, Callable[[], object]] = {}
    for size in ("tiny",) if smallest else ("tiny", "base"):
        torch.manual_seed(0)
        shape = Architecture.of_size(size)
        description = ModelDescription("classification", ("calm", "joy"), shape)
        model = EmotionRecognizer(RecognitionModel(shape, 2), description)
        model.save_pretrained(folder / size)
        command = [*HICMAE, "recognize", str(clip), f"--checkpoint={folder / size}"]
        work[size] = partial(
            subprocess.run,
            [*command, "--faces=none", "--device=cpu"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
    seconds = alternating(work, rounds, warm_up=False)
    report.table(
        "hicmae recognize, seconds of a fresh process",
        ("model", "median", "least"),
        [(size, median(taken), min(taken)) for size, taken in seconds.items()],
    )
    for size, taken in seconds.items():
        what = f"recognition of a short clip, {size}, from the shell"
        report.target(what, median(taken), WANTED_ANSWER, "s", most=True)


def _seconds_to_first_clip(folder: Path) -> float:
    """From the start of `hicmae demo` to the first clip; then the demo is interrupted."""
    begin = time.perf_counter()
    with _process([*HICMAE, "demo", "--reduced", f"--folder={folder}"]) as process:
        while not any((folder / "corpus").glob("clips/*/*.mp4")):
            if process.poll() is not None:
                raise RuntimeError(f"hicmae demo ended with status {process.returncode}.")
            time.sleep(0.01)
        return time.perf_counter() - begin


@contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is interrupted, as by Ctrl-C, behind the block."""
    silent = subprocess.DEVNULL
    process = subprocess.Popen(  # noqa: S603 (a command of ours)
        command, stdout=silent, stderr=silent, start_new_session=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _seconds_to_first_step(manifest: Path, folder: Path) -> tuple[float, float]:
    """The demo's pre-training, up to the end of its first step and to the end of its process.

    Nothing is left out before the step: clips are decoded into an empty cache, and the sanity check
    on validation clips takes place.
    """
    stamp = folder.with_suffix(".stamp")
    command = [
        *HICMAE,
        "fit",
        "--config=demo/pretrain.yaml",
        f"--data.manifest={manifest}",
        f"--data.cache_dir={folder / 'cache'}",
        f"--trainer.default_root_dir={folder}",
        "--trainer.max_steps=1",
        "--trainer.callbacks+=first_step.FirstStep",
    ]
    paths = [str(manifest.parents[1]), os.environ.get("PYTHONPATH", "")]
    surroundings = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "FIRST_STEP": str(stamp),
    }
    begin = time.time()
    done = subprocess.run(  # noqa: S603 (a command of ours)
        command, env=surroundings, capture_output=True, text=True, check=False
    )
    end = time.time()
    if done.returncode:
        raise RuntimeError(f"hicmae fit failed: {done.stderr[-2000:]}")
    return float(stamp.read_text()) - begin, end - begin


if __name__ == "__main__":
    run(main, "startup", __doc__)
