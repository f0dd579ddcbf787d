"""MSP-IMPROV as a data module."""

from typing import Any

from hicmae.data.corpora.msp_improv import MSPIMPROV
from hicmae.data.datamodules.corpus import CorpusDataModule


class MSPIMPROVDataModule(CorpusDataModule):
    """MSP-IMPROV: four rated emotions, six folds of one session each.

    Args:
        root: Folder that holds the label file and, at any depth, the turns.
        fold: Fold to test, 1 to 6: the session of that number.
        **kwargs: Options of `CorpusDataModule`.
    """

    def __init__(self, root: str, fold: int = 1, **kwargs: Any) -> None:
        super().__init__(corpus=MSPIMPROV(), root=root, fold=fold, **kwargs)
