"""From decoded clips to the tensors that a model reads, on batches, on the device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import Tensor, nn

from hicmae.data.batches import Batch, PreparedBatch, RawBatch
from hicmae.data.cropping import cut, resize
from hicmae.data.filter_bank import FilterBank
from hicmae.errors import ConfigError
from hicmae.media.colour import rgb_from_planes
from hicmae.media.normalisation import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:  # recognition augments nothing, and its libraries take seconds
    from hicmae.data.augmentation import Augmentation

_ALIGNMENT = 64
_RAW = ("frames", "rgb_matrix", "waveform", "waveform_length")


class BatchPreprocessor(nn.Module):
    """Resizes and normalises frames and turns waveforms into spectrograms.

    It does so in two halves, so that processes that read clips can do the first: `prepare` keeps
    pictures as bytes where it can, and `finish` makes of them the four times as many that a model
    reads.

    Args:
        image_size: Side S of the model's frames.
        audio_frames: Time steps F of the spectrogram, 10 ms each.
        mel_bins: Frequencies M of the spectrogram.
        crop_pct: Central part of the frame's side that is kept where nothing augments, in (0, 1].
        augmentation: What training clips go through.
    """

    def __init__(
        self,
        *,
        image_size: int = 160,
        audio_frames: int = 256,
        mel_bins: int = 128,
        crop_pct: float = 1.0,
        augmentation: Augmentation | None = None,
    ) -> None:
        super().__init__()
        if not 0 < crop_pct <= 1:
            raise ConfigError(f"data.crop_pct is {crop_pct}; give a number in (0, 1].")
        self.image_size = image_size
        self.crop_pct = crop_pct
        self.filter_bank = FilterBank(num_frames=audio_frames, num_mel_bins=mel_bins)
        self.spectrogram_shape = (1, audio_frames, mel_bins)
        self.augmentation = augmentation
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1, 1), persistent=False)

    def forward(self, batch: RawBatch, *, augment: bool = False) -> Batch:
        """Adds `video` and `audio` to a batch and takes the raw clips out.

        The result has the type of the incoming waveform, which a trainer in true half or double
        precision has converted; it is computed in single precision at least.

        Args:
            batch: `frames` uint8 (B, V, T, H, W, 3), or planes (B, V, T, 3 · S / 2, S) with
                `rgb_matrix` (B, 3, 4); `waveform` (B, V, L) and `waveform_length` (B, V), with
                whatever else; B may be 0.
            augment: Whether the clips go through the augmentation.

        Returns:
            A new batch with `video` (B, V, 3, T, S, S), ImageNet-normalised, and `audio`
            (B, V, 1, F, M) in their place. Where the augmentation mixes clips, `target` is a
            `MixedTarget`.
        """
        return self.finish(self.prepare(batch, augment=augment), augment=augment)

    def prepare(self, batch: RawBatch, *, augment: bool = False) -> PreparedBatch:
        """The first half of `forward`: cut pictures, and spectrograms."""
        frames, waveform = batch["frames"], batch["waveform"]
        size = frames.shape[:2]
        augmentation = self.augmentation if augment else None
        matrices = batch.get("rgb_matrix")
        if matrices is not None:
            matrices = matrices.float().repeat_interleave(size[1], 0)
        pictures = self._pictures(frames.flatten(0, 1), matrices, augmentation)
        lengths = batch["waveform_length"].flatten()
        audio = self._audio(waveform.flatten(0, 1), lengths, augmentation).to(waveform.dtype)
        rest = {name: value for name, value in batch.items() if name not in _RAW}
        halfway = {"pictures": pictures.unflatten(0, size), "audio": audio.unflatten(0, size)}
        return cast("PreparedBatch", {**rest, **halfway})

    def finish(self, batch: PreparedBatch, *, augment: bool = False) -> Batch:
        """The second half of `forward`: normalised floats, erased and mixed."""
        pictures, audio = batch["pictures"], batch["audio"]
        kind = audio.dtype
        size = pictures.shape[:2]
        augmentation = self.augmentation if augment else None
        clips = pictures.flatten(0, 1)
        video = _memory(self._video_shape(clips), clips.device)
        parts = _at_once(clips)
        for part, out in zip(clips.split(parts), video.split(parts), strict=True):
            self._fill(out, part)
        if augmentation is not None:
            frames_first = augmentation.normalised(video.transpose(1, 2))
            video = frames_first.transpose(1, 2).contiguous()
            audio = audio if kind == torch.float64 else audio.float()
        rest = {name: value for name, value in batch.items() if name != "pictures"}
        ready = cast("Batch", {**rest, "video": video.unflatten(0, size), "audio": audio})
        if augmentation is not None:
            ready = augmentation.mixed(ready)
        return {**ready, "video": ready["video"].to(kind), "audio": ready["audio"].to(kind)}

    def _pictures(
        self, frames: Tensor, matrices: Tensor | None, augmentation: Augmentation | None
    ) -> Tensor:
        """Clips as they are read to what is kept of them, (N, T, 3, S', S').

        S' is S where they are augmented. They are bytes, or floats from 0 to 1.
        """
        width = frames.shape[3]
        height = frames.shape[2] if matrices is None else width
        crops = None if augmentation is None else augmentation.crops(len(frames), height, width)
        if crops is not None:
            return cut(frames, matrices, crops, self.image_size)
        pictures = frames.movedim(-1, 2) if matrices is None else rgb_from_planes(frames, matrices)
        if augmentation is None:
            return self._centre(pictures)
        return augmentation.frames(pictures, self.image_size)

    def _centre(self, pictures: Tensor) -> Tensor:
        """The part (N, T, 3, S', S') that evaluation keeps."""
        side = round(self.crop_pct * pictures.shape[-1])
        top, left = (round((length - side) / 2) for length in pictures.shape[-2:])
        return pictures[..., top : top + side, left : left + side]

    def _video_shape(self, pictures: Tensor) -> tuple[int, ...]:
        """(N, 3, T, S, S), for pictures (N, T, 3, S', S')."""
        clips, frames = pictures.shape[:2]
        return clips, 3, frames, self.image_size, self.image_size

    def _fill(self, video: Tensor, pictures: Tensor) -> Tensor:
        """Bytes, or floats from 0 to 1, (N, T, 3, S', S') as normalised video (N, 3, T, S, S)."""
        levels = 1 if pictures.is_floating_point() else 255
        if pictures.shape[-1] != self.image_size:
            resized = resize(pictures.flatten(0, 1).float().div_(levels), self.image_size)
            pictures, levels = resized.unflatten(0, pictures.shape[:2]), 1
        video.copy_(pictures.movedim(2, 1))
        return video.mul_(1 / (levels * self.std)).sub_(self.mean / self.std)

    def _audio(
        self, waveform: Tensor, lengths: Tensor, augmentation: Augmentation | None
    ) -> Tensor:
        """(N, L) to (N, 1, F, M)."""
        if waveform.dtype != torch.float64:
            waveform = waveform.float()
        if not len(waveform):
            return waveform.new_empty((0, *self.spectrogram_shape))
        if augmentation is not None:
            waveform = augmentation.waveform(waveform, lengths)
        parts = zip(*(part.split(_at_once(part)) for part in (waveform, lengths)), strict=True)
        spectrogram = torch.cat([self.filter_bank(*part) for part in parts])
        return spectrogram if augmentation is None else augmentation.spectrogram(spectrogram)


def _at_once(clips: Tensor) -> int:
    """How many clips are worked on together."""
    # What lies between the steps of one clip stays in the cache of a processor.
    return 1 if clips.device.type == "cpu" else max(len(clips), 1)


def _memory(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Single precision, not yet written."""
    if device.type != "cpu":
        return torch.empty(shape, device=device)
    # To get a batch's worth of memory in small pages takes longer than to write it. NumPy asks for
    # large ones; sums depend on where rows begin, which is where PyTorch would let them.
    size = 4 * math.prod(shape)
    spacious = np.empty(size + _ALIGNMENT, np.uint8)
    begin = -spacious.ctypes.data % _ALIGNMENT
    return torch.from_numpy(spacious[begin : begin + size]).view(torch.float32).view(shape)
