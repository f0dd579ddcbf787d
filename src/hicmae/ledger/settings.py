"""The settings that results were made with, which those of the next run have to equal."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hicmae.errors import ConfigError
from hicmae.files import whole_file

OTHER_FOLDER = "give another output folder, or remove this one"
"""Way out where a command is told a folder for all it writes."""

_TASKS = ("audio", "check", "crossval", "embed", "faces", "pack", "recognize")


def settings_path(folder: Path, task: str) -> Path:
    """The file in a folder that tells with which settings a task filled it."""
    return folder / f"{task}.settings.json"


def write_settings(folder: Path, task: str, settings: Mapping[str, Any]) -> None:
    """Says in a folder with which settings a task fills it, by which `is_output` knows it."""
    with whole_file(settings_path(folder, task)) as part:
        part.write_text(json.dumps(settings, indent=1), encoding="utf-8")


def is_output(folder: Path, names: Collection[str]) -> bool:
    """Whether a folder is filled by a task of this project, and nothing in it is a user's clip.

    Args:
        folder: The folder.
        names: Names of the files in it.
    """
    return any(settings_path(folder, task).name in names for task in _TASKS)


def refuse_other_settings(
    folder: Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    way_out: str = OTHER_FOLDER,
) -> None:
    """Refuses to go on with what was made with other settings.

    Args:
        folder: Where the results lie.
        before: Settings that they were made with, by name.
        now: Settings of this run.
        way_out: What the user can do, in words.

    Raises:
        ConfigError: A setting differs; the first one by name is told.
    """
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise ConfigError(
                f"{folder} holds results made with {name} {before.get(name)}, not {now.get(name)}; "
                f"{way_out}."
            )
