"""HiCMAE: masked audio-visual pre-training (paper section 3.2 and figure 1)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn

from hicmae.models.decoder import Decoder
from hicmae.models.encoders import FusionEncoder, audio_encoder, video_encoder
from hicmae.models.layers import Mask, initialise
from hicmae.models.sizes import Architecture


class PretrainingOutput(NamedTuple):
    """What the pre-training model gives for a batch.

    Attributes:
        video: Reconstructed masked tubes (B, K, t · p · p · 3); within a tube the order is time,
            height, width, channel.
        audio: Reconstructed masked patches (B, K', p · p), time before frequency.
        video_layers: For each contrast layer, the mean of the visible video tokens (B, C).
        audio_layers: The same for audio.
    """

    video: Tensor
    audio: Tensor
    video_layers: dict[int, Tensor]
    audio_layers: dict[int, Tensor]


class HiCMAE(nn.Module):
    """The pre-training model: two encoders, a fusion encoder and two decoders."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        architecture.check_pretraining()
        self.architecture = architecture
        self.video_encoder = video_encoder(architecture)
        self.audio_encoder = audio_encoder(architecture)
        self.fusion_encoder = FusionEncoder(architecture)
        patch = architecture.patch_size**2
        tube = 3 * architecture.tubelet_size * patch
        self.video_decoder = Decoder(architecture, math.prod(architecture.video_grid), tube)
        self.audio_decoder = Decoder(architecture, math.prod(architecture.audio_grid), patch)
        initialise(self)

    def forward(
        self, video: Tensor, audio: Tensor, video_mask: Mask, audio_mask: Mask
    ) -> PretrainingOutput:
        """Reconstructs the masked part of both modalities from the visible part.

        Args:
            video: Normalised frames (B, 3, T, H, W).
            audio: Normalised spectrograms (B, 1, T', F).
            video_mask: Visible and masked tubes.
            audio_mask: Visible and masked patches.
        """
        skip_layers = self.architecture.skip_layers
        contrast_layers = self.architecture.contrast_layers
        taps = {*skip_layers, *contrast_layers}

        # Encoders see visible tokens alone: (B, M, C) and (B, M', C)
        video_tokens, video_taps = self.video_encoder(video, video_mask.visible, taps)
        audio_tokens, audio_taps = self.audio_encoder(audio, audio_mask.visible, taps)
        video_tokens, audio_tokens = self.fusion_encoder(video_tokens, audio_tokens)

        video_skips = [video_taps[layer] for layer in reversed(skip_layers)]
        audio_skips = [audio_taps[layer] for layer in reversed(skip_layers)]
        return PretrainingOutput(
            video=self.video_decoder(video_tokens, video_skips, video_mask),
            audio=self.audio_decoder(audio_tokens, audio_skips, audio_mask),
            video_layers=_means(video_taps, contrast_layers),
            audio_layers=_means(audio_taps, contrast_layers),
        )

    def features(self, video: Tensor, audio: Tensor) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """What is contrasted, of whole clips: nothing is masked.

        Args:
            video: Normalised frames (B, 3, T, H, W).
            audio: Normalised spectrograms (B, 1, T', F).

        Returns:
            For each contrast layer, the mean of all video tokens (B, C), and that of all audio
            tokens.
        """
        layers = self.architecture.contrast_layers
        _, videos = self.video_encoder(video, None, layers)
        _, audios = self.audio_encoder(audio, None, layers)
        return _means(videos, layers), _means(audios, layers)


def _means(taps: Mapping[int, Tensor], layers: Sequence[int]) -> dict[int, Tensor]:
    """For each of the layers, the mean (B, C) of its tokens (B, N, C)."""
    return {layer: taps[layer].mean(1) for layer in layers}
