"""The command `hicmae export`: a model as one file that runs without this project."""

from __future__ import annotations

from pathlib import Path

from hicmae.choices import ExportFormat
from hicmae.imports import quick_imports


def export(
    *,
    format: ExportFormat,
    checkpoint: str | Path,
    output: str | Path,
    check_clip: str | Path | None = None,
    opset: int | None = None,
    calibrated: bool = True,
) -> None:
    """Writes a model as one file that runs without this project, and compares it with the model.

      hicmae export --format onnx --checkpoint RUN/checkpoints/best.ckpt --output model.onnx
      hicmae export --format torch-export --checkpoint FOLDER --output model.pt2 --check_clip a.mp4

    CHECKPOINT is a Lightning checkpoint of a run, or the folder of a shared model; of a model that
    was only pre-trained, the features are exported. Filter bank, resizing and normalisation are
    within the file. What the modality of the model reads is given to it, in batches of any size B:

      frames           uint8 (B, T, S, S, 3), RGB pictures of a window: every stride-th frame of a
                       clip
      waveform         float32 (B, L), the sound of the window at 16 kHz, one channel, any length
      waveform_length  int64 (B,), samples of each row that are sound; what lies behind is not read
      senses           bool (B, 2), of a model that may lack a stream (stand_ins of config.json):
                       whether each window is seen and whether it is heard

    It gives scores (B, classes or targets), logits before softmax or activation, and features. T,
    S, stride and the names of the classes stand in the JSON text `config.json` of the file: among
    the metadata of ONNX (architecture.num_frames, inputs.frame_size, inputs.stride, outputs), or an
    extra file of torch.export.

    Both the file and the model then run on made windows, or on a clip of yours, and the file is
    kept if no output differs by more than 0.0001.

    Args:
        format: What to write.
        checkpoint: The model: file or folder.
        output: File to write: .onnx or .pt2.
        check_clip: Clip to compare on, beside noise.
        opset: Version of ONNX's operators; torch chooses if not given.
        calibrated: Give calibrated probabilities, where validation clips of the training showed
            how; those of several windows are averaged before calibration by this project itself.

    Raises:
        HicmaeError: A mistake that the user can mend, or a file that differs from its model.
    """
    with quick_imports():  # within, so that help comes at once
        from hicmae.export.exporting import export as write  # noqa: PLC0415

    write(
        Path(checkpoint).expanduser(),
        Path(output).expanduser(),
        format,
        check_clip=None if check_clip is None else Path(check_clip).expanduser(),
        opset=opset,
        calibrated=calibrated,
    )
