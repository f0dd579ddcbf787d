"""The two modality encoders and the fusion encoder (paper section 3.1)."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from hicmae.errors import ConfigError
from hicmae.models.layers import (
    NORM_EPSILON,
    CrossAttentionBlock,
    SelfAttentionBlock,
    audio_patches,
    gather_tokens,
    sinusoidal_positions,
    video_patches,
)
from hicmae.models.sizes import Architecture


class VideoEmbedding(nn.Module):
    """Video to tokens: tubes of `tubelet_size` frames by `patch_size` squared pixels."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        tube = 3 * architecture.tubelet_size * architecture.patch_size**2
        self.projection = nn.Linear(tube, architecture.width)

    def forward(self, video: Tensor, visible: Tensor | None = None) -> Tensor:
        """Embeds video (B, 3, T, H, W), or only its visible tubes (B, M), as (B, N or M, C)."""
        shape = self.architecture
        expected = (3, shape.num_frames, shape.image_size, shape.image_size)
        if tuple(video.shape[1:]) != expected:
            raise ConfigError(
                f"Video is {tuple(video.shape[1:])}, the model takes {expected}: give the data "
                "and the architecture the same num_frames and image_size."
            )
        patches = video_patches(video, shape.tubelet_size, shape.patch_size)
        return self.projection(patches if visible is None else gather_tokens(patches, visible))


class AudioEmbedding(nn.Module):
    """Spectrogram to tokens: patches of `patch_size` squared."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.projection = nn.Linear(architecture.patch_size**2, architecture.width)

    def forward(self, audio: Tensor, visible: Tensor | None = None) -> Tensor:
        """Embeds spectrograms (B, 1, T, F), or only visible patches (B, M), as (B, N or M, C)."""
        shape = self.architecture
        expected = (1, shape.audio_frames, shape.mel_bins)
        if tuple(audio.shape[1:]) != expected:
            raise ConfigError(
                f"Audio is {tuple(audio.shape[1:])}, the model takes {expected}: give the data "
                "and the architecture the same audio_frames and mel_bins."
            )
        patches = audio_patches(audio, shape.patch_size)
        return self.projection(patches if visible is None else gather_tokens(patches, visible))


class Encoder(nn.Module):
    """A transformer over the tokens of one modality.

    Args:
        embedding: Turns the input, or its visible part, into tokens.
        num_tokens: Tokens of a whole input, N.
        architecture: Width, heads and depth.
        drop_path: Largest stochastic depth rate; it grows linearly with depth from 0.
    """

    positions: Tensor

    def __init__(
        self,
        embedding: VideoEmbedding | AudioEmbedding,
        num_tokens: int,
        architecture: Architecture,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.register_buffer(
            "positions", sinusoidal_positions(num_tokens, architecture.width), persistent=False
        )
        self.blocks = nn.ModuleList(
            SelfAttentionBlock(
                architecture.width, architecture.heads, architecture.mlp_ratio, float(rate)
            )
            for rate in torch.linspace(0, drop_path, architecture.depth, device="cpu")
        )
        self.norm = nn.LayerNorm(architecture.width, eps=NORM_EPSILON)

    def forward(
        self, inputs: Tensor, visible: Tensor | None, taps: Collection[int]
    ) -> tuple[Tensor, dict[int, Tensor]]:
        """Encodes an input, or its visible tokens alone.

        Args:
            inputs: Video (B, 3, T, H, W) or spectrogram (B, 1, T, F).
            visible: Indices of the visible tokens (B, M), or None for all N.
            taps: Layers, counted from one, whose output is wanted as well.

        Returns:
            The last layer's tokens (B, M, C) and those of each tapped layer, all normalised by the
            encoder's final norm.
        """
        positions = self.positions if visible is None else self.positions[0, visible]
        tokens = self.embedding(inputs, visible) + positions  # (B, M, C)
        tapped = {}
        for layer, block in enumerate(self.blocks, start=1):
            tokens = block(tokens)
            if layer in taps:
                tapped[layer] = self.norm(tokens)
        last = len(self.blocks)
        return tapped[last] if last in tapped else self.norm(tokens), tapped


class FusionEncoder(nn.Module):
    """Cross-modal fusion: in every layer each modality reads the other's previous tokens."""

    def __init__(self, architecture: Architecture, drop_path: float = 0.0) -> None:
        super().__init__()
        rates = [
            float(rate)
            for rate in torch.linspace(0, drop_path, architecture.fusion_depth, device="cpu")
        ]
        self_first = architecture.fusion_order == "self_then_cross"

        def blocks() -> nn.ModuleList:
            shape = (architecture.width, architecture.heads, architecture.mlp_ratio)
            return nn.ModuleList(
                CrossAttentionBlock(*shape, rate, self_first=self_first) for rate in rates
            )

        self.video_blocks = blocks()
        self.audio_blocks = blocks()
        self.video_norm = nn.LayerNorm(architecture.width, eps=NORM_EPSILON)
        self.audio_norm = nn.LayerNorm(architecture.width, eps=NORM_EPSILON)

    def forward(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Fuses video tokens (B, N, C) and audio tokens (B, M, C); shapes stay."""
        for video_block, audio_block in zip(self.video_blocks, self.audio_blocks, strict=True):
            video, audio = video_block(video, audio), audio_block(audio, video)
        return self.video_norm(video), self.audio_norm(audio)


def video_encoder(architecture: Architecture, drop_path: float = 0.0) -> Encoder:
    """The encoder of video (B, 3, T, H, W)."""
    slices, rows, columns = architecture.video_grid
    return Encoder(VideoEmbedding(architecture), slices * rows * columns, architecture, drop_path)


def audio_encoder(architecture: Architecture, drop_path: float = 0.0) -> Encoder:
    """The encoder of spectrograms (B, 1, T, F)."""
    rows, columns = architecture.audio_grid
    return Encoder(AudioEmbedding(architecture), rows * columns, architecture, drop_path)
