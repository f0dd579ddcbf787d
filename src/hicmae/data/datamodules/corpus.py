"""The data module of a labelled corpus."""

from typing import Any

import pandas as pd
from lightning.pytorch.utilities import rank_zero_warn

from hicmae.data.corpora.base import Corpus
from hicmae.data.datamodules.base import AudioVisualDataModule
from hicmae.errors import ConfigError


class CorpusDataModule(AudioVisualDataModule):
    """Clips and labels of a corpus that states its own layout.

    Args:
        corpus: The corpus, with its options.
        root: Folder of the corpus.
        fold: Fold of the cross-validation that is tested, from 1.
        **kwargs: Options of `AudioVisualDataModule`.
    """

    def __init__(self, corpus: Corpus, root: str, fold: int = 1, **kwargs: Any) -> None:
        super().__init__(root=root, fold=fold, **kwargs)
        if not 1 <= fold <= corpus.fold_count:
            raise ConfigError(
                f"data.fold is {fold}, but {corpus.name} has folds 1 to {corpus.fold_count}."
            )
        self.corpus = corpus

    @property
    def source(self) -> str:
        """Name and folder of the corpus."""
        return f"{self.corpus.name} in {self.root}"

    @property
    def class_names(self) -> list[str] | None:
        """Classes of the corpus in order of their index."""
        return list(self.corpus.class_names) if self.corpus.class_names else None

    @property
    def target_names(self) -> list[str] | None:
        """Regressed columns of the corpus in order."""
        return list(self.corpus.target_names) if self.corpus.target_names else None

    @property
    def label_column(self) -> str | None:
        """Column that holds the class names."""
        return self.corpus.label_column

    def build_table(self) -> pd.DataFrame:
        """Lists the corpus; warns if clips of the published protocol are missing."""
        table = self.corpus.manifest(self.root)
        expected = self.corpus.expected.clips
        if expected is not None and len(table) != expected:
            rank_zero_warn(
                f"{self.source}: {len(table)} clips were found, where the published protocol has "
                f"{expected}."
            )
        return table
