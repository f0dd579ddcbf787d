"""Hierarchical cross-modal contrastive learning and its retrieval figure (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from torch import Tensor


def contrastive_logits(video: Tensor, audio: Tensor, temperature: float) -> Tensor:
    """Cosine similarities of every video to every audio, over the temperature.

    Args:
        video: Pooled video features (B, C).
        audio: Pooled audio features (N, C).
        temperature: The smaller, the sharper.

    Returns:
        Logits (B, N); row i holds video i against all audios. Of the features of one batch, the
        diagonal holds the true pairs.
    """
    # Under mixed precision the product would keep three digits, which the temperature magnifies.
    with torch.autocast(video.device.type, enabled=False):
        return F.normalize(video, dim=-1) @ F.normalize(audio, dim=-1).T / temperature


def info_nce(logits: Tensor) -> Tensor:
    """Symmetric InfoNCE of logits (B, B): the mean of both directions' cross-entropies."""
    pairs = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2


def contrastive_loss(
    video: Tensor, audio: Tensor, temperature: float, counts: Sequence[int] | None = None
) -> Tensor:
    """Symmetric InfoNCE of this process' clips, if wanted among the clips of all processes.

    With `counts`, each process ranks its own clips among those of all, and the gradient flows back
    into the features of all. The mean of what the processes return, each weighted by its share of
    the clips, is then the loss of the joint batch, and so is the gradient once it is averaged over
    processes in the same way.

    Args:
        video: Pooled video features of this process' clips (B, C).
        audio: Pooled audio features of the same clips (B, C).
        temperature: The smaller, the sharper.
        counts: Clips of every process, by rank, whose other clips are negatives too; None leaves
            the clips of this process among themselves.

    Returns:
        The mean over the clips of this process; 0 if it has none.
    """
    if counts is None or len(counts) == 1:
        return info_nce(contrastive_logits(video, audio, temperature))
    first = sum(counts[: dist.get_rank()])
    pairs = torch.arange(first, first + len(video), device=video.device)
    forth = contrastive_logits(video, gather_clips(audio, counts), temperature)
    back = contrastive_logits(audio, gather_clips(video, counts), temperature)
    both = F.cross_entropy(torch.cat([forth, back]), pairs.repeat(2), reduction="sum")
    # Without clips the sum is a zero through which this process still serves the others' gradients.
    return both / (2 * max(len(video), 1))


def gather_clips(features: Tensor, counts: Sequence[int]) -> Tensor:
    """The features of all processes, through which gradients flow back to where they came from.

    Args:
        features: Features of this process' clips (B, C).
        counts: Clips of every process, by rank; B is this one's.

    Returns:
        Features (sum of counts, C), in the order of ranks.
    """
    longest = max(counts)
    padded = F.pad(features, (0, 0, 0, longest - len(features)))
    parts: Tensor = _Gather.apply(padded)
    rows = zip(parts.split(longest), counts, strict=True)
    return torch.cat([part[:count] for part, count in rows])


class _Gather(torch.autograd.Function):
    """Rows (B, C) of every process, as many in each, one below the other."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        everyone = own.new_empty(len(own) * dist.get_world_size(), *own.shape[1:])
        dist.all_gather_into_tensor(everyone, own.contiguous())
        return everyone

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """What the losses of all processes say about this process' rows."""
        own = gradient.new_empty(len(gradient) // dist.get_world_size(), *gradient.shape[1:])
        dist.reduce_scatter_tensor(own, gradient.contiguous())
        return own


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
