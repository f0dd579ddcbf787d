"""The smallest model that has every part; it is built and trained within a second."""

from typing import Any

from hicmae.models import Architecture

# As configs write it.
ARCHITECTURE: dict[str, Any] = {
    "width": 16,
    "heads": 2,
    "depth": 2,
    "fusion_depth": 1,
    "decoder_width": 16,
    "decoder_heads": 2,
    "decoder_depth": 2,
    "skip_layers": [2],
    "contrast_layers": [1, 2],
    "image_size": 32,
    "num_frames": 4,
    "audio_frames": 32,
    "mel_bins": 32,
}


def tiny_architecture(**changes: Any) -> Architecture:
    """The tiny architecture with some of its fields changed."""
    return Architecture.of_size("base", **ARCHITECTURE | changes)
