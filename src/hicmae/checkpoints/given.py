"""What the owner of a model says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hicmae.choices import Activation, FusionOrder


@dataclass(frozen=True)
class GivenFacts:
    """What the shapes of tensors do not tell of a model; left out, it is the published value.

    Attributes:
        classes: Names of the classes, in the order of the head's rows.
        targets: Names of the regressed values, in the order of the head's rows.
        activation: What regressed values go through: none.
        heads: Attention heads: 4, 6 or 8 by the published widths 256, 384 and 512.
        decoder_heads: Attention heads of the decoders, likewise.
        skip_layers: Layers that feed the decoders, counted from 1: 4 7 10.
        contrast_layers: Layers contrasted in pre-training, counted from 1: 4 7 10.
        fusion_order: First in a layer of the fusion encoder: cross_then_self.
        image_size: Height and width of a frame in pixels: 160.
        num_frames: Frames of a clip: 16.
        audio_frames: Rows of the spectrogram, of 10 ms each: 256.
        mel_bins: Columns of the spectrogram: 128.
        stride: Distance between the frames of a window, in frames of the clip: 4.
        frame_size: Side in pixels to which the picture is decoded: image_size.
        crop_pct: Central part of that side which is kept, in (0, 1]: 1.0.
    """

    classes: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    activation: Activation | None = None
    heads: int | None = None
    decoder_heads: int | None = None
    skip_layers: Sequence[int] | None = None
    contrast_layers: Sequence[int] | None = None
    fusion_order: FusionOrder | None = None
    image_size: int | None = None
    num_frames: int | None = None
    audio_frames: int | None = None
    mel_bins: int | None = None
    stride: int | None = None
    frame_size: int | None = None
    crop_pct: float | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Options that are not left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}
