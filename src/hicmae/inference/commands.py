"""The commands `hicmae recognize` and `hicmae embed`: emotions and features of own clips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hicmae.choices import Faces, Per, Use
from hicmae.errors import CheckpointError
from hicmae.imports import quick_imports

if TYPE_CHECKING:
    from hicmae.inference.results import Recognition


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
    on_error: Literal["raise", "skip"] = "raise",
    json: str | Path | None = None,
    csv: str | Path | None = None,
    render: str | Path | None = None,
) -> list[Recognition]:
    """Recognises the emotions of the people in clips.

    A CLIP is a video or sound file, a folder of images, or a folder of such files; MODEL is what
    --checkpoint takes.

      hicmae recognize clip.mp4 --checkpoint RUN/checkpoints/best.ckpt
      hicmae recognize clip.mp4 --checkpoint MODEL --render shown.mp4    faces, words and curves
      hicmae recognize videos/ --checkpoint MODEL --csv emotions.csv --on_error skip
      hicmae recognize clip.mp4 --checkpoint MODEL --json - | jq '.[0].people[0].scores'

    Args:
        clips: Files and folders.
        checkpoint: A checkpoint of a run, such as one that `hicmae demo` trains, a folder that
            `hicmae convert` wrote, or the id of such a folder on a model hub.
        faces: Look for faces, or take the whole picture.
        use: What an audio-visual model is given of a clip.
        hop: Seconds from window to window; half a window without.
        people: Most people of a clip to follow.
        device: auto, cpu, cuda or mps.
        batch_size: Windows at a time.
        on_error: Stop at a clip that cannot be used, or list such clips at the end.
        json: File to write, or - for the standard output.
        csv: Table of windows to write.
        render: Annotated copy to write: .mp4, .mov or .mkv; a folder for several clips.

    Returns:
        What was recognised, clip by clip.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    with quick_imports():  # within, so that help comes at once
        from hicmae.inference import running  # noqa: PLC0415

    recognizer, listed = running.prepared(
        clips,
        checkpoint,
        faces=faces,
        use=use,
        hop=hop,
        people=people,
        device=device,
        batch_size=batch_size,
    )
    if recognizer.kind == "pretraining":
        raise CheckpointError(
            f"{checkpoint} was only pre-trained and has no trained head to recognise with: "
            "fine-tune it with `hicmae fit`, or take its features with `hicmae embed`."
        )
    return running.recognize(
        recognizer,
        listed,
        use=use,
        skip=on_error == "skip",
        json_to=json,
        csv=csv,
        render_to=render,
    )


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
    on_error: Literal["raise", "skip"] = "raise",
    layers: bool = False,
    per: Per = "window",
    overwrite: bool = False,
) -> None:
    """Writes the features that a model makes of clips.

    There is a row for every window of every person, or one for every person. A run that was stopped
    goes on when the command is given again. MODEL is what --checkpoint takes.

      hicmae embed videos/ --checkpoint MODEL --output features.safetensors
      hicmae embed videos/ --checkpoint MODEL --output features.parquet --per clip
      hicmae embed a.mp4 b.mp4 --checkpoint MODEL --output features.npz --layers

    Args:
        clips: Files and folders.
        checkpoint: A checkpoint of a run, pre-trained or fine-tuned, a folder that `hicmae convert`
            wrote, or the id of such a folder on a model hub.
        output: File to write: .safetensors, .npz or .parquet.
        faces: Look for faces, or take the whole picture.
        use: What an audio-visual model is given of a clip.
        hop: Seconds from window to window; half a window without.
        people: Most people of a clip to follow.
        device: auto, cpu, cuda or mps.
        batch_size: Windows at a time.
        on_error: Stop at a clip that cannot be used, or list such clips at the end.
        layers: Also the feature of every layer of the encoders.
        per: A row per window, or the mean per clip.
        overwrite: Replace what the output holds.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    with quick_imports():  # within, so that help comes at once
        from hicmae.inference import running  # noqa: PLC0415

    path = running.new_features(output, overwrite=overwrite)
    recognizer, listed = running.prepared(
        clips,
        checkpoint,
        faces=faces,
        use=use,
        hop=hop,
        people=people,
        device=device,
        batch_size=batch_size,
    )
    running.embed(
        recognizer,
        listed,
        path,
        faces=faces,
        use=use,
        hop=hop,
        people=people,
        per=per,
        layers=layers,
        skip=on_error == "skip",
    )
