"""Models from files, ready to run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hicmae.checkpoints import version_0_1
from hicmae.checkpoints.shapes import check_match
from hicmae.errors import CheckpointError
from hicmae.models import RecognitionModel
from hicmae.models.layers import sinusoidal_positions
from hicmae.weights.description import CONFIG, DESCRIPTION, ModelDescription
from hicmae.weights.reading import (
    WEIGHTS,
    is_safetensors,
    our_weights,
    read_safetensors,
    read_torch,
)
from hicmae.weights.runs import checkpoint_of


def load_recognition_model(path: str | Path) -> tuple[RecognitionModel, ModelDescription]:
    """A model that recognises, or that gives features if it was only pre-trained.

    Args:
        path: A Lightning checkpoint of this project, the folder of its run, or a folder with
            `config.json` and `model.safetensors`.

    Returns:
        The model in evaluation mode, on the CPU, and its description. Of a pre-trained model there
        are the encoders, without a head; all layers weigh alike in its features.

    Raises:
        CheckpointError: The path holds no such model, or weights and description do not match.
    """
    path = checkpoint_of(Path(path))
    description, weights = described_weights(path)
    check_match(description, weights, path, decoders=False)
    with torch.device("meta"):  # values that would be drawn, which takes time, are in the file
        model = description.model()
    own = model.state_dict()
    if own.keys() <= weights.keys():
        # Copies, so that the file is let go.
        values = {n: weights[n].to(t.dtype, copy=True).contiguous() for n, t in own.items()}
        model.load_state_dict(values, assign=True)
        for encoder in (model.video_encoder, model.audio_encoder):
            if encoder is not None:  # files do not hold what is computed
                encoder.positions = sinusoidal_positions(*encoder.positions.shape[1:])
    else:
        model = description.model()
        model.load_state_dict({n: t for n, t in weights.items() if n in own}, strict=False)
    return model.eval(), description


def described_weights(
    path: Path, content: Any = None
) -> tuple[ModelDescription, dict[str, Tensor]]:
    """The description of a model and its weights under our names.

    Args:
        path: As for `load_recognition_model`.
        content: Content of the file, if it was read before.

    Raises:
        CheckpointError: The path holds no model that describes itself.
    """
    if is_safetensors(path) and describes_itself(path, None):
        path = path.parent
    if path.is_dir():
        config = path / CONFIG
        if not config.is_file():
            raise CheckpointError(
                f"{path} has no {CONFIG}: give a folder that `hicmae convert` wrote, the "
                "folder of a run, or a checkpoint file."
            )
        description = ModelDescription.from_json(_text(config), config)
        content = read_safetensors(path / WEIGHTS)
    else:
        if content is None:
            content = read_safetensors(path) if is_safetensors(path) else read_torch(path)
        if not describes_itself(path, content):
            raise CheckpointError(
                f"{path} does not say what model it is of: turn it into a folder that does with "
                f"`hicmae convert {path} FOLDER`."
            )
        description = describe_run(content, path)
    return version_0_1.with_corpus(description), our_weights(content, path)


def describe_run(checkpoint: Mapping[str, Any], path: Path) -> ModelDescription:
    """The description that a Lightning checkpoint holds of its model.

    Args:
        checkpoint: Content of the file.
        path: Where it is from, for messages.

    Raises:
        CheckpointError: The checkpoint is of another program, or its model has no description.
    """
    if DESCRIPTION not in checkpoint:
        return version_0_1.describe_run(checkpoint, path)
    if checkpoint[DESCRIPTION] is None:
        raise CheckpointError(
            f"{path} is of a task that trains no model to be used alone, such as a probe by "
            "neighbours: give a checkpoint of classification, regression or pre-training."
        )
    return ModelDescription.from_plain(checkpoint[DESCRIPTION], path)


def describes_itself(path: Path, content: Any) -> bool:
    """Whether a model is a run's checkpoint or a shared folder, and no mere table of tensors.

    Args:
        path: File or folder.
        content: What `read_torch` gave of it; None for others.
    """
    if is_safetensors(path) and path.is_file():
        return path.name == WEIGHTS and (path.parent / CONFIG).is_file()
    return path.is_dir() or (isinstance(content, dict) and "state_dict" in content)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is no text: fetch the folder of the model again.") from error
