"""What was run and how its checkpoint was chosen, in words for tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hicmae import tasks
from hicmae.data.splits import Splits
from hicmae.evaluation.published import AUDIO_VIDEO, PublishedCorpus, published_corpora
from hicmae.evaluation.scores import ScoreKind
from hicmae.tasks.recognition import RecognitionTask

Config = dict[str, Any]

# How the tested checkpoint was chosen. The names stand in every table and picture.
HELD_OUT = "validation held out from training folds"
OWN_VALIDATION = "validation rows of the corpus' own"
ON_TEST_FOLD = "selected on the test fold (as the public code does); optimistic"
LAST_EPOCH = "last epoch; nothing is selected"
NOT_TEST_ROWS = "validation on rows that are not tested"
UNKNOWN_SELECTION = "not known (the config of the training run is missing)"

_SIZES = {"tiny": "HiCMAE-T", "small": "HiCMAE-S", "base": "HiCMAE-B"}
# Options of a recogniser as published; others make another model of it.
_PUBLISHED_OPTIONS = {
    "feature_fusion": True,
    "pooling": "mean",
    "fusion_depth": None,
    "fusion_order": None,
    "freeze": "none",
    "modality_dropout": None,
}
# Of many changes, the ones that tell most stand for all.
_TELLING = ("width", "depth", *_PUBLISHED_OPTIONS)


@dataclass(frozen=True)
class RunSetup:
    """What a table has to say about where its numbers come from.

    Attributes:
        name: Name of the run: that of its config, or of the published test it stands for.
        source: What the clips come from.
        kind: What was learned.
        outputs: Classes in order of their index, or regressed targets.
        fold_count: Folds of the corpus; 0 where that is not known.
        model: Such as HiCMAE-B.
        modality: "audio + video", "audio" or "video".
        start: What the weights started from.
        selection: How the tested checkpoint was chosen; one of the names of this module.
        command: Command line.
        published: Name of the published test that it compares with; None if there is none.
    """

    name: str
    source: str
    kind: ScoreKind
    outputs: list[str]
    fold_count: int
    model: str
    modality: str
    start: str
    selection: str
    command: str
    published: str | None

    @property
    def published_corpus(self) -> PublishedCorpus | None:
        """What is published for the same test."""
        return None if self.published is None else published_corpora()[self.published]

    @property
    def one_class(self) -> bool:
        """Whether an answer has a class that comes first, so that classes can be confused."""
        return self.kind in {"classification", "distribution"}

    @property
    def title(self) -> str:
        """Name of the run with what the corpus is."""
        corpus = self.published_corpus
        return self.name if corpus is None else f"{self.name}: {corpus.corpus}"


def model_label(config: Config) -> str:
    """Name of a run's model; one that differs from the published sizes says in what.

    Args:
        config: Config of the run.
    """
    options = config["model"].get("init_args") or {}
    size = str(options.get("size", "base"))
    architecture = options.get("architecture") or {}
    changes = {name: value for name, value in architecture.items() if value is not None}
    changes |= {
        name: options[name]
        for name, published in _PUBLISHED_OPTIONS.items()
        if options.get(name, published) != published
    }
    probe = _probe(str(config["model"]["class_path"]))
    if not changes and not probe:
        return _SIZES.get(size, size)
    shown = [f"{name} {changes[name]}" for name in _TELLING if name in changes]
    differences = ", ".join([*shown, *([probe] if probe else [])])
    return f"{_SIZES.get(size, size)} changed: {differences or ', '.join(changes)}"


def _probe(class_path: str) -> str | None:
    """What judges the features in place of a head; a task of one's own is taken to have a head."""
    task = vars(tasks).get(class_path.rpartition(".")[2])
    return task.probe if isinstance(task, type) and issubclass(task, RecognitionTask) else None


def modality_label(config: Config) -> str:
    """Modalities that a run's model sees, or is given of clips."""
    options = config["model"].get("init_args") or {}
    modality = str(options.get("modality", "audio_visual"))
    given = str((config["data"].get("init_args") or {}).get("senses", "both"))
    if given in {"audio", "video"}:
        return given
    return AUDIO_VIDEO if modality == "audio_visual" else modality


def start_label(config: Config) -> str:
    """What a run's weights started from."""
    pretrained = (config["model"].get("init_args") or {}).get("pretrained")
    return f"pre-trained weights {pretrained}" if pretrained else "random weights"


def selects(config: Config) -> bool:
    """Whether anything in a run chooses its checkpoint or its end by a figure of merit."""
    callbacks = (config.get("trainer") or {}).get("callbacks") or []
    if isinstance(callbacks, dict):
        callbacks = [callbacks]
    return any((callback.get("init_args") or {}).get("monitor") for callback in callbacks)


def selection_of(config: Config, splits: Splits) -> str:
    """How the tested checkpoint of a fold is chosen.

    Args:
        config: Config of the run.
        splits: Rows of the fold.
    """
    if not len(splits.val_rows) or not selects(config):
        return LAST_EPOCH
    if np.isin(splits.val_rows, splits.test_rows).any():
        return ON_TEST_FOLD
    named = (splits.table["split"].iloc[splits.val_rows] == "val").fillna(value=False)
    return OWN_VALIDATION if named.all() else HELD_OUT


def selection_of_config(config: Config) -> str:
    """How the tested checkpoint of a finished run was chosen, as far as its config alone tells.

    Args:
        config: Config of the training run.
    """
    options = config["data"].get("init_args") or {}
    if not selects(config):
        return LAST_EPOCH
    policy = options.get("val_split", "from_train")
    if policy == "same_as_test":
        return ON_TEST_FOLD
    return OWN_VALIDATION if policy == "own" else NOT_TEST_ROWS
