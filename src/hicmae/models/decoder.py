"""The lightweight decoder with hierarchical skip connections (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hicmae.models.layers import (
    NORM_EPSILON,
    CrossAttentionBlock,
    Mask,
    SelfAttentionBlock,
    sinusoidal_positions,
)
from hicmae.models.sizes import Architecture


class Decoder(nn.Module):
    """Reconstructs the masked patches of one modality.

    Self-attention blocks come first, then one cross block per skip connection.

    Args:
        architecture: Decoder width, heads and depth, and the skip layers.
        num_tokens: Tokens of a whole input, N.
        patch_values: Numbers in one reconstructed patch, P.
    """

    positions: Tensor

    def __init__(self, architecture: Architecture, num_tokens: int, patch_values: int) -> None:
        super().__init__()
        width = architecture.decoder_width
        shape = (width, architecture.decoder_heads, architecture.mlp_ratio)
        crossing = len(architecture.skip_layers)
        leading = architecture.decoder_depth - crossing
        self.projection = nn.Linear(architecture.width, width, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("positions", sinusoidal_positions(num_tokens, width), persistent=False)
        self.blocks = nn.ModuleList(
            [SelfAttentionBlock(*shape) for _ in range(leading)]
            + [CrossAttentionBlock(*shape) for _ in range(crossing)]
        )
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.head = nn.Linear(width, patch_values)
        from timm.layers import trunc_normal_  # noqa: PLC0415 (seconds that recognition does not need)

        trunc_normal_(self.mask_token, std=0.02)

    def forward(self, tokens: Tensor, skips: Sequence[Tensor], mask: Mask) -> Tensor:
        """Predicts the masked patches.

        Args:
            tokens: Fused visible tokens (B, M, C).
            skips: Visible tokens of the skip layers (B, M, C), deepest first.
            mask: Where the visible tokens are, and the K masked ones.

        Returns:
            The reconstructed patches (B, K, P).
        """
        visible = self.positions[0, mask.visible]  # (B, M, D)
        masked = self.positions[0, mask.masked]  # (B, K, D)
        sequence = torch.cat([self.projection(tokens) + visible, self.mask_token + masked], dim=1)
        contexts = [None] * (len(self.blocks) - len(skips)) + [
            self.projection(skip) + visible for skip in skips
        ]
        for block, context in zip(self.blocks, contexts, strict=True):
            sequence = block(sequence) if context is None else block(sequence, context)
        return self.head(self.norm(sequence[:, -mask.masked.shape[1] :]))
