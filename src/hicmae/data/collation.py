"""Clips put together into batches, and what is prepared of them in the process that reads them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from hicmae.data.batches import ClipItem, PreparedBatch, RawBatch
from hicmae.data.preprocessing import BatchPreprocessor

_STACKED: tuple[Literal["frames", "rgb_matrix", "target"], ...] = ("frames", "rgb_matrix", "target")


def collate(items: Sequence[ClipItem]) -> RawBatch:
    """Puts clips together."""
    read = [item for item in items if "skipped" not in item]
    skipped = [(item["id"], item["skipped"]) for item in items if "skipped" in item]
    batch: RawBatch = {
        "id": [item["id"] for item in read],
        "index": torch.tensor([item["index"] for item in read], dtype=torch.int64),
        "skipped": skipped,
    }
    if "group" in items[0]:
        batch["group"] = [item["group"] for item in read]
    if read and "senses" in read[0]:
        batch["senses"] = torch.tensor([item["senses"] for item in read])
    for name in _STACKED:
        if read and name in read[0]:
            batch[name] = torch.from_numpy(np.stack([item[name] for item in read]))
        elif not read and name in items[0]["empty"]:
            batch[name] = torch.from_numpy(items[0]["empty"][name])
    views = batch["frames"].shape[1]
    lengths = [[len(waveform) for waveform in item["waveform"]] for item in read]
    batch["waveform_length"] = torch.tensor(lengths, dtype=torch.int64).reshape(len(read), views)
    longest = max((length for clip in lengths for length in clip), default=0)
    padded = np.zeros((len(read), views, longest), np.float32)
    for row, item in enumerate(read):
        for view, waveform in enumerate(item["waveform"]):
            padded[row, view, : len(waveform)] = waveform
    batch["waveform"] = torch.from_numpy(padded)
    return batch


def collate_repeats(items: Sequence[ClipItem]) -> RawBatch:
    """Puts training clips together, each of their R random views as a sample of its own.

    Returns:
        What `collate` gives for B · R clips of one view: first one view of every clip, then another
        of every clip, and so on. Mixup and cutmix mix neighbours, which so are different clips.
        Each skipped clip is told once.
    """
    read = [item for item in items if "skipped" not in item]
    repeats = len(read[0]["frames"]) if read else 0
    samples = [_only_view(item, repeat) for repeat in range(repeats) for item in read]
    return collate([*samples, *(item for item in items if "skipped" in item)])


def _only_view(item: ClipItem, view: int) -> ClipItem:
    chosen = slice(view, view + 1)
    return {**item, "frames": item["frames"][chosen], "waveform": item["waveform"][chosen]}


@contextmanager
def drawing(
    place: tuple[int, int, int, int],
    half: Literal["prepare", "finish"],
    device: torch.device | None = None,
) -> Iterator[None]:
    """Within it, random numbers depend on the place of a batch in a run alone.

    So an augmentation is the same whichever process prepares the batch and whatever it drew before,
    and the generators of a model are left as they were.

    Args:
        place: Seed, process of the training, epoch and batch of it, from 0.
        half: Of the preprocessing.
        device: Where the batch is; None is a processor.
    """
    key = [*place, 1] if half == "finish" else [*place]
    with torch.random.fork_rng(devices=[device] if device and device.type == "cuda" else []):
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))
        yield


@dataclass(frozen=True, slots=True)
class PreparingCollation:
    """Collates clips and does the first half of their preprocessing.

    Attributes:
        collate: Collates.
        preprocessor: Of this process alone, on the processor.
        augments: Whether the clips go through the augmentation.
        batch_size: Clips of a whole batch, by which its place is told.
        seed: Of the data.
        rank: This process of the training.
    """

    collate: Callable[[Sequence[ClipItem]], RawBatch]
    preprocessor: BatchPreprocessor
    augments: bool
    batch_size: int
    seed: int
    rank: int

    def __call__(self, items: Sequence[ClipItem]) -> PreparedBatch | RawBatch:
        """A prepared batch; a raw one where it is augmented and nobody counted its clips."""
        batch = self.collate(items)
        if not self.augments:
            return self.preprocessor.prepare(batch)
        if "drawn" not in items[0]:
            return batch
        epoch, place = items[0]["drawn"]
        with drawing((self.seed, self.rank, epoch, place // self.batch_size), "prepare"):
            return self.preprocessor.prepare(batch, augment=True)
