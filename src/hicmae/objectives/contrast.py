"""Hierarchical cross-modal contrastive learning and its retrieval figure (paper section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def contrastive_logits(video: Tensor, audio: Tensor, temperature: float) -> Tensor:
    """Cosine similarities of every video to every audio, over the temperature.

    Args:
        video: Pooled video features (B, C).
        audio: Pooled audio features (B, C).
        temperature: The smaller, the sharper.

    Returns:
        Logits (B, B); row i holds video i against all audios, the diagonal the true pairs.
    """
    return F.normalize(video, dim=-1) @ F.normalize(audio, dim=-1).T / temperature


def info_nce(logits: Tensor) -> Tensor:
    """Symmetric InfoNCE of logits (B, B): the mean of both directions' cross-entropies."""
    pairs = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2


def retrieval_at_1(similarity: Tensor) -> Tensor:
    """Share of rows whose largest entry is the diagonal one, in [0, 1].

    Args:
        similarity: Queries against candidates (N, N); the true candidate of query i is i.
    """
    pairs = torch.arange(len(similarity), device=similarity.device)
    return (similarity.argmax(1) == pairs).float().mean()
