"""What all pictures have in common: colours, names of runs, files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hicmae.colours import PALETTE, as_hex
from hicmae.errors import ConfigError
from hicmae.files import whole_file

if TYPE_CHECKING:  # what a path is checked by needs no drawing
    from matplotlib.figure import Figure

COLOURS = tuple(as_hex(colour) for colour in PALETTE[:7])
"""The colours that all pictures share, but yellow, of which lines are hard to see."""

MARKERS = ("o", "^", "s", "D", "P", "X", "v", "*")

DOTS_PER_INCH = 110
_SUFFIXES = (".png", ".pdf", ".svg")


def check_output(path: str | Path) -> Path:
    """The path of a picture, before any work is done for it.

    Raises:
        ConfigError: Its suffix is none of .png, .pdf and .svg.
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"--output {path} must end in {', '.join(_SUFFIXES)}.")
    return path


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Writes a picture whole or not at all, as PNG, PDF or SVG by the suffix of the path.

    Raises:
        ConfigError: The suffix is another one.
    """
    path = check_output(path)
    with whole_file(path) as part:
        figure.savefig(part, format=path.suffix.lower()[1:], dpi=DOTS_PER_INCH)
    return path


def short_names(paths: Sequence[str | Path]) -> list[str]:
    """What sets paths apart, as legends call them.

    Of `runs/a/version_0/checkpoints/best.ckpt` and `runs/b/version_0/checkpoints/best.ckpt` that is
    `a` and `b`. A single path is called by its run.

    Args:
        paths: Run folders, checkpoints or tables.

    Returns:
        A name for each; paths given twice have the same name.
    """
    parts = [Path(path).expanduser().resolve().parts for path in paths]
    if len(set(parts)) == 1:
        run = [part for part in parts[0] if not _is_common(part)]
        return [run[-1] if run else parts[0][-1]] * len(parts)
    least = min(map(len, parts)) - 1
    start = next((n for n in range(least) if len({path[n] for path in parts}) > 1), least)
    end = next(n for n in range(least + 1) if len({path[-1 - n] for path in parts}) > 1)
    # A path that lies within another one's beginning keeps its last part.
    return ["/".join(path[min(start, len(path) - 1 - end) : len(path) - end]) for path in parts]


def _is_common(part: str) -> bool:
    """Whether every run has a folder or file of that name."""
    suffixes = (".ckpt", ".csv", ".safetensors")
    return part == "checkpoints" or part.startswith("version_") or part.endswith(suffixes)
