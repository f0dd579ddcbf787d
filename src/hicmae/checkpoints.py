"""Reading weights from files of several formats into our models.

Formats: a Lightning checkpoint of ours, a checkpoint of the authors' public implementation
(`{"model": state}` with its own parameter names), and safetensors. Nothing is unpickled beyond
tensors and plain containers.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from hicmae.errors import CheckpointError

# The public implementation's names, then ours. A name is translated piece by piece, so the order
# of the rows matters: a longer prefix stands before a shorter one that begins it.
_MODULE_NAMES = (
    ("encoder_to_decoder_audio.", "audio_decoder.projection."),
    ("encoder_to_decoder.", "video_decoder.projection."),
    ("encoder_fusion.blocks_audio.", "fusion_encoder.audio_blocks."),
    ("encoder_fusion.blocks.", "fusion_encoder.video_blocks."),
    ("encoder_fusion.norm_audio.", "fusion_encoder.audio_norm."),
    ("encoder_fusion.norm.", "fusion_encoder.video_norm."),
    ("encoder_audio.", "audio_encoder."),
    ("encoder.", "video_encoder."),
    ("decoder_audio.", "audio_decoder."),
    ("decoder.", "video_decoder."),
    ("mask_token_audio", "audio_decoder.mask_token"),
    ("mask_token", "video_decoder.mask_token"),
    ("fc_norm.", "head_norm."),
)
_LAYER_NAMES = (
    (".patch_embed.proj.", ".embedding.projection."),
    (".cross_attn.q.", ".cross_attention.query."),
    (".cross_attn.kv.", ".cross_attention.key_value."),
    (".cross_attn.q_bias", ".cross_attention.query_bias"),
    (".cross_attn.v_bias", ".cross_attention.value_bias"),
    (".cross_attn.proj.", ".cross_attention.projection."),
    (".attn.qkv.", ".attention.qkv."),
    (".attn.q_bias", ".attention.query_bias"),
    (".attn.v_bias", ".attention.value_bias"),
    (".attn.proj.", ".attention.projection."),
    (".cross_norm1.", ".query_norm."),
    (".cross_norm2.", ".context_norm."),
    (".norm1.", ".attention_norm."),
    (".norm2.", ".mlp_norm."),
)


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
        path: A Lightning checkpoint, a checkpoint in the public implementation's format, or a
            safetensors file.

    Returns:
        Tensors by name, on the CPU. Patch embeddings are flattened to (C, values of a patch).

    Raises:
        CheckpointError: The file is missing, is none of these formats, or would have to be
            unpickled.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no checkpoint {path}: check the path.")
    if path.suffix == ".safetensors":
        try:
            state = load_file(path)
        except SafetensorError as error:
            raise CheckpointError(f"{path} is not a readable safetensors file: {error}.") from error
    else:
        state = _read_torch(path)
    return {
        name: _flat(tensor) if name.endswith("embedding.projection.weight") else tensor
        for name, tensor in ((our_name(name), tensor) for name, tensor in state.items())
    }


def _flat(embedding: Tensor) -> Tensor:
    """The weight of a patch embedding, which may be a convolution's, as (C, values of a patch)."""
    return embedding.flatten(1) if embedding.ndim > 1 else embedding


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


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds objects other than tensors, or is damaged; it is not loaded, since "
            f"unpickling could run foreign code: ask for a safetensors file or a weights-only one."
        ) from error
    except Exception as error:  # whatever the bytes of a foreign file lead the reader to
        raise CheckpointError(
            f"{path} is not a readable checkpoint: {error or type(error).__name__}."
        ) from error
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
    return content


def our_name(name: str) -> str:
    """The name that a parameter of the public implementation has here; other names stay."""
    for theirs, ours in _MODULE_NAMES:
        if name.startswith(theirs):
            name = ours + name.removeprefix(theirs)
            break
    for theirs, ours in _LAYER_NAMES:
        name = name.replace(theirs, ours)
    return name
