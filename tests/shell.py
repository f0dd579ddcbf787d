"""Commands as a shell runs them, and programs in processes of their own."""

import os
import signal
import subprocess
import sys

import pytest

from hicmae.cli import main


def tell(*arguments: object) -> int:
    """The exit status of `hicmae` with these arguments."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


def run_python(program: str, *arguments: object, **environment: str) -> str:
    """What a program prints that runs without an error, where threads wait as they usually do."""
    threads = ("OMP", "GOMP")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(threads)}
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        stdin=subprocess.DEVNULL,
        env=kept | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_to_the_end(*command: str, timeout: float) -> str:
    """What a command prints that ends in time and without an error; what it started ends with it.

    Args:
        *command: Program and arguments.
        timeout: In seconds.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate(timeout=20)
        pytest.fail(f"not done after {timeout} s:\n{said[-3000:]}")
    assert process.returncode == 0, said[-3000:]
    return said
