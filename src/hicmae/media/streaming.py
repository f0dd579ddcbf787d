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
    audio_stream,
    open_container,
    time_origin,
    video_stream,
)
from hicmae.media.outline import MediaOutline
from hicmae.media.pictures import PictureConverter, Region, Side
from hicmae.workers import sign_of_life

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
    convert = PictureConverter(str(path), size, region, outline.shape)
    stored = outline.timeline.stored
    wanted = iter(frames)
    frame = next(wanted, None)
    if frame is None:
        return
    with open_container(path) as container:
        for place, decoded in _numbered(container, path, outline):
            if place > stored[frame] or (place == stored[frame] and decoded.is_corrupt):
                break
            picture = None
            while place == stored[frame]:
                picture = convert(decoded) if picture is None else picture
                yield frame, picture
                frame = next(wanted, None)
                if frame is None:
                    return
    raise DataError(
        f"{path} is cut off or damaged: frame {stored[frame]} of {outline.timeline.stored_count} "
        "cannot be decoded; replace it or take it out."
    )


def _numbered(
    container: InputContainer, path: Path, outline: MediaOutline
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Every stored frame with its index, in order of display."""
    film = video_stream(container)
    if film is None or outline.frames is None:
        raise DataError(f"{path} has no video stream; name a file that has one.")
    film.codec_context.thread_count = 1  # as in `VideoFile`
    for order, frame in enumerate(_decoded(container, film)):
        sign_of_life()
        place = outline.frames.place(frame.pts, order)
        if place >= 0:
            yield place, frame


def _decoded(container: InputContainer, film: VideoStream) -> Iterator[av.VideoFrame]:
    packets = container.demux(film)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = film.codec_context.decode(packet)
        except READING_ERRORS:
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
    """Decodes the sound of a file from second 0 on, as one channel, in long pieces.

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
    return in_pieces(decode_sound(path), seconds=seconds, sample_rate=sample_rate)


def decode_sound(path: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Decodes the sound of a file from second 0 on, as one channel, as it comes.

    Args:
        path: Any file with sound.

    Yields:
        Samples per second, the same each time, and float32 samples.

    Raises:
        DataError: As for `stream_sound`.
    """
    with open_container(path) as container:
        sound = audio_stream(container)
        if sound is None:
            raise DataError(f"{path} has no audio stream; name a file that has one.")
        frames = audio_frames(sound, container.demux(), path)
        heard = gapless(one_channel(frames), time_origin(container), path)
        yield from from_start(heard, path)


def in_pieces(
    decoded: Iterable[tuple[int, np.ndarray]], *, seconds: int, sample_rate: int = SAMPLE_RATE
) -> Iterator[np.ndarray]:
    """Sound that comes in short parts as long pieces at another rate.

    Args:
        decoded: What `decode_sound` gives.
        seconds: As for `stream_sound`.
        sample_rate: As for `stream_sound`.

    Yields:
        As `stream_sound` does.
    """
    chunks: list[np.ndarray] = []
    held, rate, before = 0, 1, 0  # `before`: samples held of the piece before
    for rate, chunk in decoded:
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
