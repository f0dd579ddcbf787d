"""When the frames of a clip are shown.

The time stamps of its packets are the truth: headers state made-up rates (browsers, FLV), and
cameras of telephones and browsers show frames at irregular times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self, TypeVar, cast

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from hicmae.media.containers import TOLERANCE, begin_of, check_pause, time_origin

Times = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_FASTEST = 240.0  # frames per second that are believed of a header or of a few time stamps
_SAME = 0.1  # share by which two distances of frames may differ and be one


@dataclass(frozen=True, eq=False)
class Timeline:
    """The frames of a clip, or of a segment of it, as a sequence at one rate.

    Where a file shows its frames at irregular times, each moment of the sequence has the one that
    is on display then, so that some come twice and others not at all. Seconds count from the start
    of the clip: that of its container, or of the segment.

    Attributes:
        begin: When the first frame is shown; 0 where that is within 0.1 s of the start.
        fps: Frames per second: those of the header where the time stamps bear them out, else their
            mean, and of irregular times what lies between most frames.
        stored: For each frame the one of the file that is shown, int64 (N,), ascending.
        stored_count: Frames of the file, S.
        stated_fps: What the header says; None if it says nothing.
        regular: Whether the file shows its frames at that rate, to a frame.
    """

    begin: float
    fps: float
    stored: Indices
    stored_count: int
    stated_fps: float | None
    regular: bool

    @classmethod
    def of_times(cls, times: Times, stated_fps: float | None = None) -> Self:
        """The timeline of frames by when each is shown.

        Args:
            times: Seconds from the start of the clip, ascending float64 (S,).
            stated_fps: What the header says.
        """
        count = len(times)
        fps = stated_fps if stated_fps and stated_fps <= _FASTEST else 1.0
        stored, regular = np.arange(count), True
        if count and times[-1] > times[0]:
            offsets = times - times[0]
            fps, regular = _rate(offsets, stated_fps)
            if not regular:
                moments = np.arange(round(float(offsets[-1]) * fps) + 1) / fps
                stored = np.searchsorted(offsets, moments + TOLERANCE, side="right") - 1
        return cls(
            begin=begin_of(float(times[0])) if count else 0.0,
            fps=fps,
            stored=stored,
            stored_count=count,
            stated_fps=stated_fps,
            regular=regular,
        )

    @classmethod
    def at_rate(cls, count: int, fps: float) -> Self:
        """The timeline of frames at a given rate."""
        return cls(0.0, fps, np.arange(count), count, fps, regular=True)

    @property
    def frame_count(self) -> int:
        """Frames of the sequence, N."""
        return len(self.stored)

    @property
    def end(self) -> float:
        """When the last frame has been shown, in seconds."""
        return self.time_of(self.frame_count)

    def time_of(self, frame: int) -> float:
        """When a frame is shown, in seconds; N gives the end."""
        return self.begin + frame / self.fps


Shown = TypeVar("Shown")


def repeated(
    frames: Iterable[int], stored: Iterable[int], pictures: Iterable[tuple[int, Shown]]
) -> Iterator[tuple[int, Shown]]:
    """Gives every frame of a sequence its picture.

    Args:
        frames: Frames of the sequence.
        stored: For each the one of the file that is shown, ascending.
        pictures: The frames of the file, each once, with what is shown.
    """
    coming = iter(pictures)
    place, picture = -1, None
    for frame, wanted in zip(frames, stored, strict=True):
        if wanted != place:
            place, picture = next(coming)
        yield frame, cast(Shown, picture)


def _rate(offsets: Times, stated_fps: float | None) -> tuple[float, bool]:
    """Frames per second of frames at these times, from the first on, and whether all keep it."""
    mean = (len(offsets) - 1) / float(offsets[-1])
    steps = np.diff(offsets)
    usual = float(np.median(steps))
    for fps in (stated_fps, mean):
        if fps and _even(offsets, fps, usual):
            return fps, True
    # Containers round times to milliseconds, which the mean of the usual steps does not show.
    near = steps[np.abs(steps - usual) <= _SAME * usual]
    if not near.size:
        return mean, False
    usual = float(near.mean())
    if stated_fps and abs(stated_fps * usual - 1) <= _SAME:
        return stated_fps, False
    return (1 / usual if usual * _FASTEST >= 1 else mean), False


def _even(offsets: Times, fps: float, usual: float) -> bool:
    """Whether frames are at most a frame, as they usually follow each other, off a rate."""
    off = np.abs(offsets - np.arange(len(offsets)) / fps).max()
    return bool(off <= min(1.0 / fps, usual) + TOLERANCE)


@dataclass(frozen=True, eq=False)
class FrameStamps:
    """How the frames of a file, or of a segment of it, are told apart.

    Attributes:
        times: When each is shown, in seconds from second 0 of the container, ascending float64
            (S,).
        stamps: Their time stamps in the unit of the file, int64 (S,); None where they do not tell
            frames apart, so that frames are to be counted.
        before: Frames that a decoder gives before the first of them.
        stated_fps: What the header says; None if it says nothing.
    """

    times: Times
    stamps: Indices | None
    before: int
    stated_fps: float | None

    @classmethod
    def of_packets(
        cls,
        path: Path,
        container: InputContainer,
        stream: VideoStream,
        stamps: Indices,
        *,
        start: float = 0.0,
        end: float | None = None,
        stamped: bool = True,
    ) -> Self:
        """The frames of a segment.

        Args:
            path: The file, for messages.
            container: The file.
            stream: Its pictures.
            stamps: What orders the packets of shown frames, in any order (P,).
            start: Start of the segment in seconds.
            end: End of the segment in seconds; None is the end of the file.
            stamped: Whether the stamps are times of display, which decoded frames bear too.

        Raises:
            DataError: The frames leave out too much time.
        """
        unit = float(stream.time_base or Fraction(1, av.time_base))
        stamps = np.sort(stamps)
        times: Times = stamps.astype(np.float64) * unit - time_origin(container)
        rate = stream.average_rate or stream.guessed_rate
        if len(times) > 1 and times[0] == times[-1]:  # no stamp at all
            times = times[0] + np.arange(len(times)) / float(rate or 1)
        first, last = np.searchsorted(
            times, [start - TOLERANCE, np.inf if end is None else end - TOLERANCE]
        )
        stamps, times = stamps[first:last], times[first:last]
        if len(times) > 1:
            check_pause(path, "pictures", float(np.diff(times).max()))
        return cls(
            times=times,
            stamps=stamps if stamped and bool((np.diff(stamps) > 0).all()) else None,
            before=int(first),
            stated_fps=float(rate) if rate else None,
        )

    def timeline(self, start: float = 0.0) -> Timeline:
        """The frames as a sequence at one rate, with seconds counted from `start`."""
        return Timeline.of_times(self.times - start, self.stated_fps)

    def place(self, pts: int | None, order: int) -> int:
        """Which frame a decoded one is; below 0 if it is none of these.

        Args:
            pts: Its time stamp.
            order: How many came before it.
        """
        if self.stamps is None:
            return order - self.before
        if pts is None:
            return -1
        place = int(np.searchsorted(self.stamps, pts))
        return place if place < len(self.stamps) and self.stamps[place] == pts else -1


def has_display_times(container: InputContainer) -> bool:
    """Whether packets tell when they are shown.

    AVI numbers its packets in the order of decoding and says nothing of their display.
    """
    return container.format.name != "avi"


def promised_end(
    container: InputContainer, stream: VideoStream, fps: float, last: float, *, damaged: bool
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
