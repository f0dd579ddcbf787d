"""A data module over a table of the user's own."""

from typing import Any

import pandas as pd

from hicmae.data.datamodules.base import AudioVisualDataModule
from hicmae.data.folder import list_folder
from hicmae.data.manifest import label_columns, read_manifest
from hicmae.data.options import TargetKind
from hicmae.data.table_files import as_text
from hicmae.data.targets import names_in
from hicmae.errors import ConfigError, DataError
from hicmae.media.mirrors import path_here

LABELLED_BY = ("label", "targets", "distribution", "labels")
"""Options of which one names the labels of a table."""


class ManifestDataModule(AudioVisualDataModule):
    """Clips listed in a table, with or without labels, or the clips of a folder.

    Columns: `video` (or `path`), then, as wanted, `id`, `audio`, `start`, `end` (seconds),
    `subject`, `fold`, `split` (train, val or test), and any label columns.

    Args:
        manifest: CSV or Parquet file, or the address of a pack's in object storage
            (s3://bucket/pack/manifest.parquet), whose shards are fetched as they are needed; or a
            folder, whose videos are clips without labels.
        root: Folder against which relative paths in a table resolve; null is that of the file.
        mirror: Folder that keeps what is fetched from object storage; null is ~/.cache/hicmae.
        label: Column of class names, for classification.
        targets: Columns of numbers, for regression.
        distribution: Columns of shares, one for each class, for clips that are mixtures of classes
            or on which raters disagree: numbers from 0, such as counts of votes, which are divided
            by their sum.
        labels: For clips that may be of several classes: a column whose cells name them with
            commas, semicolons or bars between (`anger;fear`), or the columns of the classes, each
            of 1 and 0. Without any of the four the clips are unlabelled, for pre-training.
        classes: Class names in order of their index, where a column names them; null means those
            in the table, sorted.
        **kwargs: Options of `AudioVisualDataModule`.
    """

    telling_options = (*AudioVisualDataModule.telling_options, *LABELLED_BY, "classes")

    def __init__(
        self,
        manifest: str,
        *,
        root: str | None = None,
        label: str | None = None,
        targets: list[str] | None = None,
        distribution: list[str] | None = None,
        labels: list[str] | str | None = None,
        classes: list[str] | list[int] | None = None,
        mirror: str | None = None,
        **kwargs: Any,
    ) -> None:
        path = path_here(manifest, mirror)
        super().__init__(root=str(path.parent) if root is None else root, **kwargs)
        given = dict(zip(LABELLED_BY, (label, targets, distribution, labels), strict=True))
        given = {f"data.{name}": value for name, value in given.items() if value}
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)} exclude each other; give one of them.")
        if classes and not isinstance(label or labels, str):
            raise ConfigError(
                "data.classes orders the classes that a column names; give it with data.label or "
                "with one column as data.labels."
            )
        for names in (classes, distribution, labels):
            if isinstance(names, list) and len(set(names)) < len(names):
                told = ", ".join(map(str, names))
                raise ConfigError(f"An option of data names a class twice: {told}.")
        if root is not None and path.is_dir():
            raise ConfigError(
                f"data.root is {root}, but {path} is a folder, which holds its own files: leave "
                "data.root out."
            )
        self.manifest = path
        self.label, self.targets = label, targets
        self.distribution, self.labels = distribution, labels
        self.classes = None if classes is None else [str(name) for name in classes]

    @property
    def source(self) -> str:
        """The path of the table or folder."""
        if self.manifest.is_dir():
            return f"Folder {self.manifest}"
        elsewhere = "" if self.root == self.manifest.parent else f" (files in {self.root})"
        return f"Manifest {self.manifest}{elsewhere}"

    @property
    def target_kind(self) -> TargetKind:
        """By which of the options the classes are given."""
        if self.distribution:
            return "distribution"
        return "labels" if self.labels else "class"

    @property
    def class_names(self) -> list[str] | None:
        """The given classes, or those in the table: numbers by value, words by alphabet."""
        columns = self.distribution or self.labels
        if isinstance(columns, list):
            return columns
        column = self.label_column
        if column is None or self.classes is not None:
            return self.classes
        names = self.table[column].dropna().unique().tolist()
        if self.labels:
            names = list({name: None for cell in names for name in names_in(cell)})
        if all(name.isdecimal() for name in names):
            return sorted(names, key=int)
        return sorted(names)

    @property
    def target_names(self) -> list[str] | None:
        """The given columns."""
        return self.targets

    @property
    def label_column(self) -> str | None:
        """The given column of names."""
        return self.labels if isinstance(self.labels, str) else self.label

    def describe_training(self) -> dict[str, Any]:
        """Which clips are learned from, with the name of the table."""
        return {**super().describe_training(), "manifest": self.manifest.name}

    def build_table(self) -> pd.DataFrame:
        """Reads the table or lists the folder; a column that an option names must be there."""
        if self.manifest.is_file() and not self.root.is_dir():
            raise DataError(f"{self.source}: data.root {self.root} does not exist.")
        if self.manifest.is_dir():
            table = list_folder(self.manifest)
        else:
            sounds_alone = self.clip_options.senses in {"any", "audio"}
            table = read_manifest(self.manifest, self.root, sounds_alone=sounds_alone)
        columns = label_columns(table)
        named = self.label_column
        for name in [named] if named else self.labels or self.distribution or self.targets or []:
            if name not in columns:
                raise DataError(
                    f"{self.source} has no label column {name}; it has "
                    f"{', '.join(columns) or 'none'}."
                )
        if named:
            table[named] = as_text(table[named])
        return table
