"""Werewolf-XL as a data module."""

from typing import Any

from hicmae.data.corpora.werewolf_xl import WerewolfXL
from hicmae.data.datamodules.corpus import CorpusDataModule


class WerewolfXLDataModule(CorpusDataModule):
    """Utterances of 30 games: arousal, valence and dominance, five folds of six games.

    Args:
        root: Folder that holds the clips, at any depth, and the file of their ratings.
        fold: Fold to test, 1 to 5: games 6 · fold - 5 to 6 · fold.
        labels: CSV file of the ratings, relative to `root` or absolute; null means the one file
            below `root` that has the columns.
        id_column: Column of the clip names.
        arousal_column: Column of the arousal.
        valence_column: Column of the valence, which the corpus calls pleasure.
        dominance_column: Column of the dominance.
        group_column: Column that tells speakers from listeners, whose rows are left out.
        **kwargs: Options of `CorpusDataModule`.
    """

    def __init__(
        self,
        root: str,
        fold: int = 1,
        *,
        labels: str | None = None,
        id_column: str = "VideoName",
        arousal_column: str = "Mean_A_1_2",
        valence_column: str = "Mean_P_1_2_3_4",
        dominance_column: str = "Mean_D_1_2_4",
        group_column: str = "Group",
        **kwargs: Any,
    ) -> None:
        corpus = WerewolfXL(
            labels=labels,
            id_column=id_column,
            arousal_column=arousal_column,
            valence_column=valence_column,
            dominance_column=dominance_column,
            group_column=group_column,
        )
        super().__init__(corpus=corpus, root=root, fold=fold, **kwargs)
