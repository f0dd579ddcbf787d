"""What commands lose beside other busy programs: training of small models, and recognition.

Beside as many programs that never rest as there are processors, half of the time is left. What a
step takes beside them is compared with what it takes alone, in one process. Threads wait as the
commands let them; for comparison there is training with one thread, and the demo's with threads
that wait as they do by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clips import clips_for
from measure import Report, run

from hicmae.machine import processors, settle

WANTED = 2.5
SECONDS = 5.0  # of each part; a work takes twice as long and some seconds to start
WORKS = {
    "demo": "a step of the demo's pre-training, 16 clips",
    "finetune": "a step of fine-tuning, tiny, 1 clip",
    "recognise": "recognition of a clip of 3 s, tiny",
}

_TRAINING = {"as commands do": [], "with one thread": ["--threads=1"]}
WAYS: dict[str, dict[str, list[str]]] = {
    "demo": _TRAINING | {"by themselves": []},
    "finetune": _TRAINING,
    "recognise": {"as commands do": []},
}


def main(options: argparse.Namespace, report: Report) -> None:
    """Measures and prints."""
    seconds = 0.01 if options.smallest else SECONDS
    count = 1 if options.smallest else processors()
    chosen = list(WORKS)[:1] if options.smallest else list(WORKS)
    rows = []
    with TemporaryDirectory() as folder:
        clip = str(clips_for(report, Path(folder), 1)["video"].iloc[0])
        arguments = [f"--seconds={seconds}", f"--programs={count}", f"--clip={clip}"]
        for name in chosen:
            for way, more in ({"as commands do": []} if options.smallest else WAYS[name]).items():
                found = _measure(name, [*arguments, *more], settled=way != "by themselves")
                ratio = found["beside"] / found["alone"]
                rows.append((WORKS[name], way, found["alone"], found["beside"], ratio))
                if way == "as commands do":
                    what = f"{WORKS[name]}: times as slow beside {count} busy programs"
                    report.target(what, ratio, WANTED, most=True)
    columns = ("work", "threads wait", "s alone", "s beside them", "times as slow")
    report.table(f"Alone and beside {count} busy programs", columns, rows)


def _measure(name: str, arguments: list[str], *, settled: bool) -> dict[str, Any]:
    ours = ("OMP_", "GOMP_", "KMP_")
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    if settled:
        settle(surroundings)
    command = [sys.executable, str(Path(__file__).with_name("busy_work.py")), name, *arguments]
    done = subprocess.run(  # noqa: S603 (a script of ours)
        command,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"busy_work.py {name} failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    run(main, "busy", __doc__)
