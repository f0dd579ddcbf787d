"""Lightning data modules: one per corpus, thin over one audio-visual base."""

from hicmae.data.datamodules.avcaffe import AVCAffeDataModule
from hicmae.data.datamodules.base import AudioVisualDataModule
from hicmae.data.datamodules.blemore import BLEMOREDataModule
from hicmae.data.datamodules.corpus import CorpusDataModule
from hicmae.data.datamodules.crema_d import CREMADDataModule
from hicmae.data.datamodules.dfew import DFEWDataModule
from hicmae.data.datamodules.enterface05 import ENTERFACE05DataModule
from hicmae.data.datamodules.iemocap import IEMOCAPDataModule
from hicmae.data.datamodules.mafw import MAFWDataModule
from hicmae.data.datamodules.manifest import ManifestDataModule
from hicmae.data.datamodules.meld import MELDDataModule
from hicmae.data.datamodules.mer2023 import MER2023DataModule
from hicmae.data.datamodules.msp_improv import MSPIMPROVDataModule
from hicmae.data.datamodules.ravdess import RAVDESSDataModule
from hicmae.data.datamodules.savee import SAVEEDataModule
from hicmae.data.datamodules.voxceleb2 import VoxCeleb2DataModule
from hicmae.data.datamodules.werewolf_xl import WerewolfXLDataModule

__all__ = [
    "AVCAffeDataModule",
    "AudioVisualDataModule",
    "BLEMOREDataModule",
    "CREMADDataModule",
    "CorpusDataModule",
    "DFEWDataModule",
    "ENTERFACE05DataModule",
    "IEMOCAPDataModule",
    "MAFWDataModule",
    "MELDDataModule",
    "MER2023DataModule",
    "MSPIMPROVDataModule",
    "ManifestDataModule",
    "RAVDESSDataModule",
    "SAVEEDataModule",
    "VoxCeleb2DataModule",
    "WerewolfXLDataModule",
]
