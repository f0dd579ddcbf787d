"""Files and folders that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from hicmae.errors import DataError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives a hidden name beside `path`, which becomes `path` once all is written.

    The folder is made. On an error nothing is left; a killed process leaves the hidden file, whose
    name nothing looks for.
    """
    part = _hidden_name(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, suffix: str) -> Iterator[Path]:
    """Gives a hidden new folder beside `path`, which becomes `path` once it is filled.

    Args:
        path: The folder to be; one of an earlier run is replaced.
        suffix: Of the files within; a folder with anything else in it is not replaced.

    Raises:
        DataError: `path` exists and is more than what an earlier run wrote.
    """
    part, old = _hidden_name(path), _hidden_name(path)
    if path.exists() and not (
        path.is_dir() and all(item.suffix == suffix and item.is_file() for item in path.iterdir())
    ):
        raise DataError(
            f"{path} cannot be replaced: expected a folder of {suffix} files alone and found "
            "other things; move it away or name another output folder."
        )
    part.mkdir(parents=True)
    try:
        yield part
        if path.exists():
            path.rename(old)
        part.rename(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _hidden_name(path: Path) -> Path:
    # The id of the process tells whose it was; the rest keeps threads and machines apart.
    return path.with_name(f".writing-{os.getpid()}-{uuid4().hex[:12]}")
