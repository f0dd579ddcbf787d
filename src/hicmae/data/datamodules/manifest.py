"""A data module over a table of the user's own."""

from typing import Any

import pandas as pd

from hicmae.data.datamodules.base import AudioVisualDataModule
from hicmae.data.folder import list_folder
from hicmae.data.manifest import label_columns, read_manifest
from hicmae.data.table_files import as_text
from hicmae.errors import ConfigError, DataError
from hicmae.media.mirrors import path_here


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
        targets: Columns of numbers, for regression. Without `label` and `targets` the clips are
            unlabelled, for pre-training.
        classes: Class names in order of their index; null means those in the table, sorted.
        **kwargs: Options of `AudioVisualDataModule`.
    """

    telling_options = (*AudioVisualDataModule.telling_options, "label", "targets", "classes")

    def __init__(
        self,
        manifest: str,
        *,
        root: str | None = None,
        label: str | None = None,
        targets: list[str] | None = None,
        classes: list[str] | list[int] | None = None,
        mirror: str | None = None,
        **kwargs: Any,
    ) -> None:
        path = path_here(manifest, mirror)
        super().__init__(root=str(path.parent) if root is None else root, **kwargs)
        if label and targets:
            raise ConfigError("data.label and data.targets exclude each other; give one of them.")
        if classes and not label:
            raise ConfigError("data.classes orders the classes of data.label; give both.")
        if classes and len(set(classes)) < len(classes):
            raise ConfigError(f"data.classes names a class twice: {', '.join(map(str, classes))}.")
        if root is not None and path.is_dir():
            raise ConfigError(
                f"data.root is {root}, but {path} is a folder, which holds its own files: leave "
                "data.root out."
            )
        self.manifest = path
        self.label = label
        self.targets = targets
        self.classes = None if classes is None else [str(name) for name in classes]

    @property
    def source(self) -> str:
        """The path of the table or folder."""
        if self.manifest.is_dir():
            return f"Folder {self.manifest}"
        elsewhere = "" if self.root == self.manifest.parent else f" (files in {self.root})"
        return f"Manifest {self.manifest}{elsewhere}"

    @property
    def class_names(self) -> list[str] | None:
        """The given classes, or those in the table: numbers by value, words by alphabet."""
        if self.label is None or self.classes is not None:
            return self.classes
        names = self.table[self.label].dropna().unique().tolist()
        if all(name.isdecimal() for name in names):
            return sorted(names, key=int)
        return sorted(names)

    @property
    def target_names(self) -> list[str] | None:
        """The given columns."""
        return self.targets

    @property
    def label_column(self) -> str | None:
        """The given column."""
        return self.label

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
            table = read_manifest(self.manifest, self.root)
        columns = label_columns(table)
        for name in [self.label] if self.label else self.targets or []:
            if name not in columns:
                raise DataError(
                    f"{self.source} has no label column {name}; it has "
                    f"{', '.join(columns) or 'none'}."
                )
        if self.label:
            table[self.label] = as_text(table[self.label])
        return table
