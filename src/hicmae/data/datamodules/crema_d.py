"""CREMA-D as a data module."""

from typing import Any, Literal

from hicmae.data.corpora.crema_d import CREMAD
from hicmae.data.datamodules.corpus import CorpusDataModule


class CREMADDataModule(CorpusDataModule):
    """CREMA-D: six or four acted emotions, five folds of 18 or 19 actors.

    Args:
        root: Folder that holds `VideoFlash` and `AudioWAV`.
        fold: Fold to test, 1 to 5: actors 1001 to 1018 are fold 1, and so on.
        classes: 6, or 4 to leave out disgust and fear.
        target: "intended" for the emotion that the actor was to show; "votes" for the share of each
            emotion among the votes, of processedResults/tabulatedVotes.csv.
        **kwargs: Options of `CorpusDataModule`.
    """

    telling_options = (*CorpusDataModule.telling_options, "classes", "target")

    def __init__(
        self,
        root: str,
        fold: int = 1,
        *,
        classes: Literal[6, 4] = 6,
        target: Literal["intended", "votes"] = "intended",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            corpus=CREMAD(classes=classes, target=target), root=root, fold=fold, **kwargs
        )
