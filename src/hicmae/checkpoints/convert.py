"""The command `hicmae convert`: models from one format to another, tensor by tensor."""

from __future__ import annotations

import inspect
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import ArgumentParser
from rich.console import Console
from torch import Tensor

from hicmae.checkpoints.description import InputSettings, Kind, ModelDescription
from hicmae.checkpoints.facts import KEPT, read_scores, scores_of_run
from hicmae.checkpoints.models import described_weights, describes_itself
from hicmae.checkpoints.shapes import Told, check_match, told_by
from hicmae.checkpoints.sharing import write_folder
from hicmae.errors import CheckpointError, ConfigError, HicmaeError
from hicmae.files import whole_file
from hicmae.help import HelpFormatter
from hicmae.models import SIZES, Activation, Architecture, FusionOrder
from hicmae.weights.names import their_name
from hicmae.weights.reading import (
    flat_embeddings,
    is_safetensors,
    ours_by_name,
    raw_weights,
    read_safetensors,
    read_torch,
)

DESCRIPTION = """\
Turns a model from one format into another; weights stay the same bit by bit. The target's name says
its format:

  FOLDER      model.safetensors, config.json and a card README.md: to share, and to use everywhere
  FILE.ckpt   a Lightning checkpoint, for hicmae test --ckpt_path
  FILE.pth    the format of the authors' public implementation: tensors alone

  hicmae convert RUN/checkpoints/best.ckpt my-model --license cc-by-nc-4.0
  hicmae convert my-model model.pth
  hicmae convert pretrained.pth my-pretrained
  hicmae convert finetuned.pth my-model --classes anger disgust fear joy neutral sadness

A file of the public implementation does not say everything of its model. What the shapes of its
tensors leave open are the options below; left out, they have the published values. The classes have
to be named, in the order of the rows of the head.
"""

Format = Literal["folder", "lightning", "public"]

_SUFFIXES: dict[str, Format] = {".ckpt": "lightning", ".pth": "public"}

# What a task asks for and a file of weights does not tell; configs/pretrain.yaml and
# configs/finetune/ravdess.yaml have the sources. Testing depends on those of pre-training alone.
_PUBLISHED: dict[Kind, dict[str, Any]] = {
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


@dataclass(frozen=True)
class Model:
    """A model as files hold it.

    Attributes:
        description: What it is.
        weights: All its tensors by our names, with decoders if there are any.
    """

    description: ModelDescription
    weights: Mapping[str, Tensor]

    @property
    def has_decoders(self) -> bool:
        """Whether it is a pre-trained model that can reconstruct."""
        return any(name.startswith("video_decoder.") for name in self.weights)


@dataclass(frozen=True)
class Untold:
    """What the shapes of tensors do not tell of a model; None takes the published value.

    Attributes:
        classes: Names of the classes in the order of the head's rows.
        targets: Names of the regressed values in the order of the head's rows.
        activation: What regressed values go through.
        heads: Attention heads of the encoders.
        decoder_heads: Attention heads of the decoders.
        skip_layers: Layers that feed the decoders, counted from 1.
        contrast_layers: Layers contrasted in pre-training, counted from 1.
        fusion_order: What comes first in a layer of the fusion encoder.
        image_size: Height and width of a frame in pixels.
        num_frames: Frames of a clip.
        audio_frames: Rows of the spectrogram, of 10 ms each.
        mel_bins: Columns of the spectrogram.
        stride: Distance between the frames of a window, in frames of the clip.
        frame_size: Side in pixels to which the picture is decoded; None for `image_size`.
        crop_pct: Central part of that side which is kept, in (0, 1].
    """

    classes: Sequence[str] | None = None
    targets: Sequence[str] | None = None
    activation: Activation | None = None
    heads: int | None = None
    decoder_heads: int | None = None
    skip_layers: Sequence[int] | None = None
    contrast_layers: Sequence[int] | None = None
    fusion_order: FusionOrder | None = None
    image_size: int | None = None
    num_frames: int | None = None
    audio_frames: int | None = None
    mel_bins: int | None = None
    stride: int | None = None
    frame_size: int | None = None
    crop_pct: float | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Options that are not left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def main(arguments: list[str]) -> None:
    """Runs `hicmae convert`.

    Args:
        arguments: What stands behind it.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    options = _parser().parse_args(arguments or ["--help"]).as_dict()
    source, target = Path(options.pop("source")), options.pop("target")
    overwrite, license = options.pop("overwrite"), options.pop("license")
    scores = options.pop("metrics")
    form = target_format(target)
    if form == "public":
        for name, value in (("license", license), ("metrics", scores)):
            if value is not None:
                raise ConfigError(
                    f"--{name} has no place in {target}, which keeps tensors alone: leave it out, "
                    "or name a folder."
                )
    require_free(Path(target), overwrite=overwrite)
    model = read_model(source, Untold(**options))
    training = dict(model.description.training)
    if license is not None:
        training["license"] = license
    if scores is not None:
        training["test"] = read_scores(Path(scores))
    model = replace(model, description=replace(model.description, training=training))
    write_model(model, Path(target), form, overwrite=overwrite)
    count = sum(tensor.numel() for tensor in model.weights.values())
    names = {"folder": "a model folder", "lightning": "a Lightning checkpoint"}
    Console().print(
        f"{source} is now {names.get(form, 'in the public format')}: {target} "
        f"({model.description.kind}, {len(model.weights)} tensors, {count / 1e6:.2f} M parameters)",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    if form == "public":
        Console().print(
            "It keeps tensors alone: whoever converts it back names outputs, heads and sizes of "
            "the input again.",
            soft_wrap=True,
        )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="hicmae convert",
        description=DESCRIPTION,
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    parser.add_argument("source", type=str, help="checkpoint file, or folder of a shared model")
    parser.add_argument("target", type=str, help="FOLDER, FILE.ckpt or FILE.pth to write")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a model that is there already"
    )
    parser.add_argument(
        "--license",
        type=str | None,
        default=None,
        help="licence of the weights, as model hubs name it: cc-by-nc-4.0",
    )
    parser.add_argument(
        "--metrics",
        type=str | None,
        default=None,
        help="test_metrics.json of this model; that of its run folder is found without",
    )
    for name, kind, about in (
        ("classes", str, "names of the classes, in the order of the head's rows"),
        ("targets", str, "names of the regressed values, in the order of the head's rows"),
        ("skip_layers", int, "layers that feed the decoders: 4 7 10"),
        ("contrast_layers", int, "layers contrasted in pre-training: 4 7 10"),
    ):
        parser.add_argument(f"--{name}", type=kind, nargs="+", default=None, help=about)
    for name, single, about in (
        ("activation", Activation, "what regressed values go through: none"),
        ("heads", int, "attention heads: 4, 6 or 8 by the published widths 256, 384 and 512"),
        ("decoder_heads", int, "attention heads of the decoders, likewise"),
        ("fusion_order", FusionOrder, "first in a fusion layer: cross_then_self"),
        ("image_size", int, "side of a frame in pixels: 160"),
        ("num_frames", int, "frames of a clip: 16"),
        ("audio_frames", int, "rows of the spectrogram, of 10 ms: 256"),
        ("mel_bins", int, "columns of the spectrogram: 128"),
        ("stride", int, "distance between frames: 4"),
        ("frame_size", int, "side to which frames are decoded: image_size"),
        ("crop_pct", float, "central part of it that is kept: 1.0"),
    ):
        parser.add_argument(f"--{name}", type=single | None, default=None, help=about)
    return parser


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


def read_model(source: Path, untold: Untold | None = None) -> Model:
    """Reads a model of any of the formats.

    Args:
        source: A Lightning checkpoint, a file of the public implementation, a file of tensors, or
            the folder of a shared model.
        untold: What a file does not tell that describes nothing; of others there must be nothing.

    Raises:
        HicmaeError: The file is not readable, does not fit together, or an option is missing,
            superfluous or contradicts it.
    """
    untold = untold or Untold()
    torch_file = not source.is_dir() and not is_safetensors(source)
    content: Any = read_torch(source) if torch_file else None
    if describes_itself(source, content):
        if untold.given:
            raise ConfigError(
                f"--{next(iter(untold.given))} is for files that do not describe their model; "
                f"{source} does: leave it out."
            )
        description, weights = described_weights(source, content)
        facts = {**description.training, **(scores_of_run(source, content) if content else {})}
    else:
        content = content if torch_file else read_safetensors(source)
        unflattened = ours_by_name(raw_weights(content, source), source)
        description = describe(told_by(unflattened, source), untold, source)
        weights = flat_embeddings(unflattened)
        facts = {"source": source.name}
        if torch_file and isinstance(content.get("epoch"), int):
            facts["epochs"] = content["epoch"] + 1  # the public implementation counts from 0
    description = replace(description, training=facts)
    model = Model(description, weights)
    check_match(description, weights, source, decoders=model.has_decoders)
    return model


def describe(told: Told, untold: Untold, source: Path) -> ModelDescription:
    """The description of a model of which there are tensors alone.

    Args:
        told: What their shapes tell.
        untold: What they do not; the published values hold for what is left out.
        source: Where they are from, for messages.

    Raises:
        ConfigError: Something must be given that is not published, or the options do not fit.
    """
    kind, outputs = _outputs(told, untold, source)
    decoders = told.decoder_width is not None
    unfit = [
        *(("decoder_heads", "skip_layers", "contrast_layers") if not decoders else ()),
        *(("activation",) if kind != "regression" else ()),
        *(("fusion_order",) if told.modality != "audio_visual" else ()),
    ]
    for name in unfit:
        if name in untold.given:
            raise ConfigError(f"--{name} has no meaning for {source}: leave it out.")
    fields: dict[str, Any] = {
        "width": told.width,
        "heads": untold.heads or _published_heads(told.width, "width", "heads", source),
        "depth": told.depth,
        "mlp_ratio": told.mlp_ratio,
    }
    for name in ("patch_size", "tubelet_size", "fusion_depth"):
        if getattr(told, name) is not None:
            fields[name] = getattr(told, name)
    if told.decoder_width is not None and told.skips is not None:
        fields["decoder_width"] = told.decoder_width
        fields["decoder_depth"] = told.decoder_depth
        fields["decoder_heads"] = untold.decoder_heads or _published_heads(
            told.decoder_width, "decoder_width", "decoder_heads", source
        )
        fields["skip_layers"] = _layers("skip_layers", untold.skip_layers, told, source)
        contrast = untold.contrast_layers
        fields["contrast_layers"] = _layers("contrast_layers", contrast, told, source)
        if len(fields["skip_layers"]) != told.skips:
            raise ConfigError(
                f"{source} has {told.skips} skip connections: name as many --skip_layers."
            )
    for name in ("fusion_order", "image_size", "num_frames", "audio_frames", "mel_bins"):
        if name in untold.given:
            fields[name] = untold.given[name]
    try:
        architecture = Architecture(**fields)
        if decoders:
            architecture.check_pretraining()
    except HicmaeError as error:
        raise ConfigError(f"{source}: {error}") from error
    inputs = {name: untold.given[name] for name in ("stride", "crop_pct") if name in untold.given}
    description = ModelDescription(
        kind=kind,
        outputs=outputs,
        architecture=architecture,
        modality=told.modality,
        feature_fusion=told.feature_fusion if kind != "pretraining" else True,
        activation=untold.activation or "none",
        inputs=InputSettings(frame_size=untold.frame_size or architecture.image_size, **inputs),
    )
    description.check(source)
    return description


def _outputs(told: Told, untold: Untold, source: Path) -> tuple[Kind, tuple[str, ...]]:
    named = {name: untold.given[name] for name in ("classes", "targets") if name in untold.given}
    if not told.outputs:
        if named:
            raise ConfigError(
                f"{source} has no head, so that there is nothing to name: leave out "
                f"--{next(iter(named))}."
            )
        return "pretraining", ()
    if len(named) != 1:
        raise ConfigError(
            f"{source} has a head with {told.outputs} rows: name its outputs in their order, with "
            "--classes for emotions or with --targets for values such as valence, and not with "
            "both."
        )
    option, names = next(iter(named.items()))
    if len(names) != told.outputs:
        raise ConfigError(
            f"--{option} has {len(names)} names, but the head of {source} has {told.outputs} rows: "
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


def _layers(option: str, given: Sequence[int] | None, told: Told, source: Path) -> tuple[int, ...]:
    published = Architecture()
    if given is not None:
        return tuple(given)
    if told.depth == published.depth:
        return tuple(getattr(published, option))
    raise ConfigError(
        f"{source} has {told.depth} encoder layers, and published are {option} for "
        f"{published.depth}: give --{option}."
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
    if description.kind == "regression":
        options["activation"] = description.activation
    return {
        "epoch": max(int(facts.get("epochs", 0)) - 1, 0),
        "global_step": int(facts.get("steps", 0)),
        "pytorch-lightning_version": version("lightning"),
        "state_dict": {f"model.{name}": tensor for name, tensor in model.weights.items()},
        "hparams_name": "kwargs",
        "hyper_parameters": options,
        "datamodule_hparams_name": "kwargs",
        "datamodule_hyper_parameters": asdict(description.inputs),
        KEPT: dict(facts),
    }


def _known_options(kind: Kind, options: Mapping[str, Any]) -> dict[str, Any]:
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
