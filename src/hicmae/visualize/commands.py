"""The commands `hicmae visualize ...`: pictures of models and runs."""

from __future__ import annotations

from collections.abc import Callable

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from hicmae.choices import Layout
from hicmae.help import HelpFormatter
from hicmae.visualize.style import check_output, save_figure

DESCRIPTION = """\
Draws pictures; --output says where, as .png, .pdf or .svg.

  hicmae visualize reconstruction CLIPS/ --checkpoint PRETRAIN/checkpoints/last.ckpt
  hicmae visualize embeddings features.npz --labels manifest.csv --colour emotion --colour subject
  hicmae visualize layer-weights FINETUNE/checkpoints/best.ckpt OTHER/checkpoints/best.ckpt
  hicmae visualize confusion FINETUNE
  hicmae visualize curves FINETUNE OTHER --metrics loss --metrics UAR

PRETRAIN, FINETUNE and OTHER are run folders, such as runs/version_0. What each picture shows, and
its options: hicmae visualize PICTURE --help.
"""

_RECONSTRUCTION = """\
Shows clips as they are, as the model sees them under its mask, and as it reconstructs them: frames
at the left, the spectrogram at the right. Differences between frames are turned into frames again,
and each reconstructed patch gets the mean and deviation of the original, which are not predicted.
CLIP are media files, one folder of them, or one manifest.

  hicmae visualize reconstruction clip.mp4 --checkpoint PRETRAIN/checkpoints/last.ckpt
  hicmae visualize reconstruction manifest.csv --checkpoint PRETRAIN/checkpoints/last.ckpt --clips 4
"""
_EMBEDDINGS = """\
Lays the features of clips out in a plane, coloured by emotion, speaker or any other column of the
labels, a panel for each. FEATURES is what `hicmae embed` wrote. Labels are found by the path, the
file name or the id of a clip.

  hicmae embed CLIPS/ --checkpoint FINETUNE/checkpoints/best.ckpt --output features.npz
  hicmae visualize embeddings features.npz --labels manifest.csv --colour emotion --colour subject
"""
_LAYER_WEIGHTS = """\
Shows how much every encoder layer counts in the feature of a fine-tuned model, as bars, several
models side by side.

  hicmae visualize layer-weights FINETUNE/checkpoints/best.ckpt
"""
_CONFUSION = """\
Shows what a tested classifier took for what: a row for every true class, shaded by its share, with
UAR (mean recall of the classes) and WAR (accuracy) above. RUN is a run folder, the folder of a
`hicmae crossval` (all folds together) or a table of predictions.

  hicmae visualize confusion FINETUNE
"""
_CURVES = """\
Shows losses and metrics over the epochs, a panel for each, runs over each other. --metrics chooses,
and may be given several times: `loss` is that of training and validation, `val/loss` one of them.

  hicmae visualize curves FINETUNE OTHER --metrics loss --metrics UAR
"""


def main(arguments: list[str]) -> None:
    """Runs `hicmae visualize`: writes one picture and says where.

    Args:
        arguments: What stands behind it.

    Raises:
        HicmaeError: A mistake that the user can mend.
        ArgumentError: An option that does not exist or does not fit.
    """
    options = _parser().parse_args(arguments or ["--help"])
    chosen = options[options.subcommand]
    check_output(chosen.output)
    draw = {
        "reconstruction": _reconstruction,
        "embeddings": _embeddings,
        "layer-weights": _layer_weights,
        "confusion": _confusion,
        "curves": _curves,
    }[options.subcommand]
    console = Console()
    with console.status(f"Drawing {options.subcommand} ..."):
        path = draw(chosen)
    console.print(f"Wrote {path}.", highlight=False, soft_wrap=True)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="hicmae visualize",
        description=DESCRIPTION,
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    commands = parser.add_subcommands(metavar="PICTURE")
    add: Callable[[ArgumentParser], None]
    for name, short, describe, add in (
        ("reconstruction", "Clips under a mask.", _RECONSTRUCTION, _reconstruction_options),
        ("embeddings", "Features by emotion and speaker.", _EMBEDDINGS, _embeddings_options),
        ("layer-weights", "What each layer counts.", _LAYER_WEIGHTS, _layer_weights_options),
        ("confusion", "What was taken for what.", _CONFUSION, _confusion_options),
        ("curves", "Losses and metrics over epochs.", _CURVES, _curves_options),
    ):
        part = ArgumentParser(
            description=describe, formatter_class=HelpFormatter, exit_on_error=False
        )
        add(part)
        part.add_argument(
            "--output", type=str, default=f"{name}.png", help="picture: .png, .pdf or .svg"
        )
        commands.add_subcommand(name, part, help=short)
    return parser


def _reconstruction_options(parser: ArgumentParser) -> None:
    parser.add_argument("source", metavar="CLIP", type=str, nargs="+", help="files or a folder")
    parser.add_argument("--checkpoint", type=str, required=True, help="of pre-training")
    parser.add_argument("--clips", type=int, default=3, help="clips shown at most, drawn by lot")
    parser.add_argument("--frames", type=int, default=4, help="frames shown of each clip")
    parser.add_argument("--seed", type=int, default=0, help="draws clips and masks")
    parser.add_argument(
        "--video_mask_ratio", type=float | None, help="masked share of frames; else as in training"
    )
    parser.add_argument(
        "--audio_mask_ratio", type=float | None, help="masked share of sound; else as in training"
    )


def _embeddings_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "features", metavar="FEATURES", type=str, help=".safetensors, .npz or .parquet"
    )
    parser.add_argument("--labels", type=str, required=True, help="manifest with the labels")
    parser.add_argument(
        "--colour",
        type=str,
        action="append",
        help="column to colour by; may be given several times (default: emotion, subject)",
    )
    parser.add_argument("--method", type=Layout, default="tsne", help="of layout")
    parser.add_argument("--seed", type=int, default=0, help="of tsne and umap")


def _layer_weights_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", type=str, nargs="+", help="of fine-tuning"
    )


def _confusion_options(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=str, help="run folder or table of predictions")


def _curves_options(parser: ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", type=str, nargs="+", help="run folders")
    parser.add_argument(
        "--metrics", type=str, action="append", help="what to draw; may be given several times"
    )


def _reconstruction(options: Namespace) -> object:
    from hicmae.visualize.reconstruction import reconstruct  # noqa: PLC0415 (decoders, models)

    figure = reconstruct(
        options.checkpoint,
        options.source,
        clips=options.clips,
        frames=options.frames,
        seed=options.seed,
        video_mask_ratio=options.video_mask_ratio,
        audio_mask_ratio=options.audio_mask_ratio,
    )
    return save_figure(figure, options.output)


def _embeddings(options: Namespace) -> object:
    from hicmae.inference.features import read_features  # noqa: PLC0415
    from hicmae.visualize.embeddings import embeddings_figure  # noqa: PLC0415

    figure = embeddings_figure(
        read_features(options.features),
        options.labels,
        options.colour or ("emotion", "subject"),
        method=options.method,
        seed=options.seed,
    )
    return save_figure(figure, options.output)


def _layer_weights(options: Namespace) -> object:
    from hicmae.visualize.layer_weights import layer_weights_figure  # noqa: PLC0415

    return save_figure(layer_weights_figure(options.checkpoint), options.output)


def _confusion(options: Namespace) -> object:
    from hicmae.visualize.confusion import confusion_matrix_figure  # noqa: PLC0415

    return save_figure(confusion_matrix_figure(options.run), options.output)


def _curves(options: Namespace) -> object:
    from hicmae.visualize.curves import curves_figure  # noqa: PLC0415

    return save_figure(curves_figure(options.run, options.metrics), options.output)
