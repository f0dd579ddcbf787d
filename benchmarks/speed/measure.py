"""What all speed benchmarks share: options, alternating timings, tables beside targets, JSON.

A benchmark script is `main(options, report)` around its measurements:

    if __name__ == "__main__":
        run(main, "loader", __doc__)
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from hicmae.machine import processors

FOLDER = Path(__file__).parents[2]
CLIPS = Path(os.environ.get("HICMAE_CLIPS", FOLDER.parent / "shared" / "clips"))
"""Folder with `grid_s1` and its manifest; the variable HICMAE_CLIPS names another."""


class Report:
    """Tables and targets of one benchmark, printed as they come and kept as JSON.

    Args:
        name: Of the benchmark, and of its file.
        options: What it was called with.
    """

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name = name
        self.console = Console(width=120)
        self.content: dict[str, Any] = {
            "benchmark": name,
            "date": date.today().isoformat(),
            "machine": machine(),
            "options": {key: str(value) for key, value in vars(options).items()},
            "tables": [],
            "targets": [],
        }
        self.console.print(f"[bold]{name}[/]  {self.content['machine']}", highlight=False)

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str | float]]
    ) -> None:
        """Prints a table and keeps it; numbers are rounded in print alone."""
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*(cell if isinstance(cell, str) else f"{cell:.4g}" for cell in row))
        self.console.print(table)
        self.content["tables"].append(
            {"title": title, "columns": list(columns), "rows": [list(row) for row in rows]}
        )

    def target(
        self, what: str, measured: float, wanted: float, unit: str = "", *, most: bool = False
    ) -> None:
        """Sets a measurement beside its target and says by how much it misses, if it does.

        Args:
            what: What was measured.
            measured: The outcome.
            wanted: What it should be at least.
            unit: Of both.
            most: Whether `wanted` is an upper limit instead.
        """
        missed = (measured - wanted if most else wanted - measured) / wanted
        verdict = "[green]met[/]" if missed <= 0 else f"[red]missed by {missed:.0%}[/]"
        sign = "≤" if most else "≥"
        self.console.print(
            f"  {what}: {measured:.4g} {unit}  (target {sign} {wanted:.4g} {unit}: {verdict})",
            highlight=False,
        )
        self.content["targets"].append(
            {
                "what": what,
                "measured": measured,
                "wanted": wanted,
                "unit": unit,
                "most": most,
                "met": missed <= 0,
                "missed_by": max(missed, 0.0),
            }
        )

    def note(self, text: str) -> None:
        """Prints and keeps a sentence, such as why a part was not measured here."""
        self.console.print(text, highlight=False)
        self.content.setdefault("notes", []).append(text)

    def save(self, folder: Path) -> None:
        """Writes `<name>.json` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(self.content, indent=2, ensure_ascii=False) + "\n")
        self.console.print(f"Wrote {path}.", highlight=False)


def run(
    main: Callable[[argparse.Namespace, Report], None],
    name: str,
    about: str | None,
    **assumed: float,
) -> None:
    """The command line of a benchmark.

    Args:
        main: Measures; takes the options and the report.
        name: Of the report and its JSON file.
        about: The script's docstring.
        **assumed: Numbers that cannot be measured, by the name of the option that changes them.
    """
    parser = argparse.ArgumentParser(description=(about or "").split("\n")[0])
    parser.add_argument(
        "--smallest", action="store_true", help="see that it works, in seconds, on next to nothing"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which medians are taken")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/benchmarks"), help="folder of the JSON file"
    )
    for option, value in assumed.items():
        parser.add_argument(f"--{option}", type=float, default=value, help="assumed: %(default)s")
    options = parser.parse_args()
    if options.smallest:
        options.rounds = 1
    torch.manual_seed(0)
    report = Report(name, options)
    main(options, report)
    report.save(options.out)


def alternating(
    candidates: Mapping[str, Callable[[], object]], rounds: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds of every candidate in every round; in a round each runs once, one after the other.

    So a machine that slows down for a while slows down all of them, and ratios stay fair.

    Args:
        candidates: What is to be timed, by name.
        rounds: How often.
        warm_up: Whether each runs once untimed before.
    """
    if warm_up:
        for work in candidates.values():
            work()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, work in candidates.items():
            begin = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """How many times as fast: the median over rounds of the quotients within a round."""
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


def machine() -> str:
    """The machine in words: processor, cores in use, accelerator, versions."""
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator"
    return (
        f"{_processor()}, {processors()} cores, {accelerator}, "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
