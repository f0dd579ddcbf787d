"""What lies in a file, from its packets, none of which is decoded or kept."""

from array import array
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from hicmae.errors import DataError
from hicmae.media.containers import (
    READING_ERRORS,
    audio_stream,
    cut_off,
    open_container,
    time_origin,
    video_stream,
)
from hicmae.media.geometry import PixelShape
from hicmae.media.sources import upright_size
from hicmae.media.timeline import FrameStamps, Timeline, has_display_times, promised_end


@dataclass(frozen=True, eq=False)
class MediaOutline:
    """The pictures and the sound of a file.

    Attributes:
        frames: How the frames of the file are told apart; None without pictures.
        timeline: Them as a sequence at one rate; empty without pictures.
        shape: How frames are stored; None without pictures.
        width: Width of an upright frame in pixels; 0 without pictures.
        height: Height of an upright frame in pixels; 0 without pictures.
        sound_start: When the first sample is heard, in seconds; None without sound.
        sound_end: When the last one is heard, in seconds, to a packet; None without sound.
    """

    frames: FrameStamps | None
    timeline: Timeline
    shape: PixelShape | None
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
        frames, shape, sound_end = _passage(container, path)
    timeline = Timeline.at_rate(0, 1.0) if frames is None else frames.timeline()
    width, height = (0, 0) if frames is None else upright_size(path)
    # The run-up of a coder is in the packets and not in the sound: decoding alone tells.
    sound_start = None if sound_end is None else _first_sound(path)
    if sound_start is None or sound_end is None:
        return MediaOutline(frames, timeline, shape, width, height, None, None)
    sound_end = max(sound_end, sound_start)
    return MediaOutline(frames, timeline, shape, width, height, sound_start, sound_end)


def _passage(
    container: InputContainer, path: Path
) -> tuple[FrameStamps | None, PixelShape | None, float | None]:
    """Frames, how they are stored, and the end of the sound in seconds."""
    film = video_stream(container)
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
                stamp = packet.pts if packet.pts is not None else packet.dts or 0
                unit = float(sound.time_base or 1 / av.time_base)
                end = (stamp + (packet.duration or 0)) * unit - origin
                sound_end = end if sound_end is None else max(sound_end, end)
    except READING_ERRORS:
        damaged = True
    if film is None:
        return None, None, sound_end
    stamps = np.array(shown if stamped else decoded, np.int64)
    frames = FrameStamps.of_packets(path, container, film, stamps, stamped=stamped)
    if not len(frames.times):
        raise DataError(f"{path} has no video frame; replace it or take it out.")
    fps, last = frames.timeline().fps, float(frames.times[-1])
    promised = promised_end(container, film, fps, last, damaged=damaged)
    # Damage elsewhere is told by whoever decodes what is broken.
    if last + 1.5 / fps < promised:
        raise cut_off(path, last, promised)
    return frames, PixelShape.of_stream(film), sound_end


def _first_sound(path: Path) -> float | None:
    """When the first sample is heard, in seconds; None if none can be decoded."""
    with open_container(path) as container:
        origin = time_origin(container)
        try:
            audio_stream(container)  # whether it can be decoded at all
            frame = next(container.decode(audio=0))
        except (*READING_ERRORS, DataError, StopIteration):
            return None
        return 0.0 if frame.time is None else frame.time - origin
