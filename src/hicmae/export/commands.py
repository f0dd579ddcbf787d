"""The command `hicmae export`: a model as one file that runs without this project."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import ArgumentParser

from hicmae.choices import ExportFormat
from hicmae.help import HelpFormatter
from hicmae.imports import quick_imports

DESCRIPTION = """\
Writes a model as one file that runs without this project, and compares it with the model.

  hicmae export --format onnx --checkpoint RUN/checkpoints/best.ckpt --output model.onnx
  hicmae export --format torch-export --checkpoint FOLDER --output model.pt2 --check_clip clip.mp4

CHECKPOINT is a Lightning checkpoint of a run, or the folder of a shared model; of a model that was
only pre-trained, the features are exported. Filter bank, resizing and normalisation are within the
file. What the modality of the model reads is given to it, in batches of any size B:

  frames           uint8 (B, T, S, S, 3), RGB pictures of a window: every stride-th frame of a clip
  waveform         float32 (B, L), the sound of the window at 16 kHz, one channel, of any length
  waveform_length  int64 (B,), samples of each row that are sound; what lies behind is not read

It gives scores (B, classes or targets), logits before softmax or activation, and features. T, S,
stride and the names of the classes stand in the JSON text `config.json` of the file: among the
metadata of ONNX (architecture.num_frames, inputs.frame_size, inputs.stride, outputs), or an extra
file of torch.export.

Both the file and the model then run on made windows, or on a clip of yours, and the file is kept
if no output differs by more than 0.0001.
"""


def main(arguments: list[str]) -> None:
    """Runs `hicmae export`.

    Args:
        arguments: What stands behind it.

    Raises:
        HicmaeError: A mistake that the user can mend, or a file that differs from its model.
        ArgumentError: An option that does not exist or does not fit.
    """
    options = _parser().parse_args(arguments or ["--help"])
    with quick_imports():  # after the options, so that help comes at once
        from hicmae.export.exporting import export  # noqa: PLC0415

    clip = options.check_clip
    export(
        Path(options.checkpoint).expanduser(),
        Path(options.output).expanduser(),
        options.format,
        check_clip=None if clip is None else Path(clip).expanduser(),
        opset=options.opset,
    )


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="hicmae export",
        description=DESCRIPTION,
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    parser.add_argument("--format", type=ExportFormat, required=True, help="what to write")
    parser.add_argument("--checkpoint", type=str, required=True, help="the model: file or folder")
    parser.add_argument("--output", type=str, required=True, help="file to write: .onnx or .pt2")
    parser.add_argument("--check_clip", type=str | None, help="clip to compare on, beside noise")
    parser.add_argument(
        "--opset", type=int | None, help="version of ONNX's operators; torch chooses if not given"
    )
    return parser
