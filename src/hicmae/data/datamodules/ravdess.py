"""RAVDESS as a data module."""

from typing import Any

from hicmae.data.corpora.ravdess import RAVDESS
from hicmae.data.datamodules.corpus import CorpusDataModule


class RAVDESSDataModule(CorpusDataModule):
    """The spoken clips of RAVDESS: eight emotions, six folds of four actors.

    Args:
        root: Folder that holds the unpacked archives, at any depth.
        fold: Fold to test, 1 to 6: actors 4 · fold - 3 to 4 · fold.
        **kwargs: Options of `CorpusDataModule`.
    """

    def __init__(self, root: str, fold: int = 1, **kwargs: Any) -> None:
        super().__init__(corpus=RAVDESS(), root=root, fold=fold, **kwargs)
