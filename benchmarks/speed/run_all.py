"""Runs every speed benchmark, one after the other, and sets what was measured beside the targets.

    python benchmarks/speed/run_all.py

Each runs in a process of its own and writes its JSON file; other work on the machine spoils them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

NAMES = (
    "loader",
    "pretraining_step",
    "recognition_step",
    "end_to_end",
    "growth",
    "startup",
    "faces",
    "busy",
    "live",
)

QUIET = os.environ | {"KINETO_LOG_LEVEL": "99"}  # the profiler tells of accelerators it lacks


def main() -> None:
    """Runs and sums up; the exit status tells of benchmarks that broke, not of missed targets."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--smallest", action="store_true", help="see that they work, on next to nothing"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/benchmarks"), help="folder of the JSON files"
    )
    options = parser.parse_args()
    console = Console(width=120)
    broken = []
    for name in NAMES:
        console.rule(name)
        script = Path(__file__).with_name(f"{name}.py")
        command = [sys.executable, str(script), "--out", str(options.out)]
        begin = time.perf_counter()
        done = subprocess.run(  # noqa: S603
            [*command, "--smallest"] if options.smallest else command, check=False, env=QUIET
        )
        console.print(f"{name}: {time.perf_counter() - begin:.0f} s")
        if done.returncode:
            broken.append(name)

    table = Table("benchmark", "what", "target", "measured", "", title="Targets")
    for name in NAMES:
        path = options.out / f"{name}.json"
        if name in broken or not path.is_file():
            table.add_row(name, "did not run to its end", "", "", "[red]broken[/]")
            continue
        for target in json.loads(path.read_text())["targets"]:
            verdict = (
                "[green]met[/]" if target["met"] else f"[red]missed by {target['missed_by']:.0%}[/]"
            )
            sign = "≤" if target["most"] else "≥"
            table.add_row(
                name,
                target["what"],
                f"{sign} {target['wanted']:.4g} {target['unit']}",
                f"{target['measured']:.4g} {target['unit']}",
                verdict,
            )
    console.print(table)
    if broken:
        raise SystemExit(f"Broke: {', '.join(broken)}.")


if __name__ == "__main__":
    main()
