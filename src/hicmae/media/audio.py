"""Sound of any file as one channel at one rate."""

from collections.abc import Iterable, Iterator
from itertools import chain
from math import gcd
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from hicmae.errors import ConfigError, DataError, SoundMissingError
from hicmae.media.containers import (
    LONGEST_PAUSE,
    READING_ERRORS,
    TOGETHER,
    audio_stream,
    check_pause,
    check_segment,
    open_container,
    time_origin,
)
from hicmae.workers import sign_of_life

SAMPLE_RATE = 16_000
"""Samples per second of every waveform the models hear (method: audio input)."""

# Decoders of sound need some packets before the first sample they get right.
_AUDIO_RUN_UP = 0.5

_RATES = (1_000, 768_000)  # of sound that anything records, in samples per second
_LARGEST_FILTER = 1 << 24  # taps of a resampler; odd rates would need a billion

_STEREO = 2

Part = tuple[int, float | None, np.ndarray]
"""Samples per second, time stamp in seconds if there is one, and float32 samples (L,)."""

Heard = tuple[int, float, np.ndarray]
"""Samples per second, when the first sample is heard in seconds, and float32 samples (L,)."""


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
        start: Start of the segment in seconds; None is the start of the file.
        end: End of the segment in seconds; None is the end of the sound. A segment that reaches
            past the sound is as short as the sound makes it.
        sample_rate: Samples per second to give.

    Returns:
        float32 waveform (L,) in [-1, 1] from `start` on; silence where the sound begins later or
        pauses. Of two channels it is the mean, of more FFmpeg's standard mixture.

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
        raise SoundMissingError(f"{path} is a folder of images and has no sound; {way_out}.")
    with open_container(path) as container:
        if audio_stream(container) is None:
            raise SoundMissingError(f"{path} has no audio stream; {way_out}.")
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
    # Decoding alone, in a process of its own, needs neither.
    import torch  # noqa: PLC0415
    from torchaudio.functional import resample  # noqa: PLC0415

    common = gcd(rate, sample_rate)
    if (rate // common) * (sample_rate // common) <= _LARGEST_FILTER:
        return resample(torch.from_numpy(samples), rate, sample_rate).clamp(-1, 1).numpy()
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = rate
    resampler = AudioResampler(format="fltp", layout="mono", rate=sample_rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    waveform = np.concatenate([part.to_ndarray()[0] for part in parts])
    # As many as there is time for; the resampler gives what its filter holds at the end as well.
    length = -(-len(samples) * sample_rate // rate)
    return np.clip(np.pad(waveform, (0, max(length - len(waveform), 0)))[:length], -1, 1)


def _decode_audio(
    container: InputContainer, path: Path, start: float, end: float | None, *, seek: bool = True
) -> tuple[np.ndarray, int] | None:
    """One channel at the native rate from `start` on, or None if nothing was found there."""
    origin = time_origin(container)
    seek = seek and start > 0
    if seek:
        try:
            container.seek(int((max(start - _AUDIO_RUN_UP, 0.0) + origin) * av.time_base))
        except av.FFmpegError:
            return None
    frames = audio_frames(container.streams.audio[0], container.demux(), path)
    heard = gapless(one_channel(frames), origin, path)
    first = next(heard, None)
    if first is None or (seek and first[1] > start):
        return None
    return waveform_from(chain([first], heard), path, start, end)


def waveform_from(
    heard: Iterable[Heard], path: Path, start: float = 0.0, end: float | None = None
) -> tuple[np.ndarray, int] | None:
    """A segment of what is heard, with silence before what begins late.

    Args:
        heard: Pieces of sound that follow each other without a gap.
        path: The file, for messages.
        start: Start of the segment in seconds.
        end: End of the segment in seconds; None is the end of the sound.

    Returns:
        float32 waveform (L,) and its samples per second; None if there is no sound within.
    """
    chunks: list[np.ndarray] = []
    begin, samples, rate = 0.0, 0, 1
    for rate, seconds, chunk in heard:
        if not chunks:
            # Of a segment the place is exact; whole files begin with some run-up of the coder.
            begin = seconds if start or abs(seconds) > TOGETHER else 0.0
        chunks.append(chunk)
        samples += len(chunk)
        if end is not None and begin + samples / rate >= end:
            break
    if not chunks:
        return None
    first = round((start - begin) * rate)
    last = None if end is None else max(round((end - begin) * rate), 0)
    waveform = np.concatenate(chunks)[max(first, 0) : last]
    if not waveform.size:
        return None
    if first < 0:
        waveform = np.concatenate([_silence(-first / rate, rate, path), waveform])
    return waveform, rate


def from_start(
    heard: Iterable[Heard], path: Path, longest_pause: float = LONGEST_PAUSE
) -> Iterator[tuple[int, np.ndarray]]:
    """Samples per second and samples from second 0 on, with silence where sound begins late.

    Args:
        heard: Pieces of sound that follow each other without a gap, from the first sample on.
        path: The file, for messages.
        longest_pause: Seconds by which it may begin late.

    Raises:
        DataError: It begins later.
    """
    left_out: int | None = None
    for rate, seconds, chunk in heard:
        if left_out is None:
            left_out = round(-seconds * rate) if seconds < -TOGETHER else 0
            if seconds > TOGETHER:
                yield rate, _silence(seconds, rate, path, longest_pause)
        if left_out < len(chunk):
            yield rate, chunk[left_out:]
        left_out = max(left_out - len(chunk), 0)


def gapless(
    parts: Iterable[Part], origin: float, path: Path, longest_pause: float = LONGEST_PAUSE
) -> Iterator[Heard]:
    """Pieces of sound that follow each other, with silence where the sound pauses.

    Args:
        parts: What `one_channel` gives.
        origin: The time stamp in seconds that counts as second 0.
        path: The file, for messages.
        longest_pause: Seconds for which it may pause.

    Raises:
        DataError: Samples are no numbers, their rate is absurd, or the sound pauses too long.
    """
    expected: float | None = None
    for rate, time, chunk in parts:
        seconds = (expected or 0.0) if time is None else time - origin
        if not _RATES[0] <= rate <= _RATES[1]:
            raise DataError(
                f"{path}: its sound has {rate} samples a second, but {_RATES[0]} to {_RATES[1]} "
                "can be read; convert it or take the clip out."
            )
        if not np.isfinite(chunk).all():
            raise DataError(
                f"{path}: its sound has samples that are no numbers at {seconds:.2f} s; replace "
                "it or take it out."
            )
        expected = seconds if expected is None else expected
        if seconds - expected > TOGETHER:
            silence = _silence(seconds - expected, rate, path, longest_pause)
            yield rate, expected, silence
            expected += len(silence) / rate
        yield rate, expected, chunk
        expected += len(chunk) / rate


def _silence(seconds: float, rate: int, path: Path, longest: float = LONGEST_PAUSE) -> np.ndarray:
    check_pause(path, "sound", seconds, longest)
    return np.zeros(round(seconds * rate), np.float32)


def one_channel(frames: Iterable[av.AudioFrame]) -> Iterator[Part]:
    """Frames of sound of any kind as one channel at the rate of the first of them."""
    resamplers: dict[tuple[str, str, int], AudioResampler] = {}
    rate = None
    for frame in frames:
        rate = frame.sample_rate if rate is None else rate
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind not in resamplers:
            # FFmpeg's mixture is the standard for surround sound; of stereo, it would change the
            # level by sqrt(2). Planes beyond the eighth cannot be reached from here safely.
            mixed = "mono" if frame.layout.nb_channels > _STEREO else None
            resamplers[kind] = AudioResampler(format="fltp", layout=mixed, rate=rate)
        for part in resamplers[kind].resample(frame):
            channels = part.to_ndarray()
            yield rate, frame.time, channels.mean(axis=0) if len(channels) > 1 else channels[0]


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
    for packet in _whole(packets, path):
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
            sign_of_life()
            yield frame
    # A WAV that was written to a pipe states no true length, so that its last packet looks cut.
    if cut and stream.container.format.name != "wav":
        raise _damaged_sound(path, seconds or 0.0)


def _whole(packets: "Iterable[Packet[Any]]", path: Path) -> "Iterator[Packet[Any]]":
    """Packets of a file, which FFmpeg may find to be none only as it reads them."""
    try:
        yield from packets
    except READING_ERRORS as error:
        reason = getattr(error, "strerror", "a stream appears in the midst of it")
        raise DataError(
            f"{path} is cut off or damaged ({reason}); replace it or take it out."
        ) from error


def _damaged_sound(path: Path, seconds: float) -> DataError:
    return DataError(
        f"{path}: its sound is cut off or damaged after {seconds:.2f} s; replace it or take it out."
    )
