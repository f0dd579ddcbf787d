"""Reading weights from files of several formats into our models.

Formats: a Lightning checkpoint of ours, a checkpoint of the authors' public implementation
(`{"model": state}` with its own parameter names), safetensors, and the folder of a shared model.
Nothing is unpickled beyond tensors and plain containers.
"""

from __future__ import annotations

import argparse
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hicmae.errors import CheckpointError
from hicmae.weights.names import our_name
from hicmae.weights.runs import checkpoint_of

WEIGHTS = "model.safetensors"
"""Name of the weights in the folder of a shared model."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the tensors of a file.

    Attributes:
        loaded: Tensors of the model that were read from the file.
        fresh: Tensors of the model that the file does not hold.
        dropped: Tensors of the file that the model has no place for.
    """

    loaded: tuple[str, ...]
    fresh: tuple[str, ...]
    dropped: tuple[str, ...]

    def __str__(self) -> str:
        """One line for a log."""
        parts = [f"{len(self.loaded)} tensors loaded"]
        for word, names in (("left fresh", self.fresh), ("dropped", self.dropped)):
            if names:
                parts.append(f"{len(names)} {word} ({', '.join(_modules(names))})")
        return ", ".join(parts)


def _modules(names: tuple[str, ...]) -> list[str]:
    return sorted({name.split(".")[0] for name in names})


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Reads the weights of a model, under our parameter names.

    Args:
        path: A Lightning checkpoint, the folder of a run, a checkpoint in the public
            implementation's format, a safetensors file, or the folder of a shared model.

    Returns:
        Tensors by name, on the CPU. Patch embeddings are flattened to (C, values of a patch).

    Raises:
        CheckpointError: The file is missing, is none of these formats, or would have to be
            unpickled.
    """
    path = checkpoint_of(Path(path))
    path = path / WEIGHTS if (path / WEIGHTS).is_file() else path
    return our_weights(read_safetensors(path) if is_safetensors(path) else read_torch(path), path)


def our_weights(content: Any, path: Path) -> dict[str, Tensor]:
    """The weights within the content of a file, under our parameter names.

    Args:
        content: What `read_safetensors` or `read_torch` gave.
        path: Where it is from, for messages.

    Raises:
        CheckpointError: There are no weights in a known form.
    """
    return flat_embeddings(ours_by_name(raw_weights(content, path), path))


def ours_by_name(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Tensors of a file under our parameter names.

    Raises:
        CheckpointError: Two names of the file stand for one parameter.
    """
    ours = {our_name(name): tensor for name, tensor in state.items()}
    if len(ours) < len(state):
        raise CheckpointError(
            f"{path} holds a parameter twice, under our name and under that of the public "
            "implementation: take out one of them."
        )
    return ours


def flat_embeddings(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights, with patch embeddings that are convolutions as (C, values of a patch)."""
    return {
        name: tensor.flatten(1)
        if name.endswith("embedding.projection.weight") and tensor.ndim > 1
        else tensor
        for name, tensor in weights.items()
    }


def load_pretrained(model: nn.Module, path: str | Path) -> LoadReport:
    """Starts a model from the weights of a file, as far as they fit by name.

    Args:
        model: The model; its tensors that the file holds are overwritten in place.
        path: See `read_weights`.

    Returns:
        What was loaded, left fresh and dropped.

    Raises:
        CheckpointError: No tensor fits, one has the right name and another shape, or an encoder of
            the model has more or fewer layers. An encoder that the model lacks is dropped.
    """
    weights = read_weights(path)
    own = model.state_dict()
    loaded = tuple(name for name in own if name in weights)
    # A head for other classes or modalities is no mistake: fine-tuning starts it afresh.
    loaded = tuple(
        name
        for name in loaded
        if not name.startswith(("head.", "head_norm.")) or own[name].shape == weights[name].shape
    )
    if not any("encoder" in name for name in loaded):
        raise CheckpointError(
            f"{path} holds no weights of this model: its tensors begin with "
            f"{', '.join(_modules(tuple(weights))[:6]) or 'nothing'}; give a pre-trained HiCMAE."
        )
    for name in loaded:
        if own[name].shape != weights[name].shape:
            raise CheckpointError(
                f"{path} is of another architecture: {name} is {tuple(weights[name].shape)} there "
                f"and {tuple(own[name].shape)} here; set size and architecture to those of the "
                f"pre-training run."
            )
    for encoder in ("video_encoder.", "audio_encoder.", "fusion_encoder."):
        ours, theirs = (
            {name for name in names if name.startswith(encoder)} for names in (own, weights)
        )
        if ours and theirs and ours != theirs:
            name = min(ours ^ theirs)
            side = "model" if name in ours else "file"
            raise CheckpointError(
                f"{path} is of another architecture: {name} is in the {side} alone; set size and "
                f"architecture to those of the pre-training run."
            )
    model.load_state_dict({name: weights[name] for name in loaded}, strict=False)
    return LoadReport(
        loaded=loaded,
        fresh=tuple(name for name in own if name not in loaded),
        dropped=tuple(name for name in weights if name not in loaded),
    )


def is_safetensors(path: Path) -> bool:
    """Whether a file is meant to be read as safetensors."""
    return path.suffix == ".safetensors"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        CheckpointError: The file is missing or broken.
    """
    _require_file(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}.") from error


def read_torch(path: Path) -> Any:
    """The content of a file of `torch.save`, as far as it is tensors and plain values.

    Raises:
        CheckpointError: The file is missing, broken, or holds anything else: it is not unpickled.
    """
    _require_file(path)
    try:
        # The public implementation keeps its command line beside the weights, as plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            # Of a mapped file there is read what is used; the oldest format cannot be mapped.
            mapped = zipfile.is_zipfile(path)
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds objects other than tensors, or is damaged; it is not loaded, since "
            f"unpickling could run foreign code: ask for a safetensors file or a weights-only one."
        ) from error
    except Exception as error:  # whatever the bytes of a foreign file lead the reader to
        raise CheckpointError(
            f"{path} is not a readable checkpoint: {error or type(error).__name__}."
        ) from error


def raw_weights(content: Any, path: Path) -> dict[str, Tensor]:
    """The weights within the content of a file, under the names and in the shapes of the file.

    Args:
        content: What `read_safetensors` or `read_torch` gave.
        path: Where it is from, for messages.

    Raises:
        CheckpointError: There are no weights in a known form.
    """
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = {
            name.removeprefix("model."): tensor
            for name, tensor in content["state_dict"].items()
            if str(name).startswith("model.")
        }
    elif isinstance(content, dict):
        content = content.get("model", content)
    if not isinstance(content, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise CheckpointError(
            f"{path} is no checkpoint of a known format: it needs a 'state_dict' (Lightning), a "
            f"'model' (public implementation) or tensors by name."
        )
    for name, tensor in content.items():
        _require_values(name, tensor, path)
    return content


def _require_values(name: str, tensor: Tensor, path: Path) -> None:
    """Raises for a tensor that is larger than what the file holds of it."""
    size = tensor.numel() * tensor.element_size()
    dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not dense or size > tensor.untyped_storage().nbytes():
        raise CheckpointError(
            f"{path} does not hold all values of {name}: save plain, contiguous tensors."
        )


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path}: check the path.")
