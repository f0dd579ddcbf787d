"""Frames of a clip as RGB pictures."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from hicmae.errors import ConfigError, DataError
from hicmae.media.audio import read_audio, resampled
from hicmae.media.containers import check_segment
from hicmae.media.folder import ImageFolder
from hicmae.media.pictures import (
    PictureConverter,
    PlanesConverter,
    Region,
    Side,
    region_of,
)
from hicmae.media.sources import FrameSource, VideoFile
from hicmae.media.timeline import repeated


class VideoReader:
    """The frames of a clip, or of one segment of it, by index.

    Segments count frames from their own first frame: those with `start <= time < end`, the time
    being that of the container, or index / `folder_fps` in a folder of images.

    A clip is a sequence of frames at one rate; see `Timeline`. Pictures come upright and of square
    pixels, whatever the file says of how it stores them.

    A file is kept open until `close`; used as a context manager it closes by itself. Not to be
    shared between threads.

    Args:
        path: A video file, or a folder of face images, which are ordered as a person would number
            them (2.png before 10.png).
        start: Start of the segment in seconds; None is the start of the clip.
        end: End of the segment in seconds; None is the end of the clip.
        folder_fps: Frames per second of a folder of images.

    Attributes:
        timeline: When the frames are shown.
        frame_count: Frames in the segment, at least 1. A file that was cut off still counts the
            frames its header promises, so that reading the lost ones fails.
        fps: Frames per second of the clip.

    Raises:
        ConfigError: `folder_fps` is not positive.
        DataError: The file is missing, empty, no media file, or has no video; the folder has no
            images; `start` is negative or not before `end`; or no frame lies within the segment.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        start: float | None = None,
        end: float | None = None,
        folder_fps: float = 25.0,
    ) -> None:
        path = Path(path)
        check_segment(path, start, end)
        if folder_fps <= 0:
            raise ConfigError(f"folder_fps is {folder_fps}, but frames per second are positive.")
        self.path = path
        self._start, self._end = start, end
        self._source: FrameSource = (
            ImageFolder(path, start or 0.0, end, folder_fps)
            if path.is_dir()
            else VideoFile(path, start or 0.0, end)
        )
        self.timeline = self._source.timeline
        self.frame_count = self.timeline.frame_count
        self.fps = self.timeline.fps
        if self.frame_count == 0:
            self.close()
            where = "" if start is None and end is None else f" between {start} s and {end} s"
            raise DataError(f"{path} has no video frame{where}; correct its row or take it out.")

    @property
    def width(self) -> int:
        """Width of an upright frame in pixels."""
        return self._source.size[0]

    @property
    def height(self) -> int:
        """Height of an upright frame in pixels."""
        return self._source.size[1]

    def read(
        self,
        indices: Sequence[int],
        *,
        size: int | None = None,
        region: Region | Side | None = None,
    ) -> np.ndarray:
        """Decodes some frames.

        Args:
            indices: Frames to give, 0 to `frame_count` - 1, in any order and with repeats.
            size: Side of the square pictures that are wanted (bilinear); None keeps the pixels of
                the region as they are.
            region: Part of the source picture to give; a side is the centre square of that half,
                None that of the whole picture.

        Returns:
            uint8 RGB pictures of shape (T, size, size, 3), or (T, height, width, 3) without `size`.

        Raises:
            DataError: The file ends before a wanted frame, a frame is damaged, an index or the
                region lies outside the clip, or frames of several shapes were asked for without
                `size`.
        """
        pictures = _arranged(indices, self.pictures(_ascending(indices), size=size, region=region))
        if not pictures:
            _, _, height, width = region_of(region, self.width, self.height)
            return np.zeros((0, size or height, size or width, 3), np.uint8)
        if len({picture.shape for picture in pictures}) > 1:
            raise DataError(f"{self.path} has frames of several sizes; give a size to read them.")
        return np.stack(pictures)

    def read_planes(
        self, indices: Sequence[int], *, size: int, region: Region | Side | None = None
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Decodes some frames and leaves them as brightness and colour: half the bytes of RGB.

        Args:
            indices: As for `read`, at least one.
            size: Side of the square pictures, a multiple of 4.
            region: As for `read`.

        Returns:
            uint8 planes (T, 3 · size / 2, size) and the float32 matrix (3, 4) that makes them RGB,
            as `hicmae.media.colour.rgb_from_planes` takes them.

        Raises:
            DataError: As for `read`, or frames differ in their colour space.
        """
        convert = PlanesConverter(str(self.path), size, region, self._source.shape)
        planes = _arranged(indices, self._converted(_ascending(indices), convert))
        return np.stack(planes), convert.matrix

    def pictures(
        self,
        indices: Sequence[int],
        *,
        size: int | None = None,
        region: Region | Side | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Decodes some frames and gives them one by one, so that none needs to be held.

        Args:
            indices: Frames to give, 0 to `frame_count` - 1, ascending without repeats.
            size: As for `read`.
            region: As for `read`.

        Yields:
            Index and uint8 RGB picture (size, size, 3), or (height, width, 3) without `size`.

        Raises:
            DataError: As for `read`; frames may differ in size.
        """
        return self._converted(
            indices, PictureConverter(str(self.path), size, region, self._source.shape)
        )

    def _converted(
        self, indices: Sequence[int], convert: PictureConverter
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        for index in indices:
            if not 0 <= index < self.frame_count:
                raise DataError(
                    f"{self.path}: frame {index} was asked for, but the clip has frames 0 to "
                    f"{self.frame_count - 1}."
                )
        places = self.timeline.stored[np.asarray(indices, np.int64)]
        pictures = (
            (place, convert(frame))
            for place, frame in self._source.frames(np.unique(places).tolist())
        )
        yield from repeated(indices, places.tolist(), pictures)

    def sound(self) -> np.ndarray:
        """The sound of the same file and segment, from its start, as `read_audio` gives it.

        Of a whole file the packets are at hand, so that it need not be opened again.

        Returns:
            float32 waveform (L,) in [-1, 1] at 16 kHz.

        Raises:
            DataError: The file has no sound in the segment, or it is damaged.
        """
        at_hand = self._source.sound()
        if at_hand is None:
            return read_audio(self.path, start=self._start, end=self._end)
        return resampled(*at_hand)

    def close(self) -> None:
        """Closes the file; reading afterwards is an error."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _ascending(indices: Sequence[int]) -> list[int]:
    return sorted(set(indices))


def _arranged(
    indices: Sequence[int], pictures: Iterable[tuple[int, npt.NDArray[np.uint8]]]
) -> list[npt.NDArray[np.uint8]]:
    """Pictures in the order and with the repeats of `indices`."""
    by_index = dict(pictures)
    return [by_index[index] for index in indices]
