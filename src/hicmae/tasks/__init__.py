"""LightningModules around the models."""

from hicmae.tasks.base import AudioVisualTask
from hicmae.tasks.classification import ClassificationTask
from hicmae.tasks.logistic import LogisticRegressionTask
from hicmae.tasks.neighbours import NearestNeighbourTask
from hicmae.tasks.pretraining import PretrainingTask
from hicmae.tasks.recognition import RecognitionTask
from hicmae.tasks.regression import RegressionTask

__all__ = [
    "AudioVisualTask",
    "ClassificationTask",
    "LogisticRegressionTask",
    "NearestNeighbourTask",
    "PretrainingTask",
    "RecognitionTask",
    "RegressionTask",
]
