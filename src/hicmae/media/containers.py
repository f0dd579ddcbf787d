"""Opening media files, and what their seconds count from."""

from pathlib import Path
from typing import TypeVar, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from hicmae.errors import DataError
from hicmae.media.members import media_address

AnyStream = TypeVar("AnyStream", VideoStream, AudioStream)

_FILE = "file:"  # before the names that FFmpeg is given

# FLV and Matroska round time stamps to a millisecond, which must not move a frame over a border.
TOLERANCE = 1e-3

TOGETHER = 0.1
"""Seconds by which picture and sound may begin late and count as beginning at once: coders need a
run-up, and containers lay their streams out in blocks."""

READING_ERRORS = (av.FFmpegError, IndexError)
"""What PyAV raises while it reads packets: it knows no stream that appears amid a file."""

LONGEST_PAUSE = 600.0  # seconds without pictures or sound that are not taken for damage


def check_pause(path: Path, what: str, seconds: float, longest: float = LONGEST_PAUSE) -> None:
    """Refuses a clip whose time stamps leave out more time than a recording pauses.

    Args:
        path: The clip, to be named.
        what: What is missing, in words.
        seconds: How long.
        longest: How long it may be in seconds.

    Raises:
        DataError: It is longer.
    """
    if seconds > longest:
        raise DataError(
            f"{path} has no {what} for {seconds:.0f} s by its time stamps, which are damaged or "
            "leave out too much: code or record it anew, or take it out."
        )


def cut_off(path: Path, last: float, promised: float) -> DataError:
    """What to say of a clip whose pictures end before its header says so.

    Args:
        path: The clip, to be named.
        last: When they end, in seconds.
        promised: When they should, in seconds.
    """
    return DataError(
        f"{path} is cut off or damaged: its pictures end at {last:.2f} of {promised:.2f} s; "
        "replace it or take it out."
    )


def check_segment(path: Path, start: float | None, end: float | None) -> None:
    """Refuses a segment that cannot be.

    Args:
        path: The clip, to be named.
        start: Start in seconds; None is the start of the clip.
        end: End in seconds; None is the end of the clip.

    Raises:
        DataError: `start` is negative or not before `end`.
    """
    if start is not None and not start >= 0:
        raise DataError(f"{path}: a segment starts at {start} s, but seconds count from 0.")
    if end is not None and not end > (start or 0.0):
        raise DataError(f"{path}: a segment ends at {end} s, but must end after {start or 0.0} s.")


def open_container(path: Path) -> InputContainer:
    """Opens a video, sound or image file, or one within a pack; the caller closes it.

    Raises:
        DataError: The file is missing, empty, or no media file.
    """
    address = media_address(path)
    try:
        return av.open(address, metadata_errors="ignore")
    except (av.FFmpegError, OSError) as error:
        raise DataError(
            f"{path} cannot be opened as video or sound ({error.strerror}); it is empty, cut off "
            "or no media file: replace it or take it out."
        ) from error


def time_origin(container: InputContainer) -> float:
    """The time stamp in seconds that counts as second 0.

    A negative one is only a coder's run-up.
    """
    return max((container.start_time or 0) / av.time_base, 0.0)


def begin_of(first: float) -> float:
    """When a stream begins, in seconds, by the time of what it shows or lets hear first."""
    return first if first > TOGETHER else 0.0


def video_stream(container: InputContainer) -> VideoStream | None:
    """The first video stream; the cover of a sound file, a stream of one picture, is none.

    Raises:
        DataError: FFmpeg has no decoder for it.
    """
    streams = container.streams.video
    film = next((s for s in streams if not s.disposition & Disposition.attached_pic), None)
    return None if film is None else _decodable(container, film, "pictures")


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The first stream of sound.

    Raises:
        DataError: FFmpeg has no decoder for it.
    """
    sound = next(iter(container.streams.audio), None)
    return None if sound is None else _decodable(container, sound, "sound")


def _decodable(container: InputContainer, stream: AnyStream, what: str) -> AnyStream:
    # PyAV has no context for what nothing decodes, whatever its types say.
    if cast(object, stream.codec_context) is None:
        path = container.name.removeprefix(_FILE)
        raise DataError(
            f"{path} has {what} in a form that cannot be decoded here; convert it, or take it out."
        )
    return stream
