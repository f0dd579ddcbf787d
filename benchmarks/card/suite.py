"""The tests that need a card."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from measure import FOLDER

from card.measurement import Measurement, Result, Setting

LIMIT = 240  # seconds


def measurements(setting: Setting) -> Iterator[Measurement]:
    """One run of all of them; none in a dry run, where all would be skipped."""
    if not setting.dry:
        yield Measurement("pytest -m accelerator", run_tests, takes=LIMIT + 10)


def run_tests() -> Result:
    """Runs them and keeps what pytest says at the end.

    Raises:
        RuntimeError: A test fails.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-m", "accelerator", "-p", "no:cacheprovider"]
    done = subprocess.run(  # noqa: S603 (this interpreter)
        [*command, "tests/accelerator"],
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-6000:] + done.stderr[-2000:])
    return {"pytest": done.stdout.strip().splitlines()[-1]}
