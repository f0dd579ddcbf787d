"""The method as plain torch modules; nothing here knows of lightning or data."""

from hicmae.models.layers import Mask
from hicmae.models.pretraining import HiCMAE, PretrainingOutput
from hicmae.models.recognition import EmotionRecognizer
from hicmae.models.sizes import SIZES, Architecture, Size

__all__ = [
    "SIZES",
    "Architecture",
    "EmotionRecognizer",
    "HiCMAE",
    "Mask",
    "PretrainingOutput",
    "Size",
]
