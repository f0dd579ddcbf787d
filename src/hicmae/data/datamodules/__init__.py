"""Lightning data modules: one per corpus, thin over one audio-visual base."""

from hicmae.data.datamodules.base import AudioVisualDataModule
from hicmae.data.datamodules.corpus import CorpusDataModule
from hicmae.data.datamodules.manifest import ManifestDataModule
from hicmae.data.datamodules.ravdess import RAVDESSDataModule
from hicmae.data.datamodules.voxceleb2 import VoxCeleb2DataModule

__all__ = [
    "AudioVisualDataModule",
    "CorpusDataModule",
    "ManifestDataModule",
    "RAVDESSDataModule",
    "VoxCeleb2DataModule",
]
