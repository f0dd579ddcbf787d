"""MELD as a data module."""

from typing import Any

from hicmae.data.corpora.meld import MELD
from hicmae.data.datamodules.corpus import CorpusDataModule


class MELDDataModule(CorpusDataModule):
    """Utterances of the series Friends: seven emotions, the official three parts.

    Args:
        root: Folder that holds the three label files and folders of clips.
        fold: There is one split: 1.
        **kwargs: Options of `CorpusDataModule`.
    """

    def __init__(self, root: str, fold: int = 1, **kwargs: Any) -> None:
        super().__init__(corpus=MELD(), root=root, fold=fold, **kwargs)
