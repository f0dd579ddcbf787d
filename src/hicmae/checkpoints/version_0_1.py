"""What version 0.1 wrote, told as later versions tell it.

Its checkpoints of runs hold the options of task and data in place of a description, and its
descriptions name a data module and no corpus.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path, PurePath
from typing import Any

from hicmae.data.options import InputSettings
from hicmae.errors import CheckpointError, HicmaeError
from hicmae.models import Architecture
from hicmae.weights.description import (
    FORMAT,
    ModelDescription,
    ModelKind,
    TrainingFacts,
    plain,
)

# Key of what was known of the training, in a Lightning checkpoint that `hicmae convert` wrote.
_KEPT = "training_facts"

# Options of a task that the description itself holds, or that say nothing of the training.
_DESCRIBED = {
    "activation",
    "activation_checkpointing",
    "architecture",
    "class_names",
    "compile",
    "contrast_layers",
    "feature_fusion",
    "figure_every_n_epochs",
    "fusion_depth",
    "fusion_order",
    "modality",
    "pretrained",
    "size",
    "skip_layers",
    "target_names",
}
# Options of data modules that tell which clips were learned from.
_OF_DATA = (
    "classes",
    "fold",
    "label",
    "left_actor",
    "pictures",
    "target",
    "targets",
    "test_set",
    "train_fraction",
    "val_split",
    "variant",
    "views",
)
_CORPORA = {
    "AVCAffeDataModule": "AVCAffe",
    "CREMADDataModule": "CREMA-D",
    "DFEWDataModule": "DFEW",
    "IEMOCAPDataModule": "IEMOCAP",
    "MAFWDataModule": "MAFW",
    "MER2023DataModule": "MER2023",
    "MSPIMPROVDataModule": "MSP-IMPROV",
    "RAVDESSDataModule": "RAVDESS",
    "VoxCeleb2DataModule": "VoxCeleb2",
    "WerewolfXLDataModule": "Werewolf-XL",
}


def describe_run(checkpoint: Mapping[str, Any], path: Path) -> ModelDescription:
    """Describes the model of a training run by the options that its Lightning checkpoint keeps.

    Args:
        checkpoint: Content of the file.
        path: Where it is from, for messages.

    Raises:
        CheckpointError: The checkpoint keeps no options of a task of this project.
    """
    task = checkpoint.get("hyper_parameters")
    if not isinstance(task, Mapping):
        raise CheckpointError(
            f"{path} does not say what model it is of: give a checkpoint that `hicmae fit` "
            "wrote, or convert the file with `hicmae convert`."
        )
    if "neighbours" in task:
        raise CheckpointError(
            f"{path} holds the neighbours of a probe and no trained head: give a checkpoint of "
            "classification, regression or pre-training."
        )
    try:
        content = _content(task, checkpoint)
    except HicmaeError as error:  # sizes that do not fit together
        raise CheckpointError(f"{path}: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"{path} does not say what model it is of ({type(error).__name__}: {error}): give "
            "a checkpoint that `hicmae fit` or `hicmae convert` wrote."
        ) from error
    return ModelDescription.from_plain(content, path)


def with_corpus(description: ModelDescription) -> ModelDescription:
    """The same description, naming the corpus of its data module."""
    facts = description.training
    data = facts.get("data", {})
    corpus = _CORPORA.get(data.get("module", ""))
    if corpus is None or "corpus" in data:
        return description
    return replace(description, training={**facts, "data": {**data, "corpus": corpus}})


def _content(task: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The description, as plain values, that the options of a task and of its data make."""
    classes, targets = task.get("class_names"), task.get("target_names")
    kind: ModelKind = "classification" if classes else "regression" if targets else "pretraining"
    named = ("skip_layers", "contrast_layers", "fusion_depth", "fusion_order")
    changes = {name: task.get(name) for name in named}
    architecture = Architecture.of_size(
        task.get("size", "base"), task.get("architecture"), **changes
    )
    described = ("modality", "feature_fusion", "activation")
    data = checkpoint.get("datamodule_hyper_parameters") or {}
    return {
        "format": FORMAT,
        "kind": kind,
        "outputs": [str(name) for name in classes or targets or ()],
        "architecture": asdict(architecture),
        **{name: task[name] for name in described if name in task},
        "inputs": {
            item.name: data[item.name] for item in fields(InputSettings) if item.name in data
        },
        "training": _facts(task, data, checkpoint),
    }


def _facts(
    task: Mapping[str, Any], data: Mapping[str, Any], checkpoint: Mapping[str, Any]
) -> TrainingFacts:
    """What a Lightning checkpoint tells of its training, as far as it does."""
    if isinstance(checkpoint.get(_KEPT), Mapping):
        kept: TrainingFacts = plain(checkpoint[_KEPT])
        return kept
    facts: TrainingFacts = {}
    if "_class_path" in task:
        facts["task"] = _class_name(task)
    options = {
        name: plain(value)
        for name, value in task.items()
        if name not in _DESCRIBED and name[:1] != "_" and value is not None
    }
    if options:
        facts["options"] = options
    if task.get("pretrained"):
        facts["pretrained"] = PurePath(task["pretrained"]).name
    about = {name: plain(data[name]) for name in _OF_DATA if data.get(name) is not None}
    if "_class_path" in data:
        about["module"] = _class_name(data)
    if data.get("manifest"):
        about["manifest"] = PurePath(data["manifest"]).name
    if about:
        facts["data"] = about
    if isinstance(checkpoint.get("epoch"), int):
        facts["epochs"] = checkpoint["epoch"] + 1  # they are counted from 0
    if isinstance(checkpoint.get("global_step"), int):
        facts["steps"] = checkpoint["global_step"]
    return facts


def _class_name(options: Mapping[str, Any]) -> str:
    return str(options["_class_path"]).rpartition(".")[2]
