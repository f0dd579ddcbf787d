"""Makes `pytorchvideo.transforms` importable beside a current torchvision.

pytorchvideo 0.1.5, its last release, imports `torchvision.transforms.functional_tensor`, which
torchvision has since given a leading underscore. Import pytorchvideo's transforms from here.
"""

import sys

import torchvision.transforms._functional_tensor as functional_tensor

sys.modules.setdefault("torchvision.transforms.functional_tensor", functional_tensor)

from pytorchvideo.transforms import OpSampler  # noqa: E402
from pytorchvideo.transforms.augmentations import AugmentTransform  # noqa: E402

__all__ = ["AugmentTransform", "OpSampler"]
