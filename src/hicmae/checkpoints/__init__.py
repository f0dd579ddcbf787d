"""Weights in files: of training runs, of the public implementation, and of shared models."""

from typing import TYPE_CHECKING

from hicmae.imports import lazily

if TYPE_CHECKING:
    from hicmae.checkpoints.models import load_recognition_model
    from hicmae.data.options import InputSettings
    from hicmae.weights.description import ModelDescription
    from hicmae.weights.names import our_name, their_name
    from hicmae.weights.reading import LoadReport, load_pretrained, read_weights

__all__ = [
    "InputSettings",
    "LoadReport",
    "ModelDescription",
    "load_pretrained",
    "load_recognition_model",
    "our_name",
    "read_weights",
    "their_name",
]

__getattr__ = lazily(
    {
        "InputSettings": "hicmae.data.options",
        "LoadReport": "hicmae.weights.reading",
        "ModelDescription": "hicmae.weights.description",
        "load_pretrained": "hicmae.weights.reading",
        "load_recognition_model": "hicmae.checkpoints.models",
        "our_name": "hicmae.weights.names",
        "read_weights": "hicmae.weights.reading",
        "their_name": "hicmae.weights.names",
    }
)
