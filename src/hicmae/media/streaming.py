"""Clips of any length from their beginning to their end, a little of them at a time.

Nothing is sought: in some containers that is not exact, and a passage through a clip needs all of
it anyway.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream

from hicmae.errors import DataError
from hicmae.media.audio import SAMPLE_RATE, audio_frames, one_channel, resampled
from hicmae.media.containers import open_container
from hicmae.media.outline import MediaOutline
from hicmae.media.pictures import PictureConverter, Region, Side
from hicmae.media.sources import film_of

_MARGIN = 1  # seconds, whole, so that resampling lies on the same grid in every piece


def stream_pictures(
    path: Path,
    outline: MediaOutline,
    frames: Iterable[int],
    *,
    size: int | None = None,
    region: Region | Side | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Decodes a file from its first frame on and gives some of its frames.

    Args:
        path: The file.
        outline: What `read_outline` says of it.
        frames: Which, ascending without repeats; taken as they are reached.
        size: As for `VideoReader.read`.
        region: As for `VideoReader.read`.

    Yields:
        Index and uint8 RGB picture (size, size, 3), or (height, width, 3) without `size`.

    Raises:
        DataError: A wanted frame is missing or damaged, or the region lies outside of it.
    """
    convert = PictureConverter(str(path), size, region)
    wanted = iter(frames)
    next_wanted = next(wanted, None)
    if next_wanted is None:
        return
    with open_container(path) as container:
        for index, frame in _numbered(container, path, outline):
            if index < next_wanted:
                continue
            if index > next_wanted or frame.is_corrupt:
                break
            yield index, convert(frame)
            next_wanted = next(wanted, None)
            if next_wanted is None:
                return
    raise DataError(
        f"{path} is cut off or damaged: frame {next_wanted} of {len(outline.frame_times)} cannot "
        "be decoded; replace it or take it out."
    )


def _numbered(
    container: InputContainer, path: Path, outline: MediaOutline
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Every frame with its index, in order of display."""
    film = film_of(container)
    if film is None:
        raise DataError(f"{path} has no video stream; name a file that has one.")
    film.codec_context.thread_count = 1  # as in `VideoFile`
    stamps = outline.frame_stamps
    for order, frame in enumerate(_decoded(container, film)):
        if stamps is None:
            yield order - outline.frames_before, frame
        elif frame.pts is not None:
            place = int(np.searchsorted(stamps, frame.pts))
            if place < len(stamps) and stamps[place] == frame.pts:
                yield place, frame


def _decoded(container: InputContainer, film: VideoStream) -> Iterator[av.VideoFrame]:
    packets = container.demux(film)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = film.codec_context.decode(packet)
        except av.FFmpegError:
            # What depends on a broken packet is broken too; the frames before it still come.
            try:
                yield from film.codec_context.decode(None)
            except av.FFmpegError:
                return
            return
        yield from frames


def stream_sound(
    path: Path, *, seconds: int, sample_rate: int = SAMPLE_RATE
) -> Iterator[np.ndarray]:
    """Decodes the sound of a file from its first sample on, as one channel.

    Args:
        path: Any file with sound.
        seconds: Length of the pieces, in whole seconds.
        sample_rate: Samples per second to give.

    Yields:
        float32 waveforms in [-1, 1] that follow each other, each of `seconds` but for the last.
        Together they are what `read_audio` gives.

    Raises:
        DataError: The file is missing, has no sound, or is damaged.
    """
    with open_container(path) as container:
        if not container.streams.audio:
            raise DataError(f"{path} has no audio stream; name a file that has one.")
        frames = audio_frames(container.streams.audio[0], container.demux(), path)
        chunks: list[np.ndarray] = []
        held, rate, before = 0, 1, 0  # `before`: samples held of the piece before
        for frame, chunk in one_channel(frames):
            rate = frame.sample_rate if rate == 1 else rate
            chunks.append(chunk)
            held += len(chunk)
            while held >= before + (seconds + _MARGIN) * rate:
                samples = np.concatenate(chunks)
                end = before + seconds * rate
                yield _piece(samples[: end + _MARGIN * rate], before, end, rate, sample_rate)
                before = _MARGIN * rate
                chunks = [samples[end - before :]]
                held = len(chunks[0])
        samples = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
        while len(samples) > before:
            end = before + seconds * rate
            yield _piece(samples, before, end, rate, sample_rate)
            before = _MARGIN * rate
            samples = samples[end - before :]


def _piece(samples: np.ndarray, begin: int, end: int, rate: int, sample_rate: int) -> np.ndarray:
    """Samples `begin` to `end`, which are whole seconds, at another rate."""
    waveform = resampled(samples, rate, sample_rate)
    return waveform[begin // rate * sample_rate : end // rate * sample_rate]
