"""SAVEE as a data module."""

from typing import Any

from hicmae.data.corpora.savee import SAVEE
from hicmae.data.datamodules.corpus import CorpusDataModule


class SAVEEDataModule(CorpusDataModule):
    """The clips of SAVEE: seven acted emotions, four folds of one speaker.

    Args:
        root: Folder that holds `AudioVisualClip`.
        fold: Fold to test, 1 to 4: speakers DC, JE, JK and KL.
        **kwargs: Options of `CorpusDataModule`.
    """

    def __init__(self, root: str, fold: int = 1, **kwargs: Any) -> None:
        super().__init__(corpus=SAVEE(), root=root, fold=fold, **kwargs)
