"""Sound of any file as one channel at one rate."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from torchaudio.functional import resample

from hicmae.errors import ConfigError, DataError
from hicmae.media.containers import check_segment, open_container, time_origin

SAMPLE_RATE = 16_000
"""Samples per second of every waveform the models hear (method: audio input)."""

# Decoders of sound need some packets before the first sample they get right.
_AUDIO_RUN_UP = 0.5


def read_audio(
    path: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    """Reads the sound of a file as one channel.

    Args:
        path: Any file with sound, with or without video.
        start: Start of the segment in seconds; None is the start of the sound.
        end: End of the segment in seconds; None is the end of the sound. A segment that reaches
            past the sound is as short as the sound makes it.
        sample_rate: Samples per second to give.

    Returns:
        float32 waveform (L,) in [-1, 1], the mean of the channels.

    Raises:
        ConfigError: `sample_rate` is below 1.
        DataError: The file is missing, broken or has no sound in the segment, or `start` is
            negative or not before `end`.
    """
    path = Path(path)
    check_segment(path, start, end)
    if sample_rate < 1:
        raise ConfigError(f"sample_rate is {sample_rate}, but samples per second are positive.")
    way_out = "name a sound file in the `audio` column or put one of the same name beside it"
    if path.is_dir():
        raise DataError(f"{path} is a folder of images and has no sound; {way_out}.")
    with open_container(path) as container:
        if not container.streams.audio:
            raise DataError(f"{path} has no audio stream; {way_out}.")
        sound = _decode_audio(container, path, start or 0.0, end)
        if sound is None and start:
            # Seeking is not exact in every container (MPEG-1); reading from the start always is.
            with open_container(path) as again:
                sound = _decode_audio(again, path, start, end, seek=False)
    if sound is None:
        raise DataError(f"{path} has no sound that can be decoded in the segment; {way_out}.")
    return resampled(*sound, sample_rate)


def resampled(samples: np.ndarray, rate: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A waveform at another rate, within [-1, 1].

    Args:
        samples: float32 (L,).
        rate: Its samples per second.
        sample_rate: Samples per second to give.
    """
    return resample(torch.from_numpy(samples), rate, sample_rate).clamp(-1, 1).numpy()


def _decode_audio(
    container: InputContainer, path: Path, start: float, end: float | None, *, seek: bool = True
) -> tuple[np.ndarray, int] | None:
    """The mean of the channels at the native rate, or None if nothing was found there."""
    origin = time_origin(container)
    seek = seek and start > 0
    if seek:
        try:
            container.seek(int((max(start - _AUDIO_RUN_UP, 0.0) + origin) * av.time_base))
        except av.FFmpegError:
            return None
    frames = audio_frames(container.streams.audio[0], container.demux(), path)
    chunks: list[np.ndarray] = []
    begin, samples, rate = 0.0, 0, 1
    for frame, chunk in one_channel(frames):
        if not chunks:
            rate = frame.sample_rate
            begin = 0.0 if frame.time is None else frame.time - origin
            if seek and begin > start:
                return None
        chunks.append(chunk)
        samples += len(chunk)
        if end is not None and begin + samples / rate >= end:
            break
    if not chunks:
        return None
    first = max(round((start - begin) * rate), 0) if start else 0
    last = None if end is None else max(round((end - begin) * rate), 0)
    waveform = np.concatenate(chunks)[first:last]
    return (waveform, rate) if waveform.size else None


def one_channel(frames: Iterable[av.AudioFrame]) -> Iterator[tuple[av.AudioFrame, np.ndarray]]:
    """Frames of sound of any kind with their samples, float32 (L,), the mean of the channels."""
    # Format only: mixing to mono within the resampler changes the level of stereo by sqrt(2).
    planar = AudioResampler(format="fltp")
    for frame in frames:
        parts = [frame] if frame.format.name == "fltp" else planar.resample(frame)
        for part in parts:
            channels = [
                np.frombuffer(memoryview(plane), np.float32, part.samples) for plane in part.planes
            ]
            yield frame, np.mean(channels, axis=0) if len(channels) > 1 else channels[0].copy()


def audio_frames(
    stream: AudioStream, packets: "Iterable[Packet[Any]]", path: Path
) -> Iterator[av.AudioFrame]:
    """Decodes a stream of sound.

    Args:
        stream: The stream.
        packets: Packets of its file, in order; those of other streams tell whether it was cut off.
        path: The file, for messages.

    Raises:
        DataError: The sound is cut off or damaged.
    """
    seconds: float | None = None
    cut = False
    for packet in packets:
        if packet.size:
            cut = packet.is_corrupt
        if packet.stream_index != stream.index:
            continue
        try:
            frames = stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            # Sound cut out of a longer stream may begin with packets that lean on lost ones.
            if seconds is None:
                continue
            raise _damaged_sound(path, seconds) from error
        for frame in frames:
            seconds = frame.time or 0.0
            yield frame
    # A WAV that was written to a pipe states no true length, so that its last packet looks cut.
    if cut and stream.container.format.name != "wav":
        raise _damaged_sound(path, seconds or 0.0)


def _damaged_sound(path: Path, seconds: float) -> DataError:
    return DataError(
        f"{path}: its sound is cut off or damaged after {seconds:.2f} s; replace it or take it out."
    )
