"""The fine-tuned model: hierarchical feature fusion and a head (paper section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hicmae.models.encoders import FusionEncoder, audio_encoder, video_encoder
from hicmae.models.layers import NORM_EPSILON, initialise
from hicmae.models.sizes import Architecture


class EmotionRecognizer(nn.Module):
    """Encoders over all tokens, hierarchical feature fusion, fusion encoder and a linear head.

    Args:
        architecture: Shape of the encoders and the fusion encoder.
        num_outputs: Classes, or regression targets, O.
        drop_path: Largest stochastic depth rate of all three encoders.
    """

    def __init__(
        self, architecture: Architecture, num_outputs: int, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.architecture = architecture
        width, depth = architecture.width, architecture.depth
        self.video_encoder = video_encoder(architecture, drop_path)
        self.audio_encoder = audio_encoder(architecture, drop_path)
        self.fusion_encoder = FusionEncoder(architecture, drop_path)
        self.video_layer_weights = nn.Parameter(torch.ones(depth) / depth)
        self.audio_layer_weights = nn.Parameter(torch.ones(depth) / depth)
        self.head_norm = nn.LayerNorm(4 * width, eps=NORM_EPSILON)
        initialise(self)
        self.head = nn.Linear(4 * width, num_outputs)

    def features(self, video: Tensor, audio: Tensor) -> Tensor:
        """The fused feature of each clip, before the head.

        Args:
            video: Normalised frames (B, 3, T, H, W).
            audio: Normalised spectrograms (B, 1, T', F).

        Returns:
            Features (B, 4 · C), normalised: hierarchical video, hierarchical audio, fused video and
            fused audio.
        """
        layers = range(1, self.architecture.depth + 1)
        video_tokens, video_taps = self.video_encoder(video, None, layers)
        audio_tokens, audio_taps = self.audio_encoder(audio, None, layers)
        hierarchical_video = _fuse_layers(video_taps, self.video_layer_weights)  # (B, C)
        hierarchical_audio = _fuse_layers(audio_taps, self.audio_layer_weights)  # (B, C)
        fused_video, fused_audio = self.fusion_encoder(video_tokens, audio_tokens)
        return self.head_norm(
            torch.cat(
                [hierarchical_video, hierarchical_audio, fused_video.mean(1), fused_audio.mean(1)],
                dim=1,
            )
        )

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """Logits or regression values (B, O) of video (B, 3, T, H, W) and audio (B, 1, T', F)."""
        return self.head(self.features(video, audio))


def _fuse_layers(layers: dict[int, Tensor], weights: Tensor) -> Tensor:
    """Softmax-weighted sum over layers of each layer's mean token: depth × (B, N, C) to (B, C)."""
    pooled = torch.stack([layers[layer].mean(1) for layer in sorted(layers)], dim=1)  # (B, L, C)
    return torch.einsum("blc,l->bc", pooled, weights.softmax(0))
