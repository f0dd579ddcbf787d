"""From a decoded frame to the picture that is wanted of it."""

from fractions import Fraction
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
from av.filter import Graph

from hicmae.errors import DataError
from hicmae.media.geometry import UPRIGHT, Orientation, PixelShape, orientation

Region = tuple[int, int, int, int]
"""A part of a picture as (top, left, height, width) in pixels of the upright picture."""

Side = Literal["left", "right"]
"""A half of a picture, where two people are in view."""


def region_of(region: Region | Side | None, width: int, height: int) -> Region:
    """A part of a picture in pixels.

    Args:
        region: The part; a side is the centre square of that half, None that of the whole picture.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """
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
        shape: How frames are stored. One of another size, as browsers send them under load, is
            scaled to fit. None takes every frame as it is.
    """

    def __init__(
        self,
        source: str,
        size: int | None = None,
        region: Region | Side | None = None,
        shape: PixelShape | None = None,
    ) -> None:
        self._source = source
        self._size = size
        self._region = region
        self._shape = shape
        self._kind: tuple[int, int, str, int, int, Orientation] | None = None
        self._graph: Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
        """The uint8 RGB picture of a frame, upright.

        Raises:
            DataError: The region lies outside the frame.
        """
        return self._filtered(frame, "rgb24").to_ndarray().astype(np.uint8, copy=False)

    def _filtered(self, frame: av.VideoFrame, formats: str) -> av.VideoFrame:
        """The picture of a frame in one of some pixel formats."""
        kind = (
            frame.width,
            frame.height,
            frame.format.name,
            int(frame.colorspace),
            int(frame.color_range),
            orientation(frame),
        )
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = self._build(frame, formats), kind
        # A time stamp may be missing or repeat; the graph has no use for it.
        frame.pts = None
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _place(self, frame: av.VideoFrame) -> Region:
        """The region in pixels of a frame that stands upright."""
        width, height = orientation(frame).shown(
            (frame.width, frame.height) if self._shape is None else self._shape.square
        )
        region = region_of(self._region, width, height)
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
        return region

    def _build(self, frame: av.VideoFrame, formats: str) -> Graph:
        top, left, rows, columns = self._place(frame)
        unit = frame.time_base or Fraction(1, 1000)
        graph = Graph()
        if hasattr(graph, "threads"):  # PyAV 18; a pool of threads costs more than it gives here
            graph.threads = 1
        steps: list[tuple[str, str | None]] = [
            (
                "buffer",
                f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
                f":time_base={unit.numerator}/{unit.denominator}"
                f":colorspace={int(frame.colorspace)}:range={int(frame.color_range)}",
            ),
            *_to_shape(frame, self._shape),
            *_upright(orientation(frame)),
            ("crop", f"{columns}:{rows}:{left}:{top}:exact=1"),
            ("scale", f"{self._size or columns}:{self._size or rows}:flags=bilinear"),
            ("format", formats),
            ("buffersink", None),
        ]
        graph.link_nodes(*(graph.add(name, options) for name, options in steps)).configure()
        return graph


class PlanesConverter(PictureConverter):
    """Cuts and scales decoded frames and leaves them as brightness and colour, as codecs keep them.

    Where frames have the size that is wanted, their bytes are only copied.

    Args:
        source: What the frames are of, for messages.
        size: Side of the square pictures that are wanted, a multiple of 4.
        region: As for `VideoReader.read`.
        shape: As for `PictureConverter`.

    Attributes:
        matrix: What turns the pictures into RGB, float32 (3, 4), as `rgb_matrix` gives it; zeros
            before the first picture.
    """

    def __init__(
        self,
        source: str,
        size: int,
        region: Region | Side | None = None,
        shape: PixelShape | None = None,
    ) -> None:
        super().__init__(source, size, region, shape)
        self._side = size
        self.matrix = np.zeros((3, 4), np.float32)
        self._colours: tuple[int, bool] | None = None

    def __call__(self, frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
        """The planes of a frame, uint8 (3 · size / 2, size), as `rgb_from_planes` takes them.

        Raises:
            DataError: The region lies outside the frame, or the frame says other things of its
                colours than those before.
        """
        top, left, rows, columns = self._place(frame)
        if (
            rows == columns == self._side
            and top % 2 == left % 2 == 0
            and frame.format.name in _PLANAR
            and not _to_shape(frame, self._shape)
            and orientation(frame) == UPRIGHT
        ):
            kept = frame
            parts = [
                _plane(frame, index)[
                    top // step : (top + rows) // step, left // step : (left + columns) // step
                ]
                for index, step in enumerate((1, 2, 2))
            ]
            planes = np.concatenate([part.reshape(-1, self._side) for part in parts])
        else:
            kept = self._filtered(frame, "|".join(_PLANAR))
            planes = kept.to_ndarray().astype(np.uint8, copy=False)
        colours = (
            int(kept.colorspace),
            kept.format.name == "yuvj420p" or int(kept.color_range) == _FULL,
        )
        if self._colours is None:
            # Torch comes with it, which RGB has no need of.
            from hicmae.media.colour import rgb_matrix  # noqa: PLC0415

            self._colours = colours
            self.matrix = rgb_matrix(colours[0], full_range=colours[1])
        elif colours != self._colours:
            raise DataError(
                f"{self._source} changes its colour space within the clip; read it with "
                "data.pixels rgb."
            )
        return planes


def _to_shape(frame: av.VideoFrame, shape: PixelShape | None) -> list[tuple[str, str | None]]:
    """Filters that bring a frame to square pixels and to the size of its stream."""
    if shape is None:
        return []
    width, height = shape.square
    fitted = shape.fitted((frame.width, frame.height))
    steps: list[tuple[str, str | None]] = []
    if fitted != (frame.width, frame.height):
        steps.append(("scale", f"{fitted[0]}:{fitted[1]}:flags=bilinear"))
    if fitted != (width, height):
        steps.append(("pad", f"{width}:{height}:(ow-iw)/2:(oh-ih)/2"))
    return steps


def _upright(asked: Orientation) -> list[tuple[str, str | None]]:
    """Filters that set a frame upright."""
    steps: list[tuple[str, str | None]] = []
    if asked.transposed:
        steps.append(("transpose", "cclock_flip"))
    if asked.mirrored:
        steps.append(("hflip", None))
    if asked.flipped:
        steps.append(("vflip", None))
    return steps


_PLANAR = ("yuv420p", "yuvj420p")
_FULL = 2  # FFmpeg's number of the full range


def _plane(frame: av.VideoFrame, index: int) -> npt.NDArray[np.uint8]:
    """A plane of a frame, without the bytes that fill up its lines."""
    plane = frame.planes[index]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return lines[: plane.height, : plane.width]
