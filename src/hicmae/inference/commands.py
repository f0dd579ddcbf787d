"""The commands `hicmae recognize` and `hicmae embed`: emotions and features of own clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace

from hicmae.choices import Faces, Per, Use
from hicmae.imports import quick_imports
from hicmae.workers import PATIENCE, preload, prepare


def recognize(
    clips: list[str] | list[Path],
    *,
    checkpoint: str | Path,
    faces: Faces = "crop",
    use: Use = "both",
    hop: float | None = None,
    people: int = 4,
    device: str = "auto",
    batch_size: int = 8,
    calibrated: bool = True,
    wanted_error: float | None = None,
    on_error: Literal["raise", "skip"] | None = None,
    restart: bool = False,
    patience: float = PATIENCE,
    json: str | Path | None = None,
    csv: str | Path | None = None,
    render: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Recognises the emotions of the people in clips.

    A CLIP is a video or sound file, a folder of images, or a folder of such files; MODEL is what
    --checkpoint takes. A run over several clips that writes a file goes on where it was stopped
    when the command is given again; clips that cannot be used are listed at the end.

      hicmae recognize clip.mp4 --checkpoint RUN/checkpoints/best.ckpt
      hicmae recognize clip.mp4 --checkpoint MODEL --render shown.mp4    faces, words and curves
      hicmae recognize videos/ --checkpoint MODEL --csv emotions.csv
      hicmae recognize clip.mp4 --checkpoint MODEL --json - | jq '.[0].people[0].scores'

    Args:
        clips: Files and folders.
        checkpoint: A checkpoint of a run or its folder, such as `hicmae demo` trains, a folder that
            `hicmae convert` wrote, or the id of such a folder on a model hub.
        faces: Look for faces, or take the whole picture.
        use: What an audio-visual model is given of a clip.
        hop: Seconds from window to window; half a window without.
        people: Most people of a clip to follow.
        device: auto, cpu, cuda or mps.
        batch_size: Windows at a time.
        calibrated: Give calibrated probabilities, where validation clips of the training showed
            how.
        wanted_error: Say "not sure" of answers that are less sure than those of which this share
            was wrong on validation clips, such as 0.2.
        on_error: Stop at a clip that cannot be used, or list such clips at the end; several clips
            are listed if nothing is said.
        restart: Drop what a stopped run did, and begin anew.
        patience: Seconds without a decoded frame after which a clip is given up.
        json: File to write, or - for the standard output.
        csv: Table of windows to write.
        render: Annotated copy to write: .mp4, .mov or .mkv; a folder for several clips.

    Returns:
        What was recognised, clip by clip, as `--json` writes it.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    options = Namespace(locals())  # the parameters: there is no other name yet
    _prepare_decoder()
    with quick_imports():  # within, so that help comes at once
        from hicmae.inference import recognizing  # noqa: PLC0415

    return recognizing.recognize(options)


def embed(
    clips: list[str] | list[Path],
    *,
    checkpoint: str | Path,
    output: str | Path,
    faces: Faces = "crop",
    use: Use = "both",
    hop: float | None = None,
    people: int = 4,
    device: str = "auto",
    batch_size: int = 8,
    on_error: Literal["raise", "skip"] | None = None,
    restart: bool = False,
    patience: float = PATIENCE,
    shard: str = "1/1",
    dry_run: bool = False,
    layers: bool = False,
    per: Per = "window",
    overwrite: bool = False,
) -> None:
    """Writes the features that a model makes of clips.

    There is a row for every window of every person, or one for every person. A run that was stopped
    goes on when the command is given again; clips that cannot be used are listed at the end. Jobs
    that each work on a --shard share the clips; when all are through, the same command without
    --shard writes the output. MODEL is what --checkpoint takes.

      hicmae embed videos/ --checkpoint MODEL --output features.safetensors
      hicmae embed videos/ --checkpoint MODEL --output features.parquet --per clip
      hicmae embed a.mp4 b.mp4 --checkpoint MODEL --output features.npz --layers
      hicmae embed videos/ --checkpoint MODEL --output features.parquet --shard 2/8

    Args:
        clips: Files and folders.
        checkpoint: A checkpoint of a run or its folder, pre-trained or fine-tuned, a folder that
            `hicmae convert` wrote, or the id of such a folder on a model hub.
        output: File to write: .safetensors, .npz or .parquet.
        faces: Look for faces, or take the whole picture.
        use: What an audio-visual model is given of a clip.
        hop: Seconds from window to window; half a window without.
        people: Most people of a clip to follow.
        device: auto, cpu, cuda or mps.
        batch_size: Windows at a time.
        on_error: Stop at a clip that cannot be used, or list such clips at the end; several clips
            are listed if nothing is said.
        restart: Drop what a stopped run did, and begin anew.
        patience: Seconds without a decoded frame after which a clip is given up.
        shard: i/n works on every n-th clip from the i-th on.
        dry_run: Tell what would be done, and do nothing.
        layers: Also the feature of every layer of the encoders.
        per: A row per window, or the mean per clip.
        overwrite: Replace what the output holds.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    options = Namespace(locals())  # the parameters: there is no other name yet
    _prepare_decoder()
    with quick_imports():  # within, so that help comes at once
        from hicmae.inference import embedding  # noqa: PLC0415

    embedding.embed(options)


def _prepare_decoder() -> None:
    """Begins what decodes, beside the import of the large libraries here."""
    preload("hicmae.media.watched")
    prepare()
