"""One `hicmae` command of an experiment: run once, kept with its output and time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console


@dataclass(frozen=True, slots=True)
class Run:
    """One command and where it writes.

    Attributes:
        name: Its folder below the experiment's.
        options: The command line behind `hicmae`.
    """

    name: str
    options: tuple[str, ...]

    def execute(self, folder: Path) -> None:
        """Runs the command unless it is done, and keeps its output and time beside it."""
        target = folder / self.name
        if (target / "seconds.json").exists():
            return
        target.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "hicmae.cli", *self.options]
        command.append(f"--trainer.default_root_dir={target}")
        Console().print(f"hicmae {' '.join(command[3:])}", soft_wrap=True, highlight=False)
        start = time.perf_counter()
        with (target / "output.log").open("w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603
        (target / "seconds.json").write_text(json.dumps(time.perf_counter() - start))


def shared_options(manifest: Path | str, folder: Path, seed: int) -> list[str]:
    """Options of every run of an experiment: its clips, one cache for all, every seed."""
    return [
        f"--data.manifest={manifest}",
        f"--data.cache_dir={folder / 'cache'}",
        *(f"--{name}={seed}" for name in ("seed_everything", "model.seed", "data.seed")),
    ]


def last_run(folder: Path) -> Path:
    """The folder of the last version that a run wrote: a killed one leaves its own behind."""
    return max(folder.glob("version_*"), key=lambda version: int(version.name.split("_")[1]))


def metrics_of(folder: Path) -> pd.DataFrame:
    """The metrics table of a finished run, one row per logged step."""
    return pd.read_csv(last_run(folder) / "metrics.csv")


def last_values(folder: Path) -> dict[str, float]:
    """The last value of every column of a finished run's metrics table."""
    return {name: float(column.dropna().iloc[-1]) for name, column in metrics_of(folder).items()}
