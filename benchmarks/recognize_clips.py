"""Seconds from the shell to the answer: `hicmae recognize` on clips, each in a process of its own.

    python benchmarks/recognize_clips.py CLIP... --checkpoint RUN/checkpoints/best.ckpt

Each clip is recognised twice, without and with an annotated copy, which is then decoded to its end.
Start-up, most of which is importing torch, is within the seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
from rich.console import Console
from rich.table import Table

from hicmae.machine import processors


def seconds_of(*arguments: str) -> float:
    """Runs `hicmae` and gives the seconds it took."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "hicmae.cli", *arguments]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - begin


def outline(path: Path) -> tuple[int, float, str]:
    """Frames that a file gives when decoded to its end, their rate, and their size."""
    with av.open(path) as container:
        film = container.streams.video[0]
        frames = sum(1 for _ in container.decode(film))
        return frames, float(film.average_rate or 0), f"{film.width}×{film.height}"


def measure(clip: Path, options: list[str], folder: Path) -> dict[str, str | float | int | bool]:
    """What one clip took."""
    target, answer = folder / f"{clip.stem}.mp4", folder / f"{clip.stem}.json"
    alone = seconds_of("recognize", str(clip), *options, "--json", str(answer))
    rendered = seconds_of("recognize", str(clip), *options, "--render", str(target))
    frames, rate, size = outline(clip)
    return {
        "clip": clip.name,
        "size": size,
        "length": frames / rate,
        "people": len(json.loads(answer.read_text())[0]["people"]),
        "seconds": alone,
        "seconds_rendered": rendered,
        "plays": outline(target)[0] == frames,
    }


def main() -> None:
    """Measures and prints what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--faces", default="crop", help="crop, or none")
    parser.add_argument("--threads", type=int, default=processors(), help="of each process")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        options = [f"--{name}={getattr(given, name)}" for name in ("checkpoint", "faces")]
        options.append("--device=cpu")
        rows = [measure(clip, options, Path(folder)) for clip in given.clips]
    table = Table("clip", "picture", "length s", "people", "seconds", "with copy", "copy is whole")
    for row in rows:
        numbers = (f"{row[name]:.1f}" for name in ("seconds", "seconds_rendered"))
        length = f"{row['length']:.1f}"
        table.add_row(
            str(row["clip"]),
            str(row["size"]),
            length,
            str(row["people"]),
            *numbers,
            "yes" if row["plays"] else "no",
        )
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
