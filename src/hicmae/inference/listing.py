"""The clips that a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hicmae.errors import ConfigError, DataError
from hicmae.media.listing import TABLE_SUFFIXES, check_name, clips_of_folder, is_media_folder


@dataclass(frozen=True, slots=True)
class NamedClip:
    """A clip and what it is called.

    Attributes:
        path: Media file, or folder of images.
        sound: File with its sound, if that is not within `path`.
        source: What it is called in results: its path below the folder that was given, or the path
            that was given.
        name: What files made of it are called: a relative path without suffix.
    """

    path: Path
    sound: Path | None
    source: str
    name: Path

    @property
    def id(self) -> str:
        """Tells it from all other clips of this machine."""
        return str(self.path.resolve())


def list_clips(given: Sequence[str | Path], *, sounds_alone: bool) -> list[NamedClip]:
    """Lists clips: files and folders of images as they are, and what lies below other folders.

    Args:
        given: Paths, in any mixture.
        sounds_alone: Whether sound files within folders are clips too.

    Raises:
        DataError: A path does not exist, or a folder has no media.
        ConfigError: A clip is given twice.
    """
    clips: list[NamedClip] = []
    for text in given:
        path = Path(text).expanduser()
        if not path.exists():
            raise DataError(f"There is no file or folder {path}: check the path.")
        check_name(path)
        if path.suffix.lower() in TABLE_SUFFIXES:
            raise DataError(f"{path} is a table: give the clips themselves, or their folder.")
        if not is_media_folder(path):
            name = Path(path.resolve().name)
            named = name if path.is_dir() else _without_suffix(name)
            clips.append(NamedClip(path, None, str(text), named))
            continue
        for video, sound in clips_of_folder(path, sounds_alone=sounds_alone):
            below = video.relative_to(path)
            # Folders of the same structure are told apart by their own path.
            source = below if len(given) == 1 else video
            clips.append(NamedClip(video, sound, source.as_posix(), _without_suffix(below)))
    first: dict[Path, NamedClip] = {}
    for clip in clips:
        if first.setdefault(clip.path.resolve(), clip) is not clip:
            raise ConfigError(f"{clip.path} is given more than once: give each clip once.")
    return clips


def _without_suffix(path: Path) -> Path:
    return path.with_suffix("")
