"""What model a file of mere tensors is of, by their shapes and by what its owner says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hicmae.checkpoints.given import GivenFacts
from hicmae.checkpoints.shapes import ShapeFacts
from hicmae.data.options import InputSettings
from hicmae.errors import ConfigError, HicmaeError
from hicmae.models import SIZES, Architecture
from hicmae.weights.description import ModelDescription, ModelKind


def describe(seen: ShapeFacts, given: GivenFacts, source: Path) -> ModelDescription:
    """The description of a model of which there are tensors alone.

    Args:
        seen: What their shapes tell.
        given: What they do not; the published values hold for what is left out.
        source: Where they are from, for messages.

    Raises:
        ConfigError: Something must be given that is not published, or the options do not fit.
    """
    kind, outputs = _outputs(seen, given, source)
    decoders = seen.decoder_width is not None
    unfit = [
        *(("decoder_heads", "skip_layers", "contrast_layers") if not decoders else ()),
        *(("activation",) if kind != "regression" else ()),
        *(("fusion_order",) if seen.fusion_depth is None else ()),
    ]
    for name in unfit:
        if name in given.options:
            raise ConfigError(f"--{name} has no meaning for {source}: leave it out.")
    fields: dict[str, Any] = {
        "width": seen.width,
        "heads": given.heads or _published_heads(seen.width, "width", "heads", source),
        "depth": seen.depth,
        "mlp_ratio": seen.mlp_ratio,
    }
    for name in ("patch_size", "tubelet_size", "fusion_depth"):
        if getattr(seen, name) is not None:
            fields[name] = getattr(seen, name)
    if seen.decoder_width is not None and seen.skips is not None:
        fields["decoder_width"] = seen.decoder_width
        fields["decoder_depth"] = seen.decoder_depth
        fields["decoder_heads"] = given.decoder_heads or _published_heads(
            seen.decoder_width, "decoder_width", "decoder_heads", source
        )
        fields["skip_layers"] = _layers("skip_layers", given.skip_layers, seen, source)
        contrast = given.contrast_layers
        fields["contrast_layers"] = _layers("contrast_layers", contrast, seen, source)
        if len(fields["skip_layers"]) != seen.skips:
            raise ConfigError(
                f"{source} has {seen.skips} skip connections: name as many --skip_layers."
            )
    for name in ("fusion_order", "image_size", "num_frames", "audio_frames", "mel_bins"):
        if name in given.options:
            fields[name] = given.options[name]
    try:
        architecture = Architecture(**fields)
        if decoders:
            architecture.check_pretraining()
    except HicmaeError as error:
        raise ConfigError(f"{source}: {error}") from error
    inputs = {name: given.options[name] for name in ("stride", "crop_pct") if name in given.options}
    description = ModelDescription(
        kind=kind,
        outputs=outputs,
        architecture=architecture,
        modality=seen.modality,
        feature_fusion=seen.feature_fusion if kind != "pretraining" else True,
        pooling=seen.pooling,
        stand_ins=seen.stand_ins,
        activation=given.activation or "none",
        inputs=InputSettings(frame_size=given.frame_size or architecture.image_size, **inputs),
    )
    description.check(source)
    return description


def _outputs(
    seen: ShapeFacts, given: GivenFacts, source: Path
) -> tuple[ModelKind, tuple[str, ...]]:
    named = {name: given.options[name] for name in ("classes", "targets") if name in given.options}
    if not seen.outputs:
        if named:
            raise ConfigError(
                f"{source} has no head, so that there is nothing to name: leave out "
                f"--{next(iter(named))}."
            )
        return "pretraining", ()
    if len(named) != 1:
        raise ConfigError(
            f"{source} has a head with {seen.outputs} rows: name its outputs in their order, with "
            "--classes for emotions or with --targets for values such as valence, and not with "
            "both."
        )
    option, names = next(iter(named.items()))
    if len(names) != seen.outputs:
        raise ConfigError(
            f"--{option} has {len(names)} names, but the head of {source} has {seen.outputs} rows: "
            "name each of them."
        )
    return ("classification" if option == "classes" else "regression"), tuple(names)


def _published_heads(width: int, width_name: str, option: str, source: Path) -> int:
    for size in SIZES.values():
        if getattr(size, width_name) == width:
            return int(getattr(size, option))
    raise ConfigError(
        f"{source} has {width_name} {width}, which is not a published size: give its number of "
        f"attention heads with --{option}."
    )


def _layers(
    option: str, given: Sequence[int] | None, seen: ShapeFacts, source: Path
) -> tuple[int, ...]:
    published = Architecture()
    if given is not None:
        return tuple(given)
    if seen.depth == published.depth:
        return tuple(getattr(published, option))
    raise ConfigError(
        f"{source} has {seen.depth} encoder layers, and published are {option} for "
        f"{published.depth}: give --{option}."
    )
