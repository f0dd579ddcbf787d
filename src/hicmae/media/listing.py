"""The media files that lie below a folder."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hicmae.errors import DataError
from hicmae.ledger import is_output
from hicmae.media.folder import IMAGE_SUFFIXES

log = logging.getLogger(__name__)

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

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")
"""Of files that are tables of clips."""


def is_media_folder(path: Path) -> bool:
    """Whether a path is a folder of clips; a folder of images is itself a clip.

    Images beside videos are covers, thumbnails, pictures that were drawn of them.
    """
    if not path.is_dir():
        return False
    suffixes = {item.suffix.lower() for item in path.iterdir() if item.name[0] != "."}
    return suffixes.isdisjoint(IMAGE_SUFFIXES) or not suffixes.isdisjoint(VIDEO_SUFFIXES)


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
    sounds: dict[Path, Path] = {}
    videos: dict[Path, Path] = {}
    for path in walk_files(root, VIDEO_SUFFIXES + SOUND_SUFFIXES):
        name = path.with_suffix("")
        if path.suffix.lower() in SOUND_SUFFIXES:
            sounds[name] = path
            continue
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
    twins that macOS leaves, are not clips, and nor is what a command of this project wrote into a
    folder below, which is told.

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
        if Path(folder) != root and is_output(Path(folder), names):
            subfolders.clear()
            _tell_output(Path(folder))
            continue
        subfolders.sort()
        for name in sorted(names):
            if name[0] != "." and name[name.rfind(".") :].lower() in suffixes:
                path = Path(folder, name)
                check_name(path)
                yield path


@cache
def _tell_output(folder: Path) -> None:
    """Says once that a folder is passed over, however often the one above it is walked."""
    log.warning("%s is left out, since hicmae wrote it; to read it, give it by itself.", folder)


def check_name(path: Path) -> None:
    """Refuses a file whose name cannot stand in a table.

    Raises:
        DataError: The name is no text in UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", errors="backslashreplace")
        encoding = sys.getfilesystemencoding().upper()
        raise DataError(
            f"{shown} has a name that is no text in {encoding}; rename the file or folder."
        ) from error


def files_by_name(
    root: Path,
    originals: Sequence[str],
    others: Sequence[str] = (),
    *,
    folders: re.Pattern[str],
    name: Callable[[Path], str | None],
    wanted: Container[str] | None,
) -> dict[str, Path]:
    """The files that `walk_files` gives, one for each name.

    Args:
        root: Folder to walk.
        originals: Suffixes (lower case, with dot) that the files are published with, best first.
        others: Suffixes of files that were encoded anew, best first.
        folders: Names of the folders in which the files are published.
        name: What a file is called; None if it is not meant.
        wanted: The names of interest; None means all.

    Raises:
        DataError: See `nearest`.
    """
    suffixes = tuple(dict.fromkeys((*originals, *others)))
    named = ((name(path), path) for path in walk_files(root, suffixes))
    candidates = (
        (called, path)
        for called, path in named
        if called is not None and (wanted is None or called in wanted)
    )
    return nearest(candidates, root, folders=folders, originals=originals, others=others)


class _Place(NamedTuple):
    """Where a path lies; the smaller, the nearer to where it is published."""

    distance: tuple[int, bool]  # folders on the way that are not published; whether encoded anew
    usual: int  # minus the number of published folders on the way
    suffix: int  # place among the suffixes
    strange: tuple[str, ...]  # the folders that are not published

    @property
    def tree(self) -> tuple[tuple[int, bool], tuple[str, ...]]:
        """What it shares with all paths that belong to one copy."""
        return self.distance, self.strange


def nearest(
    candidates: Iterable[tuple[str, Path]],
    root: Path,
    *,
    folders: re.Pattern[str],
    originals: Sequence[str] = ("",),
    others: Sequence[str] = (),
) -> dict[str, Path]:
    """Which of several paths is meant by a name: the one that lies where it is published.

    People keep copies beside what they downloaded: sound at another rate, crops of faces, videos
    encoded anew. Taken is the path with the fewest folders on its way that are not published, then
    one with an original suffix. Where such a copy of one clip lies, all others are copies too, and
    none is taken: a crop never stands in for a clip that was lost.

    Args:
        candidates: Names with their paths; a name may come several times.
        root: Folder below which they lie.
        folders: Names of the folders in which they are published.
        originals: Suffixes that they are published with, best first.
        others: Suffixes of what was encoded anew, best first.

    Raises:
        DataError: Two paths of a name lie in different folders that are not published.
    """
    suffixes = list(dict.fromkeys((*originals, *others)))

    @cache
    def way(folder: Path) -> tuple[int, tuple[str, ...]]:
        """Published folders above a path, in number, and the others by name."""
        parts = folder.relative_to(root).parts
        strange = tuple(part for part in parts if not folders.fullmatch(part))
        return len(parts) - len(strange), strange

    found: dict[str, list[tuple[_Place, Path]]] = {}
    for name, path in candidates:
        usual, strange = way(path.parent)
        suffix = suffixes.index(path.suffix.lower())
        place = _Place((len(strange), suffix >= len(originals)), -usual, suffix, strange)
        found.setdefault(name, []).append((place, path))
    copies = set()
    for places in found.values():
        if len(places) > 1:
            best = min(places)[0].distance
            copies |= {place.tree for place, _ in places if place.distance > best}
    chosen: dict[str, Path] = {}
    for name, places in found.items():
        left = sorted(item for item in places if item[0].tree not in copies)
        for place, path in left[1:]:
            if place[:3] == left[0][0][:3] and place.strange != left[0][0].strange:
                raise DataError(
                    f"{left[0][1]} and {path} have the same name, and which of them is meant "
                    "cannot be told; make data.root a folder that holds one of them alone, or move "
                    "the other out of it."
                )
        if left:
            chosen[name] = left[0][1]
    _tell_copies({name: [path for _, path in places] for name, places in found.items()}, chosen)
    return chosen


def _tell_copies(found: dict[str, list[Path]], chosen: dict[str, Path]) -> None:
    """Says what is passed over, and what lies among copies alone."""
    several = {name: paths for name, paths in found.items() if len(paths) > 1}
    if several:
        name, paths = next(iter(several.items()))
        log.info(
            "%d clips lie there several times, such as %s; %s is read.",
            len(several),
            " and ".join(map(str, paths)),
            chosen.get(name, "none of them"),
        )
    alone = [paths[0] for name, paths in found.items() if name not in chosen]
    if alone:
        log.warning(
            "%d clips lie only where copies of other clips lie, such as %s; they are not read.",
            len(alone),
            alone[0],
        )
