"""Damaged files through all that opens clips: what becomes of each, and whether promises hold.

    python benchmarks/robustness/soak.py --count 1000 --seed 0 --clips FOLDER

Clips are cut off, some of their bytes are changed, or their beginning is taken from another clip.
Each goes through `hicmae data check`, `hicmae data faces`, recognition with a tiny model of random
weights, and the page's analysis. Promised is: no mistake of the program's own (a traceback), an
answer in 20 seconds or, where a decoder hangs, once the patience ends, a row for every file, no
process left over, and bounded memory. The exit status is 1 where a promise is broken.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import multiprocessing
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pandas as pd
import torch
from made_clips import write_clips

from hicmae.checkpoints import InputSettings, ModelDescription
from hicmae.errors import HicmaeError
from hicmae.faces import FaceOptions
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.ledger import Plan
from hicmae.media.watched import WatchedDecoder
from hicmae.models import Architecture, RecognitionModel
from hicmae.preparation import commands
from hicmae.serve.analysis import UploadLimits, analyse

BATCH = 25  # files that lie on the disk at a time
PATIENCE = 8.0  # seconds, so that two tries at a hanging file are within LONGEST
LONGEST = 20.0  # seconds
MEMORY = 2048.0  # MiB of all processes together
SUFFIXES = {".mp4", ".mkv", ".webm", ".avi", ".flv", ".mov", ".mpg", ".ts"}

READ, TOLD, CRASHED, HUNG, BROKEN = "read", "told", "crash told", "hang told", "broken"
OUTCOMES = (READ, TOLD, CRASHED, HUNG, BROKEN)
_OWN_MISTAKE = re.compile(r"^\w*(Error|Exception|Warning|Interrupt|Iteration)\b")

Results = Iterator[tuple[str, str, str]]
"""File, outcome and what was told of it."""


def mutated(content: bytes, other: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """What was done to a file, and its bytes then."""
    kind = str(rng.choice(["cut", "flipped", "header"]))
    if kind == "cut":
        return kind, content[: int(rng.integers(1, len(content)))]
    if kind == "header":
        length = min(2 ** int(rng.integers(4, 14)), len(content))
        return kind, other[:length] + content[length:]
    changed = np.frombuffer(content, np.uint8).copy()
    # Half of them where containers say what they hold: at the beginning and at the end.
    ends = np.r_[0 : min(4096, len(changed)), max(len(changed) - 16384, 0) : len(changed)]
    places = ends if rng.random() < 0.5 else np.arange(len(changed))
    chosen = rng.choice(places, 2 ** int(rng.integers(0, 11)))
    changed[chosen] = rng.integers(0, 256, len(chosen), np.uint8)
    return kind, changed.tobytes()


def write_batch(
    folder: Path, sources: list[Path], numbers: range, seed: int
) -> tuple[list[Path], Counter[str]]:
    """Writes damaged files, which depend on the seed and their number alone."""
    folder.mkdir()
    paths, kinds = [], Counter[str]()
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        source, other = (sources[place] for place in rng.integers(0, len(sources), 2))
        kind, content = mutated(source.read_bytes(), other.read_bytes(), rng)
        kinds[kind] += 1
        path = folder / f"{number:05d}-{kind}{source.suffix}"
        path.write_bytes(content)
        paths.append(path)
    return paths, kinds


def outcome(status: str, message: str) -> str:
    """What a row of the ledger or a mistake says."""
    if _OWN_MISTAKE.match(message):
        return BROKEN
    if "no sign of life" in message:
        return HUNG
    if re.search(r"the process that (worked on|decoded) it", message):
        return CRASHED
    return READ if status == "ok" else TOLD


def prepared(
    command: Callable[..., bool], name: str, paths: list[Path], **options: object
) -> Results:
    """What becomes of files in a command of `hicmae data`."""
    folder = paths[0].parent.with_suffix(f".{name}")
    table = paths[0].parent.with_suffix(".csv")
    pd.DataFrame({"id": [path.name for path in paths], "video": paths}).to_csv(table, index=False)
    plan = Plan(patience=PATIENCE)
    try:
        command(str(table), output=folder, plan=plan, **options)
    except Exception:  # noqa: BLE001 (whatever it is, it is counted)
        yield from ((path.name, BROKEN, traceback.format_exc()) for path in paths)
        return
    rows = pd.read_csv(folder / f"{name}.csv", keep_default_na=False)
    for row in rows.to_dict("records"):
        yield row["id"], outcome(row["status"], row["message"]), row["message"]


def one_by_one(work: Callable[[Path], object], paths: list[Path]) -> Results:
    """What becomes of files in a function of one."""
    for path in paths:
        begin = time.monotonic()
        message = ""
        try:
            work(path)
        except HicmaeError as error:
            message = str(error)
            found = outcome("error", message)
        except Exception:  # noqa: BLE001 (whatever it is, it is counted)
            message, found = traceback.format_exc(), BROKEN
        else:
            found = READ
        if (seconds := time.monotonic() - begin) > LONGEST:
            message, found = f"took {seconds:.0f} s; {message}", BROKEN
        yield path.name, found, message


def tiny_recognizer() -> EmotionRecognizer:
    """A model of random weights that takes the whole picture."""
    torch.manual_seed(0)
    sizes = {"width": 16, "heads": 2, "depth": 2, "fusion_depth": 1, "decoder_width": 16}
    sizes |= {"decoder_heads": 2, "decoder_depth": 2, "image_size": 32, "num_frames": 4}
    layers = {"skip_layers": [2], "contrast_layers": [1, 2]}
    shape = Architecture.of_size("base", **sizes, **layers, audio_frames=64, mel_bins=32)
    inputs = InputSettings(stride=4, frame_size=40)
    description = ModelDescription("classification", ("calm", "joy"), shape, inputs=inputs)
    return EmotionRecognizer(RecognitionModel(shape, 2), description, faces="none")


class Memory:
    """The most that this process and all below it held together, looked at now and then."""

    def __init__(self) -> None:
        self.peak = 0.0
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def _watch(self) -> None:
        while not self._stop.wait(0.25):
            self.peak = max(self.peak, _held_below(multiprocessing.current_process().pid or 0))


def _held_below(root: int) -> float:
    """MiB, without what is shared with other processes; 0 where the system does not tell."""
    parents: dict[int, int] = {}
    held: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may be gone by now.
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            _, resident, shared, *_ = (folder / "statm").read_text().split()
            parents[int(folder.name)] = int(status[1])
            held[int(folder.name)] = int(resident) - int(shared)
    below, found = {root}, True
    while found:
        found = {child for child, parent in parents.items() if parent in below} - below
        below |= found
    return sum(held.get(process, 0) for process in below) * 4096 / 2**20


def soak(options: argparse.Namespace, folder: Path) -> bool:
    """Runs it and prints what came of it; gives whether all promises were kept."""
    sources = sorted(
        path
        for path in (options.clips or write_clips(folder / "made")).rglob("*")
        if path.suffix.lower() in SUFFIXES
    )
    recognizer = tiny_recognizer()
    limits = UploadLimits(max_seconds=600, patience=PATIENCE)
    counts: Counter[tuple[str, str]] = Counter()
    kinds: Counter[str] = Counter()
    broken: list[str] = []
    begin = time.monotonic()
    with Memory() as memory:
        for first in range(0, options.count, BATCH):
            numbers = range(first, min(first + BATCH, options.count))
            batch = folder / f"batch{first}"
            paths, of_batch = write_batch(batch, sources, numbers, options.seed)
            kinds += of_batch
            crop = FaceOptions(size=64, detect_every=24, write="video")
            with WatchedDecoder(PATIENCE) as decoder:
                steps: dict[str, Results] = {
                    "check": prepared(commands.check, "clips", paths, sheet_clips=2),
                    "faces": prepared(commands.faces, "faces", paths, crop=crop),
                    "recognise": one_by_one(
                        lambda path: recognizer.recognize(decoder.open(path)), paths
                    ),
                    "page": one_by_one(lambda path: analyse(recognizer, path, limits), paths),
                }
                for step, results in steps.items():
                    with _quiet():
                        found = list(results)
                    counts.update((step, became) for _, became, _ in found)
                    broken += [
                        f"{step} {name}: {told}" for name, became, told in found if became == BROKEN
                    ]
                    if len(found) != len(paths):
                        broken.append(f"{step}: {len(found)} rows for {len(paths)} files")
            print(f"{numbers.stop} files, {time.monotonic() - begin:.0f} s", file=sys.stderr)
            for line in broken:
                print(line, file=sys.stderr)
    left = multiprocessing.active_children()
    if left:
        broken.append(f"left over: {left}")
    if memory.peak > MEMORY:
        broken.append(f"{memory.peak:.0f} MiB were held, more than {MEMORY:.0f}")
    print(
        f"{options.count} files of {len(sources)} clips (seed {options.seed}): "
        + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    )
    print("\n| | " + " | ".join(OUTCOMES) + " |\n|---" * 1 + "|---" * len(OUTCOMES) + "|")
    for step in ("check", "faces", "recognise", "page"):
        print(f"| {step} | " + " | ".join(str(counts[step, name]) for name in OUTCOMES) + " |")
    print(f"\n{time.monotonic() - begin:.0f} s; at most {memory.peak:.0f} MiB held together")
    for line in broken:
        print(line)
    print("Every promise was kept." if not broken else f"{len(broken)} promises were broken.")
    return not broken


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="damaged files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clips", type=Path, help="folder of clips; else some are made")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        kept = soak(options, Path(folder))
    sys.exit(not kept)


if __name__ == "__main__":
    main()
