"""Frames of a clip as RGB pictures."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import av
import numpy as np
from av.filter import Graph

from hicmae.data.media.containers import check_segment
from hicmae.data.media.sources import FrameSource, ImageFolder, VideoFile, quarter_turns
from hicmae.errors import ConfigError, DataError

Region = tuple[int, int, int, int]
"""A part of a picture as (top, left, height, width) in source pixels."""

Side = Literal["left", "right"]
"""A half of a picture, where two people are in view."""


class VideoReader:
    """The frames of a clip, or of one segment of it, by index.

    Segments count frames from their own first frame: those with `start <= time < end`, the time
    being that of the container, or index / `folder_fps` in a folder of images.

    Pictures come upright: where a telephone says how it was held, they are turned accordingly.

    A file is kept open until `close`; used as a context manager it closes by itself. Not to be
    shared between threads.

    Args:
        path: A video file, or a folder of face images, which are ordered as a person would number
            them (2.png before 10.png).
        start: Start of the segment in seconds; None is the start of the clip.
        end: End of the segment in seconds; None is the end of the clip.
        folder_fps: Frames per second of a folder of images.

    Attributes:
        frame_count: Frames in the segment, at least 1. A file that was cut off still counts the
            frames its header promises, so that reading the lost ones fails.
        fps: Mean frames per second of the clip.

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
        self._source: FrameSource = (
            ImageFolder(path, start or 0.0, end, folder_fps)
            if path.is_dir()
            else VideoFile(path, start or 0.0, end)
        )
        self.frame_count = self._source.frame_count
        self.fps = self._source.fps
        if self.frame_count == 0:
            self.close()
            where = "" if start is None and end is None else f" between {start} s and {end} s"
            raise DataError(f"{path} has no video frame{where}; correct its row or take it out.")

    @property
    def width(self) -> int:
        """Width of an upright frame in pixels."""
        return self._source.width

    @property
    def height(self) -> int:
        """Height of an upright frame in pixels."""
        return self._source.height

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
        places: dict[int, list[int]] = {}
        for place, index in enumerate(indices):
            places.setdefault(index, []).append(place)
        pictures: list[np.ndarray | None] = [None] * len(indices)
        for index, picture in self.pictures(sorted(places), size=size, region=region):
            for place in places[index]:
                pictures[place] = picture
        kept = [picture for picture in pictures if picture is not None]
        if not kept:
            _, _, height, width = _region(region, self.width, self.height)
            return np.zeros((0, size or height, size or width, 3), np.uint8)
        if len({picture.shape for picture in kept}) > 1:
            raise DataError(f"{self.path} has frames of several sizes; give a size to read them.")
        return np.stack(kept)

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
        for index in indices:
            if not 0 <= index < self.frame_count:
                raise DataError(
                    f"{self.path}: frame {index} was asked for, but the clip has frames 0 to "
                    f"{self.frame_count - 1}."
                )
        convert = PictureConverter(str(self.path), size, region)
        for index, frame in self._source.frames(indices):
            yield index, convert(frame)

    def close(self) -> None:
        """Closes the file; reading afterwards is an error."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _region(region: Region | Side | None, width: int, height: int) -> Region:
    if isinstance(region, tuple | list):
        return region
    part = width if region is None else width // 2
    side = min(part, height)
    left = (part - side) // 2 + (width - part if region == "right" else 0)
    return (height - side) // 2, left, side, side


class PictureConverter:
    """Cuts, scales and turns decoded frames into RGB in one pass of FFmpeg's filters.

    A graph belongs to one kind of picture and is built anew when that changes within a clip.

    Args:
        source: What the frames are of, for messages.
        size: Side of the square pictures that are wanted; None keeps the pixels of the region.
        region: As for `VideoReader.read`.
    """

    def __init__(
        self, source: str, size: int | None = None, region: Region | Side | None = None
    ) -> None:
        self._source = source
        self._size = size
        self._region = region
        self._kind: tuple[int, int, str, int, int, int] | None = None
        self._graph: Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """The uint8 RGB picture of a frame, upright.

        Raises:
            DataError: The region lies outside the frame.
        """
        kind = (
            frame.width,
            frame.height,
            frame.format.name,
            int(frame.colorspace),
            int(frame.color_range),
            quarter_turns(frame),
        )
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = self._build(frame), kind
        # A time stamp may be missing or repeat; the graph has no use for it.
        frame.pts = None
        self._graph.vpush(frame)
        return self._graph.vpull().to_ndarray()

    def _build(self, frame: av.VideoFrame) -> Graph:
        turns = quarter_turns(frame)
        width, height = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
        region = _region(self._region, width, height)
        top, left, rows, columns = region
        if (
            min(top, left) < 0
            or min(rows, columns) < 1
            or top + rows > height
            or left + columns > width
        ):
            raise DataError(
                f"{self._source}: the region (top, left, height, width) = {region} does not lie "
                f"within its {height} x {width} pixels (height x width)."
            )
        graph = Graph()
        if hasattr(graph, "threads"):  # PyAV 18; a pool of threads costs more than it gives here
            graph.threads = 1
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base or Fraction(1, 1000),
            ),
            *(graph.add("transpose", "cclock") for _ in range(turns)),
            graph.add("crop", f"{columns}:{rows}:{left}:{top}:exact=1"),
            graph.add("scale", f"{self._size or columns}:{self._size or rows}:flags=bilinear"),
            graph.add("format", "rgb24"),
            graph.add("buffersink"),
        ).configure()
        return graph
