"""The settings that results were made with, which those of the next run have to equal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hicmae.errors import ConfigError

OTHER_FOLDER = "give another output folder, or remove this one"
"""Way out where a command is told a folder for all it writes."""


def refuse_other_settings(
    folder: Path,
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    *,
    holds: str = "results made",
    way_out: str = OTHER_FOLDER,
) -> None:
    """Refuses to go on with what was made with other settings.

    Args:
        folder: Where the results lie.
        before: Settings that they were made with, by name.
        now: Settings of this run.
        holds: What was made with settings, in words.
        way_out: What the user can do, in words.

    Raises:
        ConfigError: A setting differs; the first one by name is told.
    """
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise ConfigError(
                f"{folder} holds {holds} with {name} {before.get(name)}, not {now.get(name)}; "
                f"{way_out}."
            )
