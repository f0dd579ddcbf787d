"""The data module of a labelled corpus."""

from dataclasses import replace
from typing import Any

import pandas as pd
from lightning.pytorch.utilities import rank_zero_warn

from hicmae.data.corpora.base import Corpus, ExpectedCounts, Missing
from hicmae.data.datamodules.base import AudioVisualDataModule
from hicmae.data.manifest import read_manifest
from hicmae.data.options import TargetKind
from hicmae.errors import ConfigError, DataError
from hicmae.media.mirrors import path_here


class CorpusDataModule(AudioVisualDataModule):
    """Clips and labels of a corpus that states its own layout.

    Args:
        corpus: The corpus, with its options.
        root: Folder of the corpus.
        fold: Fold of the cross-validation that is tested, from 1.
        manifest: Table of the corpus that `hicmae data` wrote (of its clips as they are, of those
            without problems, of face crops, of a pack), to be read in place of the folder; a pack
            may lie in object storage (s3://bucket/pack/manifest.parquet).
        mirror: Folder that keeps what is fetched from object storage; null is ~/.cache/hicmae.
        missing: What a listed clip without a file does: "raise" stops; "leave_out" goes on without
            it, and names it in the log and in the report of `hicmae data check`.
        **kwargs: Options of `AudioVisualDataModule`.

    Attributes:
        left_out: Clips that the corpus lists and that are left out for want of a file.
    """

    def __init__(
        self,
        corpus: Corpus,
        root: str,
        fold: int = 1,
        *,
        manifest: str | None = None,
        mirror: str | None = None,
        missing: Missing = "raise",
        **kwargs: Any,
    ) -> None:
        super().__init__(root=root, fold=fold, **kwargs)
        if not 1 <= fold <= corpus.fold_count:
            folds = f"folds 1 to {corpus.fold_count}" if corpus.fold_count > 1 else "one split: 1"
            raise ConfigError(f"data.fold is {fold}, but {corpus.name} has {folds}.")
        if missing not in ("raise", "leave_out"):
            raise ConfigError(f"data.missing is {missing!r}; give raise or leave_out.")
        self.corpus = replace(corpus, missing=missing)
        self.left_out: tuple[str, ...] = ()
        self.manifest = None if manifest is None else path_here(manifest, mirror)

    @property
    def source(self) -> str:
        """Name and folder of the corpus."""
        return f"{self.corpus.name} in {self.manifest or self.root}"

    @property
    def class_names(self) -> list[str] | None:
        """Classes of the corpus in order of their index."""
        return list(self.corpus.class_names) if self.corpus.class_names else None

    @property
    def target_names(self) -> list[str] | None:
        """Regressed columns of the corpus in order."""
        return list(self.corpus.target_names) if self.corpus.target_names else None

    @property
    def target_kind(self) -> TargetKind:
        """What the classes are to a clip of the corpus."""
        return self.corpus.target_kind

    @property
    def label_column(self) -> str | None:
        """Column that holds the class names."""
        return self.corpus.label_column

    @property
    def fold_count(self) -> int:
        """Folds of the corpus' cross-validation."""
        return self.corpus.fold_count

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the published protocol."""
        return self.corpus.expected

    @property
    def subjects_may_repeat(self) -> bool:
        """Whether the published folds let a person be in training and in test."""
        return self.corpus.subjects_may_repeat

    def describe_training(self) -> dict[str, Any]:
        """Which clips are learned from, with the names of the corpus and of a table of it."""
        told = {**super().describe_training(), "corpus": self.corpus.name}
        return told if self.manifest is None else {**told, "manifest": self.manifest.name}

    @property
    def files_are_listed(self) -> bool:
        """A corpus lists the files that it finds; a saved table may be older than its files."""
        return self.manifest is None

    def build_table(self) -> pd.DataFrame:
        """Lists the corpus; warns if clips of the published protocol are missing."""
        if self.manifest is None:
            table, self.left_out = self.corpus.listing(self.root)
        else:
            table = read_manifest(self.manifest)
            for name in self.labelling.columns:
                if name not in table:
                    raise DataError(
                        f"Manifest {self.manifest} has no column {name}; it is no table of "
                        f"{self.corpus.name} that `hicmae data` wrote with these options."
                    )
        expected = self.expected.clips
        if expected is not None and len(table) != expected:
            rank_zero_warn(
                f"{self.source}: {len(table)} clips were found, where the published protocol has "
                f"{expected}."
            )
        return table
