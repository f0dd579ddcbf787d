"""Folders of numbered images as clips."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import av

from hicmae.errors import DataError
from hicmae.media.containers import TOLERANCE, open_container
from hicmae.media.geometry import PixelShape, Size, orientation
from hicmae.media.timeline import Timeline
from hicmae.workers import sign_of_life

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
"""Files of a frame folder that are frames; anything else in the folder is left alone."""

_JPEG = b"\xff\xd8\xff"  # how its files begin
_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"


class ImageFolder:
    """A folder of numbered images as a clip.

    Args:
        path: The folder.
        start: Start of the segment in seconds.
        end: End of the segment in seconds; None is the end of the clip.
        fps: Frames per second that the images stand for.

    Raises:
        DataError: The folder has no images, or the first of them cannot be decoded.
    """

    def __init__(self, path: Path, start: float, end: float | None, fps: float) -> None:
        self.path = path
        images = sorted(
            (
                item
                for item in path.iterdir()
                # macOS leaves hidden twins (._1.png) that are no pictures.
                if item.suffix.lower() in IMAGE_SUFFIXES and item.name[0] != "."
            ),
            key=lambda item: _natural_order(item.name),
        )
        if not images:
            kinds = ", ".join(sorted(IMAGE_SUFFIXES))
            raise DataError(f"{path} holds no images ({kinds}); name the folder of a clip's faces.")
        limit = float("inf") if end is None else end - TOLERANCE
        self._images = [
            image for index, image in enumerate(images) if start - TOLERANCE <= index / fps < limit
        ]
        self.timeline = Timeline.at_rate(len(self._images), fps)
        self.shape: PixelShape | None = None
        self._jpeg = av.CodecContext.create("mjpeg", "r")
        self._jpeg.thread_count = 1  # as for a video file
        first = self._load(images[0])
        self.size: Size = orientation(first).shown((first.width, first.height))

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Gives the frames of these indices, which ascend without repeats.

        Raises:
            DataError: An image cannot be decoded.
        """
        for index in indices:
            sign_of_life()
            yield index, self._load(self._images[index])

    def sound(self) -> None:
        """Images have no sound."""

    def close(self) -> None:
        """Nothing stays open between images."""

    def _load(self, image: Path) -> av.VideoFrame:
        try:
            content = image.read_bytes()
            if content.startswith(_JPEG):
                # Of a file that is cut off the decoder makes up the rest. A thumbnail in it ends
                # before the scan of the picture begins.
                if content.rfind(_END_OF_IMAGE) < content.rfind(_START_OF_SCAN):
                    raise DataError(
                        f"{image} is cut off in the midst of its picture; replace it or take the "
                        "clip out."
                    )
                # Without a container around every image, which takes as long as decoding it.
                return self._jpeg.decode(av.Packet(content))[0]
            with open_container(image) as container:
                return next(container.decode(video=0))
        except (OSError, av.FFmpegError, StopIteration, IndexError) as error:
            raise DataError(
                f"{image} cannot be decoded as an image; replace it or take the clip out."
            ) from error


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Sorts numbers within names by value: 2.png before 10.png."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
