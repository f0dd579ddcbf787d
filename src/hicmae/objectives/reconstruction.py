"""Targets and loss of masked reconstruction (paper section 3.2)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from torch import Tensor

from hicmae.media.normalisation import IMAGENET_MEAN, IMAGENET_STD
from hicmae.models.layers import audio_patches, gather_tokens, video_patches

EPSILON = 1e-6


def video_target(
    video: Tensor,
    masked: Tensor,
    *,
    tubelet_size: int,
    patch_size: int,
    frame_difference: bool = True,
    normalise: bool = True,
) -> Tensor:
    """What the video decoder has to predict for the masked tubes.

    Pixels are brought back to [0, 1] and normalised in each tube and colour channel. With
    `frame_difference` every later frame of a tube is then replaced by its difference from the
    first, as the public implementation does by default.

    Args:
        video: Frames normalised with ImageNet's mean and deviation (B, 3, T, H, W).
        masked: Indices of masked tubes (B, K).
        tubelet_size: Frames of a tube, t.
        patch_size: Side of a tube in pixels, p.
        frame_difference: Whether motion is predicted in place of the later frames.
        normalise: Whether tubes are normalised; else their pixels stay in [0, 1].

    Returns:
        Targets (B, K, t · p · p · 3), ordered time, height, width, channel.
    """
    # The picked tubes are a copy, on which all that follows is done in place.
    tubes = gather_tokens(video_patches(video, tubelet_size, patch_size), masked)
    tubes = rearrange(tubes, "b k (c v) -> b k c v", c=3)
    for channel, (mean, std) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)):
        tubes[:, :, channel].mul_(std).add_(mean)
    if normalise:
        _normalise(tubes)
    tubes = rearrange(tubes, "b k c (t s) -> b k t (s c)", t=tubelet_size)
    if frame_difference:
        tubes[:, :, 1:] -= tubes[:, :, :1]
    return tubes.flatten(2)


def audio_target(
    audio: Tensor, masked: Tensor, *, patch_size: int, normalise: bool = True
) -> Tensor:
    """What the audio decoder has to predict: masked patches, each normalised.

    Args:
        audio: Normalised spectrograms (B, 1, T, F).
        masked: Indices of masked patches (B, K).
        patch_size: Side of a patch, p.
        normalise: Whether patches are normalised; else they stay as the model reads them.

    Returns:
        Targets (B, K, p · p), time before frequency.
    """
    patches = gather_tokens(audio_patches(audio, patch_size), masked)
    return _normalise(patches) if normalise else patches


def reconstruction_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over all masked values (B, K, P)."""
    return F.mse_loss(prediction, target)


def _normalise(values: Tensor) -> Tensor:
    """Gives the last axis zero mean and unit deviation (unbiased variance), in place."""
    values.sub_(values.mean(-1, keepdim=True))
    # The same as `std`, which takes most of a target's time on a CPU.
    std = torch.linalg.vector_norm(values, dim=-1, keepdim=True) / math.sqrt(values.shape[-1] - 1)
    return values.div_(std + EPSILON)
