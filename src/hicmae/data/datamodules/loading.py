"""Loaders of clips, and where their batches are prepared."""

import copy
import warnings
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from hicmae.data.batches import Batch, PreparedBatch, RawBatch
from hicmae.data.collation import PreparingCollation, collate, collate_repeats, drawing
from hicmae.data.dataset import ClipDataset, ClipSampler
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.errors import ConfigError, check_at_least
from hicmae.loops import batch_to_come, resumed_place
from hicmae.workers import check_sockets

PrepareOn = Literal["auto", "device", "workers"]


@dataclass(frozen=True, slots=True)
class LoadingOptions:
    """How batches are loaded; see `AudioVisualDataModule`.

    Raises:
        ConfigError: An option is out of its range.
    """

    batch_size: int
    num_workers: int
    seed: int
    pin_memory: bool | None
    prefetch: int
    shuffle_block: int | None
    prepare_on: PrepareOn

    def __post_init__(self) -> None:
        check_at_least(0, "data.", num_workers=self.num_workers, seed=self.seed)
        check_at_least(1, "data.", batch_size=self.batch_size, prefetch=self.prefetch)
        check_at_least(1, "data.", shuffle_block=self.shuffle_block)
        if self.prepare_on not in get_args(PrepareOn):
            raise ConfigError(
                f"data.prepare_on is {self.prepare_on!r}; choose {', '.join(get_args(PrepareOn))}."
            )

    def prepares_in_workers(self, trainer: Trainer | None) -> bool:
        """Whether clips are prepared where they are read."""
        if self.prepare_on == "auto":
            # Beside a processor that trains, workers have cores to spare.
            unaided = trainer is not None and trainer.strategy.root_device.type == "cpu"
            return unaided and self.num_workers > 0
        return self.prepare_on == "workers"


def clip_loader(
    dataset: ClipDataset,
    options: LoadingOptions,
    preprocessor: BatchPreprocessor,
    trainer: Trainer | None,
    *,
    split: str,
    source: str,
) -> DataLoader[RawBatch]:
    """A loader of the clips of one process.

    Args:
        dataset: The clips.
        options: How they are loaded.
        preprocessor: What workers that prepare batches take a copy of.
        trainer: Whose process this is; None is a single one.
        split: That of the clips: those of "train" are shuffled, augmented, and counted anew for
            each of their windows.
        source: What the clips come from, as messages call it.

    Raises:
        ConfigError: There are fewer clips than processes.
    """
    training = split == "train"
    world_size = trainer.world_size if trainer else 1
    if 0 < len(dataset) < world_size or (training and not len(dataset)):
        raise ConfigError(
            f"{source} has {len(dataset)} {split} clips for {world_size} processes; use at most "
            f"--trainer.devices {len(dataset)}."
        )
    rank = trainer.global_rank if trainer else 0
    sampler = ClipSampler(
        len(dataset),
        num_replicas=world_size,
        rank=rank,
        shuffle=training,
        seed=options.seed,
        block=options.shuffle_block,
        done=_done(trainer, options.batch_size) if trainer and training else (0, 0),
    )
    together: Any = collate_repeats if training else collate
    if options.prepares_in_workers(trainer):
        # The one that finishes batches moves to the device; this one has to stay.
        own = copy.deepcopy(preprocessor).cpu()
        size, seed = options.batch_size, options.seed
        together = PreparingCollation(together, own, training, size, seed, rank)
    working = options.num_workers > 0
    if working:
        check_sockets()  # without them a worker says nothing, for ever
    pinned = torch.cuda.is_available() if options.pin_memory is None else options.pin_memory
    return DataLoader(
        cast("Any", dataset),
        batch_size=options.batch_size,
        sampler=cast("Any", sampler),
        num_workers=options.num_workers,
        collate_fn=together,
        pin_memory=pinned,
        drop_last=training and len(sampler) >= options.batch_size,
        persistent_workers=working,
        prefetch_factor=options.prefetch if working else None,
    )


def ready_batch(
    batch: RawBatch | PreparedBatch,
    preprocessor: BatchPreprocessor,
    trainer: Trainer | None,
    seed: int,
) -> Batch:
    """What a model reads of a batch on the device; training clips are augmented.

    Args:
        batch: As a loader gives it.
        preprocessor: On the same device.
        trainer: Whose batch it is.
        seed: With the place of the batch in the run, it draws the augmentation.
    """
    device = batch["index"].device
    if trainer is None or not trainer.training:
        halfway = batch if "pictures" in batch else preprocessor.prepare(cast("RawBatch", batch))
        return preprocessor.finish(cast("PreparedBatch", halfway))
    place = (seed, trainer.global_rank, trainer.current_epoch, batch_to_come(trainer))
    if "pictures" not in batch:
        with drawing(place, "prepare", device):
            batch = preprocessor.prepare(cast("RawBatch", batch), augment=True)
    with drawing(place, "finish", device):
        return preprocessor.finish(cast("PreparedBatch", batch), augment=True)


def _done(trainer: Trainer, batch_size: int) -> tuple[int, int]:
    """The epoch in which a run is resumed and the clips of this process it has behind it."""
    epoch, batches = resumed_place(trainer)
    if batches:
        # Lightning cannot see that the sampler goes on where the checkpoint was written.
        warnings.filterwarnings("ignore", message=".*your dataloader is not resumable")
    return epoch, batches * batch_size
