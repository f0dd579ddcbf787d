"""The compressed packets of a video file as a source of frames and of sound."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.stream import Stream

from hicmae.errors import DataError, PicturesMissingError
from hicmae.media.audio import audio_frames, gapless, one_channel, waveform_from
from hicmae.media.containers import (
    LONGEST_PAUSE,
    READING_ERRORS,
    TOLERANCE,
    audio_stream,
    cut_off,
    open_container,
    time_origin,
    video_stream,
)
from hicmae.media.geometry import PixelShape, Size, orientation
from hicmae.media.timeline import FrameStamps, Timeline, has_display_times, promised_end
from hicmae.workers import sign_of_life


class FrameSource(Protocol):
    """The frames of a segment of a clip: those of a file or of a folder.

    Attributes:
        timeline: Them as a sequence at one rate, counted from the start of the segment.
    """

    timeline: Timeline

    @property
    def shape(self) -> PixelShape | None:
        """How its frames are stored; None takes every frame as it is."""

    @property
    def size(self) -> Size:
        """Width and height in pixels of an upright frame."""

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Gives stored frames of these indices, which ascend without repeats."""

    def sound(self) -> tuple[np.ndarray, int] | None:
        """The sound that lies at hand with the frames; None where it is to be read by itself.

        Returns:
            float32 waveform (L,) from the start of the clip on, and its samples per second.
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

        self._frames = FrameStamps.of_packets(
            self.path,
            self._container,
            self._stream,
            np.array([self._stamp(p) for p in self._packets if not p.is_discard], np.int64),
            start=start,
            end=end,
            stamped=self._stamped,
        )
        stamps = self._frames.stamps
        self._index_of = {} if stamps is None else {s: i for i, s in enumerate(stamps.tolist())}
        self.timeline = self._with_lost_end(self._frames.timeline(start), start, end)

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Gives the frames of these indices, which ascend without repeats.

        Raises:
            DataError: The file ends before one of them, one is damaged, or they are out of order.
        """
        wanted = deque(indices)
        if not wanted:
            return
        found = 0
        for index, frame in self._decode(set(indices)):
            found = max(found, index + 1)
            # Damaged time stamps let frames come out of order.
            if index > wanted[0] or (index == wanted[0] and frame.is_corrupt):
                break
            if index == wanted[0]:
                wanted.popleft()
                yield index, frame
                if not wanted:
                    return
        raise DataError(
            f"{self.path} is cut off or damaged: {found} frames found, "
            f"{self.timeline.stored_count} expected and frame {wanted[0]} needed; replace it or "
            "take it out."
        )

    @cached_property
    def size(self) -> Size:
        """Width and height in pixels of an upright frame."""
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
        sound = audio_stream(self._container)
        if sound is None:
            return None
        frames = audio_frames(sound, packets, self.path)
        return waveform_from(gapless(one_channel(frames), self._origin, self.path), self.path)

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _open_stream(self) -> None:
        self._container = open_container(self.path)
        stream = video_stream(self._container)
        if stream is None:
            self._container.close()
            raise PicturesMissingError(
                f"{self.path} has no video stream; name a file that has one."
            )
        self._stream = stream
        self._unit = float(self._stream.time_base or 1 / av.time_base)
        self.shape: PixelShape | None = PixelShape.of_stream(stream)
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
        except READING_ERRORS:
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

    def _with_lost_end(self, timeline: Timeline, start: float, end: float | None) -> Timeline:
        """The timeline with the frames that the header promises, when the file was cut off."""
        if not self._reached_end:
            return timeline
        stamps = [self._stamp(packet) for packet in self._packets]
        last = self._seconds(max(stamps)) if stamps else 0.0
        fps = timeline.fps
        promised = promised_end(self._container, self._stream, fps, last, damaged=self._damaged)
        count = round((min(promised, end or promised) - start) * fps) if promised else 0
        if count <= timeline.stored_count:
            return timeline
        if promised - last > LONGEST_PAUSE:  # perhaps by billions of frames, as no clip has
            raise cut_off(self.path, last, promised)
        times = self._frames.times - start
        after = times[-1] if len(times) else -1 / fps
        lost = np.arange(1, count - len(times) + 1) / fps
        return Timeline.of_times(np.append(times, after + lost), self._frames.stated_fps)

    def _decode(self, wanted: Collection[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames of the segment with their index, among them the wanted ones, as they come."""
        first = min(wanted)
        context = self._stream.codec_context
        context.flush_buffers()
        stamped = self._frames.stamps is not None
        order = 0
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
                skip = stamped and not frame.interlaced_frame
                place = self._frames.place(frame.pts, order)
                order += 1
                sign_of_life()
                if place >= 0:
                    yield place, frame
            if packet is None:
                return

    def _entry(self, index: int) -> int:
        """The packet to start decoding at, so that frame `index` comes out whole."""
        stamps = self._frames.stamps
        if stamps is None or index >= len(stamps):
            return 0
        entry = 0
        for place, packet in enumerate(self._packets):
            if packet.is_keyframe and self._stamp(packet) <= stamps[index]:
                entry = place
        return entry


def upright_size(path: Path) -> Size:
    """Width and height in pixels of the pictures of a file, as they are to be shown.

    Raises:
        DataError: The file is no media file or has no video.
    """
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise DataError(f"{path} has no video stream; name a file that has one.")
        size = PixelShape.of_stream(stream).square
        try:
            first = next(container.decode(stream))
        except (*READING_ERRORS, StopIteration):  # told by whoever asks for pictures
            return size
        return orientation(first).shown(size)
