"""The compressed packets of a video file as a source of frames and of sound."""

from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from hicmae.errors import DataError
from hicmae.media.audio import audio_frames, one_channel
from hicmae.media.containers import TOLERANCE, open_container, time_origin


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

    def sound(self) -> tuple[np.ndarray, int] | None:
        """The sound that lies at hand with the frames; None where it is to be read by itself.

        Returns:
            float32 waveform (L,), the mean of the channels, and its samples per second.
        """

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
        self._whole = start == 0 and end is None
        self._sound_packets: list[av.Packet[Stream]] = []
        self._damaged = False
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
        for index, frame in self._decode(wanted):
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

    def sound(self) -> tuple[np.ndarray, int] | None:
        """The sound of a whole, undamaged file, whose packets came with those of the frames.

        They are given up for it: a second time they are not at hand.

        Raises:
            DataError: The sound is damaged.
        """
        # A decoder that has been through them would not begin anew as it began.
        packets, self._sound_packets = self._sound_packets, []
        if self._damaged or not packets:
            return None
        frames = audio_frames(self._container.streams.audio[0], packets, self.path)
        chunks, rate = [], 1
        for frame, chunk in one_channel(frames):
            rate = frame.sample_rate
            chunks.append(chunk)
        return (np.concatenate(chunks), rate) if chunks else None

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
        self._unit = float(self._stream.time_base or Fraction(1, av.time_base))
        # A training run reads one clip per process; threads within a clip cost more than they give.
        self._stream.codec_context.thread_count = 1
        self._origin = time_origin(self._container)
        self._stamped = has_display_times(self._container)

    def _scan(self, start: float, end: float | None, *, seek: bool) -> None:
        """Collects the packets from the key frame before `start` up to `end`."""
        self._packets: list[av.Packet[Stream]] = []
        self._sound_packets = []
        # Of a segment, sound and pictures do not begin at the same packet.
        streams = self._container.streams.audio if self._whole else ()
        sound = next((stream.index for stream in streams), None)
        self._reached_end, self._damaged = True, False
        try:
            if seek:
                self._container.seek(int((start + self._origin) * av.time_base))
            # Every stream is read: a file may be cut off in the midst of its sound.
            for packet in self._container.demux():
                self._damaged |= packet.is_corrupt
                if packet.stream_index == sound:
                    self._sound_packets.append(packet)
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
        return stamp * self._unit - self._origin

    def _lost_end(self, start: float, end: float | None) -> int:
        """Frames that the header promises for the segment, when the file was cut off; else 0."""
        if not self._reached_end:
            return 0
        stamps = [self._stamp(packet) for packet in self._packets]
        last = self._seconds(max(stamps)) if stamps else 0.0
        promised = promised_end(self._container, self._stream, self.fps, last, self._damaged)
        return round((min(promised, end or promised) - start) * self.fps) if promised else 0

    def _decode(self, wanted: Collection[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames of the segment with their index, among them the wanted ones, as they come."""
        first = min(wanted)
        context = self._stream.codec_context
        context.flush_buffers()
        order = -self._skipped
        packets = iter(self._packets[self._entry(first) :])
        packet: av.Packet[Stream] | None = None
        skip = False
        while True:
            packet = next(packets, None)
            # A frame that no other leans on need not be decoded unless it is wanted.
            shown = packet is None or self._index_of.get(self._stamp(packet)) in wanted
            context.skip_frame = "NONREF" if skip and not shown else "DEFAULT"
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                if packet is None:
                    return
                # What depends on a broken packet is broken too; the frames before it still come.
                packets = iter(())
                continue
            for frame in frames:
                # Fields may come in packets of their own, the second without the frame's stamp.
                skip = self._stamped and not frame.interlaced_frame
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
        return upright(first)


def upright(frame: av.VideoFrame) -> tuple[int, int]:
    """Width and height in pixels of a frame as it is to be shown."""
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
