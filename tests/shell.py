"""Commands as a shell runs them, and programs in processes of their own."""

import os
import subprocess
import sys

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
