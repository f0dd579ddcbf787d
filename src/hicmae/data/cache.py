"""Decoded clips on disk, for corpora that are read many times over.

Decoding and scaling cost far more than reading the result back, so a small corpus that is seen for
a hundred epochs is decoded once. An entry is a plain .npy file: memory-mapped, so that a
window costs only its own pages, and never unpickled.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hicmae.errors import ConfigError, DataError
from hicmae.files import whole_file
from hicmae.media import SAMPLE_RATE, Region, Side, VideoReader, read_audio
from hicmae.media.members import local_file

_LAYOUT = 3  # raise it when the content of an entry changes its meaning


class ClipCache:
    """Keeps all frames of a clip at one size, and its waveform, on disk.

    An entry belongs to a file's path, size and time of change and to the segment, region and size
    that were read, so a changed file or option finds no stale entry; old entries are never deleted.
    Entries appear whole or not at all: many processes may fill one folder.

    Args:
        folder: Where entries lie; made when the first is written.
        size_pixels: Side of the frames.
    """

    def __init__(self, folder: Path | str, size_pixels: int) -> None:
        self.folder = Path(folder)
        self.size_pixels = size_pixels

    def frames(
        self,
        path: Path | str,
        *,
        start: float | None = None,
        end: float | None = None,
        region: Region | Side | None = None,
        folder_fps: float = 25.0,
    ) -> tuple[npt.NDArray[np.uint8], float, float]:
        """All frames of a clip, decoded by `VideoReader` the first time.

        Args:
            path: Video file or folder of images.
            start: Start of the segment in seconds.
            end: End of the segment in seconds.
            region: Part of the picture, as for `VideoReader.read`.
            folder_fps: Frames per second of a folder of images.

        Returns:
            Read-only uint8 frames (N, size_pixels, size_pixels, 3), when the first is shown in
            seconds, and the frames per second.

        Raises:
            DataError: The clip cannot be read to its end.
            ConfigError: The entry cannot be written; no clip is to blame, so none is skipped.
        """
        path = Path(path)
        key = _key(
            path,
            start=start,
            end=end,
            region=list(region) if isinstance(region, tuple) else region,
            size=self.size_pixels,
            fps=folder_fps if path.is_dir() else None,
        )
        pictures, place = self._entry(key, "frames"), self._entry(key, "times")
        frames, times = _load(pictures, np.uint8, 4), _load(place, np.float64, 1)
        if frames is None or times is None:
            with VideoReader(path, start=start, end=end, folder_fps=folder_fps) as reader:
                decoded = reader.read(
                    range(reader.frame_count), size=self.size_pixels, region=region
                )
                times = self._store(place, np.array([reader.timeline.begin, reader.fps]))
            frames = self._store(pictures, decoded)
        return frames, float(times[0]), float(times[1])

    def waveform(
        self, path: Path | str, start: float | None = None, end: float | None = None
    ) -> npt.NDArray[np.float32]:
        """The sound of a file, decoded by `read_audio` the first time.

        Args:
            path: Any file with sound.
            start: Start of the segment in seconds.
            end: End of the segment in seconds.

        Returns:
            Read-only float32 waveform (L,) at 16 kHz.

        Raises:
            DataError: The sound cannot be read.
            ConfigError: The entry cannot be written; no clip is to blame, so none is skipped.
        """
        path = Path(path)
        entry = self._entry(_key(path, start=start, end=end, rate=SAMPLE_RATE), "waveform")
        waveform = _load(entry, np.float32, 1)
        if waveform is None:
            waveform = self._store(entry, read_audio(path, start=start, end=end))
        return waveform

    def _entry(self, key: str, kind: str) -> Path:
        # One folder for a million entries would be slow on many file systems.
        return self.folder / key[:2] / f"{key}.{kind}.npy"

    def _store(self, entry: Path, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Writes an entry under another name and renames it, and gives it back as read."""
        try:
            with whole_file(entry) as part, part.open("wb") as file:
                np.save(file, array, allow_pickle=False)
        except OSError as error:
            raise ConfigError(
                f"The clip cache in {self.folder} cannot be written ({error.strerror or error}); "
                "make room there, name another folder or do without the cache."
            ) from error
        stored = np.asarray(array)
        stored.flags.writeable = False
        return stored


def _key(path: Path, **options: object) -> str:
    """A name for what was read from a file as it is now."""
    try:
        if path.is_dir():
            stamp = sorted((item.name, *_change(item.stat())) for item in os.scandir(path))
        else:
            stamp = [("", *_change(local_file(path).stat()))]
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}); correct its row or take it out."
        ) from error
    text = json.dumps([_LAYOUT, str(path.absolute()), stamp, options], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _change(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_size


def _load(entry: Path, kind: type[np.generic], dimensions: int) -> npt.NDArray[Any] | None:
    """Maps an entry, or gives None when there is none or it is broken."""
    try:
        array: npt.NDArray[Any] = np.load(entry, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if array.dtype == kind and array.ndim == dimensions else None
