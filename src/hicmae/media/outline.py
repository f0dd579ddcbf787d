"""What lies in a file, from its packets, none of which is decoded or kept."""

from array import array
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.stream import VideoStream

from hicmae.errors import DataError
from hicmae.media.containers import TOLERANCE, open_container, time_origin
from hicmae.media.sources import (
    film_of,
    has_display_times,
    mean_rate,
    promised_end,
    upright_size,
)

_SAME_RATE = 0.05  # share by which the rate of a header may differ from that of the time stamps


@dataclass(frozen=True, eq=False)
class MediaOutline:
    """The pictures and the sound of a file.

    Attributes:
        frame_times: When every frame is shown, in seconds, ascending float64 (N,); none without
            pictures.
        frame_stamps: The time stamps of the frames in the file's own unit, int64 (N,), or None
            where they do not tell frames apart, so that frames are to be counted.
        frames_before: Frames that a decoder gives before the first one that is shown.
        fps: Frames per second: those of the header where the times agree with it (some files state
            a made-up rate), else their mean; 0 without pictures.
        width: Width of an upright frame in pixels; 0 without pictures.
        height: Height of an upright frame in pixels; 0 without pictures.
        sound_start: When the first sample is heard, in seconds; None without sound.
        sound_end: When the last one is heard, in seconds, to a packet; None without sound.
    """

    frame_times: npt.NDArray[np.float64]
    frame_stamps: npt.NDArray[np.int64] | None
    frames_before: int
    fps: float
    width: int
    height: int
    sound_start: float | None
    sound_end: float | None


def read_outline(path: str | Path) -> MediaOutline:
    """Goes through the packets of a file once.

    It holds some 30 bytes for every frame, whatever the frame's size: an hour at 25 frames a second
    takes 3 MB.

    Args:
        path: A video or sound file.

    Raises:
        DataError: The file is missing, no media file, cut off, or has neither pictures nor sound.
    """
    path = Path(path)
    with open_container(path) as container:
        outline = _outline(container, path)
    if len(outline.frame_times):
        width, height = upright_size(path)
        outline = replace(outline, width=width, height=height)
    if outline.sound_end is None:
        return outline
    # The run-up of a coder is in the packets and not in the sound: decoding alone tells.
    start = _first_sound(path)
    end = None if start is None else max(outline.sound_end, start)
    return replace(outline, sound_start=start, sound_end=end)


def _outline(container: InputContainer, path: Path) -> MediaOutline:
    film = film_of(container)
    sound = container.streams.audio[0] if container.streams.audio else None
    if film is None and sound is None:
        raise DataError(f"{path} has neither pictures nor sound; name a file that has.")
    origin = time_origin(container)
    stamped, damaged = has_display_times(container), False
    shown, decoded = array("q"), array("q")
    sound_end = None
    try:
        for packet in container.demux():
            damaged |= packet.is_corrupt
            if not packet.size:
                continue
            if film is not None and packet.stream_index == film.index and not packet.is_discard:
                stamped = stamped and packet.pts is not None
                shown.append(packet.pts or 0)
                decoded.append(packet.dts or 0)
            elif sound is not None and packet.stream_index == sound.index:
                unit = sound.time_base or Fraction(1, av.time_base)
                stamp = packet.pts if packet.pts is not None else packet.dts or 0
                end = float((stamp + (packet.duration or 0)) * unit) - origin
                sound_end = end if sound_end is None else max(sound_end, end)
    except av.FFmpegError:
        damaged = True
    if film is None:
        return MediaOutline(np.zeros(0), None, 0, 0.0, 0, 0, None, sound_end)
    unit = film.time_base or Fraction(1, av.time_base)
    stamps = np.sort(np.array(shown if stamped else decoded, np.int64))
    times: npt.NDArray[np.float64] = stamps.astype(np.float64) * float(unit) - origin
    before = int((times < -TOLERANCE).sum())
    stamps, times = stamps[before:], times[before:]
    tell_apart = stamped and bool((np.diff(stamps) > 0).all())
    if not len(times):
        raise DataError(f"{path} has no video frame; replace it or take it out.")
    fps = _rate(film, times)
    last = float(times[-1])
    promised = promised_end(container, film, fps, last, damaged)
    # Damage elsewhere is told by whoever decodes what is broken.
    if last + 1.5 / fps < promised:
        raise DataError(
            f"{path} is cut off or damaged: its pictures end at {last:.2f} of {promised:.2f} s; "
            "replace it or take it out."
        )
    return MediaOutline(
        frame_times=times,
        frame_stamps=stamps if tell_apart else None,
        frames_before=before,
        fps=fps,
        width=0,
        height=0,
        sound_start=None,
        sound_end=sound_end,
    )


def _rate(film: VideoStream, times: npt.NDArray[np.float64]) -> float:
    stated = film.average_rate or film.guessed_rate
    measured = mean_rate(times.tolist()) if len(times) > 1 else None
    if stated and (measured is None or abs(float(stated) / measured - 1) <= _SAME_RATE):
        return float(stated)
    return measured or 1.0


def _first_sound(path: Path) -> float | None:
    """When the first sample is heard, in seconds; None if none can be decoded."""
    with open_container(path) as container:
        origin = time_origin(container)
        try:
            frame = next(container.decode(audio=0))
        except (av.FFmpegError, StopIteration):
            return None
        return 0.0 if frame.time is None else frame.time - origin
