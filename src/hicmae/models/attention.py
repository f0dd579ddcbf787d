"""Where a model looks: attention rolled out through the layers of its encoders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from torch import Tensor

from hicmae.models import RecognitionModel
from hicmae.models.encoders import Encoder
from hicmae.models.layers import SelfAttention


class Rollout(NamedTuple):
    """How much each part of the input counts in the feature of its encoder; a clip sums to 1.

    Attributes:
        video: Weights of the tubes along time, height and width (B, T', H', W'), or None for a
            model of sound alone.
        audio: Weights of the patches along time and frequency (B, T', F'), or None for a model of
            pictures alone.
    """

    video: Tensor | None
    audio: Tensor | None


@torch.no_grad()
def attention_rollout(model: RecognitionModel, video: Tensor, audio: Tensor) -> Rollout:
    """Attention roll-out (Abnar and Zuidema 2020) of the hierarchical feature of each encoder.

    With A_l the attention of layer l, averaged over heads, the share that the residual connection
    and the attention pass on is Â_l = (A_l + I) / 2, whose rows sum to 1 as those of A_l do. Token
    i of layer l then draws on the input tokens by row i of R_l = Â_l ··· Â_1. The feature is
    Σ_l w_l · mean_i token_i(l), w being the softmax of the layer weights, so that the input tokens
    count in it by Σ_l w_l · mean_i R_l[i]: this is what is returned. Without feature fusion the
    last layer alone has weight. The two encoders are looked at one by one; what the fusion encoder
    does afterwards is not followed.

    The roll-out tells where information could come from. It knows neither the MLPs nor the values,
    nor whether a part speaks for an emotion or against it.

    Args:
        model: The model. It is run in evaluation mode and left as it was.
        video: Normalised frames (B, 3, T, H, W); not read by a model of audio alone.
        audio: Normalised spectrograms (B, 1, T', F); not read by a model of video alone.
    """
    video_map = audio_map = None
    was_training = model.training
    model.eval()
    try:
        if model.video_encoder is not None:
            flat = _encoder_rollout(model.video_encoder, video, model.video_layer_weights)
            video_map = flat.unflatten(1, model.architecture.video_grid)
        if model.audio_encoder is not None:
            flat = _encoder_rollout(model.audio_encoder, audio, model.audio_layer_weights)
            audio_map = flat.unflatten(1, model.architecture.audio_grid)
    finally:
        model.train(was_training)
    return Rollout(video_map, audio_map)


def _encoder_rollout(encoder: Encoder, inputs: Tensor, layer_weights: Tensor | None) -> Tensor:
    """Weights of the input tokens (B, N) of one encoder."""
    if layer_weights is None:
        weights = [0.0] * (len(encoder.blocks) - 1) + [1.0]
    else:
        weights = layer_weights.softmax(0).tolist()
    layers = [module for module in encoder.modules() if isinstance(module, SelfAttention)]
    maps = []
    for clip in inputs.split(1):  # one by one: a layer's attention in a clip takes N² numbers
        with _attention_of(layers) as attention:
            encoder(clip, None, ())
        maps.append(_rolled_out(attention, weights))
    return torch.cat(maps)


def _rolled_out(attention: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Σ_l w_l · mean_i R_l[i] from attention (B, N, N) of every layer, as (B, N).

    By Horner's rule from the last layer to the first, which multiplies a vector where the plain
    product of the R_l would multiply matrices.
    """
    total = torch.zeros_like(attention[0][:, 0])
    for layer, weight in zip(reversed(attention), reversed(weights), strict=True):
        total = total + weight / total.shape[1]
        total = (torch.einsum("bi,bij->bj", total, layer) + total) / 2
    return total


@contextmanager
def _attention_of(layers: Sequence[SelfAttention]) -> Iterator[list[Tensor]]:
    """Collects the attention (B, N, N) of each layer that runs within, in order."""
    collected: list[Tensor] = []

    def collect(layer: SelfAttention, inputs: tuple[Tensor]) -> None:
        collected.append(_attention(layer, inputs[0]))

    handles = [layer.register_forward_pre_hook(collect) for layer in layers]
    try:
        yield collected
    finally:
        for handle in handles:
            handle.remove()


def _attention(layer: SelfAttention, tokens: Tensor) -> Tensor:
    """The attention of a layer for its input (B, N, C), averaged over heads, as (B, N, N)."""
    width = tokens.shape[-1]
    query = F.linear(tokens, layer.qkv.weight[:width], layer.query_bias)
    key = F.linear(tokens, layer.qkv.weight[width : 2 * width])
    query, key = (rearrange(x, "b n (h d) -> b h n d", h=layer.heads) for x in (query, key))
    scale = query.shape[-1] ** -0.5
    return (query @ key.transpose(-1, -2) * scale).softmax(-1).mean(1)
