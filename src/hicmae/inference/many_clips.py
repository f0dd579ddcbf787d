"""What commands over many clips have in common: the model, the ledger, the list of failures."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from hicmae.consoles import plain_console
from hicmae.errors import ConfigError, DataError
from hicmae.files import whole_file
from hicmae.inference.clips import takes_sounds
from hicmae.inference.listing import NamedClip, list_clips
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.ledger import DONE, FAILED, ResultLog, Row


def open_model_and_clips(options: Namespace) -> tuple[EmotionRecognizer, list[NamedClip]]:
    """The model and the clips that the options name.

    Raises:
        HicmaeError: One of them is not there or cannot be used.
    """
    if options.checkpoint is None:
        raise ConfigError(
            "--checkpoint is missing: give a trained model, such as RUN/checkpoints/best.ckpt of a "
            "training run (`hicmae demo` trains a small one and prints where it is), a folder that "
            "`hicmae convert` wrote, or its id on a model hub."
        )
    recognizer = EmotionRecognizer.from_pretrained(
        options.checkpoint,
        faces=options.faces,
        device=options.device,
        batch_size=options.batch_size,
        hop=options.hop,
        most_people=options.people,
        calibrated=options.get("calibrated", True),
        wanted_error=options.get("wanted_error"),
    )
    sounds_alone = takes_sounds(recognizer.description, options.use)
    return recognizer, list_clips(options.clips, sounds_alone=sounds_alone)


def settings_of(recognizer: EmotionRecognizer, options: Namespace) -> dict[str, Any]:
    """What the results of a clip depend on."""
    return {
        "model": fingerprint(recognizer),
        "faces": options.faces,
        "use": options.use,
        "hop": options.hop,
        "people": options.people,
    }


def fingerprint(recognizer: EmotionRecognizer) -> str:
    """24 hexadecimal digits that tell models apart whose features differ."""
    digest = hashlib.sha256(repr(recognizer.description.inputs).encode())
    for name, tensor in sorted(recognizer.model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:24]


def stops_at_failure(options: Namespace, clips: Sequence[NamedClip]) -> bool:
    """Whether a clip that cannot be used stops the command: unless told, only if it is alone."""
    if options.on_error is None:
        return len(clips) == 1
    return bool(options.on_error == "raise")


def require_writable(paths: Sequence[Path | None]) -> None:
    """Tells before the work, not after it, what cannot be written."""
    for path in paths:
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise DataError(f"{path} is a folder: name a file to write.")
        except OSError as error:
            raise DataError(
                f"{path} cannot be written ({error.strerror}): name another place."
            ) from error


def open_log(
    folder: Path, name: str, settings: Mapping[str, Any], *, option: str, restart: bool
) -> ResultLog:
    """The ledger of a command's clips in a folder beside its output.

    Args:
        folder: The folder.
        name: The command.
        settings: What the results depend on.
        option: The option that names the output.
        restart: Whether what an earlier run did is dropped.

    Raises:
        ConfigError: The folder holds results made with other settings.
    """
    if restart and folder.is_dir():
        shutil.rmtree(folder)
    way_out = f"give another {option}, or --restart to begin anew"
    log = ResultLog(folder, name, settings, way_out=way_out)
    if not log.exists and next(folder.glob("*.safetensors"), None):
        console = plain_console(stderr=True, soft_wrap=True)
        console.print(f"{folder} is of an older version and is not read: its clips are done anew.")
    return log


def is_unchanged(clips: Sequence[NamedClip]) -> Callable[[Row], bool]:
    """Tells of a row of the log whether it is of a clip as it is now, and went well."""
    by_id = {clip.id: clip for clip in clips}
    return lambda row: bool(row["status"] == DONE and row["clip"] == clip_state(by_id[row["id"]]))


def clip_state(clip: NamedClip) -> dict[str, Any]:
    """What tells that a clip has changed.

    Raises:
        DataError: The clip does not exist.
    """
    path = clip.path
    try:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [] if clip.sound is None else [clip.sound]
        states = [file.stat() for file in files]
    except FileNotFoundError as error:
        raise DataError(f"{error.filename} does not exist: check the path.") from error
    return {
        "size": sum(state.st_size for state in states),
        "changed": max((state.st_mtime_ns for state in states), default=0),
        "files": len(files),
    }


def finish(
    clips: Sequence[NamedClip],
    rows: Mapping[str, Row],
    log: ResultLog | None,
    output: Path | None,
) -> None:
    """Lists the clips that failed, and drops the ledger if it is of no more use.

    Args:
        clips: The clips that were worked on.
        rows: Their results.
        log: The ledger; it stays where clips failed, so that a further run does those alone.
        output: What was written, beside which the list goes.

    Raises:
        SystemExit: With status 1 if clips failed.
    """
    failed = {clip.source: rows[clip.id]["message"] for clip in clips if _has_failed(clip, rows)}
    if log is not None and len(failed) in {0, len(clips)}:
        shutil.rmtree(log.folder, ignore_errors=True)
    if output is not None and len(clips) > 1:
        path = output.with_name(f"{output.name}.problems.csv")
        if failed:
            import pandas as pd  # noqa: PLC0415 (takes time, for tables alone)

            with whole_file(path) as part:
                table = pd.DataFrame(failed.items(), columns=["source", "message"])
                table.to_csv(part, index=False)
        else:
            path.unlink(missing_ok=True)
    tell_failed(failed, len(clips))


def tell_failed(failed: Mapping[str, str], clips: int) -> None:
    """Prints which clips failed and why.

    Args:
        failed: Why, by what the clip is called.
        clips: How many clips there were.

    Raises:
        SystemExit: With status 1 if any failed.
    """
    if not failed:
        return
    console = plain_console(stderr=True, soft_wrap=True)
    console.print(f"{len(failed)} of {clips} clips were left out:", style="bold red")
    for message in failed.values():
        console.print(f"  {message}")
    raise SystemExit(1)


def _has_failed(clip: NamedClip, rows: Mapping[str, Row]) -> bool:
    return clip.id in rows and rows[clip.id]["status"] == FAILED
