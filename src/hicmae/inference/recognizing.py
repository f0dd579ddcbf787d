"""What `hicmae recognize` does once its options are known."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from hicmae.consoles import plain_console, shows_all_signs
from hicmae.errors import CheckpointError, ConfigError
from hicmae.files import whole_file
from hicmae.inference.listing import NamedClip
from hicmae.inference.many_clips import (
    clip_state,
    finish,
    is_unchanged,
    open_log,
    open_model_and_clips,
    require_writable,
    settings_of,
    stops_at_failure,
)
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.inference.rendering import FORMATS, check_output, render
from hicmae.inference.results import Recognition, window_table
from hicmae.inference.tables import recognition_table
from hicmae.ledger import (
    DONE,
    Plan,
    ResultLog,
    Row,
    Tell,
    is_output,
    process_here,
    write_settings,
)
from hicmae.media.watched import WatchedDecoder


def recognize(options: Namespace) -> list[dict[str, Any]]:
    """Recognises, shows and writes the emotions of clips.

    What is written of several clips is gathered in a ledger, so that a stopped run goes on.

    Args:
        options: Those of `hicmae recognize`.

    Returns:
        What was recognised, clip by clip.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    with WatchedDecoder(options.patience) as decoder:
        return _recognize(options, decoder)


def _recognize(options: Namespace, decoder: WatchedDecoder) -> list[dict[str, Any]]:
    recognizer, clips = open_model_and_clips(options)
    if recognizer.kind == "pretraining":
        raise CheckpointError(
            f"{options.checkpoint} was only pre-trained and has no trained head to recognise with: "
            "fine-tune it with `hicmae fit`, or take its features with `hicmae embed`."
        )
    renders = _renders(options.render, clips)
    json_path = None if options.json in {None, "-"} else Path(options.json).expanduser()
    csv_path = None if options.csv is None else Path(options.csv).expanduser()
    rendered = None if options.render is None else Path(options.render).expanduser()
    marks = rendered is not None and rendered not in renders.values() and _is_ours(rendered)
    require_writable([json_path, csv_path, *renders.values()])
    output = json_path or csv_path or rendered
    log = _open_log(recognizer, options, output) if output and len(clips) > 1 else None
    if rendered is not None and marks:
        write_settings(rendered, "recognize", _settings(recognizer, options))
    console = plain_console(quiet=options.json == "-")

    def compute(clip: NamedClip, tell: Tell) -> Recognition:
        # Most of the time of a rendered clip goes into its pictures.
        share = 0.5 if renders else 1.0
        recording = decoder.open(clip.path, sound=clip.sound)
        result = recognizer.recognize(
            recording,
            use=options.use,
            progress=lambda done: tell(share * done),
        )
        if renders:
            render(
                clip.path,
                result,
                renders[clip],
                sound=clip.sound,
                recording=recording,
                progress=lambda done: tell(share + (1 - share) * done),
            )
        return result

    def keep(clip: NamedClip, result: Recognition) -> Row:
        console.print(recognition_table(result, clip.source))
        if renders:
            console.print(f"rendered to {renders[clip]}", soft_wrap=True)
        return {
            "status": DONE,
            "message": "",
            "clip": clip_state(clip),
            "recognition": result.to_dict(),
        }

    rows = process_here(
        compute,
        keep,
        clips,
        log,
        Plan(),
        is_done=_is_done(clips, renders),
        label=lambda clip: clip.source,
        stop_at_failure=stops_at_failure(options, clips),
    )
    # A clip may have been named otherwise, such as from another folder, when it was done.
    found = [
        rows[clip.id]["recognition"] | {"source": str(clip.path)}
        for clip in clips
        if rows[clip.id]["status"] == DONE
    ]
    _write_results(found, options.json == "-", json_path, csv_path)
    finish(clips, rows, log, output)
    return found


def _open_log(recognizer: EmotionRecognizer, options: Namespace, output: Path) -> ResultLog:
    option = next(name for name in ("json", "csv", "render") if options[name] not in {None, "-"})
    folder = output.with_name(f"{output.name}.parts")
    settings = _settings(recognizer, options)
    return open_log(folder, "recognize", settings, option=f"--{option}", restart=options.restart)


def _settings(recognizer: EmotionRecognizer, options: Namespace) -> dict[str, Any]:
    known = recognizer.description.reliability
    return settings_of(recognizer, options) | {
        "outputs": recognizer.outputs,
        "render": None if options.render is None else str(options.render),
        # Nothing where nothing is said, as in what versions before them wrote.
        "reliability": known and asdict(known),
        "calibrated": None if options.calibrated else False,
        "wanted_error": options.wanted_error,
    }


def _is_ours(folder: Path) -> bool:
    """Whether nobody else's files lie in a folder for rendered copies."""
    names = [item.name for item in folder.iterdir()] if folder.is_dir() else []
    return not names or is_output(folder, names)


def _is_done(clips: Sequence[NamedClip], renders: dict[NamedClip, Path]) -> Callable[[Row], bool]:
    unchanged = is_unchanged(clips)
    rendered = {clip.id: path for clip, path in renders.items()}
    return lambda row: (
        unchanged(row) and (row["id"] not in rendered or rendered[row["id"]].is_file())
    )


def _renders(given: str | Path | None, clips: Sequence[NamedClip]) -> dict[NamedClip, Path]:
    """Where each clip is rendered to."""
    if given is None:
        return {}
    target = Path(given).expanduser()
    named = bool(target.suffix) and not target.is_dir()
    if len(clips) == 1 and named:
        check_output(target)
        return {clips[0]: target}
    if named and target.suffix.lower() in FORMATS:
        raise ConfigError(
            f"--render {given} is one file, but there are {len(clips)} clips: name a folder."
        )
    inputs = {clip.path.resolve() for clip in clips}
    renders = {clip: target / clip.name.with_name(f"{clip.name.name}.mp4") for clip in clips}
    owners: dict[Path, NamedClip] = {}
    for clip, path in renders.items():
        if path.resolve() in inputs:
            raise ConfigError(
                f"--render {given} would write over {path}, which is to be read: name a folder of "
                "its own."
            )
        if owners.setdefault(path, clip) is not clip:
            raise ConfigError(
                f"{owners[path].path} and {clip.path} would both be rendered to {path}: render "
                "them one by one, or rename one."
            )
    return renders


def _write_results(
    found: Sequence[dict[str, Any]], to_stdout: bool, json_path: Path | None, csv_path: Path | None
) -> None:
    content = json.dumps(found, indent=2, ensure_ascii=False)
    if to_stdout:
        # An escape that the console makes would be none of JSON.
        shown = content if shows_all_signs() else json.dumps(found, indent=2)
        sys.stdout.write(shown + "\n")
    if json_path is not None:
        with whole_file(json_path) as part:
            part.write_text(content + "\n", encoding="utf-8")
    if csv_path is not None:
        import pandas as pd  # noqa: PLC0415 (takes time, for tables alone)

        tables = [window_table(recognition) for recognition in found]
        with whole_file(csv_path) as part:
            (pd.concat(tables) if tables else pd.DataFrame()).to_csv(part, index=False)
