"""What travels from clips to a task: an item, and batches from collated to preprocessed."""

from typing import Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
from torch import Tensor


class MixedTarget(NamedTuple):
    """Classes of mixed clips, before anyone has to know how many classes there are.

    Attributes:
        classes: int64 (B,), the class of each clip before mixing; or float32 (B, K), how much it
            has of each class.
        shares: float32 (B, B); row i holds the shares of all clips in the mixed clip i, which sum
            to 1.
    """

    classes: Tensor
    shares: Tensor

    def probabilities(self, num_classes: int) -> Tensor:
        """The soft target of every clip (B, K), without label smoothing."""
        # A matrix product would be rounded to half precision under autocast.
        if self.classes.is_floating_point():
            return (self.shares[..., None] * self.classes).sum(1)
        soft = self.shares.new_zeros(len(self.shares), num_classes)
        return soft.scatter_add_(1, self.classes.expand_as(self.shares), self.shares)


class ClipData(TypedDict, total=False):
    """What is read of a clip.

    Attributes:
        frames: uint8 (V, T, S, S, 3), or as planes (V, T, 3 · S / 2, S).
        rgb_matrix: Of planes, float32 (3, 4), as `hicmae.media.colour` has it.
        waveform: float32 sound of each of the V views.
        senses: Whether it is seen and whether it is heard, if clips may lack one. Frames that are
            not there are grey, and so much sound is empty.
    """

    frames: npt.NDArray[np.uint8]
    rgb_matrix: npt.NDArray[np.float32]
    waveform: list[npt.NDArray[np.float32]]
    senses: tuple[bool, bool]


class ClipItem(ClipData, total=False):
    """A clip of a data set; without the parts of `ClipData` if it could not be read.

    Attributes:
        id: Its name.
        index: Its place in the data set.
        group: What it is judged with, if any clip of the table has a group.
        target: Class index, or float32 (K,), if there are labels.
        drawn: Epoch, and where the clip comes in its process and epoch, if it came by a sampler.
        skipped: Why it was not read.
        empty: `frames`, `rgb_matrix` and `target` of no clip, if it was not read.
    """

    id: str
    index: int
    group: str | None
    target: Any
    drawn: tuple[int, int]
    skipped: str
    empty: dict[str, npt.NDArray[Any]]


class RawBatch(TypedDict, total=False):
    """Clips put together; those that were not read are in `skipped` alone, so that B may be 0.

    Attributes:
        id: Names of the B clips.
        index: int64 (B,), their places in the data set.
        skipped: Names of clips that were not read, with the reason.
        frames: uint8 (B, V, T, S, S, 3), or as planes (B, V, T, 3 · S / 2, S).
        rgb_matrix: Of planes, float32 (B, 3, 4).
        waveform: float32 (B, V, L), zero-padded.
        waveform_length: int64 (B, V).
        target: int64 (B,) or float32 (B, K), if there are labels.
        group: What each clip is judged with, if any clip of the table has a group.
        senses: Whether each clip is seen and whether it is heard, bool (B, 2), if clips may lack
            one.
    """

    id: list[str]
    index: Tensor
    skipped: list[tuple[str, str]]
    frames: Tensor
    rgb_matrix: Tensor
    waveform: Tensor
    waveform_length: Tensor
    target: Tensor
    group: list[str | None]
    senses: Tensor


class PreparedBatch(TypedDict, total=False):
    """Clips halfway between `RawBatch` and `Batch`; see there for what is not said here.

    Attributes:
        id: Names of the B clips.
        index: Their places.
        skipped: Clips that were not read.
        pictures: What is kept of each frame, (B, V, T, 3, S, S): uint8, or float from 0 to 1.
        audio: Normalised (B, V, 1, F, M).
        target: As in `RawBatch`.
        group: What each clip is judged with.
        senses: Whether each clip is seen and heard.
    """

    id: list[str]
    index: Tensor
    skipped: list[tuple[str, str]]
    pictures: Tensor
    audio: Tensor
    target: Tensor
    group: list[str | None]
    senses: Tensor


class Batch(TypedDict, total=False):
    """Clips as a model reads them; see `RawBatch` for what is not said here.

    Attributes:
        id: Names of the B clips.
        index: Their places.
        skipped: Clips that were not read.
        video: Normalised (B, V, 3, T, S, S).
        audio: Normalised (B, V, 1, F, M).
        target: int64 (B,) or float32 (B, K), soft labels float32 (B, K) or a `MixedTarget`.
        group: What each clip is judged with.
        senses: Whether each clip is seen and heard.
    """

    id: list[str]
    index: Tensor
    skipped: list[tuple[str, str]]
    video: Tensor
    audio: Tensor
    target: Tensor | MixedTarget
    group: list[str | None]
    senses: Tensor
