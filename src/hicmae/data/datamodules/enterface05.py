"""eNTERFACE'05 as a data module."""

from typing import Any

from hicmae.data.corpora.enterface05 import ENTERFACE05
from hicmae.data.datamodules.corpus import CorpusDataModule


class ENTERFACE05DataModule(CorpusDataModule):
    """Reactions of eNTERFACE'05: six emotions, five folds of eight or nine people.

    Args:
        root: Folder that holds the folders of the subjects, at any depth.
        fold: Fold to test, 1 to 5: subjects fold, fold + 5 and so on.
        **kwargs: Options of `CorpusDataModule`.
    """

    def __init__(self, root: str, fold: int = 1, **kwargs: Any) -> None:
        super().__init__(corpus=ENTERFACE05(), root=root, fold=fold, **kwargs)
