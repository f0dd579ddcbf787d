"""MAFW as a data module."""

from typing import Any, Literal

from hicmae.data.corpora.mafw import MAFW
from hicmae.data.datamodules.corpus import CorpusDataModule


class MAFWDataModule(CorpusDataModule):
    """The clips of MAFW's official lists: 11 emotions, or 43 with compounds; five folds.

    Args:
        root: Folder that holds `Train & Test Set` and `data`.
        fold: Official fold to test, 1 to 5.
        classes: 11 for the lists of single labels, 43 for those that have compounds too.
        pictures: "clips" shows the whole scene of data/clips; "frames" the faces that the corpus
            brings in data/frames, with the sound of the clip.
        target: "class" for one class of a clip; "labels" for every emotion of the eleven that the
            lists with compounds give it.
        **kwargs: Options of `CorpusDataModule`.
    """

    telling_options = (*CorpusDataModule.telling_options, "classes", "pictures", "target")

    def __init__(
        self,
        root: str,
        fold: int = 1,
        *,
        classes: Literal[11, 43] = 11,
        pictures: Literal["clips", "frames"] = "clips",
        target: Literal["class", "labels"] = "class",
        **kwargs: Any,
    ) -> None:
        corpus = MAFW(classes=classes, pictures=pictures, target=target)
        super().__init__(corpus=corpus, root=root, fold=fold, **kwargs)
