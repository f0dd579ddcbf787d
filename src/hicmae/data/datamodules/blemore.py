"""BLEMORE as a data module."""

from typing import Any

from hicmae.data.corpora.blemore import BLEMORE
from hicmae.data.datamodules.corpus import CorpusDataModule


class BLEMOREDataModule(CorpusDataModule):
    """The training part of BLEMORE: shares of six emotions, five folds.

    Args:
        root: Folder that holds `train_metadata.csv` and the clips.
        fold: Fold to test, 1 to 5; the label file counts them from 0.
        **kwargs: Options of `CorpusDataModule`.
    """

    def __init__(self, root: str, fold: int = 1, **kwargs: Any) -> None:
        super().__init__(corpus=BLEMORE(), root=root, fold=fold, **kwargs)
