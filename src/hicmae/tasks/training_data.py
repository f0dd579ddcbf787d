"""What a task asks of the data module that it is trained on; one's own may leave parts out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from lightning.pytorch import Trainer

from hicmae.data.options import ClipOptions, InputSettings
from hicmae.errors import ConfigError


@runtime_checkable
class ScheduledData(Protocol):
    """What the learning rate and its schedule depend on.

    Attributes:
        batch_size: Clips per batch and device.
    """

    batch_size: int

    def steps_per_epoch(self, world_size: int) -> int:
        """Training batches of one process in one epoch, of so many processes."""


@runtime_checkable
class RepeatedData(Protocol):
    """Data of which a batch holds every clip several times.

    Attributes:
        repeats: How often.
    """

    repeats: int


@runtime_checkable
class ReadData(Protocol):
    """Data that is read from clips.

    Attributes:
        clip_options: How.
    """

    clip_options: ClipOptions


@runtime_checkable
class DescribedData(Protocol):
    """Data that tells what belongs into the description of a model trained on it."""

    def describe_inputs(self) -> InputSettings:
        """How clips become a model's input."""

    def describe_training(self) -> Mapping[str, Any]:
        """Which clips are learned from, in plain values by name."""


def data_of(trainer: Trainer) -> object:
    """The data module of a run; None where the trainer was given loaders alone."""
    return trainer.datamodule  # type: ignore[attr-defined]


def scheduled_data(trainer: Trainer) -> ScheduledData:
    """The data module of a run, by which the learning rate is scheduled.

    Raises:
        ConfigError: It lacks something that the schedule needs.
    """
    data = data_of(trainer)
    if not isinstance(data, ScheduledData):
        given = "there is none" if data is None else f"{type(data).__name__} has not both"
        raise ConfigError(
            "The learning rate is scheduled by batch_size and steps_per_epoch(world_size) of the "
            f"data module, but {given}: train with one such as those of hicmae.data.datamodules."
        )
    return data


def clips_per_batch(data: ScheduledData) -> int:
    """Clips that one process trains on in one batch, each counted as often as it is shown."""
    return data.batch_size * (data.repeats if isinstance(data, RepeatedData) else 1)
