"""The fine-tuned model: hierarchical feature fusion and a head (paper section 3.3)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple, Self, get_args

import torch
from torch import Tensor, nn

from hicmae.choices import Activation
from hicmae.errors import ConfigError
from hicmae.models.encoders import FusionEncoder, audio_encoder, video_encoder
from hicmae.models.layers import NORM_EPSILON, initialise
from hicmae.models.sizes import Architecture

Modality = Literal["audio_visual", "audio", "video"]
Pooling = Literal["mean", "statistics"]

# Under the root of a variance, whose gradient is infinite at 0: tokens that stand still.
_VARIANCE_FLOOR = 1e-6

ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "none": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}
"""What regressed values go through."""


class Features(NamedTuple):
    """What the model makes of a batch on the way to its head.

    Attributes:
        joint: What the head reads, normalised (B, D); see `RecognitionModel.features`.
        video_layers: Mean token of every layer of the video encoder (B, L, C), or None without it.
        audio_layers: Mean token of every layer of the audio encoder (B, L, C), or None without it.
    """

    joint: Tensor
    video_layers: Tensor | None
    audio_layers: Tensor | None


def feature_width(width: int, modality: Modality, pooling: Pooling) -> int:
    """Numbers that the head reads of a clip, D, of encoders of a width C."""
    both = modality == "audio_visual"
    if pooling == "statistics":
        return width * (4 if both else 2)
    return width * (4 if both else 1)


class RecognitionModel(nn.Module):
    """Encoders over all tokens, hierarchical feature fusion, fusion encoder and a linear head.

    For one modality alone there is its encoder with hierarchical feature fusion, and no fusion
    encoder; the head then reads that one feature.

    Args:
        architecture: Shape of the encoders and the fusion encoder.
        num_outputs: Classes, or regression targets, O; 0 for a model of features alone, without a
            head.
        drop_path: Largest stochastic depth rate of all encoders.
        modality: What the model reads: audio_visual, audio or video.
        feature_fusion: Whether the features of all layers of an encoder are combined by learnt
            weights; else the last layer's feature is taken alone.
        pooling: What a layer's feature is. "mean", as published: the mean of its tokens; those of
            the last layers also go through the fusion encoder. "statistics": beside the mean, how
            much tokens change in time, their standard deviation over time averaged over places (or
            mel bands), as speaker recognition pools frames (Snyder et al., X-vectors, 2018, section
            2.1); without a fusion encoder.
        stand_ins: Whether a clip may lack its picture or its sound. Of every layer of the encoder
            that has nothing to read, a learnt token then stands in for all tokens: the fusion
            encoder reads that of the last layer, and hierarchical feature fusion those of all.

    Raises:
        ConfigError: The modality or the pooling is unknown, or nothing can stand in for a stream.
    """

    video_layer_weights: nn.Parameter | None
    audio_layer_weights: nn.Parameter | None
    video_stand_ins: nn.Parameter | None
    audio_stand_ins: nn.Parameter | None

    def __init__(
        self,
        architecture: Architecture,
        num_outputs: int,
        drop_path: float = 0.0,
        *,
        modality: Modality = "audio_visual",
        feature_fusion: bool = True,
        pooling: Pooling = "mean",
        stand_ins: bool = False,
    ) -> None:
        super().__init__()
        for name, value, known in (("modality", modality, Modality), ("pooling", pooling, Pooling)):
            if value not in get_args(known):
                choices = ", ".join(get_args(known))
                raise ConfigError(f"There is no {name} '{value}': choose {choices}.")
        if stand_ins and modality != "audio_visual":
            raise ConfigError(
                f"A model of {modality} alone has nothing that could stand in for it: choose "
                "modality audio_visual."
            )
        if stand_ins and pooling != "mean":
            raise ConfigError(
                f"With pooling {pooling} nothing can stand in for a missing picture or sound: "
                "choose pooling mean, or leave out modality_dropout."
            )
        self.architecture = architecture
        self.modality = modality
        self.feature_fusion = feature_fusion
        self.pooling = pooling
        self.stand_ins = stand_ins
        self.frozen = False
        sees, hears = modality != "audio", modality != "video"
        self.video_encoder = video_encoder(architecture, drop_path) if sees else None
        self.audio_encoder = audio_encoder(architecture, drop_path) if hears else None
        fuses = sees and hears and pooling == "mean"
        self.fusion_encoder = FusionEncoder(architecture, drop_path) if fuses else None
        depth = architecture.depth
        for name, present in (("video_layer_weights", sees), ("audio_layer_weights", hears)):
            fused = present and feature_fusion
            weights = nn.Parameter(torch.full((depth,), 1 / depth)) if fused else None
            self.register_parameter(name, weights)
        features = feature_width(architecture.width, modality, pooling)
        self.head_norm = nn.LayerNorm(features, eps=NORM_EPSILON)
        initialise(self)
        self.head = nn.Linear(features, num_outputs) if num_outputs else nn.Identity()
        # Drawn last, so that all else starts as in a model without them.
        for name in ("video_stand_ins", "audio_stand_ins"):
            tokens = torch.empty(depth if feature_fusion else 1, architecture.width)
            drawn = nn.Parameter(nn.init.trunc_normal_(tokens, std=0.02)) if stand_ins else None
            self.register_parameter(name, drawn)

    def freeze_encoders(self) -> None:
        """Keeps all encoders as they are: in evaluation mode and without gradients.

        What is left to train, by a linear probe, are the head, its norm and the layer weights.
        """
        self.frozen = True
        for encoder in self._encoders():
            encoder.requires_grad_(requires_grad=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Sets training or evaluation mode; frozen encoders stay in the latter."""
        super().train(mode)
        if self.frozen:
            for encoder in self._encoders():
                encoder.eval()
        return self

    def features(self, video: Tensor, audio: Tensor, senses: Tensor | None = None) -> Tensor:
        """The feature of each clip, before the head.

        Args:
            video: Normalised frames (B, 3, T, H, W); not read by a model of audio alone.
            audio: Normalised spectrograms (B, 1, T', F); not read by a model of video alone.
            senses: Whether each clip is seen and whether it is heard, bool (B, 2), for a model with
                stand-ins; what is not may hold any finite numbers. None is both of all clips.

        Returns:
            Features, normalised together (B, D): hierarchical video, hierarchical audio, fused
            video and fused audio, of C numbers each, or the hierarchical feature of the one
            modality. With pooling "statistics" hierarchical features have 2 · C numbers, means
            before deviations, and there are no fused ones.
        """
        taps = range(1, self.architecture.depth + 1) if self.feature_fusion else ()
        return self._encode(video, audio, senses, taps).joint

    def all_features(self, video: Tensor, audio: Tensor, senses: Tensor | None = None) -> Features:
        """The feature of each clip and those of every layer; arguments as for `features`."""
        return self._encode(video, audio, senses, range(1, self.architecture.depth + 1))

    def forward(self, video: Tensor, audio: Tensor, senses: Tensor | None = None) -> Tensor:
        """Logits or regression values (B, O); arguments as for `features`."""
        return self.head(self.features(video, audio, senses))

    def _encode(
        self, video: Tensor, audio: Tensor, senses: Tensor | None, taps: Collection[int]
    ) -> Features:
        if senses is not None and not self.stand_ins:
            raise ConfigError(
                "This model learnt nothing that could stand in for a missing picture or sound: "
                "train one with --model.modality_dropout."
            )
        tokens, parts = [], []
        layers: dict[str, Tensor | None] = {"video": None, "audio": None}
        shape = self.architecture
        streams = (
            ("video", self.video_encoder, video, self.video_layer_weights, self.video_stand_ins),
            ("audio", self.audio_encoder, audio, self.audio_layer_weights, self.audio_stand_ins),
        )
        for place, (name, encoder, inputs, weights, stand_ins) in enumerate(streams):
            if encoder is None:
                continue
            steps = (shape.video_grid if name == "video" else shape.audio_grid)[0]
            last, tapped = encoder(inputs, None, taps)  # (B, N, C)
            pooled = None
            if tapped:
                by_layer = [self._pool(tapped[layer], steps) for layer in sorted(tapped)]
                pooled = torch.stack(by_layer, dim=1)  # (B, L, C or 2 · C)
            if stand_ins is not None:
                # Of clips with both as well: other processes may wait for the gradients.
                there = last.new_ones(1, dtype=torch.bool) if senses is None else senses[:, place]
                last = last.where(there[:, None, None], stand_ins[-1])
                if pooled is not None:
                    pooled = pooled.where(there[:, None, None], stand_ins)
            tokens.append(last)
            if pooled is not None:
                layers[name] = pooled[..., : shape.width]
            if pooled is not None and weights is not None:
                parts.append(torch.einsum("blc,l->bc", pooled, weights.softmax(0)))
            else:
                parts.append(self._pool(last, steps))
        if self.fusion_encoder is not None:
            parts += [fused.mean(1) for fused in self.fusion_encoder(*tokens)]
        joint = self.head_norm(torch.cat(parts, dim=1))
        return Features(joint, layers["video"], layers["audio"])

    def _pool(self, tokens: Tensor, steps: int) -> Tensor:
        """The feature of a layer (B, C or 2 · C) from its tokens (B, N, C), N = steps · places."""
        if self.pooling == "mean":
            return tokens.mean(1)
        in_time = tokens.unflatten(1, (steps, -1))
        variance = (in_time - in_time.mean(1, keepdim=True)).square().mean(1)
        deviation = (variance + _VARIANCE_FLOOR).sqrt().mean(1)
        return torch.cat([tokens.mean(1), deviation], dim=1)

    def _encoders(self) -> list[nn.Module]:
        parts = (self.video_encoder, self.audio_encoder, self.fusion_encoder)
        return [part for part in parts if part is not None]
