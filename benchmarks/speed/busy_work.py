"""A work of the benchmark `busy`, alone and then beside programs that never rest.

    python benchmarks/speed/busy_work.py demo --seconds 6 --programs 2 [--threads 1] [--clip FILE]

Prints the seconds of a step, alone and beside them, as JSON. Threads are as the environment says.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import yaml
from pretraining_step import RECIPE, noise
from recognition_step import CLASSES, training_batch
from recognition_step import RECIPE as FINETUNING
from steps import our_step

from hicmae import EmotionRecognizer
from hicmae.configs import config_folder
from hicmae.models import Architecture, RecognitionModel
from hicmae.tasks import ClassificationTask, PretrainingTask
from hicmae.weights.description import ModelDescription

# Ends with whoever started it, and after a while in any case.
RESTLESS = """
import os, time
parent, end = os.getppid(), time.monotonic() + 120
while os.getppid() == parent and time.monotonic() < end:
    sum(range(100_000))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", choices=["demo", "finetune", "recognise"])
    parser.add_argument("--seconds", type=float, required=True, help="of each of the two parts")
    parser.add_argument("--programs", type=int, required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--clip", help="to recognise")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    step = {"demo": _demo, "finetune": _finetune, "recognise": lambda: _recognise(options.clip)}
    work = step[options.work]()
    work()  # the first prepares what later ones find
    alone = _seconds(work, options.seconds)
    with _restless(options.programs):
        beside = _seconds(work, options.seconds)
    print(json.dumps({"alone": alone, "beside": beside, "threads": torch.get_num_threads()}))


def _demo() -> Callable[[], object]:
    config = yaml.safe_load((config_folder() / "demo" / "pretrain.yaml").read_text())
    architecture = config["model"]["init_args"]["architecture"]
    options = RECIPE | {"video_mask_ratio": 0.75}
    task = PretrainingTask(**options, size="tiny", architecture=architecture)
    return our_step(task, noise(task.architecture, 16, torch.device("cpu")))


def _finetune() -> Callable[[], object]:
    task = ClassificationTask(CLASSES, **FINETUNING, size="tiny")
    return our_step(task, training_batch(task.architecture, 1, torch.device("cpu")))


def _recognise(clip: str) -> Callable[[], object]:
    shape = Architecture.of_size("tiny")
    description = ModelDescription("classification", tuple(CLASSES), shape)
    model = RecognitionModel(shape, len(CLASSES))
    recognizer = EmotionRecognizer(model, description, faces="none")
    return lambda: recognizer.recognize(clip)


def _seconds(work: Callable[[], object], most: float) -> float:
    """The median time of a step, over so many seconds, but of one step at least."""
    taken: list[float] = []
    while not taken or sum(taken) < most:
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


@contextmanager
def _restless(count: int) -> Iterator[None]:
    """Programs that compute without a rest."""
    command = [sys.executable, "-c", RESTLESS]
    programs = [subprocess.Popen(command) for _ in range(count)]  # noqa: S603 (of ours)
    try:
        yield
    finally:
        for program in programs:
            program.kill()
        for program in programs:
            program.wait(timeout=10)


if __name__ == "__main__":
    main()
