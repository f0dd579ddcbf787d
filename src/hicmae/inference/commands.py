"""The commands `hicmae recognize` and `hicmae embed`: emotions and features of own clips."""

from __future__ import annotations

from typing import Literal

from jsonargparse import ArgumentParser

from hicmae.choices import Faces, Per, Use
from hicmae.help import HelpFormatter
from hicmae.imports import quick_imports

RECOGNIZE = """\
Recognises the emotions of the people in clips: video or sound files, folders of images, or folders
of such files.

  hicmae recognize clip.mp4 --checkpoint RUN/checkpoints/best.ckpt
  hicmae recognize clip.mp4 --checkpoint MODEL --render shown.mp4    faces, words and curves
  hicmae recognize videos/ --checkpoint MODEL --csv emotions.csv
  hicmae recognize clip.mp4 --checkpoint MODEL --json - | jq '.[0].people[0].scores'

A run over several clips that writes a file goes on where it was stopped when the command is given
again; clips that cannot be used are listed at the end.

MODEL is a checkpoint of a run, such as one that `hicmae demo` trains, a folder that `hicmae
convert` wrote, or the id of such a folder on a model hub.
"""

EMBED = """\
Writes the features that a model makes of clips: a row for every window of every person, or one for
every person. A run that was stopped goes on when the command is given again; clips that cannot be
used are listed at the end. Jobs that each work on a --shard share the clips; when all are through,
the same command without --shard writes the output.

  hicmae embed videos/ --checkpoint MODEL --output features.safetensors
  hicmae embed videos/ --checkpoint MODEL --output features.parquet --per clip
  hicmae embed a.mp4 b.mp4 --checkpoint MODEL --output features.npz --layers
  hicmae embed videos/ --checkpoint MODEL --output features.parquet --shard 2/8

MODEL is a checkpoint of a run, pre-trained or fine-tuned, a folder that `hicmae convert` wrote, or
the id of such a folder on a model hub.
"""


def recognize_main(arguments: list[str]) -> None:
    """Runs `hicmae recognize`.

    Args:
        arguments: What stands behind it.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    parser = _parser("recognize", RECOGNIZE)
    parser.add_argument(
        "--json", type=str | None, default=None, help="file to write, or - for the standard output"
    )
    parser.add_argument("--csv", type=str | None, default=None, help="table of windows to write")
    parser.add_argument(
        "--render",
        type=str | None,
        default=None,
        help="annotated copy to write: .mp4, .mov or .mkv; a folder for several clips",
    )
    options = parser.parse_args(arguments or ["--help"])
    with quick_imports():  # after the options, so that help comes at once
        from hicmae.inference.recognizing import recognize  # noqa: PLC0415

    recognize(options)


def embed_main(arguments: list[str]) -> None:
    """Runs `hicmae embed`.

    Args:
        arguments: What stands behind it.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    parser = _parser("embed", EMBED)
    parser.add_argument(
        "--output",
        type=str,
        required=True,
        help="file to write: .safetensors, .npz or .parquet",
    )
    parser.add_argument(
        "--layers", action="store_true", help="also the feature of every layer of the encoders"
    )
    parser.add_argument(
        "--per", type=Per, default="window", help="a row per window, or the mean per clip"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what the output holds")
    parser.add_argument(
        "--shard", type=str, default="1/1", help="i/n works on every n-th clip from the i-th on"
    )
    parser.add_argument(
        "--dry_run", action="store_true", help="tell what would be done, and do nothing"
    )
    options = parser.parse_args(arguments or ["--help"])
    with quick_imports():  # after the options, so that help comes at once
        from hicmae.inference.embedding import embed  # noqa: PLC0415

    embed(options)


def _parser(command: str, description: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=f"hicmae {command}",
        description=description,
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    parser.add_argument("clips", type=str, nargs="+", metavar="CLIP", help="files and folders")
    parser.add_argument(
        "--checkpoint", type=str | None, default=None, help="the model: a file, folder or hub id"
    )
    parser.add_argument(
        "--faces", type=Faces, default="crop", help="look for faces, or take the whole picture"
    )
    parser.add_argument(
        "--use", type=Use, default="both", help="what an audio-visual model is given of a clip"
    )
    parser.add_argument(
        "--hop",
        type=float | None,
        default=None,
        help="seconds from window to window; half a window without",
    )
    parser.add_argument("--people", type=int, default=4, help="most people of a clip to follow")
    parser.add_argument("--device", type=str, default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--batch_size", type=int, default=8, help="windows at a time")
    parser.add_argument(
        "--on_error",
        type=Literal["raise", "skip"] | None,
        default=None,
        help="stop at a clip that cannot be used, or list such clips at the end; several clips are "
        "listed if nothing is said",
    )
    parser.add_argument(
        "--restart", action="store_true", help="drop what a stopped run did, and begin anew"
    )
    return parser
