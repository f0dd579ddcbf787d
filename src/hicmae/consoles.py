"""Text on a console: names as they are, whatever the console can show."""

from __future__ import annotations

import io
import sys
from typing import Any

from rich.console import Console


def plain_console(**options: Any) -> Console:
    """A console that takes no part of a text for markup, so that `clip [a]:b:.mp4` stays.

    Args:
        **options: Those of `rich.console.Console`.
    """
    return Console(**{"markup": False, "emoji": False, "highlight": False} | options)


def escape_what_cannot_be_shown() -> None:
    """Makes the standard streams write signs as escapes where their encoding lacks them.

    Else the first such name ends a command, maybe after hours of work.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def shows_all_signs() -> bool:
    """Whether the standard output takes any text as it is."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().startswith("utf")
