"""Which frames of a clip a model sees, and which part of its sound belongs to them.

The waveform is cut in proportion: the interval of frames `first`..`last` of N covers the fraction
`first / (N - 1)`..`(last + stride) / (N - 1)` of the samples, so that frame rate and sampling rate
need not be known.
"""

from dataclasses import dataclass

import numpy as np

from hicmae.errors import ConfigError


@dataclass(frozen=True)
class Window:
    """One look at a clip.

    Attributes:
        frames: Frame indices in the order they are shown; the last one repeats when the clip is
            short.
        audio_from: Start of the sound as a fraction of the waveform, in [0, 1].
        audio_to: End of the sound as a fraction of the waveform, in [0, 1].
    """

    frames: tuple[int, ...]
    audio_from: float
    audio_to: float

    def samples(self, length: int) -> slice:
        """The part of a waveform of `length` samples that belongs to the frames.

        Never empty for a waveform that has samples: a one-frame clip, whose fractions are 0..0,
        keeps all of its sound.
        """
        first, last = int(self.audio_from * length), int(self.audio_to * length)
        return slice(first, last) if last > first else slice(0, length)


def _check(frame_count: int, num_frames: int, stride: int) -> None:
    for name, value in (
        ("frame_count", frame_count),
        ("num_frames", num_frames),
        ("stride", stride),
    ):
        if value < 1:
            raise ConfigError(f"{name} is {value}, but a window needs at least 1.")


def _window(shown: range, frame_count: int, num_frames: int, stride: int) -> Window:
    """Pads the shown frames with the last one and finds their share of the sound."""
    frames = (*shown, *[shown[-1]] * (num_frames - len(shown)))
    if frame_count == 1:
        return Window(frames, 0.0, 0.0)
    span = frame_count - 1
    return Window(frames, shown[0] / span, min((shown[-1] + stride) / span, 1.0))


def random_window(
    frame_count: int, num_frames: int, stride: int, rng: np.random.Generator
) -> Window:
    """Draws the frames of one training clip, as the reference implementation does.

    A clip longer than `num_frames * stride` frames gives a window at a random start; a shorter one
    is read from its first frame at the stride, with the last frame repeated.

    Args:
        frame_count: Frames in the clip, at least 1.
        num_frames: Frames to show, at least 1.
        stride: Distance between shown frames, at least 1.
        rng: Source of the start; one number is drawn for a long clip and none for a short one.

    Returns:
        A window of `num_frames` frames.

    Raises:
        ConfigError: A number is below 1.
    """
    _check(frame_count, num_frames, stride)
    length = num_frames * stride
    if frame_count <= length:
        return _window(range(0, frame_count, stride)[:num_frames], frame_count, num_frames, stride)
    start = int(rng.integers(frame_count - length + 1))
    return _window(range(start, start + length, stride), frame_count, num_frames, stride)


def evaluation_windows(frame_count: int, num_frames: int, stride: int, count: int) -> list[Window]:
    """Spreads `count` windows evenly over a clip, the first at its start and the last at its end.

    The windows are those of the reference implementation: consecutive entries of every `stride`-th
    frame, so that views of a short clip coincide. A single window lies at the start.

    Args:
        frame_count: Frames in the clip, at least 1.
        num_frames: Frames to show per window, at least 1.
        stride: Distance between shown frames, at least 1.
        count: Windows to lay, at least 1.

    Returns:
        `count` windows of `num_frames` frames, in order of time.

    Raises:
        ConfigError: A number is below 1.
    """
    _check(frame_count, num_frames, stride)
    if count < 1:
        raise ConfigError(f"The number of views is {count}, but a clip needs at least 1.")
    every = range(0, frame_count, stride)
    room = max(len(every) - num_frames, 0)
    starts = [int(i * room / max(count - 1, 1)) for i in range(count)]
    return [_window(every[s : s + num_frames], frame_count, num_frames, stride) for s in starts]
