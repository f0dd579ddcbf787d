"""Models from files, ready to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from hicmae.checkpoints.description import CONFIG, ModelDescription
from hicmae.checkpoints.reading import (
    WEIGHTS,
    is_safetensors,
    our_weights,
    read_safetensors,
    read_torch,
)
from hicmae.errors import CheckpointError
from hicmae.models import RecognitionModel


def load_recognition_model(path: str | Path) -> tuple[RecognitionModel, ModelDescription]:
    """A model that recognises, or that gives features if it was only pre-trained.

    Args:
        path: A Lightning checkpoint of this project, or a folder with `config.json` and
            `model.safetensors`.

    Returns:
        The model in evaluation mode, on the CPU, and its description. Of a pre-trained model there
        are the encoders, without a head; all layers weigh alike in its features.

    Raises:
        CheckpointError: The path holds no such model, or weights and description do not match.
    """
    path = Path(path)
    description, weights = described_weights(path)
    model = RecognitionModel(
        description.architecture,
        len(description.outputs),
        modality=description.modality,
        feature_fusion=description.feature_fusion,
    )
    own = model.state_dict()
    # Pre-training knows neither a head nor weights of layers: all layers count alike.
    fresh = ("head", "video_layer_weights", "audio_layer_weights")
    optional = fresh if description.kind == "pretraining" else ()
    for name, tensor in own.items():
        if name not in weights and not name.startswith(optional):
            raise CheckpointError(
                f"{path} lacks the tensor {name}, which its description asks for."
            )
        if name in weights and weights[name].shape != tensor.shape:
            raise CheckpointError(
                f"{path}: {name} is {tuple(weights[name].shape)}, but by its description "
                f"{tuple(tensor.shape)}."
            )
    model.load_state_dict({n: t for n, t in weights.items() if n in own}, strict=False)
    return model.eval(), description


def described_weights(path: Path) -> tuple[ModelDescription, dict[str, Tensor]]:
    """The description of a model and its weights under our names.

    Args:
        path: As for `load_recognition_model`.

    Raises:
        CheckpointError: The path holds no model that describes itself.
    """
    if path.is_dir():
        config = path / CONFIG
        if not config.is_file():
            raise CheckpointError(
                f"{path} has no {CONFIG}: give a folder that `hicmae convert` wrote, or a "
                "checkpoint file."
            )
        description = ModelDescription.from_json(config.read_text(encoding="utf-8"), config)
        content: Any = read_safetensors(path / WEIGHTS)
    elif is_safetensors(path):
        return described_weights(path.parent)
    else:
        content = read_torch(path)
        if not isinstance(content, dict) or "state_dict" not in content:
            raise CheckpointError(
                f"{path} does not say what model it is of: turn it into a folder that does with "
                f"`hicmae convert {path} FOLDER`."
            )
        description = ModelDescription.of_run(content, path)
    return description, our_weights(content, path)
