"""What the shapes of weights tell of the model that they are of."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hicmae.errors import CheckpointError
from hicmae.models import HiCMAE, Modality, Pooling, feature_width
from hicmae.weights.description import ModelDescription

# Pre-training knows neither a head nor weights of layers.
OF_RECOGNITION_ALONE = ("head.", "head_norm.", "video_layer_weights", "audio_layer_weights")


@dataclass(frozen=True, slots=True)
class ShapeFacts:
    """What the shapes of a model's weights tell.

    Attributes:
        modality: What the model reads.
        feature_fusion: Whether there are weights of layers.
        pooling: What a layer's feature is, by the width of the head.
        stand_ins: Whether there are tokens that stand in for a missing stream.
        outputs: Rows of the head; 0 without one.
        width: Width of the encoders, C.
        depth: Layers of each encoder.
        fusion_depth: Layers of the fusion encoder; None without one.
        hidden: Hidden width of the encoders' MLPs.
        tube_values: Values of a video token, 3 · t · p · p; None without a video encoder.
        patch_values: Values of an audio token, p · p; None without an audio encoder.
        patch_size: Side of a token; None where a flat video embedding alone leaves it open.
        tubelet_size: Frames of a video token; None where nothing tells it.
        decoder_width: Width of the decoders; None without decoders.
        decoder_depth: Layers of each decoder; None without decoders.
        skips: Cross blocks of each decoder, one for each skip layer; None without decoders.
    """

    modality: Modality
    feature_fusion: bool
    pooling: Pooling
    stand_ins: bool
    outputs: int
    width: int
    depth: int
    fusion_depth: int | None
    hidden: int
    tube_values: int | None
    patch_values: int | None
    patch_size: int | None
    tubelet_size: int | None
    decoder_width: int | None
    decoder_depth: int | None
    skips: int | None

    @property
    def mlp_ratio(self) -> float:
        """Hidden width of the MLPs in units of the width."""
        ratio = self.hidden / self.width
        # An architecture rounds the product down.
        return ratio if int(self.width * ratio) == self.hidden else math.nextafter(ratio, math.inf)


def shape_facts(weights: Mapping[str, Tensor], path: Path) -> ShapeFacts:
    """Reads the shape of a model off its weights.

    Args:
        weights: Tensors by our names; patch embeddings are matrices or convolutions.
        path: Where they are from, for messages.

    Raises:
        CheckpointError: They are not of a HiCMAE model, or a tensor of every model is missing.
    """

    def rows(name: str) -> int:
        if name not in weights or not weights[name].ndim:
            raise CheckpointError(f"{path} is no whole HiCMAE model: it lacks the tensor {name}.")
        return len(weights[name])

    def holds(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in weights)

    def layers(prefix: str) -> int:
        found = {
            int(m[1]) for name in weights if (m := re.match(rf"{prefix}([0-9]{{1,6}})\.", name))
        }
        missing = set(range(len(found))) - found
        if missing:
            raise CheckpointError(
                f"{path} is no whole HiCMAE model: it lacks the layer {prefix}{min(missing)}."
            )
        return len(found)

    sees, hears = holds("video_encoder."), holds("audio_encoder.")
    if not sees and not hears:
        first = ", ".join(sorted(weights)[:3]) or "nothing"
        raise CheckpointError(
            f"{path} holds no weights of a HiCMAE model (but {first}): give a HiCMAE checkpoint."
        )
    encoder = "video_encoder" if sees else "audio_encoder"
    modality: Modality = "audio_visual" if sees and hears else "video" if sees else "audio"
    width = max(rows(f"{encoder}.norm.weight"), 1)
    fuses = holds("fusion_encoder.")
    pooled_so = rows("head_norm.weight") if holds("head_norm.") and not fuses else 0
    decodes = holds("video_decoder.") and holds("audio_decoder.")
    video, audio = (
        weights.get(f"{e}_encoder.embedding.projection.weight") for e in ("video", "audio")
    )
    tube_values, patch_values = (None if w is None else w[:1].numel() for w in (video, audio))
    patch_size = next(
        (int(w.shape[-1]) for w in (video, audio) if w is not None and w.ndim > 3), None
    )
    if patch_size is None and patch_values is not None:
        patch_size = math.isqrt(patch_values)
    tubelet_size = None
    if tube_values is not None and patch_size:
        tubelet_size = tube_values // (3 * patch_size**2)
    return ShapeFacts(
        modality=modality,
        feature_fusion="video_layer_weights" in weights or "audio_layer_weights" in weights,
        pooling="statistics"
        if pooled_so == feature_width(width, modality, "statistics")
        else "mean",
        stand_ins="video_stand_ins" in weights or "audio_stand_ins" in weights,
        outputs=rows("head.weight") if holds("head.") else 0,
        width=width,
        depth=layers(f"{encoder}.blocks."),
        fusion_depth=layers("fusion_encoder.video_blocks.") if fuses else None,
        hidden=rows(f"{encoder}.blocks.0.mlp.fc1.bias"),
        tube_values=tube_values,
        patch_values=patch_values,
        patch_size=patch_size,
        tubelet_size=tubelet_size,
        decoder_width=rows("video_decoder.norm.weight") if decodes else None,
        decoder_depth=layers("video_decoder.blocks.") if decodes else None,
        skips=_cross_blocks(weights, "video_decoder.") if decodes else None,
    )


def _cross_blocks(weights: Mapping[str, Tensor], prefix: str) -> int:
    return sum(
        name.startswith(prefix) and name.endswith(".cross_attention.query.weight")
        for name in weights
    )


def check_match(
    description: ModelDescription, weights: Mapping[str, Tensor], path: Path, *, decoders: bool
) -> None:
    """Raises unless weights are those of the described model.

    Nothing of the described size is allocated, as a description may lie.

    Args:
        description: What the model is said to be.
        weights: Tensors by our names, with flat patch embeddings.
        path: Where both are from, for messages.
        decoders: Whether decoders of a pre-trained model matter.

    Raises:
        CheckpointError: A size differs, or a tensor is missing, superfluous, of another shape or
            not of real numbers.
    """
    seen = shape_facts(weights, path)
    for name, said, true in _compared(description, seen, decoders=decoders):
        if true is not None and said != true:
            raise CheckpointError(
                f"{path}: by its description {name} is {said}, but by its weights {true}; the two "
                "are not of the same model."
            )
    expected = _shapes(description, decoders=decoders)
    pretrained = description.kind == "pretraining"
    for name, shape in expected.items():
        optional = pretrained and name.startswith(OF_RECOGNITION_ALONE)
        if name not in weights and not optional:
            raise CheckpointError(
                f"{path} lacks the tensor {name}, which its description asks for."
            )
        if name in weights and weights[name].shape != shape:
            raise CheckpointError(
                f"{path}: {name} is {tuple(weights[name].shape)}, but by its description "
                f"{tuple(shape)}."
            )
    ignored = ("video_decoder.", "audio_decoder.") if pretrained and not decoders else ()
    for name, tensor in weights.items():
        if name not in expected and not name.startswith(ignored):
            raise CheckpointError(
                f"{path} holds the tensor {name}, for which the described model has no place."
            )
        if not tensor.is_floating_point():
            raise CheckpointError(f"{path}: {name} holds {tensor.dtype} and not real numbers.")


def _compared(
    description: ModelDescription, seen: ShapeFacts, *, decoders: bool
) -> Iterator[tuple[str, object, object]]:
    """Every size that both know: its name, what is said and what is true, None if unknown."""
    shape = description.architecture
    yield "the modality", description.modality, seen.modality
    yield "the number of outputs", len(description.outputs), seen.outputs
    if description.kind != "pretraining":
        yield "feature_fusion", description.feature_fusion, seen.feature_fusion
        yield "pooling", description.pooling, seen.pooling
    for name in ("width", "depth", "fusion_depth"):
        yield name, getattr(shape, name), getattr(seen, name)
    yield "the width of an MLP", int(shape.width * shape.mlp_ratio), seen.hidden
    patch = shape.patch_size**2
    yield "the size of a video token", 3 * shape.tubelet_size * patch, seen.tube_values
    yield "the size of an audio token", patch, seen.patch_values
    if decoders:
        yield "decoder_width", shape.decoder_width, seen.decoder_width
        yield "decoder_depth", shape.decoder_depth, seen.decoder_depth
        yield "the number of skip_layers", len(shape.skip_layers), seen.skips


def _shapes(description: ModelDescription, *, decoders: bool) -> dict[str, torch.Size]:
    """Shape of every tensor of the described model."""
    with torch.device("meta"):
        model = HiCMAE(description.architecture) if decoders else description.model()
    return {name: tensor.shape for name, tensor in model.state_dict().items()}
