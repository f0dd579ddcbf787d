"""Pictures between their own values and those that models read (method: video input)."""

import torch
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of red, green and blue in [0, 1] over ImageNet."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Their standard deviation."""


def denormalised(video: Tensor) -> Tensor:
    """Brings normalised pictures back to [0, 1] as float32; values beyond it are clipped.

    Args:
        video: Pictures normalised with ImageNet's mean and deviation (..., 3, T, H, W).
    """
    mean, std = (
        torch.tensor(values, device=video.device).view(3, 1, 1, 1)
        for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (video.float() * std + mean).clamp(0, 1)
