"""From decoded clips to the tensors that a model reads, on batches, on the device."""

from typing import cast

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from hicmae.data.augmentation import Augmentation, resize
from hicmae.data.batches import Batch, RawBatch
from hicmae.data.filter_bank import FilterBank
from hicmae.errors import ConfigError
from hicmae.media.colour import rgb_from_planes
from hicmae.media.normalisation import IMAGENET_MEAN, IMAGENET_STD

_RAW = ("frames", "rgb_matrix", "waveform", "waveform_length")


class BatchPreprocessor(nn.Module):
    """Resizes and normalises frames and turns waveforms into spectrograms.

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
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

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
        frames, waveform = batch["frames"], batch["waveform"]
        size = frames.shape[:2]
        augmentation = self.augmentation if augment else None
        clips = frames.flatten(0, 1)
        if "rgb_matrix" in batch:
            matrices = batch["rgb_matrix"].repeat_interleave(size[1], 0)
            clips = rgb_from_planes(clips, matrices)
        else:
            clips = channels_first(clips)
        video = self._video(clips, augmentation).unflatten(0, size)
        lengths = batch["waveform_length"].flatten()
        audio = self._audio(waveform.flatten(0, 1), lengths, augmentation).unflatten(0, size)
        rest = {name: value for name, value in batch.items() if name not in _RAW}
        ready = cast("Batch", {**rest, "video": video, "audio": audio})
        if augmentation is not None:
            ready = augmentation.mixed(ready)
        kind = waveform.dtype
        return {**ready, "video": ready["video"].to(kind), "audio": ready["audio"].to(kind)}

    def _video(self, frames: Tensor, augmentation: Augmentation | None) -> Tensor:
        """uint8 (N, T, 3, H, W) to normalised (N, 3, T, S, S)."""
        if augmentation is None:
            side = round(self.crop_pct * frames.shape[-1])
            centre = v2.functional.center_crop(frames.flatten(0, 1), [side, side])
            clips = resize(centre.float().div_(255), self.image_size)
            clips = clips.unflatten(0, frames.shape[:2])
        else:
            clips = augmentation.frames(frames, self.image_size)
        clips = clips.sub(self.mean).div_(self.std)
        if augmentation is not None:
            clips = augmentation.normalised(clips)
        return clips.transpose(1, 2).contiguous()

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
        spectrogram: Tensor = self.filter_bank(waveform, lengths)
        return spectrogram if augmentation is None else augmentation.spectrogram(spectrogram)


def channels_first(frames: Tensor) -> Tensor:
    """Decoded pictures (N, T, H, W, 3) as (N, T, 3, H, W)."""
    # Moving bytes, and only then turning them into floats, is several times as fast on a CPU.
    return frames.permute(0, 1, 4, 2, 3).contiguous()
