"""The method as plain torch modules; nothing here knows of lightning or data."""

from hicmae.models.layers import Mask
from hicmae.models.pretraining import HiCMAE, PretrainingOutput
from hicmae.models.recognition import (
    ACTIVATIONS,
    Activation,
    Features,
    Modality,
    RecognitionModel,
)
from hicmae.models.sizes import SIZES, Architecture, FusionOrder, Size, named_changes

__all__ = [
    "ACTIVATIONS",
    "SIZES",
    "Activation",
    "Architecture",
    "Features",
    "FusionOrder",
    "HiCMAE",
    "Mask",
    "Modality",
    "PretrainingOutput",
    "RecognitionModel",
    "Size",
    "named_changes",
]
