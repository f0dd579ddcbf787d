"""The command `hicmae convert`: models from one format to another, tensor by tensor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from jsonargparse import ArgumentParser
from rich.console import Console

from hicmae.checkpoints.guessing import GivenFacts
from hicmae.checkpoints.reading import read_model
from hicmae.checkpoints.scores import read_scores
from hicmae.checkpoints.writing import require_free, target_format, write_model
from hicmae.command_line import HelpFormatter
from hicmae.errors import ConfigError
from hicmae.models import Activation, FusionOrder

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
    model = read_model(source, GivenFacts(**options))
    training = model.description.training.copy()
    if scores is not None:
        training["test"] = read_scores(Path(scores))
    if license is not None:
        training["license"] = license
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
