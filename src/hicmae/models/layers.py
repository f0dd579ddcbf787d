"""Attention, blocks, patch embeddings and positions shared by encoders and decoders."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from torch import Tensor, nn

NORM_EPSILON = 1e-6


class Mask(NamedTuple):
    """Which tokens of each clip are seen and which are to be reconstructed, by ascending index.

    Attributes:
        visible: Indices of visible tokens (B, M).
        masked: Indices of masked tokens (B, K); M + K = N.
    """

    visible: Tensor
    masked: Tensor


def sinusoidal_positions(count: int, width: int) -> Tensor:
    """Fixed positions of a flattened token sequence.

    The angle of token p in channel j is p / 10000^(2⌊j/2⌋/width); even channels hold its sine, odd
    channels its cosine (paper section 3.1, after Vaswani et al.).

    Args:
        count: Number of tokens, N.
        width: Channels, C.

    Returns:
        Positions (1, N, C) in the default floating point type, computed in float64.
    """
    places = torch.empty(1, count, width)
    if places.is_meta:  # of a model that is made without values
        return places
    channel = torch.arange(width, dtype=torch.float64)
    frequency = torch.exp(-math.log(10000.0) * 2 * torch.floor(channel / 2) / width)
    angle = torch.arange(count, dtype=torch.float64).unsqueeze(1) * frequency
    positions = torch.where(channel % 2 == 0, angle.sin(), angle.cos())
    return positions.unsqueeze(0).to(torch.get_default_dtype())


def gather_tokens(tokens: Tensor, index: Tensor) -> Tensor:
    """Picks tokens by index: (B, N, C) and (B, M) to (B, M, C)."""
    clips = torch.arange(len(tokens), device=tokens.device).unsqueeze(1)
    return tokens[clips, index]


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps tokens (B, N, C) to (B, N, C)."""
        return self.fc2(F.gelu(self.fc1(tokens)))


def stochastic_depth(rate: float) -> nn.Module:
    """What leaves a residual branch out for some clips of a training batch.

    Args:
        rate: Share of clips, in [0, 1); those that are kept count for them.
    """
    if rate == 0:
        return nn.Identity()
    from timm.layers import DropPath  # noqa: PLC0415 (seconds that recognition does not need)

    return DropPath(rate)


class SelfAttention(nn.Module):
    """Multi-head self-attention; queries and values have a bias, keys have none."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(width))
        self.value_bias = nn.Parameter(torch.zeros(width))
        self.projection = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attends among tokens (B, N, C)."""
        no_bias = torch.zeros_like(self.query_bias)
        bias = torch.cat([self.query_bias, no_bias, self.value_bias])
        query, key, value = rearrange(
            F.linear(tokens, self.qkv.weight, bias),
            "b n (three h d) -> three b h n d",
            three=3,
            h=self.heads,
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.projection(rearrange(mixed, "b h n d -> b n (h d)"))


class CrossAttention(nn.Module):
    """Multi-head attention of one sequence over another; keys have no bias."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(width))
        self.value_bias = nn.Parameter(torch.zeros(width))
        self.projection = nn.Linear(width, width)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Tokens (B, N, C) read context (B, M, C)."""
        no_bias = torch.zeros_like(self.value_bias)
        query = rearrange(
            F.linear(tokens, self.query.weight, self.query_bias),
            "b n (h d) -> b h n d",
            h=self.heads,
        )
        key, value = rearrange(
            F.linear(context, self.key_value.weight, torch.cat([no_bias, self.value_bias])),
            "b m (two h d) -> two b h m d",
            two=2,
            h=self.heads,
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.projection(rearrange(mixed, "b h n d -> b n (h d)"))


class SelfAttentionBlock(nn.Module):
    """Pre-norm self-attention and MLP, each with a residual and stochastic depth."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, drop_path: float = 0.0) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.attention = SelfAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps tokens (B, N, C) to (B, N, C)."""
        tokens = tokens + self.drop_path(self.attention(self.attention_norm(tokens)))
        return tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))


class CrossAttentionBlock(nn.Module):
    """Pre-norm cross-attention to a context, self-attention and MLP, each with a residual.

    Args:
        width: Width of tokens and context, C.
        heads: Attention heads.
        mlp_ratio: Hidden width of the MLP in units of C.
        drop_path: Rate of stochastic depth.
        self_first: Whether self-attention comes before cross-attention.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        mlp_ratio: float,
        drop_path: float = 0.0,
        *,
        self_first: bool = False,
    ) -> None:
        super().__init__()
        self.self_first = self_first
        self.query_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.context_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.cross_attention = CrossAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.attention = SelfAttention(width, heads)
        self.mlp_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.mlp = Mlp(width, int(width * mlp_ratio))
        self.drop_path = stochastic_depth(drop_path)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """Maps tokens (B, N, C), reading context (B, M, C), to (B, N, C)."""
        if self.self_first:
            tokens = tokens + self.drop_path(self.attention(self.attention_norm(tokens)))
        read = self.cross_attention(self.query_norm(tokens), self.context_norm(context))
        tokens = tokens + self.drop_path(read)
        if not self.self_first:
            tokens = tokens + self.drop_path(self.attention(self.attention_norm(tokens)))
        return tokens + self.drop_path(self.mlp(self.mlp_norm(tokens)))


def video_patches(video: Tensor, tubelet_size: int, patch_size: int) -> Tensor:
    """Cuts video (B, 3, T, H, W) into tubes (B, N, 3 · t · p · p), channel first in each tube."""
    return rearrange(
        video,
        "b c (nt t) (nh p) (nw q) -> b (nt nh nw) (c t p q)",
        t=tubelet_size,
        p=patch_size,
        q=patch_size,
    )


def audio_patches(audio: Tensor, patch_size: int) -> Tensor:
    """Cuts spectrograms (B, 1, T, F) into patches (B, N, p · p), time before frequency."""
    return rearrange(audio, "b 1 (nt p) (nf q) -> b (nt nf) (p q)", p=patch_size, q=patch_size)


def initialise(module: nn.Module) -> None:
    """Draws the weights of every linear layer below a module from Xavier's uniform distribution.

    Patch embeddings keep the framework's default, biases start at zero.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Linear) and not name.endswith("embedding.projection"):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
