"""Where frames come from: the packets of a video file, or a folder of images."""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Protocol

import av
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from hicmae.data.media.containers import TOLERANCE, open_container, time_origin
from hicmae.errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
"""Files of a frame folder that are frames; anything else in the folder is left alone."""


class FrameSource(Protocol):
    """The frames of a segment of a clip: those of a file or of a folder.

    Attributes:
        frame_count: Frames in the segment; may be 0.
        fps: Mean frames per second of the clip.
    """

    frame_count: int
    fps: float

    @property
    def width(self) -> int:
        """Width of an upright frame in pixels."""

    @property
    def height(self) -> int:
        """Height of an upright frame in pixels."""

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Gives the frames of these indices, which ascend without repeats."""

    def close(self) -> None:
        """Lets go of open files."""


class VideoFile:
    """The compressed packets of a segment, kept in memory and decoded on demand.

    A clip is short, so holding its packets is cheap, and it makes reading exact without trusting
    a container's seeking: all time stamps are known beforehand, and decoding starts at the last
    key frame before the first wanted one.

    Args:
        path: The file.
        start: Start of the segment in seconds.
        end: End of the segment in seconds; None is the end of the file.

    Raises:
        DataError: The file is missing, empty, no media file, or has no video.
    """

    def __init__(self, path: Path, start: float, end: float | None) -> None:
        self.path = path
        self._open_stream()
        self._scan(start, end, seek=start > 0)
        if start > 0 and not self._covers(start):
            # Some containers (MPEG-1) seek to later than asked; reading from the top is exact.
            self._container.close()
            self._open_stream()
            self._scan(start, end, seek=False)

        stamps = sorted(self._stamp(packet) for packet in self._packets if not packet.is_discard)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else mean_rate([self._seconds(stamp) for stamp in stamps])

        limit = float("inf") if end is None else end - TOLERANCE
        self._skipped = sum(self._seconds(stamp) < start - TOLERANCE for stamp in stamps)
        self._stamps = [s for s in stamps[self._skipped :] if self._seconds(s) < limit]
        self._index_of = {stamp: index for index, stamp in enumerate(self._stamps)}
        self.frame_count = max(len(self._stamps), self._lost_end(start, end))

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Gives the frames of these indices, which ascend without repeats.

        Raises:
            DataError: The file ends before one of them, or one is damaged.
        """
        wanted = set(indices)
        if not wanted:
            return
        found = 0
        for index, frame in self._decode(min(wanted)):
            found = max(found, index + 1)
            if index in wanted:
                if frame.is_corrupt:
                    break
                wanted.remove(index)
                yield index, frame
                if not wanted:
                    return
        raise DataError(
            f"{self.path} is cut off or damaged: {found} frames found, {self.frame_count} expected "
            f"and frame {min(wanted)} needed; replace it or take it out."
        )

    @property
    def width(self) -> int:
        """Width of an upright frame in pixels."""
        return self._size[0]

    @property
    def height(self) -> int:
        """Height of an upright frame in pixels."""
        return self._size[1]

    @cached_property
    def _size(self) -> tuple[int, int]:
        # Known by decoding, which most readers of a clip have no need of beforehand.
        return upright_size(self.path)

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _open_stream(self) -> None:
        self._container = open_container(self.path)
        stream = film_of(self._container)
        if stream is None:
            self._container.close()
            raise DataError(f"{self.path} has no video stream; name a file that has one.")
        self._stream = stream
        self._unit = self._stream.time_base or Fraction(1, av.time_base)
        # A training run reads one clip per process; threads within a clip cost more than they give.
        self._stream.codec_context.thread_count = 1
        self._origin = time_origin(self._container)
        self._stamped = has_display_times(self._container)

    def _scan(self, start: float, end: float | None, *, seek: bool) -> None:
        """Collects the packets from the key frame before `start` up to `end`."""
        self._packets: list[av.Packet[Stream]] = []
        self._reached_end, self._damaged = True, False
        try:
            if seek:
                self._container.seek(int((start + self._origin) * av.time_base))
            # Every stream is read: a file may be cut off in the midst of its sound.
            for packet in self._container.demux():
                self._damaged |= packet.is_corrupt
                if packet.stream_index != self._stream.index or not packet.size:
                    continue
                if packet.pts is None:
                    self._stamped = False
                if (
                    end is not None
                    and packet.dts is not None
                    and self._seconds(packet.dts) >= end - TOLERANCE
                ):
                    self._reached_end = False
                    break
                if packet.is_keyframe and self._seconds(self._stamp(packet)) <= start + TOLERANCE:
                    self._packets.clear()
                self._packets.append(packet)
        except av.FFmpegError:
            self._damaged = True

    def _covers(self, start: float) -> bool:
        """Whether the packets begin with a key frame that is no later than `start`."""
        if not self._packets:
            return False
        first = self._packets[0]
        return first.is_keyframe and self._seconds(self._stamp(first)) <= start + TOLERANCE

    def _stamp(self, packet: "av.Packet[Stream]") -> int:
        """What orders a packet among the shown frames."""
        stamp = packet.pts if self._stamped else packet.dts
        return 0 if stamp is None else stamp

    def _seconds(self, stamp: int) -> float:
        return float(stamp * self._unit) - self._origin

    def _lost_end(self, start: float, end: float | None) -> int:
        """Frames that the header promises for the segment, when the file was cut off; else 0."""
        if not self._reached_end:
            return 0
        last = max((self._seconds(self._stamp(packet)) for packet in self._packets), default=0.0)
        promised = promised_end(self._container, self._stream, self.fps, last, self._damaged)
        return round((min(promised, end or promised) - start) * self.fps) if promised else 0

    def _decode(self, index: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames of the segment with their index, from `index` or from some frame before it."""
        context = self._stream.codec_context
        context.flush_buffers()
        order = -self._skipped
        packets = iter(self._packets[self._entry(index) :])
        packet: av.Packet[Stream] | None = None
        while True:
            packet = next(packets, None)
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                if packet is None:
                    return
                # What depends on a broken packet is broken too; the frames before it still come.
                packets = iter(())
                continue
            for frame in frames:
                place = order
                if self._stamped:
                    place = -1 if frame.pts is None else self._index_of.get(frame.pts, -1)
                order += 1
                if place >= 0:
                    yield place, frame
            if packet is None:
                return

    def _entry(self, index: int) -> int:
        """The packet to start decoding at, so that frame `index` comes out whole."""
        if not self._stamped or index >= len(self._stamps):
            return 0
        entry = 0
        for place, packet in enumerate(self._packets):
            if packet.is_keyframe and self._stamp(packet) <= self._stamps[index]:
                entry = place
        return entry


def film_of(container: InputContainer) -> VideoStream | None:
    """The first video stream; the cover of a sound file, a stream of one picture, is none."""
    return next(
        (s for s in container.streams.video if not s.disposition & Disposition.attached_pic), None
    )


def quarter_turns(frame: av.VideoFrame) -> int:
    """Quarter turns counterclockwise that set a frame upright, 0 to 3.

    Telephones keep pictures as the sensor lies and say how the device was held.
    """
    return round(frame.rotation / 90) % 4


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the pictures of a file, as they are to be shown.

    Raises:
        DataError: The file is no media file or has no video.
    """
    with open_container(path) as container:
        film = film_of(container)
        if film is None:
            raise DataError(f"{path} has no video stream; name a file that has one.")
        size = (film.codec_context.width, film.codec_context.height)
        try:
            first = next(container.decode(film))
        except (av.FFmpegError, StopIteration):  # told by whoever asks for pictures
            return size
        return _upright(first)


def _upright(frame: av.VideoFrame) -> tuple[int, int]:
    if quarter_turns(frame) % 2:
        return frame.height, frame.width
    return frame.width, frame.height


def has_display_times(container: InputContainer) -> bool:
    """Whether packets tell when they are shown.

    AVI numbers its packets in the order of decoding and says nothing of their display.
    """
    return container.format.name != "avi"


def promised_end(
    container: InputContainer, stream: VideoStream, fps: float, last: float, damaged: bool
) -> float:
    """The length in seconds that the header promises, where the file was cut off; else 0.

    Args:
        container: The file.
        stream: Its pictures.
        fps: Their frames per second.
        last: Time of the last packet in seconds.
        damaged: Whether a packet was broken.
    """
    promised = stream.frames / fps
    # An edit list of an mp4 leaves frames out by intent: only a broken packet tells of a cut.
    edited = "mp4" in container.format.name
    return promised if damaged or (not edited and last + 1.5 / fps < promised) else 0.0


def mean_rate(times: Sequence[float]) -> float:
    """Frames per second of sorted times; one frame alone counts as one second."""
    span = times[-1] - times[0] if len(times) else 0.0
    return (len(times) - 1) / span if span else 1.0


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
        self.fps = fps
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
        self.frame_count = len(self._images)
        first = self._load(images[0])
        self.width, self.height = _upright(first)

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Gives the frames of these indices, which ascend without repeats.

        Raises:
            DataError: An image cannot be decoded.
        """
        for index in indices:
            yield index, self._load(self._images[index])

    def close(self) -> None:
        """Nothing stays open between images."""

    @staticmethod
    def _load(image: Path) -> av.VideoFrame:
        with open_container(image) as container:
            try:
                return next(container.decode(video=0))
            except (av.FFmpegError, StopIteration, IndexError) as error:
                raise DataError(
                    f"{image} cannot be decoded as an image; replace it or take the clip out."
                ) from error


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Sorts numbers within names by value: 2.png before 10.png."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
