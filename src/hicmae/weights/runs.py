"""Which checkpoint is meant by the folder of a run."""

from __future__ import annotations

import logging
from pathlib import Path

from hicmae.errors import CheckpointError
from hicmae.weights.description import CONFIG

log = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
"""Folder of a run in which its checkpoints lie."""

_NAMES = ("best.ckpt", "last.ckpt")


def checkpoint_of(path: Path) -> Path:
    """The checkpoint that a path means: itself, or of the folder of a run the best, which is told.

    Args:
        path: A file or folder of a model; or the folder of a run, its folder of checkpoints, or a
            folder with one run in it.

    Returns:
        `best.ckpt`, of a run that chose none `last.ckpt`, and else the only one; the path as it is
        where it is no folder of checkpoints.

    Raises:
        CheckpointError: Several runs or checkpoints may be meant.
    """
    path = path.expanduser()
    # A checkpoint in shards is a folder too.
    if not path.is_dir() or path.suffix == ".ckpt" or (path / CONFIG).is_file():
        return path
    places = [path / CHECKPOINTS, path, *sorted(path.glob(f"*/{CHECKPOINTS}"))]
    found = [files for place in places if (files := sorted(place.glob("*.ckpt")))]
    if not found:
        return path
    if found[0][0].parent not in places[:2] and len(found) > 1:
        runs = ", ".join(files[0].parent.parent.name for files in found)
        raise CheckpointError(f"{path} holds several runs ({runs}): name one of them.")
    files = found[0]
    chosen = next((file for name in _NAMES for file in files if file.name == name), files[0])
    if chosen.name not in _NAMES and len(files) > 1:
        names = ", ".join(file.name for file in files)
        raise CheckpointError(f"{path} holds several checkpoints ({names}): name one of them.")
    log.warning("%s is the folder of a run: its %s is taken.", path, chosen.name)
    return chosen
