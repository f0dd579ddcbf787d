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
    # Under mixed precision the product would keep three digits, which the temperature magnifies.
    with torch.autocast(video.device.type, enabled=False):
        return F.normalize(video, dim=-1) @ F.normalize(audio, dim=-1).T / temperature


def info_nce(logits: Tensor) -> Tensor:
    """Symmetric InfoNCE of logits (B, B): the mean of both directions' cross-entropies."""
    pairs = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2


def retrieval_at_1(queries: Tensor, candidates: Tensor) -> Tensor:
    """Share of queries whose most similar candidate (cosine) is their own, in [0, 1].

    Args:
        queries: Features of one modality (N, C).
        candidates: Features of the other (N, C); the true candidate of query i is i.
    """
    queries, candidates = F.normalize(queries, dim=-1), F.normalize(candidates, dim=-1)
    with torch.autocast(queries.device.type, enabled=False):
        # In slices, so that a large validation set never holds its whole N × N matrix.
        nearest = torch.cat([(rows @ candidates.T).argmax(1) for rows in queries.split(1024)])
    return (nearest == torch.arange(len(queries), device=queries.device)).float().mean()
