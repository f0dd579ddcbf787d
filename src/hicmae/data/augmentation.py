"""Augmentation of clips, on batches, on whatever device holds them.

One draw per clip, the same for all of its frames. The draws come from torch's global generators,
which the caller seeds. All that decides what happens is drawn on the CPU, whatever the device, so
that nothing waits for an accelerator, and goes there without waiting for what it does; noise and
masks are drawn where the clips are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torchaudio.transforms import FrequencyMasking, TimeMasking

from hicmae.data.batches import Batch
from hicmae.data.cropping import (
    Crops,
    MultiScaleCrop,
    RandomResizedCrop,
    Resizing,
    check_resizing,
    cut,
    draw_mirrored,
)
from hicmae.data.erasing import Erasing
from hicmae.data.mixing import Mixing
from hicmae.errors import ConfigError


class WaveformGain(nn.Module):
    """Multiplies each waveform by `base` + Beta(concentration, concentration).

    With the published numbers, 0.5 and 10 (reference implementation), the gain has mean 1 and
    standard deviation 0.11.

    Args:
        base: Smallest gain.
        concentration: Both parameters of the Beta distribution; larger is closer to `base` + 0.5.
    """

    def __init__(self, base: float = 0.5, concentration: float = 10.0) -> None:
        super().__init__()
        self.base = base
        self.draw = torch.distributions.Beta(concentration, concentration)

    def forward(self, waveform: Tensor) -> Tensor:
        """(N, L) to (N, L)."""
        gain = self.base + self.draw.sample((len(waveform), 1))
        return waveform * gain.to(waveform.device, waveform.dtype, non_blocking=True)


class CircularShift(nn.Module):
    """Moves each waveform in time; what leaves it at its end comes in at its start.

    The sound is then no longer that of the moment in the picture.

    Args:
        largest: Largest shift as part of the waveform's length, in [0, 1].
    """

    def __init__(self, largest: float) -> None:
        super().__init__()
        if not 0 <= largest <= 1:
            raise ConfigError(f"shift is {largest}; give a part of the waveform in [0, 1].")
        self.largest = largest

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """(N, L), of which `lengths` (N,) samples are valid, to (N, L)."""
        parts = torch.rand(len(waveform)).mul_(self.largest)
        parts = parts.to(lengths.device, non_blocking=True)
        steps = (parts * lengths).long()[:, None]
        lengths = lengths[:, None]
        place = torch.arange(waveform.shape[1], device=waveform.device)
        source = (place - steps) % lengths.clamp(min=1)
        return waveform.gather(1, source.where(place < lengths, place))


class SpectrogramMasking(nn.Module):
    """Blanks a span of time and a band of frequencies of each spectrogram (SpecAugment).

    Both are drawn per clip, from nothing to the largest, and filled with 0, the mean of normalised
    spectrograms.

    Args:
        time: Largest span in steps of 10 ms; 0 blanks none.
        frequency: Largest band in mel bins; 0 blanks none.
    """

    def __init__(self, time: int, frequency: int) -> None:
        super().__init__()
        if min(time, frequency) < 0:
            raise ConfigError(
                f"time_mask is {time} and frequency_mask is {frequency}; give numbers from 0 (off)."
            )
        self.time = TimeMasking(time, iid_masks=True)
        self.frequency = FrequencyMasking(frequency, iid_masks=True)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """(N, 1, F, M), time first, to the same."""
        masked: Tensor = self.time(self.frequency(spectrogram.mT))
        return masked.mT


class Augmentation(nn.Module, ABC):
    """What a batch of training clips goes through on its way to the model.

    The steps see the clips at successive moments; a subclass overrides those it needs, and crops to
    the size asked for.
    """

    def crops(self, count: int, height: int, width: int) -> Crops | None:
        """What is kept of clips, where nothing else becomes of their frames before normalisation.

        Args:
            count: Clips N.
            height: Of their frames, in pixels.
            width: Of their frames, in pixels.

        Returns:
            The parts, drawn anew; None leaves frames to `frames`.
        """
        del count, height, width
        return None

    @abstractmethod
    def frames(self, frames: Tensor, size: int) -> Tensor:
        """Raw frames to frames of the model's size.

        Args:
            frames: uint8 (N, T, 3, H, W), 0 to 255.
            size: Side S of the model's input.

        Returns:
            (N, T, 3, S, S): float from 0 to 1, or uint8 from 0 to 255.
        """

    def normalised(self, frames: Tensor) -> Tensor:
        """ImageNet-normalised frames (N, T, 3, S, S), before the model sees them."""
        return frames

    def waveform(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Waveforms (N, L), `lengths` (N,) samples of which are valid, before the spectrogram."""
        del lengths
        return waveform

    def spectrogram(self, spectrogram: Tensor) -> Tensor:
        """Normalised spectrograms (N, 1, F, M), time first, before the model hears them."""
        return spectrogram

    def mixed(self, batch: Batch) -> Batch:
        """The whole batch as `BatchPreprocessor` gives it, last of all."""
        return batch


class PretrainingAugmentation(Augmentation):
    """Multi-scale crop and waveform gain (method: pre-training recipe).

    Args:
        scales: Sides of the crop as parts of the frame's side, largest first, in (0, 1].
        max_distortion: How many places in `scales` height and width may lie apart.
        flip: Probability of mirroring a clip; the published recipe does not.
        gain: Smallest waveform gain; None leaves the waveform alone.
        gain_concentration: Both parameters of the Beta distribution that is added to `gain`.
        resizing: In what crops are resized: "bytes" is several times as fast on a processor and may
            differ by 1 of 255 from "floats"; "auto" is bytes on a processor and floats elsewhere.
    """

    def __init__(
        self,
        scales: Sequence[float] = (1.0, 0.875, 0.75, 0.66),
        max_distortion: int = 1,
        flip: float = 0.0,
        gain: float | None = 0.5,
        gain_concentration: float = 10.0,
        *,
        resizing: Resizing = "auto",
    ) -> None:
        super().__init__()
        self.crop = MultiScaleCrop(scales, max_distortion)
        self.flip = flip
        self.resizing = check_resizing(resizing)
        self.gain = nn.Identity() if gain is None else WaveformGain(gain, gain_concentration)

    def crops(self, count: int, height: int, width: int) -> Crops:
        """Corners and centres, perhaps mirrored; see `Augmentation.crops`."""
        boxes = self.crop.draw(count, height, width)
        return Crops(boxes, draw_mirrored(count, self.flip), self.resizing)

    def frames(self, frames: Tensor, size: int) -> Tensor:
        """Cropped, resized and perhaps mirrored; see `Augmentation.frames`."""
        crops = self.crops(len(frames), *frames.shape[-2:])
        return cut(frames.movedim(2, -1), None, crops, size)

    def waveform(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Louder or softer; see `Augmentation.waveform`."""
        del lengths
        return self.gain(waveform)


class FinetuningAugmentation(Augmentation):
    """What clips go through in fine-tuning, from RandAugment to mixup and cutmix.

    Frames go through RandAugment, a random resized crop, a flip and random erasing, the sound
    through a gain, a circular shift and masks of its spectrogram, and at last the clips of the
    batch through mixup or cutmix. The defaults are the published recipe (method: fine-tuning) for
    any kind of target; mixup and cutmix, which take classes, are off unless asked for.

    Args:
        rand_augment_set: RandAugment's operations; "increasing" ones change more the larger the
            magnitude, which not all "plain" ones do; see `RandAugment`.
        rand_augment_magnitude: Strength of RandAugment, 0 to 10.
        rand_augment_layers: Operations per clip; 0 switches RandAugment off.
        rand_augment_std: Standard deviation of the strength.
        rand_augment_probability: Probability of each operation.
        crop_scale: Smallest and largest part of the area that is kept; None resizes only.
        crop_ratio: Smallest and largest width over height of the crop.
        flip: Probability of mirroring a clip.
        erasing: Probability of erasing a rectangle.
        erasing_value: "pixel" fills with normal noise, "zero" with the mean colour.
        gain: Smallest waveform gain; None leaves the waveform alone.
        gain_concentration: Both parameters of the Beta distribution that is added to `gain`.
        shift: Largest circular shift of the waveform as part of its length, in [0, 1]. The
            reference implementation means 1 and, drawing from the wrong axis, does 0.
        time_mask: Largest span of the spectrogram that is blanked, in steps of 10 ms; 0 is none.
        frequency_mask: Largest band of the spectrogram that is blanked, in mel bins; 0 is none.
        mixup: Both parameters of the Beta distribution of mixup; 0 is no mixup.
        cutmix: Both parameters of the Beta distribution of cutmix; 0 is no cutmix.
        mix_probability: Probability of a batch to be mixed.
        mix_switch: Probability of cutmix where both are on.
        mix: Whether "both" modalities are mixed or the "video" alone; see `Mixing`.
        resizing: In what crops are resized: "bytes" is several times as fast on a processor and may
            differ by 1 of 255 from "floats"; "auto" is bytes on a processor and floats elsewhere.
    """

    def __init__(
        self,
        *,
        rand_augment_set: Literal["increasing", "plain"] = "increasing",
        rand_augment_magnitude: float = 7,
        rand_augment_layers: int = 4,
        rand_augment_std: float = 0.5,
        rand_augment_probability: float = 0.5,
        crop_scale: tuple[float, float] | None = (0.08, 1.0),
        crop_ratio: tuple[float, float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
        erasing: float = 0.25,
        erasing_value: Literal["pixel", "zero"] = "pixel",
        gain: float | None = 0.5,
        gain_concentration: float = 10.0,
        shift: float = 0.0,
        time_mask: int = 0,
        frequency_mask: int = 0,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        mix_probability: float = 1.0,
        mix_switch: float = 0.5,
        mix: Literal["both", "video"] = "both",
        resizing: Resizing = "auto",
    ) -> None:
        super().__init__()
        self.rand_augment: nn.Module | None = None
        if rand_augment_layers:
            from hicmae.data.rand_augment import RandAugment  # noqa: PLC0415 (slow import)

            self.rand_augment = RandAugment(
                rand_augment_set,
                magnitude=rand_augment_magnitude,
                std=rand_augment_std,
                layers=rand_augment_layers,
                probability=rand_augment_probability,
            )
        self.crop = None if crop_scale is None else RandomResizedCrop(crop_scale, crop_ratio)
        self.flip = flip
        self.resizing = check_resizing(resizing)
        self.erase = Erasing(erasing, erasing_value)
        self.gain = nn.Identity() if gain is None else WaveformGain(gain, gain_concentration)
        self.shift = CircularShift(shift) if shift else None
        masked = time_mask or frequency_mask
        self.masks = SpectrogramMasking(time_mask, frequency_mask) if masked else nn.Identity()
        self.mixing = (
            Mixing(
                mixup=mixup,
                cutmix=cutmix,
                probability=mix_probability,
                switch=mix_switch,
                mix=mix,
            )
            if mixup or cutmix
            else nn.Identity()
        )

    def crops(self, count: int, height: int, width: int) -> Crops | None:
        """None with RandAugment; see `Augmentation.crops`."""
        return None if self.rand_augment else self._crops(count, height, width)

    def frames(self, frames: Tensor, size: int) -> Tensor:
        """Recoloured, moved, cropped, resized, perhaps mirrored; see `Augmentation.frames`."""
        changed = self.rand_augment(frames) if self.rand_augment else frames
        crops = self._crops(len(frames), *frames.shape[-2:])
        return cut(changed.movedim(2, -1), None, crops, size)

    def _crops(self, count: int, height: int, width: int) -> Crops:
        whole = [(0, 0, height, width)] * count
        boxes = self.crop.draw(count, height, width) if self.crop else whole
        return Crops(boxes, draw_mirrored(count, self.flip), self.resizing)

    def normalised(self, frames: Tensor) -> Tensor:
        """Perhaps with a rectangle erased; see `Augmentation.normalised`."""
        return self.erase(frames)

    def waveform(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Louder or softer and perhaps moved; see `Augmentation.waveform`."""
        louder: Tensor = self.gain(waveform)
        return louder if self.shift is None else self.shift(louder, lengths)

    def spectrogram(self, spectrogram: Tensor) -> Tensor:
        """Perhaps with parts blanked; see `Augmentation.spectrogram`."""
        return self.masks(spectrogram)

    def mixed(self, batch: Batch) -> Batch:
        """Clips perhaps mixed with each other; see `Augmentation.mixed`."""
        return self.mixing(batch)
