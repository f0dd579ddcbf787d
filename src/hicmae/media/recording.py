"""Clips of any length, read piece by piece."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from hicmae.errors import DataError
from hicmae.media import (
    SAMPLE_RATE,
    PictureConverter,
    Region,
    Side,
    VideoReader,
    read_outline,
    resampled,
    stream_pictures,
    stream_sound,
)
from hicmae.media.containers import begin_of
from hicmae.media.pieces import SoundPieces, Waveform
from hicmae.media.timeline import Timeline

Picture = npt.NDArray[np.uint8]

NOMINAL_FPS = 25.0
"""Frames per second by which sound without pictures is counted."""

_LOUDEST = 2.0  # decoders overshoot 1 a little; what is louder is no share of full scale


class Recording(ABC):
    """A clip with pictures, sound or both; nothing of it is held but what is asked for.

    Seconds count from the start of the clip.

    Attributes:
        source: What the clip is called in results and messages.
        fps: Frames per second; 25 without pictures.
        frame_count: Frames, or 25ths of a second of sound alone.
        width: Width of a frame in pixels; 0 without pictures.
        height: Height of a frame in pixels; 0 without pictures.
        has_video: Whether there are pictures.
        has_sound: Whether there is sound.
        sound_begin: When the sound begins, in seconds, before which it is given as silence.
    """

    source: str
    fps: float
    frame_count: int
    width: int
    height: int
    has_video: bool
    has_sound: bool
    sound_begin: float = 0.0

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.time_of(self.frame_count)

    def time_of(self, frame: int) -> float:
        """When a frame is shown, in seconds; `frame_count` gives the end of the clip."""
        return frame / self.fps

    @abstractmethod
    def pictures(
        self,
        frames: Iterable[int],
        *,
        size: int | None = None,
        region: Region | Side | None = None,
    ) -> Iterator[tuple[int, Picture]]:
        """Gives frames one by one.

        Args:
            frames: Which, ascending without repeats.
            size: Side of the square pictures that are wanted; None keeps the pixels of the region.
            region: Part of the picture as (top, left, height, width); None is its centre square.

        Yields:
            Index and uint8 RGB picture (size, size, 3), or (height, width, 3) without `size`.

        Raises:
            DataError: The clip has no pictures, or they cannot be read.
        """

    @abstractmethod
    def sound(self, first: int, last: int) -> Waveform:
        """Gives a part of the sound as one channel of 16 kHz.

        Args:
            first: First sample, from 0.
            last: The one behind the last.

        Returns:
            float32 (L,) in [-1, 1]; shorter, and maybe empty, where the sound ends before `last`.

        Raises:
            DataError: The clip has no sound, or it cannot be read.
        """


class FileRecording(Recording):
    """A video or sound file, or a folder of images.

    One pass over the packets tells frames, times and length. Pictures and sound are then decoded
    from the beginning on: one picture and two pieces of sound are held at a time. Going back in the
    sound by more than that decodes it anew.

    Frames and sound lie in time as `Timeline` and `read_audio` have them, which training reads.

    Args:
        path: The file or folder.
        sound: A file with the sound of the clip, if it is not within `path`.
        folder_fps: Frames per second of a folder of images.
        piece_seconds: Length of the pieces of sound.

    Attributes:
        path: The file or folder.
        sound_path: The file with the sound.
        timeline: When the frames are shown.

    Raises:
        DataError: There is nothing at the path, or it is cut off or no clip.
        ConfigError: `folder_fps` is not positive.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        sound: str | Path | None = None,
        folder_fps: float = NOMINAL_FPS,
        piece_seconds: int = 30,
    ) -> None:
        self.path = Path(path).expanduser()
        self.source = str(path)
        self._folder_fps = folder_fps
        self._outline = None if self.path.is_dir() else read_outline(self.path)
        heard = self._outline
        self.sound_path = self.path
        if sound is not None:
            self.sound_path = Path(sound).expanduser()
            heard = read_outline(self.sound_path)
        begin, end = (None, None) if heard is None else (heard.sound_start, heard.sound_end)
        self.has_sound = begin is not None and end is not None and end > begin
        # A little late counts as from the start, as for whoever reads the samples.
        self.sound_begin = begin_of(begin or 0.0)
        self._sound = SoundPieces(
            lambda: stream_sound(self.sound_path, seconds=piece_seconds), piece_seconds
        )
        if self._outline is None:
            with VideoReader(self.path, folder_fps=folder_fps) as reader:
                self.timeline = reader.timeline
                self.width, self.height = reader.width, reader.height
        else:
            self.timeline = self._outline.timeline
            self.width, self.height = self._outline.width, self._outline.height
        self.has_video = self.width > 0
        if not self.has_video:
            if not self.has_sound:
                raise DataError(f"{path} has neither pictures nor sound that can be decoded.")
            length = (end or 0.0) - (begin or 0.0) + self.sound_begin
            self.timeline = Timeline.at_rate(max(round(length * NOMINAL_FPS), 1), NOMINAL_FPS)
        self.fps, self.frame_count = self.timeline.fps, self.timeline.frame_count

    def time_of(self, frame: int) -> float:
        """When a frame is shown, in seconds; `frame_count` gives the end of the clip."""
        return self.timeline.time_of(frame)

    def pictures(
        self,
        frames: Iterable[int],
        *,
        size: int | None = None,
        region: Region | Side | None = None,
    ) -> Iterator[tuple[int, Picture]]:
        """Gives frames one by one; see `Recording.pictures`."""
        if not self.has_video:
            raise DataError(f"{self.source} has no pictures; give a video.")
        if self._outline is None:
            with VideoReader(self.path, folder_fps=self._folder_fps) as reader:
                yield from reader.pictures(list(frames), size=size, region=region)
        else:
            yield from stream_pictures(self.path, self._outline, frames, size=size, region=region)

    def sound(self, first: int, last: int) -> Waveform:
        """Gives a part of the sound; see `Recording.sound`."""
        if not self.has_sound:
            raise DataError(f"{self.source} has no sound.")
        return self._sound.between(first, last)


class ArrayRecording(Recording):
    """A clip in memory.

    Args:
        frames: uint8 RGB pictures (T, H, W, 3), or None for sound alone.
        fps: Their frames per second.
        waveform: float samples (L,) or (L, C) in [-1, 1], or None for pictures alone; the mean of
            the channels is taken.
        sample_rate: Samples per second.
        name: What the clip is called in results and messages.

    Raises:
        DataError: An array has another shape, type or range, or there is none.
    """

    def __init__(
        self,
        frames: npt.NDArray[np.uint8] | None,
        fps: float = NOMINAL_FPS,
        waveform: npt.NDArray[np.floating] | None = None,
        sample_rate: int = SAMPLE_RATE,
        name: str = "array",
    ) -> None:
        self.source = name
        self.has_video, self.has_sound = frames is not None, waveform is not None
        self.width = self.height = 0
        self._frames = self._waveform = None
        if waveform is not None:
            self._waveform = _checked_sound(waveform, sample_rate, name)
        if frames is not None:
            self._frames = _checked_pictures(frames, fps, name)
            self.fps = float(fps)
            self.frame_count, self.height, self.width = frames.shape[:3]
        elif self._waveform is not None:
            self.fps = NOMINAL_FPS
            self.frame_count = max(round(len(self._waveform) / SAMPLE_RATE * NOMINAL_FPS), 1)
        else:
            raise DataError(f"{name} has neither frames nor a waveform; give one of them.")

    def pictures(
        self,
        frames: Iterable[int],
        *,
        size: int | None = None,
        region: Region | Side | None = None,
    ) -> Iterator[tuple[int, Picture]]:
        """Gives frames one by one; see `Recording.pictures`."""
        if self._frames is None:
            raise DataError(f"{self.source} has no pictures; give frames.")
        convert = PictureConverter(self.source, size, region)
        for index in frames:
            if not 0 <= index < self.frame_count:
                raise DataError(
                    f"{self.source}: frame {index} was asked for, but there are {self.frame_count}."
                )
            yield index, convert(av.VideoFrame.from_ndarray(self._frames[index], format="rgb24"))

    def sound(self, first: int, last: int) -> Waveform:
        """Gives a part of the sound; see `Recording.sound`."""
        if self._waveform is None:
            raise DataError(f"{self.source} has no sound.")
        return self._waveform[first:last]


def _checked_pictures(frames: npt.NDArray[np.uint8], fps: float, name: str) -> Picture:
    if frames.dtype != np.uint8:
        raise DataError(
            f"{name}: frames are {frames.dtype}, but uint8 from 0 to 255 is needed; multiply "
            "frames in [0, 1] by 255, round and convert them."
        )
    if frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise DataError(
            f"{name}: frames have shape {frames.shape}, but (time, height, width, 3) is needed."
        )
    if not 0 < fps < float("inf"):
        raise DataError(f"{name}: fps is {fps}, but frames per second are positive.")
    return np.ascontiguousarray(frames)


def _checked_sound(waveform: npt.NDArray[np.floating], sample_rate: int, name: str) -> Waveform:
    if not np.issubdtype(waveform.dtype, np.floating):
        raise DataError(
            f"{name}: the waveform is {waveform.dtype}, but floats in [-1, 1] are needed; divide "
            "16-bit samples by 32768."
        )
    if waveform.ndim not in {1, 2} or not waveform.size:
        raise DataError(
            f"{name}: the waveform has shape {waveform.shape}, but (samples,) or "
            "(samples, channels) is needed."
        )
    if waveform.ndim == 2 and waveform.shape[1] > waveform.shape[0]:
        raise DataError(
            f"{name}: the waveform has shape {waveform.shape}, which are more channels than "
            "samples; transpose it to (samples, channels)."
        )
    if not np.isfinite(waveform).all() or np.abs(waveform).max() > _LOUDEST:
        raise DataError(
            f"{name}: the waveform has samples far beyond [-1, 1] or that are no numbers; scale "
            "it, 16-bit samples by 1 / 32768."
        )
    if sample_rate < 1 or sample_rate != int(sample_rate):
        raise DataError(
            f"{name}: sample_rate is {sample_rate}, but whole samples per second are needed."
        )
    samples = waveform.astype(np.float32)
    if samples.ndim == 2:
        samples = samples.mean(axis=1)
    return resampled(samples, int(sample_rate))
