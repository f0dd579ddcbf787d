"""The method as plain torch modules; nothing here knows of lightning or data."""

from hicmae.choices import Activation, FusionOrder
from hicmae.models.layers import Mask
from hicmae.models.pretraining import HiCMAE, PretrainingOutput
from hicmae.models.recognition import (
    ACTIVATIONS,
    Features,
    Modality,
    Pooling,
    RecognitionModel,
    feature_width,
)
from hicmae.models.sizes import (
    SIZES,
    UNCHANGED,
    Architecture,
    ArchitectureChanges,
    Size,
)

__all__ = [
    "ACTIVATIONS",
    "SIZES",
    "UNCHANGED",
    "Activation",
    "Architecture",
    "ArchitectureChanges",
    "Features",
    "FusionOrder",
    "HiCMAE",
    "Mask",
    "Modality",
    "Pooling",
    "PretrainingOutput",
    "RecognitionModel",
    "Size",
    "feature_width",
]
