"""The media files that lie below a folder."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from hicmae.errors import DataError
from hicmae.media.folder import IMAGE_SUFFIXES

VIDEO_SUFFIXES = (
    *(".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".flv", ".wmv", ".mpg", ".mpeg", ".ts"),
    # Of telephones, camcorders, discs and studios.
    *(".3gp", ".3g2", ".mts", ".m2ts", ".mod", ".tod", ".dv", ".vob", ".ogv", ".mxf", ".asf"),
    *(".f4v", ".m2v", ".mpe", ".qt", ".divx"),
)
SOUND_SUFFIXES = (
    *(".wav", ".flac", ".m4a", ".aac", ".mp3", ".ogg", ".oga", ".opus"),
    *(".aif", ".aiff", ".wma", ".amr", ".ac3", ".w64", ".caf"),
)


def is_media_folder(path: Path) -> bool:
    """Whether a path is a folder of clips; a folder of images is itself a clip."""
    if not path.is_dir():
        return False
    images = (item.suffix.lower() in IMAGE_SUFFIXES for item in path.iterdir())
    return not any(images)


def clips_of_folder(root: Path, *, sounds_alone: bool = False) -> list[tuple[Path, Path | None]]:
    """The clips below a folder, in order of their names.

    Args:
        root: The folder.
        sounds_alone: Whether sound files without a video are clips too.

    Returns:
        File of every clip and the sound file of the same name beside it, if there is one.

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
    alone = {name: sounds[name] for name in sounds.keys() - videos} if sounds_alone else {}
    if not videos and not alone:
        wanted = VIDEO_SUFFIXES + (SOUND_SUFFIXES if sounds_alone else ())
        raise DataError(f"{root} holds no media file ({', '.join(wanted)}).")
    return [
        (path, sounds.get(name) if name in videos else None)
        for name, path in sorted((videos | alone).items())
    ]


def walk_files(root: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """All files below a folder with one of the suffixes (lower case, with dot), sorted by folder.

    Links to folders are followed, but no folder is walked twice. Hidden files, such as the `._`
    twins that macOS leaves, are not clips.

    Raises:
        DataError: The name of such a file is no text in UTF-8, as all tables have to be.
    """
    walked: set[tuple[int, int]] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        place = Path(folder).stat()
        if (place.st_dev, place.st_ino) in walked:
            subfolders.clear()
            continue
        walked.add((place.st_dev, place.st_ino))
        subfolders.sort()
        for name in sorted(names):
            if name[0] != "." and name[name.rfind(".") :].lower() in suffixes:
                path = Path(folder, name)
                check_name(path)
                yield path


def check_name(path: Path) -> None:
    """Refuses a file whose name cannot stand in a table.

    Raises:
        DataError: The name is no text in UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", errors="backslashreplace")
        raise DataError(
            f"{shown} has a name that is no text in UTF-8; rename the file or folder."
        ) from error


def files_by_stem(root: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """The files that `walk_files` gives, by name without suffix; the first suffix wins.

    Args:
        root: Folder to walk.
        suffixes: Suffixes (lower case, with dot), best first.

    Raises:
        DataError: Two files of one name and suffix lie in different folders.
    """
    rank = {suffix: place for place, suffix in enumerate(suffixes)}
    found: dict[str, Path] = {}
    for path in walk_files(root, suffixes):
        other = found.get(path.stem)
        if other is None or rank[path.suffix.lower()] < rank[other.suffix.lower()]:
            found[path.stem] = path
        elif path.suffix.lower() == other.suffix.lower():
            raise DataError(f"{other} and {path} have the same name; remove one of them.")
    return found
