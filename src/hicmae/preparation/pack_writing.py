"""One clip as a small file that is quick to decode."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from hicmae.media import SAMPLE_RATE
from hicmae.media.timeline import Timeline
from hicmae.preparation.options import PackOptions

_MILLISECONDS = Fraction(1, 1000)  # the unit of time in Matroska

# What costs decoding time and saves little at this size is left out, and frames that no other
# leans on lie at fixed places, so that a reader can leave out those it does not want. Without
# looking ahead (which differs from run to run by a bit) the same clip makes the same file.
_QUICK_TO_DECODE = {
    "preset": "veryfast",
    "tune": "fastdecode",
    "bf": "3",
    "x264-params": "b-pyramid=none:b-adapt=0:scenecut=0:ref=1:rc-lookahead=0:mbtree=0:aq-mode=0",
}

_SOUND: dict[str, Literal["pcm_s16le", "flac"]] = {"pcm": "pcm_s16le", "flac": "flac"}


def frame_milliseconds(timeline: Timeline) -> list[int]:
    """When every frame is shown, in whole milliseconds, strictly ascending."""
    frames = np.arange(timeline.frame_count)
    stamps = np.rint((timeline.begin + frames / timeline.fps) * 1000).astype(np.int64)
    # Two frames may lie within a millisecond; a stamp tells one frame.
    return list((np.maximum.accumulate(stamps - frames) + frames).tolist())


def write_clip(
    path: Path,
    pictures: Iterable[npt.NDArray[np.uint8]],
    milliseconds: Sequence[int],
    *,
    fps: float,
    waveform: npt.NDArray[np.float32],
    options: PackOptions,
) -> None:
    """Writes pictures as H.264 and sound as samples of 16 bits into a Matroska file.

    Args:
        path: The file, whatever its suffix.
        pictures: uint8 RGB pictures (size, size, 3).
        milliseconds: When each is shown, strictly ascending.
        fps: Their mean rate.
        waveform: Sound (L,) in [-1, 1] at 16 kHz.
        options: Size, quality and distance of key frames.
    """
    settings = {
        "fflags": "+bitexact",  # no random number of the file, no version of the library
        # Sound and pictures of one moment lie together, however long they wait for each other.
        "max_interleave_delta": "0",
    }
    with av.open(f"file:{path}", "w", format="matroska", options=settings) as container:
        rate = Fraction(fps).limit_denominator(100_000)  # finds 29.97 = 30000/1001
        coding = _QUICK_TO_DECODE | {"crf": str(options.crf)}
        video = container.add_stream("libx264", rate=rate, options=coding)
        video.width = video.height = options.size
        video.pix_fmt = "yuv420p"
        # What the conversion from RGB makes, said in the file so that no reader has to guess.
        video.codec_context.colorspace = Colorspace.SMPTE170M
        video.codec_context.color_range = ColorRange.MPEG
        video.codec_context.time_base = _MILLISECONDS
        video.codec_context.gop_size = max(round(options.keyframe_every * fps), 1)
        video.codec_context.thread_count = 1  # clips are spread over the cores already
        audio = container.add_stream(_SOUND[options.sound], rate=SAMPLE_RATE, layout="mono")
        audio.format = "s16"
        samples = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype(np.int16)
        for first in range(0, len(samples), SAMPLE_RATE):
            sound = av.AudioFrame.from_ndarray(
                samples[None, first : first + SAMPLE_RATE], format="s16", layout="mono"
            )
            sound.sample_rate = SAMPLE_RATE
            sound.time_base = Fraction(1, SAMPLE_RATE)
            sound.pts = first
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
        for picture, stamp in zip(pictures, milliseconds, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = _MILLISECONDS
            frame.pts = stamp
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
