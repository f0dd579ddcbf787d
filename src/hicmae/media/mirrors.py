"""Folders of this machine that fill from object storage as their files are asked for.

A mirror is a folder with the address of the folder that it mirrors in a hidden file. Whoever opens
a file there that is not there yet fetches it whole; so a path is all that a worker process needs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from hicmae.errors import ConfigError
from hicmae.files import whole_file

DEFAULT_FOLDER = "~/.cache/hicmae"
"""Where mirrors lie unless a folder is named."""

_ADDRESS = ".address"


def path_here(file: str, folder: str | None = None) -> Path:
    """Where a file is read on this machine: at its own path, or in a mirror, fetched.

    Args:
        file: A path, or an address as fsspec knows them: s3://, gs://, https:// and others. Its
            folder is mirrored, so that the files beside it are fetched when they are asked for.
        folder: Where mirrors lie; None means `DEFAULT_FOLDER`.

    Raises:
        ConfigError: The package for this kind of storage is missing, there is no such kind, or the
            file cannot be fetched.
    """
    if not _is_address(file):
        return Path(file).expanduser()
    origin, _, name = file.rpartition("/")
    digest = hashlib.sha256(origin.encode()).hexdigest()[:16]
    mirror = Path(folder or DEFAULT_FOLDER).expanduser() / digest
    if not (mirror / _ADDRESS).is_file():
        with whole_file(mirror / _ADDRESS) as part:
            part.write_text(origin, encoding="utf-8")
    copy = mirror / name
    if not copy.is_file():
        fetch(copy)
    return copy


def _is_address(text: str) -> bool:
    return "://" in text


def is_mirrored(file: Path) -> bool:
    """Whether a file lies in a mirror, so that it can be fetched."""
    return (file.parent / _ADDRESS).is_file()


def fetch(file: Path) -> None:
    """Fetches a file if it lies in a mirror, whole or not at all; of many processes one does.

    Raises:
        ConfigError: The package for this kind of storage is missing, there is no such kind, or the
            file cannot be fetched; no clip is to blame, so none is skipped.
    """
    if not is_mirrored(file):
        return
    # Neither is needed by those who have their files here.
    from filelock import FileLock  # noqa: PLC0415
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]  # noqa: PLC0415

    address = f"{(file.parent / _ADDRESS).read_text(encoding='utf-8')}/{file.name}"
    with FileLock(file.with_name(f".{file.name}.lock")):
        if file.is_file():
            return
        try:
            storage, path = url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"{address} cannot be read: {error}") from error
        try:
            with whole_file(file) as part:
                storage.get_file(path, str(part))
        except Exception as error:  # every kind of storage has errors of its own
            raise ConfigError(
                f"{address} cannot be fetched into {file.parent} ({type(error).__name__}: "
                f"{error}); check the address, the right to read it and the room on the disk."
            ) from error
