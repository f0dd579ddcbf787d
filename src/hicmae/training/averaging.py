"""A moving average of the weights beside those that are trained."""

from __future__ import annotations

import warnings
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.trainer.states import TrainerFn

from hicmae.errors import ConfigError


class MovingAverage(EMAWeightAveraging):
    """Lightning's exponential moving average of the weights, for tests in the same process too.

    Validation, checkpoints and what is left after training have the averaged weights; a resumed run
    goes on with both. Lightning's own callback, which is meant for training, would also act on a
    checkpoint that is tested after it, and put the weights of the last step in place of the
    averaged ones.

    Options are those of `lightning.pytorch.callbacks.EMAWeightAveraging`.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Takes the average up.

        Raises:
            ConfigError: The strategy shards the weights, so that no process has them whole.
        """
        if stage == "fit" and trainer.strategy.restore_checkpoint_after_setup:
            raise ConfigError(
                f"A moving average of the weights cannot be kept under "
                f"{type(trainer.strategy).__name__}, which shards them: leave out trainer/ema.yaml "
                "or train with --trainer.strategy ddp."
            )
        with warnings.catch_warnings():
            # It fears sharding, which is refused above.
            warnings.filterwarnings("ignore", message=".*overrides the configure_model")
            super().setup(trainer, pl_module, stage)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Has the average validated, in training."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leaves the average in its place: only now does the task fit thresholds to its answers."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Goes back to the trained weights, which share what was fitted: averaging keeps it."""
        if trainer.state.fn == TrainerFn.FITTING and self._average_model is not None:
            super().on_validation_epoch_end(trainer, pl_module)
            fitted = self._average_model.module.buffers()
            for trained, average in zip(pl_module.buffers(), fitted, strict=True):
                trained.copy_(average)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Restores both weights of a run that goes on; else the average is the model's already."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
