"""Runs of the command line in processes of their own, which end themselves at a chosen moment."""

import multiprocessing
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Literal

import pytest
import wandb
from lightning.pytorch import Callback

from hicmae.cli import main
from hicmae.workers import preload

Moment = Literal["train_batch_start", "train_batch_end", "validation_batch_end"]

# Seconds that a run of these may take; the longest takes a tenth of it.
LONGEST = 200

# Its processes, and those that they start in turn, begin with everything imported.
preload("hicmae.cli", "hicmae.training.commands", "hicmae.data.datamodules", "hicmae.tasks")
_CONTEXT = multiprocessing.get_context("forkserver")


class SendSignal(Callback):
    """Sends a signal to its own process.

    Args:
        number: Of the signal.
        batch: Training batches of this process, from 1, at whose moment it is sent.
        moment: In that batch, or in the first of the validation that follows.
    """

    def __init__(self, number: int, batch: int, moment: Moment = "train_batch_start") -> None:
        self.number = number
        self.batch = batch
        self.moment = moment
        self.seen = 0

    def _arrive(self, moment: Moment) -> None:
        if moment == self.moment and self.seen == self.batch:
            self.seen += 1
            os.kill(os.getpid(), self.number)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen += 1
        self._arrive("train_batch_start")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self._arrive("train_batch_end")

    def on_validation_batch_end(self, *arguments):
        self._arrive("validation_batch_end")


def _run(arguments, folder, environment, file_size):
    os.chdir(folder)
    os.environ.update(environment)
    # What workers of clips leave to their parent.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # A service that a test in the parent process began writes relative to that one's folder.
    os.environ.pop("WANDB_SERVICE", None)
    output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    sys.argv = ["hicmae"]
    # As in a program of its own. Loaders' workers of a forkserver outlive one that is killed.
    multiprocessing.set_start_method("fork", force=True)
    try:
        main(arguments)
    finally:
        wandb.finish()  # which it does by itself at the end of a program, but not of these


def in_a_process(
    arguments: list[str],
    folder: Path,
    *,
    environment: dict[str, str] | None = None,
    file_size: int | None = None,
) -> tuple[int, str]:
    """Runs `hicmae` with some arguments in a folder.

    Args:
        arguments: What stands behind `hicmae`.
        folder: The current folder of the process.
        environment: Further variables.
        file_size: Bytes beyond which no file can grow, as on a full disk.

    Returns:
        The exit status, negative for the signal that ended it, and what it printed.
    """
    settings = {"COLUMNS": "200", "WANDB_MODE": "offline"} | (environment or {})
    process = _CONTEXT.Process(target=_run, args=(arguments, folder, settings, file_size))
    process.start()
    process.join(LONGEST)
    if process.is_alive():
        process.kill()
        process.join(LONGEST)
        pytest.fail(f"hicmae {arguments[0]} had not ended after {LONGEST} s")
    return process.exitcode, (folder / "output.txt").read_text()
