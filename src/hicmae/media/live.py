"""What is still being recorded, of which the last seconds are a clip."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from hicmae.errors import DataError
from hicmae.media.audio import (
    SAMPLE_RATE,
    audio_frames,
    from_start,
    gapless,
    one_channel,
    resampled,
)
from hicmae.media.containers import (
    READING_ERRORS,
    TOLERANCE,
    audio_stream,
    begin_of,
    time_origin,
    video_stream,
)
from hicmae.media.geometry import PixelShape, orientation
from hicmae.media.pictures import PictureConverter, Region, Side
from hicmae.media.pieces import Waveform
from hicmae.media.recording import NOMINAL_FPS, Picture, Recording
from hicmae.media.timeline import Timeline

# The containers that browsers make; a longer look ahead would hold back what comes.
_OPTIONS = {
    "format_whitelist": "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2",
    "formatprobesize": "32768",
    "probesize": "65536",
    "analyzeduration": "200000",
    "fpsprobesize": "0",
}
_AT_ONCE = 1 << 15  # bytes
_MOST_WAITING = 1 << 23  # bytes, some 20 s of what browsers record
_MOST_PIXELS = 1280 * 720
_LEAST_APART = 1 / 60 - TOLERANCE  # seconds between pictures; some containers round to milliseconds
_RUN_UP = 1  # seconds of sound, whole, before what is wanted, for resampling


class LiveStream:
    """A recording that arrives piece by piece, in the container that a browser makes of it.

    It is decoded as it comes, in a thread of its own. Pictures and sound keep the times that the
    container gives them, in seconds from its start; the last seconds of both are held. Of more than
    60 pictures a second some are left out.

    Args:
        source: What it is called in messages.
        seconds: How much of it is held.
        patience: Seconds without a byte after which it counts as ended, and nothing is held any
            more; also those for which its sound may pause.

    Attributes:
        failure: Why it broke off; None if nothing was wrong.
    """

    def __init__(self, source: str, seconds: float, patience: float = 10.0) -> None:
        self.source = source
        self.failure: Exception | None = None
        self._seconds = seconds
        self._patience = patience
        self._pipe = _Pipe(patience)
        self._lock = threading.Lock()
        self._pictures: deque[tuple[float, av.VideoFrame]] | None = None
        self._sound: _Sound | None = None
        self._shape: PixelShape | None = None
        self._thread = threading.Thread(target=self._run, name="live stream", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""
        return not self._thread.is_alive()

    @property
    def end(self) -> float:
        """Up to when all that it records has come, in seconds."""
        with self._lock:
            ends = [] if self._sound is None else [self._sound.end]
            if self._pictures is not None:
                times = [time for time, _ in self._pictures]
                ends.append(times[-1] + float(np.diff(times).mean()) if len(times) > 1 else 0.0)
        return min(ends, default=0.0)

    def feed(self, data: bytes) -> None:
        """Takes the next piece.

        Raises:
            DataError: More has come than can be decoded in time.
        """
        if self._pipe.waiting + len(data) > _MOST_WAITING:
            raise DataError(
                f"{self.source}: more is recorded than this computer decodes in time; close other "
                "programs and start again."
            )
        self._pipe.put(data)

    def finish(self, timeout: float) -> None:
        """Waits until all that came is decoded; nothing is taken any more.

        Args:
            timeout: Seconds for which it waits at most.
        """
        self._pipe.close()
        self._thread.join(timeout)

    def close(self) -> None:
        """Ends it and forgets what is held, without waiting for its thread."""
        self._pipe.close(at_once=True)
        self._forget()

    def recording(self, length: Callable[[float], int]) -> Recording:
        """The last moments as a clip, whose seconds count from the start of the stream.

        Args:
            length: How many frames are wanted, by the frames per second.

        Raises:
            DataError: Nothing has come yet.
        """
        with self._lock:
            pictures, sound = list(self._pictures or ()), self._sound and self._sound.copy()
        if not pictures:
            if sound is None or self._pictures is not None:
                raise DataError(f"{self.source}: nothing has come yet; wait a moment.")
            end = int(sound.end * NOMINAL_FPS)
            begin = max(end - length(NOMINAL_FPS), 0)
            blank = [None] * (end - begin)
            return _Moments(
                self.source, blank, fps=NOMINAL_FPS, begin=begin / NOMINAL_FPS, sound=sound
            )
        times = np.array([time for time, _ in pictures])
        timeline = Timeline.of_times(times - times[0])
        count, fps = timeline.frame_count, timeline.fps
        if sound is not None:  # what is shown while the sound has not come has to wait
            count = min(max(int((sound.end - times[0] + TOLERANCE) * fps), 1), count)
        begin = max(count - length(fps), 0)
        shown = [pictures[place][1] for place in timeline.stored[begin:count]]
        start = float(times[0]) + begin / fps
        return _Moments(self.source, shown, fps=fps, begin=start, sound=sound, shape=self._shape)

    def _run(self) -> None:
        try:
            with av.open(self._pipe, "r", options=_OPTIONS, buffer_size=_AT_ONCE) as container:
                self._decode(container)
        except READING_ERRORS as error:
            reason = getattr(error, "strerror", "a stream appears in the midst of it")
            self.failure = DataError(
                f"{self.source}: what was recorded cannot be decoded ({reason}); start again, or "
                "take another browser."
            )
        except Exception as error:  # noqa: BLE001 (who asks for it is told)
            self.failure = error
        finally:
            self._pipe.close(at_once=True)
            if self._pipe.ran_dry:
                self._forget()

    def _forget(self) -> None:
        with self._lock:
            self._pictures = self._sound = None

    def _decode(self, container: InputContainer) -> None:
        film, sound = video_stream(container), audio_stream(container)
        origin, path = time_origin(container), Path(self.source)
        with self._lock:
            if film is not None:
                self._pictures, self._shape = deque(), PixelShape.of_stream(film)
            if sound is not None:
                self._sound = held = _Sound(self._seconds)
        rest = self._other_packets(container, film, origin)
        if sound is None:
            deque(rest, maxlen=0)
            return
        parts = one_channel(audio_frames(sound, rest, path))
        heard = gapless(parts, origin, path, self._patience)
        for rate, samples in from_start(heard, path, self._patience):
            with self._lock:
                held.add(rate, samples)

    def _other_packets(
        self, container: InputContainer, film: VideoStream | None, origin: float
    ) -> Iterator[Packet[Any]]:
        """All packets but those of the pictures, which are decoded on the way."""
        shift = None
        for packet in container.demux():
            # The empty packets at the end know their stream, but not its number.
            if film is None or packet.stream.index != film.index:
                yield packet
                continue
            for frame in film.codec_context.decode(packet):
                if frame.time is None:
                    continue
                if shift is None:
                    shift = begin_of(frame.time - origin) - frame.time
                self._show(frame.time + shift, frame)

    def _show(self, time: float, frame: av.VideoFrame) -> None:
        if frame.width * frame.height > _MOST_PIXELS:
            raise DataError(
                f"{self.source}: its pictures have {frame.width} x {frame.height} pixels, and at "
                "most 1280 x 720 are held; choose a smaller picture."
            )
        with self._lock:
            if self._pictures is None:
                return
            if self._pictures and time < self._pictures[-1][0] + _LEAST_APART:
                return
            self._pictures.append((time, frame))
            while self._pictures[0][0] < time - self._seconds:
                self._pictures.popleft()


class _Moments(Recording):
    """Pictures and sound that were held when this was made.

    Args:
        source: What it is called.
        frames: What is shown in each frame; None each of sound alone.
        fps: Frames per second.
        begin: When the first is shown, in seconds from the start of the stream.
        sound: The sound around them.
        shape: How pictures are stored; a browser under load sends some of another size.
    """

    def __init__(
        self,
        source: str,
        frames: Sequence[av.VideoFrame | None],
        *,
        fps: float,
        begin: float,
        sound: _Sound | None,
        shape: PixelShape | None = None,
    ) -> None:
        self.source = source
        self.fps = fps
        self.frame_count = len(frames)
        self.width = self.height = 0
        if shape is not None and frames[0] is not None:
            self.width, self.height = orientation(frames[0]).shown(shape.square)
        self.has_video, self.has_sound = shape is not None, sound is not None
        self._frames = frames
        self._shape = shape
        self._begin = begin
        self._first, self._waveform = sound.since(begin) if sound else (0, np.zeros(0, np.float32))

    def time_of(self, frame: int) -> float:
        """When a frame is shown, in seconds from the start of the stream."""
        return self._begin + frame / self.fps

    def pictures(
        self,
        frames: Iterable[int],
        *,
        size: int | None = None,
        region: Region | Side | None = None,
    ) -> Iterator[tuple[int, Picture]]:
        """Gives frames one by one; see `Recording.pictures`."""
        convert = PictureConverter(self.source, size, region, self._shape)
        for index in frames:
            frame = self._frames[index]
            if frame is None:
                raise DataError(f"{self.source} has no pictures; start it with a camera.")
            yield index, convert(frame)

    def sound(self, first: int, last: int) -> Waveform:
        """Gives a part of the sound; see `Recording.sound`."""
        return self._waveform[max(first - self._first, 0) : max(last - self._first, 0)]


class _Sound:
    """The last seconds of sound, at its own rate."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds + 2 * _RUN_UP
        self._rate = 1
        self._begin = self._end = 0  # samples from the start of the stream
        self._chunks: deque[Waveform] = deque()

    @property
    def end(self) -> float:
        """Up to when there is sound, in seconds."""
        return self._end / self._rate

    def add(self, rate: int, samples: Waveform) -> None:
        """Takes what is heard next, always at the same rate."""
        self._rate = rate
        self._chunks.append(samples)
        self._end += len(samples)
        while self._end - self._begin - len(self._chunks[0]) > self._seconds * rate:
            self._begin += len(self._chunks.popleft())

    def copy(self) -> _Sound:
        """What is held now."""
        other = _Sound(self._seconds)
        other._rate, other._begin, other._end = self._rate, self._begin, self._end
        other._chunks = self._chunks.copy()
        return other

    def since(self, seconds: float) -> tuple[int, Waveform]:
        """Sound of 16 kHz from a little before a moment on, and the number of its first sample.

        It begins at a whole second, so that resampling lies on the same grid as in a file.
        """
        base = max(int(seconds) - _RUN_UP, -(-self._begin // self._rate))
        samples = np.concatenate([*self._chunks, np.zeros(0, np.float32)])
        waveform = resampled(samples[base * self._rate - self._begin :], self._rate)
        return base * SAMPLE_RATE, waveform


class _Pipe:
    """Bytes from one thread to another, as a file that is read once.

    Attributes:
        ran_dry: Whether it ended because no byte came for longer than the patience.
    """

    def __init__(self, patience: float) -> None:
        self.ran_dry = False
        self._patience = patience
        self._bytes = bytearray()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def waiting(self) -> int:
        """Bytes that were not read yet."""
        return len(self._bytes)

    def put(self, data: bytes) -> None:
        """Takes bytes, unless it is closed."""
        with self._changed:
            if not self._closed:
                self._bytes += data
                self._changed.notify()

    def read(self, size: int) -> bytes:
        """Gives bytes as soon as there are some; none at the end."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._bytes or self._closed, self._patience):
                self.ran_dry = self._closed = True
            data = bytes(self._bytes[:size])
            del self._bytes[:size]
            return data

    def close(self, *, at_once: bool = False) -> None:
        """Takes nothing any more; what was not read yet is left, or thrown away at once."""
        with self._changed:
            self._closed = True
            if at_once:
                self._bytes.clear()
            self._changed.notify()
