"""One fold of a cross-validation as a process of its own, which goes on where it was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hicmae.errors import ConfigError, HicmaeError
from hicmae.evaluation.results import METRICS_FILE, fold_folder
from hicmae.training.resuming import newest_checkpoint

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Fold(int):
    """The number of a fold, by which the ledger knows it."""

    @property
    def id(self) -> str:  # noqa: D102 (told above)
        return str(self)


@contextmanager
def locked(folder: Path) -> Iterator[tuple[int, ...]]:
    """Keeps others out of a folder.

    Where locks are inherited, which they are not on Windows, the processes of the folds hold the
    lock too, so that a fold that outlives a killed command is not started a second time beside it.

    Args:
        folder: The folder, which is made.

    Returns:
        What the processes of the folds are to inherit.

    Raises:
        ConfigError: Somebody else has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with _inherited_lock(path) if fcntl else _lock(path) as inherited:
        if inherited is None:
            raise ConfigError(
                f"{folder} is in use by another hicmae crossval or a fold that it left running; "
                "wait for it, or end it and give the command again."
            )
        yield inherited


@contextmanager
def _inherited_lock(path: Path) -> Iterator[tuple[int, ...] | None]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield None
    else:
        yield (handle,)
    finally:
        os.close(handle)


@contextmanager
def _lock(path: Path) -> Iterator[tuple[int, ...] | None]:
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield None
        return
    try:
        yield ()
    finally:
        lock.release()


def fold_command(rest: Sequence[str], folder: Path, fold: int) -> list[str]:
    """What stands behind `hicmae` to fit and test a fold, or to go on with it.

    Args:
        rest: Options of `fit` that all folds share.
        folder: Folder of the cross-validation.
        fold: The fold.
    """
    root = fold_folder(folder, fold)
    command = ["fit", *rest, f"--data.fold={fold}", f"--trainer.default_root_dir={root}"]
    return command if newest_checkpoint(root) is None else [*command, "--ckpt_path=last"]


def run_fold(rest: Sequence[str], folder: Path, fold: int, lock: tuple[int, ...]) -> Path:
    """Fits and tests a fold in a process of its own.

    A process of its own gives its memory back, and starts others for further devices itself.

    Args:
        rest: Options of `fit` that all folds share.
        folder: Folder of the cross-validation.
        fold: The fold.
        lock: What `locked` gave.

    Returns:
        The run folder with the test's results.

    Raises:
        HicmaeError: The process failed or was stopped, or it left no results.
    """
    root = fold_folder(folder, fold)
    before = set(root.glob(f"**/{METRICS_FILE}"))
    process = subprocess.Popen(  # noqa: S603 (this program itself)
        [sys.executable, "-m", "hicmae.cli", *fold_command(rest, folder, fold)], pass_fds=lock
    )
    with _passing_on_sigterm(process):
        try:
            status = process.wait()
        except KeyboardInterrupt:
            process.wait()  # it was told to stop as well, and stops in order
            raise
    if status:
        raise HicmaeError(
            f"Fold {fold} ended with status {status}; what is done so far is kept in {folder}, and "
            "the same command goes on from there."
        )
    finished = set(root.glob(f"**/{METRICS_FILE}")) - before
    if not finished:
        raise HicmaeError(
            f"Fold {fold} ended without test results in {root}; if it was stopped, give the same "
            "command again, else leave out the options that turn checkpoints or tests off."
        )
    return finished.pop().parent


@contextmanager
def _passing_on_sigterm(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Lets a fold save its state when this process is told to end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
