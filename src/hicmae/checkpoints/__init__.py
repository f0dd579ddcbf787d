"""Weights in files: of training runs, of the public implementation, and of shared models."""

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
