"""A callback that ends a whole group of processes, once, in the middle of a chosen fold."""

import os
import signal
from pathlib import Path

from lightning.pytorch import Callback


class KillOnce(Callback):
    """Kills the fold and all that belong to it, if a file asks for it; removes the file first.

    Args:
        request: The file.
        fold: The fold.
        epoch: Epoch, from 0, at whose start it happens.
    """

    def __init__(self, request: str, fold: int, epoch: int) -> None:
        self.request = Path(request)
        self.fold = fold
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        here = trainer.datamodule.fold == self.fold and trainer.current_epoch == self.epoch
        if here and self.request.is_file():
            self.request.unlink()
            os.killpg(os.getpgrp(), signal.SIGKILL)
