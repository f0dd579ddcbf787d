"""MER2023 as a data module."""

from typing import Any, Literal

from hicmae.data.corpora.mer2023 import MER2023
from hicmae.data.datamodules.corpus import CorpusDataModule


class MER2023DataModule(CorpusDataModule):
    """The labelled clips of MER2023: six emotions, one training and one test set.

    Args:
        root: Folder that holds the folders of clips and the label files.
        fold: There is one split: 1.
        test_set: "multi" tests MER-MULTI (test1), as published; "noise" test2; "semi" the labelled
            part of test3.
        **kwargs: Options of `CorpusDataModule`.
    """

    telling_options = (*CorpusDataModule.telling_options, "test_set")

    def __init__(
        self,
        root: str,
        fold: int = 1,
        *,
        test_set: Literal["multi", "noise", "semi"] = "multi",
        **kwargs: Any,
    ) -> None:
        super().__init__(corpus=MER2023(test_set=test_set), root=root, fold=fold, **kwargs)
