"""Augmentation of clips, on batches, on whatever device holds them.

One draw per clip, the same for all of its frames. The draws come from torch's global generator on
the CPU, whatever the device, so that no draw waits for an accelerator; the caller seeds it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.transforms import v2

from hicmae.errors import ConfigError
from hicmae.objectives.reconstruction import IMAGENET_MEAN


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
        return waveform * gain.to(waveform)


class MultiScaleCrop(nn.Module):
    """Cuts a rectangle from a corner or the centre and resizes it to a square.

    Height and width are scales of the frame's side, drawn among the pairs whose places in the list
    of scales differ by at most `max_distortion` (method: pre-training recipe).

    Args:
        scales: Sides of the rectangle as parts of the frame's side, largest first, in (0, 1].
        max_distortion: How many places height and width may lie apart.
    """

    def __init__(
        self, scales: Sequence[float] = (1.0, 0.875, 0.75, 0.66), max_distortion: int = 1
    ) -> None:
        super().__init__()
        if not scales or not all(0 < scale <= 1 for scale in scales):
            raise ConfigError(f"scales is {list(scales)}; give parts of the side in (0, 1].")
        self.shapes = [
            (tall, wide)
            for i, tall in enumerate(scales)
            for j, wide in enumerate(scales)
            if abs(i - j) <= max_distortion
        ]

    def forward(self, clips: Tensor, size: int) -> Tensor:
        """(N, T, 3, H, W), uint8 or float, to float (N, T, 3, size, size) of the same range."""
        height, width = clips.shape[-2:]
        cropped = clips.new_empty((*clips.shape[:3], size, size), dtype=torch.float32)
        shapes = torch.randint(len(self.shapes), (len(clips),)).tolist()
        corners = torch.randint(5, (len(clips),)).tolist()
        for clip, shape, corner, out in zip(clips, shapes, corners, cropped, strict=True):
            tall, wide = (
                int(side * scale)
                for side, scale in zip((height, width), self.shapes[shape], strict=True)
            )
            # The centre, then the corners.
            top, left = [
                ((height - tall) // 2, (width - wide) // 2),
                (0, 0),
                (0, width - wide),
                (height - tall, 0),
                (height - tall, width - wide),
            ][corner]
            out.copy_(resize(clip[..., top : top + tall, left : left + wide].float(), size))
        return cropped


class HorizontalFlip(nn.Module):
    """Mirrors a clip with a probability."""

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, clips: Tensor) -> Tensor:
        """(N, T, 3, H, W) to the same shape."""
        flipped = (torch.rand(len(clips)) < self.probability).to(clips.device)
        return torch.where(flipped[:, None, None, None, None], clips.flip(-1), clips)


def resize(frames: Tensor, size: int) -> Tensor:
    """Resizes float pictures (T, 3, H, W) to (T, 3, size, size), bilinear and anti-aliased."""
    if frames.shape[-2:] == (size, size):
        return frames
    return interpolate(frames, (size, size), mode="bilinear", antialias=True)


class Augmentation(nn.Module, ABC):
    """What a batch of training clips goes through on its way to the model.

    The three steps see the clips at three moments; a subclass overrides those it needs, and crops
    to the size asked for.
    """

    @abstractmethod
    def frames(self, frames: Tensor, size: int) -> Tensor:
        """Raw frames to frames of the model's size.

        Args:
            frames: uint8 (N, T, 3, H, W), 0 to 255.
            size: Side S of the model's input.

        Returns:
            float (N, T, 3, S, S), 0 to 1.
        """

    def normalised(self, frames: Tensor) -> Tensor:
        """ImageNet-normalised frames (N, T, 3, S, S), before the model sees them."""
        return frames

    def waveform(self, waveform: Tensor) -> Tensor:
        """Waveforms (N, L), before the spectrogram."""
        return waveform


class PretrainingAugmentation(Augmentation):
    """Multi-scale crop and waveform gain (method: pre-training recipe).

    Args:
        scales: Sides of the crop as parts of the frame's side, largest first, in (0, 1].
        max_distortion: How many places in `scales` height and width may lie apart.
        flip: Probability of mirroring a clip; the published recipe does not.
        gain: Smallest waveform gain; None leaves the waveform alone.
        gain_concentration: Both parameters of the Beta distribution that is added to `gain`.
    """

    def __init__(
        self,
        scales: Sequence[float] = (1.0, 0.875, 0.75, 0.66),
        max_distortion: int = 1,
        flip: float = 0.0,
        gain: float | None = 0.5,
        gain_concentration: float = 10.0,
    ) -> None:
        super().__init__()
        self.crop = MultiScaleCrop(scales, max_distortion)
        self.flip = HorizontalFlip(flip) if flip else nn.Identity()
        self.gain = nn.Identity() if gain is None else WaveformGain(gain, gain_concentration)

    def frames(self, frames: Tensor, size: int) -> Tensor:
        """Cropped, resized and perhaps mirrored; see `Augmentation.frames`."""
        return self.flip(self.crop(frames, size).div_(255))

    def waveform(self, waveform: Tensor) -> Tensor:
        """Louder or softer; see `Augmentation.waveform`."""
        return self.gain(waveform)


class FinetuningAugmentation(Augmentation):
    """RandAugment, random resized crop, flip, random erasing and waveform gain.

    The defaults are the published fine-tuning recipe (method: fine-tuning). RandAugment is
    pytorchvideo's; some of its operations go through the frames one by one, which takes most of
    the time spent here.

    Args:
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
    """

    def __init__(
        self,
        *,
        rand_augment_magnitude: int = 7,
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
    ) -> None:
        super().__init__()
        self.rand_augment = None
        if rand_augment_layers:
            from hicmae.data.pytorchvideo_compat import RandAugment  # noqa: PLC0415 (slow import)

            self.rand_augment = RandAugment(
                magnitude=rand_augment_magnitude,
                num_layers=rand_augment_layers,
                prob=rand_augment_probability,
                transform_hparas={"fill": IMAGENET_MEAN},
                sampling_hparas={"sampling_std": rand_augment_std},
            )
        self.crop_scale = crop_scale
        self.crop_ratio = crop_ratio
        self.flip = HorizontalFlip(flip) if flip else nn.Identity()
        self.erase = v2.RandomErasing(
            p=erasing, value="random" if erasing_value == "pixel" else 0, inplace=True
        )
        self.gain = nn.Identity() if gain is None else WaveformGain(gain, gain_concentration)

    def frames(self, frames: Tensor, size: int) -> Tensor:
        """Recoloured, cropped, resized and perhaps mirrored; see `Augmentation.frames`."""
        crop = (
            None
            if self.crop_scale is None
            else v2.RandomResizedCrop(size, self.crop_scale, self.crop_ratio, antialias=True)
        )
        clips = frames.new_empty((*frames.shape[:3], size, size), dtype=torch.float32)
        for clip, out in zip(frames, clips, strict=True):
            picture = clip.float().div_(255)
            if self.rand_augment is not None:
                picture = self.rand_augment(picture)
            out.copy_(resize(picture, size) if crop is None else crop(picture))
        return self.flip(clips)

    def normalised(self, frames: Tensor) -> Tensor:
        """Perhaps with a rectangle erased; see `Augmentation.normalised`."""
        for clip in frames:
            self.erase(clip)
        return frames

    def waveform(self, waveform: Tensor) -> Tensor:
        """Louder or softer; see `Augmentation.waveform`."""
        return self.gain(waveform)
