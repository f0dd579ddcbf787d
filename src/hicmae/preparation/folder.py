"""A folder of media files as a table of clips."""

from pathlib import Path

import pandas as pd

from hicmae.data.corpora.base import walk_files
from hicmae.data.manifest import complete_manifest
from hicmae.errors import DataError

VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".flv", ".wmv"),
    *(".mpg", ".mpeg", ".3gp", ".ts"),
)
SOUND_SUFFIXES = (".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".opus")


def list_folder(root: Path, *, sounds_alone: bool = False) -> pd.DataFrame:
    """Lists the media files below a folder.

    A clip is called by its path below the folder, without suffix. A sound file of the same name in
    the same folder is its sound.

    Args:
        root: The folder.
        sounds_alone: Whether sound files without a video are clips too.

    Returns:
        A complete manifest without labels.

    Raises:
        DataError: There is no media file, or two videos differ in their suffix only.
    """
    sounds = {path.with_suffix(""): path for path in walk_files(root, SOUND_SUFFIXES)}
    videos: dict[Path, Path] = {}
    for path in walk_files(root, VIDEO_SUFFIXES):
        name = path.with_suffix("")
        if name in videos:
            raise DataError(
                f"{videos[name]} and {path} have the same name; remove or rename one of them."
            )
        videos[name] = path
    names = videos | (
        {name: sounds[name] for name in sounds.keys() - videos} if sounds_alone else {}
    )
    if not names:
        wanted = VIDEO_SUFFIXES + (SOUND_SUFFIXES if sounds_alone else ())
        raise DataError(f"{root} holds no media file ({', '.join(wanted)}).")
    rows = [
        {
            "id": name.relative_to(root).as_posix(),
            "video": str(path),
            "audio": str(sounds[name]) if name in sounds and name in videos else None,
        }
        for name, path in sorted(names.items())
    ]
    return complete_manifest(pd.DataFrame(rows))
