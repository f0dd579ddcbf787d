"""Clips that lie in one file with others, and what is asked for of files that hold them.

A pack of clips is a few large tar files. A manifest names a clip in them `shard.tar#OFFSET+SIZE`,
by the bytes that it takes, so that nothing is unpacked to read one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hicmae.errors import DataError
from hicmae.media.mirrors import fetch, is_mirrored

_MEMBER = re.compile(r"(?P<file>.*\.tar)#(?P<start>\d+)\+(?P<size>\d+)", re.ASCII | re.DOTALL)


@dataclass(frozen=True)
class Member:
    """A file within a tar file.

    Attributes:
        file: The tar file.
        start: Its first byte there.
        size: Number of its bytes.
    """

    file: Path
    start: int
    size: int

    @property
    def end(self) -> int:
        """The byte after its last one."""
        return self.start + self.size

    def __str__(self) -> str:
        """How a manifest names it."""
        return f"{self.file}#{self.start}+{self.size}"


def member_of(path: Path | str) -> Member | None:
    """What a path says of a member; None if it names a file or folder of its own."""
    found = _MEMBER.fullmatch(str(path))
    return found and Member(Path(found["file"]), int(found["start"]), int(found["size"]))


def file_of(path: Path | str) -> Path:
    """The file or folder that holds a clip: the path itself, unless it names a member."""
    member = member_of(path)
    return Path(path) if member is None else member.file


def is_there(path: Path | str) -> bool:
    """Whether the file or folder of a clip exists, be it in object storage."""
    file = file_of(path)
    return file.exists() or is_mirrored(file)


def local_file(path: Path | str) -> Path:
    """The file that holds a clip, on this machine if it exists: from object storage it is fetched.

    Raises:
        ConfigError: It cannot be fetched.
    """
    file = file_of(path)
    if not file.exists():
        fetch(file)
    return file


def media_address(path: Path) -> str:
    """How FFmpeg calls a media file or the member of one.

    Raises:
        DataError: There is no such file, or it ends before the member does.
        ConfigError: The file cannot be fetched.
    """
    file = local_file(path)
    if not file.is_file():
        raise DataError(f"{file} does not exist; correct its row or take it out.")
    member = member_of(path)
    # The prefix keeps a colon in a file's name from being read as a network protocol.
    address = f"file:{file}"
    if member is None:
        return address
    if member.end > file.stat().st_size:
        raise DataError(
            f"{path} cannot be read: {file.name} is cut off after {file.stat().st_size} bytes; "
            "copy or pack it anew."
        )
    return f"subfile,,start,{member.start},end,{member.end},,:{address}"
