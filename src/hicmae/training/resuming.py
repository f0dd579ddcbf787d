"""What lets a run that was stopped at any step go on as if it had not been.

Which clips come next, their views, augmentation, masks and dropped paths follow from the seed, the
epoch and the place within it, so that a checkpoint needs no random state: it needs the right place.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException

from hicmae.errors import CheckpointError
from hicmae.files import whole_file
from hicmae.loops import log_at_optimiser_steps, set_place

log = logging.getLogger(__name__)

# The names that Lightning gives: of the last checkpoint of a run, of a second callback's, and of
# that of a job that SLURM took off its machine.
_LAST = re.compile(r"last(-v\d+)?\.ckpt|hpc_ckpt_\d+\.ckpt")


def newest_checkpoint(folder: str | Path) -> Path | None:
    """The `last.ckpt` that was written last in a folder and those below it; None without any."""
    found = [path for path in Path(folder).rglob("*.ckpt") if _LAST.fullmatch(path.name)]
    return max(found, key=lambda path: (path.stat().st_mtime_ns, str(path)), default=None)


class AtomicCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there once it is on the disk.

    Lightning's own way collects it in the system's temporary folder, from where it is copied if
    that is another disk: whoever stops the copy leaves a file that looks like a checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Writes a checkpoint; an older one of that name stays whole until the new one is.

        Raises:
            CheckpointError: The disk is full or the folder cannot be written.
        """
        if "://" in str(path):  # a store in the network, where files appear whole or not at all
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        try:
            with whole_file(Path(path)) as part, part.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
        except (OSError, RuntimeError) as error:
            reason = _reason(error)
            if reason is None:
                raise
            raise CheckpointError(
                f"{path} could not be written ({reason}): make room or choose another "
                "--trainer.default_root_dir, then go on from the last checkpoint with "
                "--ckpt_path last."
            ) from error


def _reason(error: BaseException) -> str | None:
    """What the system said; torch raises errors of its own on top of it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    return None if cause is None else cause.strerror


class LastCheckpoint(ModelCheckpoint):
    """Writes `last.ckpt` after every epoch.

    Lightning's `save_last` writes it only when its callback writes another one too, such as when
    the score has risen. This callback stands beside those of a config, which
    need no `save_last` of their own: two would write `last-v1.ckpt` too.

    Where the score by which a checkpoint is chosen was never a number, as the correlation of one
    clip, the last one takes the place of the best.
    """

    def __init__(self) -> None:
        super().__init__(
            filename="last", save_on_train_epoch_end=True, enable_version_counter=False
        )

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says so where no checkpoint could be chosen."""
        last = Path(self.best_model_path)
        if not last.is_file():
            return
        for callback in trainer.checkpoint_callbacks:
            if not isinstance(callback, ModelCheckpoint) or callback.monitor is None:
                continue
            score, best = callback.best_model_score, Path(callback.best_model_path)
            if score is None or score.isfinite() or not best.is_file():
                continue
            if trainer.is_global_zero:
                with whole_file(best) as part:
                    shutil.copyfile(last, part)
                log.warning(
                    "%s was never a number (as that of too few clips is), so that no epoch could "
                    "be chosen by it: %s holds the last one.",
                    callback.monitor,
                    best.name,
                )
            trainer.strategy.barrier("the last checkpoint is the best")


class ExactResume(Callback):
    """Makes a resumed run equal an uninterrupted one, and saves before the machine is taken away.

    - SIGTERM ends the run after the step in progress and writes `last.ckpt` first. What Lightning
      does on SLURM's signal (save, put the job back into the queue) waits for the end of the step,
      since in the middle of it some weights are new and some old.
    - A checkpoint from within an accumulated batch goes back to the last optimiser step, as the
      gradients are not in it.
    - A checkpoint from between the last batch of an epoch and the end of its validation leads to
      that validation, in full.
    - The best checkpoints of the run stay the ones to beat, though a resumed run has a new folder.
    """

    def __init__(self) -> None:
        self._postponed: Callable[[], None] | None = None
        self._resumed = False

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Sets the place within the run and the folder of the best checkpoints."""
        if trainer.state.fn != TrainerFn.FITTING:
            return
        for callback in trainer.checkpoint_callbacks:
            state = checkpoint.get("callbacks", {}).get(callback.state_key)
            if state is not None and isinstance(callback, ModelCheckpoint):
                state["dirpath"] = callback.dirpath  # Lightning forgets the scores of another one
        set_place(trainer, checkpoint)
        self._resumed = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Postpones what is to happen on SLURM's signal."""
        number_of_signal = getattr(signal, "SIGUSR1", None)  # Windows has none
        if number_of_signal is None:
            return
        act = signal.getsignal(number_of_signal)
        if not callable(act) or threading.current_thread() is not threading.main_thread():
            return

        def postpone(number: int, frame: Any) -> None:
            if trainer.training:
                self._postponed = lambda: act(number, frame)
            else:  # while measuring, no weight changes
                act(number, frame)

        signal.signal(number_of_signal, postpone)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Lets logs go on at the step of the optimiser."""
        if self._resumed:
            self._resumed = False
            log_at_optimiser_steps(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Does what was postponed."""
        if self._postponed is not None:
            postponed, self._postponed = self._postponed, None
            postponed()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Saves on SIGTERM."""
        if not isinstance(exception, SIGTERMException) or trainer.state.fn != TrainerFn.FITTING:
            return
        folder = getattr(trainer.checkpoint_callback, "dirpath", None)
        if folder is None:
            folder = Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints"
        path = Path(folder) / "last.ckpt"
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            log.warning(
                "Stopped by SIGTERM after %d steps; the same command with --ckpt_path %s goes on.",
                trainer.global_step,
                path,
            )
