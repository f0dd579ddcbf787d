"""What all tasks share: optimisation, reproducible randomness, several devices, stops."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities import rank_zero_info
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from hicmae.data.batches import Batch
from hicmae.data.options import InputSettings
from hicmae.errors import ConfigError
from hicmae.loops import batches_begun
from hicmae.models import Architecture, ArchitectureChanges
from hicmae.tasks.finiteness import LossWatch
from hicmae.tasks.optimisation import LearningRate, parameter_groups, warmup_cosine
from hicmae.tasks.parallel import checkpoint_activations, keep_gathered, shard
from hicmae.tasks.senses import check_senses
from hicmae.tasks.training_data import (
    DescribedData,
    clips_per_batch,
    data_of,
    scheduled_data,
)
from hicmae.weights.description import DESCRIPTION, ModelDescription, TrainingFacts, plain
from hicmae.weights.reading import load_pretrained


class AudioVisualTask(LightningModule, ABC):
    """A training task around one of the models; see its subclasses.

    Args:
        learning_rate: Peak learning rate for a step of 256 clips; it is scaled by the clips of a
            step: batch size × processes (devices × nodes) × accumulated batches. A clip counts as
            often as `data.repeats` shows it.
        min_learning_rate: Where the cosine ends, scaled alike.
        weight_decay: Of all parameters but biases, norms, other one-dimensional ones and mask
            tokens.
        betas: Of AdamW.
        warmup_epochs: Epochs over which the learning rate rises from 0; may be a fraction.
        layer_decay: Factor of the learning rate from one layer to the one below; 1 turns it off.
        seed: Seeds stochastic depth and masks, step by step, so that a step's randomness depends on
            the seed, the process and the step alone.
        pretrained: A Lightning, public-implementation or safetensors file whose weights the model
            starts from. A resumed run takes its weights from `--ckpt_path` instead.
        activation_checkpointing: Whether to compute activations inside transformer blocks a second
            time in the backward pass instead of keeping them: about a third more computing for much
            less memory, and the same gradients.
        compile: Whether to compile the model with `torch.compile`; the first steps then take
            minutes.

    A loss that is not finite stops the run on all processes: before it reaches the weights, and on
    an accelerator a step later, before a checkpoint is written.

    Attributes:
        described_options: Options that the description of the model holds by itself, or that say
            nothing of its training.
    """

    described_options: ClassVar[frozenset[str]] = frozenset(
        {"activation_checkpointing", "compile", "pretrained"}
    )
    model: nn.Module
    architecture: Architecture

    def __init__(
        self,
        *,
        learning_rate: float,
        min_learning_rate: float = 0.0,
        weight_decay: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        warmup_epochs: float = 0.0,
        layer_decay: float = 1.0,
        seed: int = 0,
        pretrained: str | None = None,
        activation_checkpointing: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.min_learning_rate = min_learning_rate
        self.weight_decay = weight_decay
        self.betas = betas
        self.warmup_epochs = warmup_epochs
        self.layer_decay = layer_decay
        self.seed = seed
        self.pretrained = pretrained
        self.activation_checkpointing = activation_checkpointing
        self.compiled = compile
        self._step_clips: list[str] = []
        self.loss_watch = LossWatch()

    @abstractmethod
    def example_forward(self) -> None:
        """Runs the model on one blank clip, to measure it."""

    def example_clip(self) -> tuple[Tensor, Tensor]:
        """A blank clip of the model's shape: video (1, 3, T, H, W) and audio (1, 1, T', F)."""
        shape = self.architecture
        side = shape.image_size
        return (
            torch.zeros(1, 3, shape.num_frames, side, side, device=self.device),
            torch.zeros(1, 1, shape.audio_frames, shape.mel_bins, device=self.device),
        )

    def setup(self, stage: str) -> None:
        """Starts from the `pretrained` file where the strategy is about to shard the model.

        Raises:
            ConfigError: Clips may lack what the model reads.
        """
        check_senses(data_of(self.trainer), self.model)
        if stage == "fit" and self.trainer.strategy.restore_checkpoint_after_setup:
            self._start_from_pretrained()

    def configure_model(self) -> None:
        """Fits the model to the devices; called before every run, on every process."""
        if self.activation_checkpointing:
            checkpoint_activations(self.model)
        if self.device_mesh is not None:  # of a strategy that shards
            shard(self.model, self.device_mesh)

    def on_fit_start(self) -> None:
        """Starts from the `pretrained` file; by now the trainer knows whether it resumes a run."""
        if not self.trainer.strategy.restore_checkpoint_after_setup:
            self._start_from_pretrained()
        if self.compiled:
            self.model.compile()  # in place, so that the names of the weights stay

    def _start_from_pretrained(self) -> None:
        if self.pretrained and not self.trainer.ckpt_path:
            report = load_pretrained(self.model, self.pretrained)
            rank_zero_info(f"Start from {self.pretrained}: {report}.")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Describes the model; leaves out what `load_from_checkpoint` could not give back.

        Raises:
            HicmaeError: A loss was not finite, so that the weights may not be.
        """
        self.loss_watch.settle()
        options = checkpoint.get("hyper_parameters", {})
        # The command line offers the names of the data's outputs to every task.
        for name in ("class_names", "target_names", "target_kind"):
            if not hasattr(self, name):
                options.pop(name, None)
        if isinstance(options.get("architecture"), ArchitectureChanges):  # no plain value
            options["architecture"] = asdict(options["architecture"])
        data = data_of(self.trainer)
        inputs = InputSettings(frame_size=self.architecture.image_size)
        training = self._training_facts(options)
        if isinstance(data, DescribedData):
            inputs = data.describe_inputs()
            training["data"] = plain(data.describe_training())
        training["epochs"] = checkpoint["epoch"] + 1  # they are counted from 0
        training["steps"] = checkpoint["global_step"]
        description = self.describe(inputs, training)
        checkpoint[DESCRIPTION] = None if description is None else description.as_plain()

    def describe(self, inputs: InputSettings, training: TrainingFacts) -> ModelDescription | None:
        """What a checkpoint says of the model; None where none is trained to be used alone.

        Args:
            inputs: How clips become its input.
            training: What is known of its training.
        """
        return None

    def _training_facts(self, options: Mapping[str, Any]) -> TrainingFacts:
        facts: TrainingFacts = {"task": type(self).__name__}
        chosen = {
            name: plain(value)
            for name, value in options.items()
            if name not in self.described_options and name[:1] != "_" and value is not None
        }
        if chosen:
            facts["options"] = chosen
        if self.pretrained:
            facts["pretrained"] = plain(self.pretrained)
        return facts

    def on_train_start(self) -> None:
        """Forgets the losses of a run that was stopped."""
        self.loss_watch.forget()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seeds the step."""
        torch.manual_seed(self._step_seed(batches_begun(self.trainer)))
        self._step_clips = list(dict.fromkeys(batch["id"]))  # windows of a clip bear its name

    def on_before_backward(self, loss: Tensor) -> None:
        """Stops all processes if the loss of one is not finite; see `LossWatch`.

        Gradients that are not finite under fp16 are another matter: its scaler skips their step.

        Raises:
            HicmaeError: A loss is not finite; names the step and the clips.
        """
        place = f"epoch {self.current_epoch}, step {self.global_step}"
        self.loss_watch.ask(loss, place, self._step_clips)

    def on_train_epoch_end(self) -> None:
        """Stops all processes if the last loss of one was not finite."""
        self.loss_watch.settle()

    def on_validation_start(self) -> None:
        """Has weights whole while processes may differ in their number of batches."""
        self.loss_watch.settle()
        keep_gathered(self.model, gathered=True)

    def on_validation_end(self) -> None:
        """Shards the weights again, where they were."""
        keep_gathered(self.model, gathered=False)

    def on_test_start(self) -> None:
        """The same as for validation."""
        keep_gathered(self.model, gathered=True)

    def on_predict_start(self) -> None:
        """The same as for validation."""
        keep_gathered(self.model, gathered=True)

    def generator(self, *parts: int) -> torch.Generator:
        """A generator on the model's device, seeded from the task's seed and further numbers."""
        return torch.Generator(self.device).manual_seed(self._step_seed(*parts))

    def _step_seed(self, *parts: int) -> int:
        seed = self.seed
        for part in (self.global_rank, *parts):
            # Large odd multiplier: neighbouring steps and processes get unrelated seeds.
            seed = (seed * 6364136223846793005 + part + 1) % 2**63
        return seed

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW in layer-wise groups with a stepwise warm-up and cosine."""
        steps_per_epoch, total_steps = self._optimiser_steps()
        rate = LearningRate(
            self.learning_rate,
            clips_per_batch=clips_per_batch(scheduled_data(self.trainer)),
            processes=self.trainer.world_size,
            accumulated=self.trainer.accumulate_grad_batches,
        )
        rank_zero_info(f"{rate}.")
        # A fused step unscales the gradients of fp16 itself, after they would have been clipped.
        clipped_fp16 = self.trainer.precision == "16-mixed" and self.trainer.gradient_clip_val
        optimiser = self.optimiser(rate.peak, fused=not clipped_fp16)

        def factor(step: int) -> float:
            return warmup_cosine(
                step,
                warmup_steps=round(self.warmup_epochs * steps_per_epoch),
                total_steps=total_steps,
                floor=self.min_learning_rate / self.learning_rate,
            )

        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": LambdaLR(optimiser, factor), "interval": "step"},
        }

    def optimiser(self, learning_rate: float, *, fused: bool = True) -> AdamW:
        """AdamW in layer-wise groups.

        Args:
            learning_rate: Of the topmost layers.
            fused: Whether a step is one pass over weights, gradients and moments, not one for each
                operation.
        """
        return AdamW(
            parameter_groups(
                self.model,
                learning_rate=learning_rate,
                weight_decay=self.weight_decay,
                layer_decay=self.layer_decay,
                depth=self.architecture.depth,
                fusion_depth=self.architecture.fusion_depth,
            ),
            betas=(self.betas[0], self.betas[1]),
            fused=fused,
        )

    def _optimiser_steps(self) -> tuple[int, int]:
        """Optimiser steps of an epoch and of the run.

        They are counted from the data module. Asking the trainer for its estimate would build the
        training loader early, which drops the state of a resumed one.
        """
        trainer = self.trainer
        batches = scheduled_data(trainer).steps_per_epoch(trainer.world_size)
        limit = trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        steps_per_epoch = max(math.ceil(batches / trainer.accumulate_grad_batches), 1)
        totals = []
        if trainer.max_epochs is not None and trainer.max_epochs > 0:
            totals.append(trainer.max_epochs * steps_per_epoch)
        if trainer.max_steps > 0:
            totals.append(trainer.max_steps)
        if not totals:
            raise ConfigError(
                "The learning-rate schedule needs an end: set --trainer.max_epochs or "
                "--trainer.max_steps."
            )
        return steps_per_epoch, min(totals)

    def log_losses(self, losses: dict[str, Tensor], stage: str, batch_size: int) -> None:
        """Logs losses under `stage/name`; the total also in the progress bar."""
        for name, loss in losses.items():
            self.log(
                f"{stage}/{name}",
                loss,
                batch_size=batch_size,
                prog_bar=name == "loss",
                on_step=stage == "train",
                on_epoch=True,
                sync_dist=stage != "train",  # every step of all processes would wait for it
            )


def empty(batch: Batch) -> bool:
    """Whether all clips of a batch were skipped."""
    return not len(batch["id"])
