"""Names of what is made of a clip."""

import hashlib
from pathlib import Path, PurePosixPath

from hicmae.errors import DataError

_LONGEST_NAME = 240  # bytes; file systems allow 255, and a suffix is to come


def output_path(folder: Path, clip_id: str, suffix: str = "") -> Path:
    """The file or folder of a clip, below `folder`.

    It is called by the id, which may have slashes. An id that is no plain relative path, such as
    the whole path of a file, or is too long, gives its last part and a digest of all of it.

    Args:
        folder: Where all clips lie.
        clip_id: Id of the clip, taken as it is.
        suffix: What follows the id, such as ".mp4".

    Raises:
        DataError: The id is empty.
    """
    if not clip_id.strip():
        raise DataError("A clip has an empty id, which cannot name a file; give it one.")
    parts = PurePosixPath(clip_id).parts
    plain = "/".join(parts) == clip_id and not clip_id.startswith("/") and ".." not in parts
    if plain and "\0" not in clip_id and max(len(p.encode()) for p in parts) <= _LONGEST_NAME:
        return folder.joinpath(*parts[:-1], parts[-1] + suffix)
    last = clip_id.replace("\0", "").rstrip("/").rpartition("/")[2].strip(".") or "clip"
    # Cut by bytes, which may divide a letter.
    short = last.encode()[: _LONGEST_NAME - 20].decode(errors="ignore")
    digest = hashlib.sha256(clip_id.encode()).hexdigest()[:12]
    return folder / f"{short}-{digest}{suffix}"
