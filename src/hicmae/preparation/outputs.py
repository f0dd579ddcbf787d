"""Names of what is made of a clip."""

from pathlib import Path, PurePosixPath

from hicmae.errors import DataError

_LONGEST_NAME = 240  # bytes; file systems allow 255, and a suffix is to come


def output_path(folder: Path, clip_id: str, suffix: str = "") -> Path:
    """The file or folder of a clip: its id, which may have slashes, below `folder`.

    Args:
        folder: Where all clips lie.
        clip_id: Id of the clip, taken as it is.
        suffix: What follows the id, such as ".mp4".

    Raises:
        DataError: The id is no relative path in its plainest form, as one with "..", which could
            lie outside of the folder or share its file with another id.
    """
    parts = PurePosixPath(clip_id).parts
    plain = bool(clip_id) and "/".join(parts) == clip_id and not clip_id.startswith("/")
    if not plain or ".." in parts or "\0" in clip_id:
        raise DataError(
            f"Clip id {clip_id!r} cannot name a file: expected a name or a plain relative path "
            "(a/b, without '..', './', '//' and no slash at an end); give the clip another id."
        )
    if max(len(part.encode()) for part in parts) > _LONGEST_NAME:
        raise DataError(
            f"Clip id {clip_id!r} cannot name a file: a part of it is longer than {_LONGEST_NAME} "
            "bytes; give the clip a shorter id."
        )
    return folder.joinpath(*parts[:-1], parts[-1] + suffix)
