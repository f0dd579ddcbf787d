"""The shape of a model and the three published sizes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

from hicmae.choices import FusionOrder
from hicmae.errors import ConfigError, check_at_least

Size = Literal["tiny", "small", "base"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Everything that fixes the shape of a pre-training or recognition model.

    Layers are counted from one, as in the paper; -1 is the last, -2 the one before it.

    Attributes:
        width: Width of the encoders' tokens, C.
        heads: Attention heads of encoders and fusion encoder; must divide `width`.
        depth: Layers of each modality's encoder.
        fusion_depth: Layers of the fusion encoder; with 0 only its norms are left, and no modality
            sees the other.
        fusion_order: What comes first in a layer of the fusion encoder: reading the other modality
            (as published) or attention within the own one. Both have the same parameters, so a
            file of weights does not tell which it was trained with.
        mlp_ratio: Hidden width of every MLP in units of its block's width.
        decoder_width: Width of the decoders' tokens, D.
        decoder_heads: Attention heads of the decoders; must divide `decoder_width`.
        decoder_depth: Layers of each decoder. One layer per skip connection is a cross block;
            the others are self-attention blocks and come first.
        skip_layers: Encoder layers that feed the decoder through hierarchical skip connections. A
            layer may be named several times: [-1, -1, -1] keeps three cross blocks, all of which
            read the last layer. Without any, the decoder has self-attention blocks alone and sees
            of the encoders what went through the fusion encoder.
        contrast_layers: Encoder layers contrasted between the modalities; without any there is no
            contrast.
        image_size: Height and width of a frame in pixels.
        num_frames: Frames of a clip.
        tubelet_size: Frames of one video token.
        patch_size: Height and width of a video token in pixels, and the side of an audio token.
        audio_frames: Rows of the spectrogram (10 ms each).
        mel_bins: Columns of the spectrogram.
    """

    width: int = 512
    heads: int = 8
    depth: int = 10
    fusion_depth: int = 2
    fusion_order: FusionOrder = "cross_then_self"
    mlp_ratio: float = 4.0
    decoder_width: int = 384
    decoder_heads: int = 6
    decoder_depth: int = 4
    skip_layers: tuple[int, ...] = (4, 7, 10)
    contrast_layers: tuple[int, ...] = (4, 7, 10)
    image_size: int = 160
    num_frames: int = 16
    tubelet_size: int = 2
    patch_size: int = 16
    audio_frames: int = 256
    mel_bins: int = 128

    def __post_init__(self) -> None:
        check_at_least(1, depth=self.depth)
        check_at_least(0, fusion_depth=self.fusion_depth)
        orders = get_args(FusionOrder)
        if self.fusion_order not in orders:
            raise ConfigError(
                f"There is no fusion_order '{self.fusion_order}': choose {' or '.join(orders)}."
            )
        _require_division(self.width, self.heads, "width", "heads")
        _require_division(self.decoder_width, self.decoder_heads, "decoder_width", "decoder_heads")
        _require_division(self.num_frames, self.tubelet_size, "num_frames", "tubelet_size")
        for extent in ("image_size", "audio_frames", "mel_bins"):
            _require_division(getattr(self, extent), self.patch_size, extent, "patch_size")
        for option in ("skip_layers", "contrast_layers"):
            layers = (
                layer if layer >= 0 else self.depth + 1 + layer for layer in getattr(self, option)
            )
            object.__setattr__(self, option, tuple(sorted(layers)))

    @property
    def video_grid(self) -> tuple[int, int, int]:
        """Video tokens along time, height and width."""
        side = self.image_size // self.patch_size
        return self.num_frames // self.tubelet_size, side, side

    @property
    def audio_grid(self) -> tuple[int, int]:
        """Audio tokens along time and frequency."""
        return self.audio_frames // self.patch_size, self.mel_bins // self.patch_size

    def check_pretraining(self) -> None:
        """Checks what pre-training asks for beyond recognition.

        Raises:
            ConfigError: A tapped layer does not exist, one is contrasted twice, or the decoder has
                too few layers.
        """
        for option in ("skip_layers", "contrast_layers"):
            layers = getattr(self, option)
            if any(not 1 <= layer <= self.depth for layer in layers):
                raise ConfigError(
                    f"{option} {list(layers)} names layers outside 1 to {self.depth}: "
                    f"choose layers of the encoder, or raise depth."
                )
        if len(set(self.contrast_layers)) < len(self.contrast_layers):
            raise ConfigError(
                f"contrast_layers {list(self.contrast_layers)} names a layer twice: name each once."
            )
        if len(self.skip_layers) >= self.decoder_depth:
            raise ConfigError(
                f"decoder_depth {self.decoder_depth} leaves no room for {len(self.skip_layers)} "
                f"skip_layers: it must be at least {len(self.skip_layers) + 1}."
            )

    @classmethod
    def of_size(
        cls,
        size: Size,
        changes: ArchitectureChanges | Mapping[str, Any] | None = None,
        **fields_changed: Any,
    ) -> Architecture:
        """The published architecture of a size, with single fields changed.

        Args:
            size: "tiny", "small" or "base".
            changes: Fields that differ; a mapping is what checkpoints keep of them.
            **fields_changed: The same by name, which come first. None leaves a field as it is.

        Raises:
            ConfigError: The size or a field is unknown, or the fields do not fit together.
        """
        if size not in SIZES:
            raise ConfigError(f"There is no model size '{size}': choose {', '.join(SIZES)}.")
        given = asdict(changes) if isinstance(changes, ArchitectureChanges) else dict(changes or {})
        given |= {name: value for name, value in fields_changed.items() if value is not None}
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(given) - known)
        if unknown:
            raise ConfigError(
                f"The architecture has no field '{unknown[0]}': choose {', '.join(sorted(known))}."
            )
        given = {name: value for name, value in given.items() if value is not None}
        for option in ("skip_layers", "contrast_layers"):
            if option in given:
                given[option] = tuple(given[option])
        return replace(SIZES[size], **given)


@dataclass(frozen=True)  # the parser of the command line asks a default for its __dict__
class ArchitectureChanges:
    """Fields of an architecture that differ from those of the named size.

    None leaves a field as the size has it. See `Architecture` for what they mean.

    Attributes:
        width: Width of the encoders' tokens.
        heads: Attention heads of encoders and fusion encoder; must divide width.
        depth: Layers of each modality's encoder.
        fusion_depth: Layers of the fusion encoder; with 0 only its norms are left.
        fusion_order: What comes first in a layer of the fusion encoder.
        mlp_ratio: Hidden width of every MLP in units of its block's width.
        decoder_width: Width of the decoders' tokens.
        decoder_heads: Attention heads of the decoders; must divide decoder_width.
        decoder_depth: Layers of each decoder; more than skip_layers.
        skip_layers: Encoder layers that feed the decoders, counted from one; -1 is the last.
        contrast_layers: Encoder layers contrasted between the modalities, counted likewise.
        image_size: Height and width of a frame in pixels.
        num_frames: Frames of a clip.
        tubelet_size: Frames of one video token.
        patch_size: Side of a video token in pixels, and of an audio token.
        audio_frames: Rows of the spectrogram (10 ms each).
        mel_bins: Columns of the spectrogram.
    """

    width: int | None = None
    heads: int | None = None
    depth: int | None = None
    fusion_depth: int | None = None
    fusion_order: FusionOrder | None = None
    mlp_ratio: float | None = None
    decoder_width: int | None = None
    decoder_heads: int | None = None
    decoder_depth: int | None = None
    skip_layers: tuple[int, ...] | None = None
    contrast_layers: tuple[int, ...] | None = None
    image_size: int | None = None
    num_frames: int | None = None
    tubelet_size: int | None = None
    patch_size: int | None = None
    audio_frames: int | None = None
    mel_bins: int | None = None


UNCHANGED = ArchitectureChanges()


def _require_division(total: int, part: int, total_name: str, part_name: str) -> None:
    if part < 1 or total % part:
        raise ConfigError(
            f"{total_name} {total} is not a multiple of {part_name} {part}: change one of the two."
        )


# Paper, section 4.2: width and heads of the encoders. The decoder of the tiny model is not
# published; half the width with heads of 64 continues the pattern.
SIZES: dict[str, Architecture] = {
    "tiny": Architecture(width=256, heads=4, decoder_width=128, decoder_heads=2),
    "small": Architecture(width=384, heads=6, decoder_width=192, decoder_heads=3),
    "base": Architecture(width=512, heads=8, decoder_width=384, decoder_heads=6),
}
