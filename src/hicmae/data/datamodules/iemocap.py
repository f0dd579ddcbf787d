"""IEMOCAP as a data module."""

from typing import Any, Literal

from hicmae.data.corpora.iemocap import IEMOCAP, LeftActor
from hicmae.data.datamodules.corpus import CorpusDataModule


class IEMOCAPDataModule(CorpusDataModule):
    """IEMOCAP: four or six rated emotions, five folds of one session each.

    Args:
        root: Folder that holds `Session1` to `Session5`.
        fold: Fold to test, 1 to 5: the session of that number.
        classes: 4, with excited counted as happy, or 6, with excited and frustrated.
        left_actor: Who sits in the left half of the picture: the actor who wears the markers and
            whom the dialog's name tells ("marked"), the other one ("unmarked"), or the woman
            ("female").
        **kwargs: Options of `CorpusDataModule`.
    """

    telling_options = (*CorpusDataModule.telling_options, "classes", "left_actor")

    def __init__(
        self,
        root: str,
        fold: int = 1,
        *,
        classes: Literal[4, 6] = 4,
        left_actor: LeftActor = "marked",
        **kwargs: Any,
    ) -> None:
        corpus = IEMOCAP(classes=classes, left_actor=left_actor)
        super().__init__(corpus=corpus, root=root, fold=fold, **kwargs)
