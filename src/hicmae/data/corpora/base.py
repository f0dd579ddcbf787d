"""What a corpus states about itself: layout, labels, folds."""

import os
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from hicmae.errors import DataError


@dataclass(frozen=True)
class Corpus(ABC):
    """Facts about a corpus and the way from its folder to a manifest.

    Options of a corpus are fields of the subclass.

    Attributes:
        name: The corpus' own name.
        layout: What lies where below the root, for messages.
        citation: What to cite.
        licence: What the licence allows, and how the corpus is had.
        expected_clips: Clips in the whole corpus that the published protocol uses.
    """

    name: ClassVar[str]
    layout: ClassVar[str]
    citation: ClassVar[str]
    licence: ClassVar[str]
    expected_clips: ClassVar[int]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """Classes in order of their index; None for regression and unlabelled corpora."""
        return None

    @property
    def target_names(self) -> tuple[str, ...] | None:
        """Columns to regress, in order; None for classification and unlabelled corpora."""
        return None

    @property
    def label_column(self) -> str | None:
        """Column of the manifest that holds the class names."""
        return "emotion" if self.class_names else None

    @property
    def fold_count(self) -> int:
        """Folds of the cross-validation; 1 where the corpus has one split."""
        return 1

    @abstractmethod
    def manifest(self, root: Path, fold: int = 1) -> pd.DataFrame:
        """Lists the clips below `root`.

        Args:
            root: Folder of the corpus.
            fold: Fold in use, for a corpus whose lists differ between folds; the others give a
                `fold` column.

        Returns:
            A complete manifest with the labels.

        Raises:
            DataError: Nothing of the corpus lies below `root`, or a file contradicts the layout.
        """

    def check_root(self, root: Path) -> None:
        """Raises a DataError that tells the layout if the folder does not exist."""
        if not root.is_dir():
            raise DataError(f"{self.name}: folder {root} does not exist; expected {self.layout}.")

    def nothing_found(self, root: Path, looked_for: str) -> DataError:
        """The error for a folder without a clip: what was looked for and what lies there."""
        entries = sorted(entry.name for entry in root.iterdir())
        found = ", ".join(entries[:8]) + (", ..." if len(entries) > 8 else "")
        return DataError(
            f"{self.name}: no {looked_for} below {root} (it holds: {found or 'nothing'}); "
            f"expected {self.layout}."
        )


def walk_files(root: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """All files below a folder with one of the suffixes (lower case, with dot), sorted by folder.

    Links to folders are followed. Hidden files, such as the `._` twins that macOS leaves, are not
    clips.
    """
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders.sort()
        for name in sorted(names):
            if name[0] != "." and name[name.rfind(".") :].lower() in suffixes:
                yield Path(folder, name)
