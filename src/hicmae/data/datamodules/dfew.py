"""DFEW as a data module."""

from typing import Any, Literal

from hicmae.data.corpora.dfew import DFEW
from hicmae.data.datamodules.corpus import CorpusDataModule


class DFEWDataModule(CorpusDataModule):
    """The clips of DFEW with a single label: seven emotions, five folds.

    Args:
        root: Folder that holds `EmoLabel_DataSplit` and `Clip`.
        fold: Official fold to test, 1 to 5.
        pictures: "faces" shows the aligned faces of Clip/clip_224x224; "original" the whole scene
            of Clip/original, where the sound always comes from.
        target: "class" for the single label; "votes" for the share of each emotion among the votes,
            of Annotation/annotation.xlsx.
        **kwargs: Options of `CorpusDataModule`.
    """

    telling_options = (*CorpusDataModule.telling_options, "pictures", "target")

    def __init__(
        self,
        root: str,
        fold: int = 1,
        *,
        pictures: Literal["faces", "original"] = "faces",
        target: Literal["class", "votes"] = "class",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            corpus=DFEW(pictures=pictures, target=target), root=root, fold=fold, **kwargs
        )
