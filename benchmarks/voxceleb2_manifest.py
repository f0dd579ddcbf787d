"""VoxCeleb2 at its real size: time and memory to list it, to save its table and to start from that.

    python benchmarks/voxceleb2_manifest.py [--folder FOLDER] [--clips N] [--json FILE]

Makes a tree of empty files with names like the corpus' own (5,994 speakers, 1,092,009 clips, each
with a video and a sound file; kept in --folder for the next time), then measures each step in a
process of its own. Memory is what the step adds to the process, which holds torch and lightning
already: at its highest, and in the end. Workers are the sampler and dataset in forked processes
that touch every row; their private memory is what is theirs alone.
"""

import argparse
import json
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hicmae.machine import processors

CLIPS = 1_092_009
SPEAKERS = 5_994
CLIPS_PER_VIDEO = 8
SECONDS_TO_START = 3.0
MEGABYTES = 400.0


def make_tree(root: Path, clips: int) -> None:
    """Writes empty files; a finished tree is recognised by a file beside it."""
    made = root / f"made-{clips}"
    if made.exists():
        return
    videos = -(-clips // CLIPS_PER_VIDEO)
    left = clips
    for video in range(videos):
        speaker = video * SPEAKERS // videos
        place = f"id{speaker:05d}/{video:011d}"
        folders = [root / "dev" / kind / place for kind in ("mp4", "aac")]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for clip in range(min(CLIPS_PER_VIDEO, left)):
            for folder, suffix in zip(folders, (".mp4", ".m4a"), strict=True):
                os.close(os.open(folder / f"{clip + 1:05d}{suffix}", os.O_CREAT))
        left -= CLIPS_PER_VIDEO
    made.touch()


class Memory:
    """Watches what a block of code adds to the memory of this process, in megabytes."""

    def __enter__(self) -> "Memory":
        self._before = self._now()
        self.highest = 0.0
        self._going = True
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *details: object) -> None:
        self.seconds = time.perf_counter() - self._start
        self._going = False
        self._thread.join()
        self.added = self._now() - self._before
        self.highest = max(self.highest, self.added)

    def _watch(self) -> None:
        while self._going:
            self.highest = max(self.highest, self._now() - self._before)
            time.sleep(0.005)

    @staticmethod
    def _now() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def figures(self) -> dict[str, float]:
        """Seconds; megabytes at the highest and in the end."""
        return {"seconds": self.seconds, "highest": self.highest, "added": self.added}


def private_megabytes() -> float:
    """Memory that no other process shares."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    kilobytes = (int(line.split()[1]) for line in lines if line.startswith("Private"))
    return sum(kilobytes) * 1024 / 1e6


def build_and_save(root: Path, table_path: Path) -> dict[str, dict[str, float]]:
    from hicmae.data.corpora.voxceleb2 import VoxCeleb2  # noqa: PLC0415 (counted apart)
    from hicmae.data.manifest import save_manifest  # noqa: PLC0415

    with Memory() as listing:
        table = VoxCeleb2().manifest(root)
    with Memory() as saving:
        save_manifest(table, table_path, overwrite=True)
    return {"list the folders": listing.figures(), "save the table": saving.figures()}


def start(root: Path, table_path: Path) -> dict[str, dict[str, float]]:
    """From the table to the first indices of an epoch, as `fit` does it."""
    from hicmae.data.datamodules import VoxCeleb2DataModule  # noqa: PLC0415

    figures = {}
    with Memory() as memory:
        data = VoxCeleb2DataModule(str(root), manifest=str(table_path), val_speakers=50)
        data.setup("fit")
        loader = data.train_dataloader()
        loader.sampler.set_epoch(0)
        next(iter(loader.sampler))
    figures["start from the table"] = memory.figures()
    with Memory() as memory:
        count = sum(1 for _ in loader.sampler)
    figures["draw an epoch"] = memory.figures() | {"clips": count}
    dataset = loader.dataset
    context = multiprocessing.get_context("fork")
    queue = context.Queue()

    def touch() -> None:
        # What a worker does to know a clip, for every clip.
        before = private_megabytes()
        begin = time.perf_counter()
        for index in range(len(dataset)):
            dataset.clip(index)
        queue.put((time.perf_counter() - begin, private_megabytes() - before))

    worker = context.Process(target=touch)
    worker.start()
    seconds, private = queue.get()
    worker.join()
    figures["a worker sees every row"] = {"seconds": seconds, "highest": private, "added": private}
    return figures


STEPS = {"build": build_and_save, "start": start}


def in_a_new_process(step: str, root: Path, table_path: Path) -> dict[str, dict[str, float]]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(root)]
    done = subprocess.run(  # noqa: S603 (this very script)
        [*command, "--table", str(table_path)], check=True, capture_output=True, text=True
    )
    result: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the tree is made and kept")
    parser.add_argument("--clips", type=int, default=CLIPS, help="number of clips")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--table", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        import hicmae.training.commands  # noqa: F401, PLC0415 (what every command has loaded)

        print(json.dumps(STEPS[options.step](options.folder, options.table)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = options.folder or Path(scratch) / "VoxCeleb2"
        root.mkdir(parents=True, exist_ok=True)
        begin = time.perf_counter()
        make_tree(root, options.clips)
        print(f"Tree of {options.clips:,} clips: {time.perf_counter() - begin:.0f} s")
        table_path = Path(scratch) / "voxceleb2.parquet"
        figures = in_a_new_process("build", root, table_path)
        figures |= in_a_new_process("start", root, table_path)
        size = table_path.stat().st_size / 1e6
    show(figures, options.clips, size)
    if options.json:
        machine = {"machine": platform.machine(), "cores": processors()}
        stamp = datetime.now(UTC).date().isoformat()
        content = {"date": stamp, **machine, "clips": options.clips, "steps": figures}
        options.json.write_text(json.dumps(content, indent=1))


def show(figures: dict[str, dict[str, float]], clips: int, file_megabytes: float) -> None:
    table = Table("step", "seconds", "most MB", "MB kept", "target", box=None)
    for name, values in figures.items():
        target = ""
        if name == "start from the table":
            target = f"{SECONDS_TO_START:g} s, {MEGABYTES:g} MB"
            good = values["seconds"] < SECONDS_TO_START and values["highest"] < MEGABYTES
            target += " (met)" if good else " (missed)"
        numbers = (f"{values['seconds']:.2f}", f"{values['highest']:.0f}", f"{values['added']:.0f}")
        table.add_row(name, *numbers, target)
    console = Console()
    console.print(table)
    console.print(f"{clips:,} clips; the saved table has {file_megabytes:.1f} MB.")


if __name__ == "__main__":
    main()
