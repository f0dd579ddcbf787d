"""The shape of pictures as they are to be shown: upright, and of square pixels.

Telephones keep pictures as the sensor lies, front cameras mirror them, and tapes and DVDs squash
them; the file says how to undo it.
"""

from __future__ import annotations

from typing import NamedTuple, Self, cast

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.stream import VideoStream

Size = tuple[int, int]
"""Width and height in pixels."""


class Orientation(NamedTuple):
    """What sets a frame upright, in this order; together they make the eight ways to hold one.

    Attributes:
        transposed: Whether rows become columns.
        mirrored: Whether left and right are exchanged.
        flipped: Whether top and bottom are exchanged.
    """

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    def shown(self, size: Size) -> Size:
        """Width and height in pixels when upright."""
        return size[::-1] if self.transposed else size


UPRIGHT = Orientation()
"""Of frames that are stored as they are to be shown."""


def orientation(frame: av.VideoFrame) -> Orientation:
    """What the display matrix of a frame asks for, to a quarter turn."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return UPRIGHT
    # The matrix maps (x, y) of the stored picture to (a x + c y, b x + d y), y pointing down.
    a, b, _, c, d = np.frombuffer(bytes(cast(SideData, data)), np.int32)[:5].tolist()
    if abs(a) >= abs(c):
        return Orientation(mirrored=a < 0, flipped=d < 0)
    return Orientation(transposed=True, mirrored=c < 0, flipped=b < 0)


class PixelShape(NamedTuple):
    """How the frames of a stream are stored.

    Attributes:
        width: Width of a frame in stored pixels.
        height: Height of a frame in stored pixels.
        aspect: Width of a pixel over its height.
    """

    width: int
    height: int
    aspect: float = 1.0

    @classmethod
    def of_stream(cls, stream: VideoStream) -> Self:
        """What the header of a stream says; to be asked before frames are decoded."""
        context = stream.codec_context
        return cls(context.width, context.height, float(stream.sample_aspect_ratio or 1))

    @property
    def square(self) -> Size:
        """Width and height of a frame in square pixels."""
        return max(round(self.width * self.aspect), 1), self.height

    def fitted(self, size: Size) -> Size:
        """Width and height in square pixels that a frame of another stored size takes.

        It is scaled to fit into a usual frame, and not squeezed.
        """
        width, height = self.square
        scale = min(width / (size[0] * self.aspect), height / size[1])
        return (
            min(max(round(size[0] * self.aspect * scale), 1), width),
            min(max(round(size[1] * scale), 1), height),
        )
