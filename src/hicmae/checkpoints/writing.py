"""Models written in any of the formats."""

from __future__ import annotations

import inspect
import io
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from hicmae.checkpoints.reading import Model
from hicmae.checkpoints.sharing import write_folder
from hicmae.errors import CheckpointError, ConfigError
from hicmae.files import whole_file
from hicmae.weights.description import DESCRIPTION, ModelKind
from hicmae.weights.names import their_name
from hicmae.weights.reading import is_safetensors

Format = Literal["folder", "lightning", "public"]

_SUFFIXES: dict[str, Format] = {".ckpt": "lightning", ".pth": "public"}

# What a task asks for and a file of weights does not tell; configs/pretrain.yaml and
# configs/finetune/ravdess.yaml have the sources. Testing depends on those of pre-training alone.
_PUBLISHED: dict[ModelKind, dict[str, Any]] = {
    "pretraining": {
        "video_mask_ratio": 0.9,
        "audio_mask_ratio": 0.8,
        "contrast_weight": 0.0025,
        "temperature": 0.07,
        "learning_rate": 3.0e-4,
    },
    "classification": {"learning_rate": 1.0e-3},
    "regression": {"learning_rate": 1.0e-3},
}


def target_format(target: str) -> Format:
    """The format that a target's name stands for.

    Args:
        target: A folder that exists, a name without suffix or with a slash behind it, or a file
            that ends in .ckpt or .pth.

    Raises:
        ConfigError: It stands for none.
    """
    path = Path(target)
    if path.is_dir() or not path.suffix or target.endswith("/"):
        return "folder"
    if is_safetensors(path):
        raise ConfigError(
            f"{target} would not say what model it is of: name a folder, which gets "
            "model.safetensors and config.json beside it."
        )
    if path.suffix not in _SUFFIXES:
        raise ConfigError(
            f"{target} ends in {path.suffix}, which is no format: name a FOLDER (with / behind it "
            "if its name has a dot), a FILE.ckpt or a FILE.pth."
        )
    return _SUFFIXES[path.suffix]


def require_free(target: Path, *, overwrite: bool) -> None:
    """Raises a ConfigError if a file would be replaced that is not to be."""
    if target.is_file() and not overwrite:
        raise ConfigError(
            f"{target} exists already: name another file, or replace it with --overwrite."
        )


def write_model(model: Model, target: Path, form: Format, *, overwrite: bool = False) -> None:
    """Writes a model; the target appears whole or not at all.

    Args:
        model: What to write.
        target: A folder or a file.
        form: Its format.
        overwrite: Whether a model that is there is replaced.

    Raises:
        HicmaeError: The target is taken, or the format cannot hold the model.
    """
    if form == "folder":
        write_folder(target, model.description, model.weights, overwrite=overwrite)
        return
    require_free(target, overwrite=overwrite)
    content = lightning_content(model) if form == "lightning" else public_content(model)
    file = io.BytesIO()  # torch would write the hidden name of a file into it
    torch.save(content, file)
    with whole_file(target) as part:
        part.write_bytes(file.getbuffer())


def public_content(model: Model) -> dict[str, Any]:
    """A model as the public implementation keeps it: its names, embeddings as convolutions."""
    shape = model.description.architecture
    side = shape.patch_size
    kernels = {
        "video_encoder.embedding.projection.weight": (3, shape.tubelet_size, side, side),
        "audio_encoder.embedding.projection.weight": (1, side, side),
    }
    return {
        "model": {
            their_name(name): tensor.unflatten(1, kernels[name]) if name in kernels else tensor
            for name, tensor in model.weights.items()
        }
    }


def lightning_content(model: Model) -> dict[str, Any]:
    """A model as a training run keeps it, without what only goes on with training.

    Raises:
        CheckpointError: It is of a pre-trained model without its decoders, which no task has.
    """
    description = model.description
    if description.kind == "pretraining" and not model.has_decoders:
        raise CheckpointError(
            "A Lightning checkpoint of pre-training holds the decoders, which this model lacks: "
            "write a folder, which --model.pretrained reads as well."
        )
    facts = description.training
    architecture = asdict(description.architecture)
    options: dict[str, Any] = {
        **_PUBLISHED[description.kind],
        **_known_options(description.kind, facts.get("options", {})),
        "size": "base",
        "architecture": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in architecture.items()
        },
    }
    if description.kind != "pretraining":
        names = "class_names" if description.kind == "classification" else "target_names"
        options[names] = list(description.outputs)
        options["modality"] = description.modality
        options["feature_fusion"] = description.feature_fusion
        if description.pooling != "mean":
            options["pooling"] = description.pooling
    if description.stand_ins:
        options.setdefault("modality_dropout", [0.0, 0.0])
    if description.kind == "regression":
        options["activation"] = description.activation
    if description.kind == "classification":
        options["target_kind"] = description.target_kind
    return {
        "epoch": max(int(facts.get("epochs", 0)) - 1, 0),
        "global_step": int(facts.get("steps", 0)),
        "pytorch-lightning_version": version("lightning"),
        "state_dict": {f"model.{name}": tensor for name, tensor in model.weights.items()},
        "hparams_name": "kwargs",
        "hyper_parameters": options,
        DESCRIPTION: description.as_plain(),
    }


def _known_options(kind: ModelKind, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a training that a task of this kind has."""
    from hicmae import tasks  # noqa: PLC0415 (other formats need no lightning)

    classes = {
        "pretraining": tasks.PretrainingTask,
        "classification": tasks.ClassificationTask,
        "regression": tasks.RegressionTask,
    }
    known = {
        name
        for parent in classes[kind].__mro__
        if issubclass(parent, tasks.AudioVisualTask)
        for name in inspect.signature(parent.__init__).parameters
    }
    return {name: value for name, value in options.items() if name in known}
