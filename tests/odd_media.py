"""Writes clips as cameras, browsers and editors leave them."""

from fractions import Fraction

import av
import numpy as np
import pytest
from media_factory import sweep

RATE = 16_000
WIDTH, HEIGHT = 96, 64
SHADES = ((200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 220))
"""Of the quarters of a picture: top left, top right, bottom left, bottom right."""


def quarters():
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, shade in enumerate(SHADES):
        top, left = divmod(number, 2)
        picture[top * 32 : top * 32 + 32, left * 48 : left * 48 + 48] = shade
    return picture


def write_timed(
    path, *, times, sound_start, sound_seconds, aspect=Fraction(1), matrix=None, rate=None
):
    """A clip whose frames are shown at `times` seconds, and whose sound begins at its own.

    `aspect` is that of its pixels, `matrix` turns its pictures, `rate` stands in its header.
    """
    unit = Fraction(1, 90_000)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate or 25, options={"bf": "2"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = unit
        video.codec_context.sample_aspect_ratio = aspect
        if matrix is not None:
            if not hasattr(video, "set_display_matrix"):
                pytest.skip("this PyAV cannot write a display matrix: install PyAV 18")
            a, b, c, d = (65_536 * value for value in matrix)
            video.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for time in times:
            frame = av.VideoFrame.from_ndarray(quarters(), format="rgb24")
            frame.time_base, frame.pts = unit, round(time * 90_000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = sweep(sound_seconds, RATE)[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = round(sound_start * RATE)
        container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


def write_sound(path, parts, *, rate=RATE, layout="mono", codec="pcm_s16le", pictures=0):
    """A file with sound: (begin in seconds, float samples (C, L)) of each part."""
    with av.open(str(path), "w") as container:
        if pictures:
            video = container.add_stream("libx264", rate=25)
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
        audio = container.add_stream(codec, rate=rate, layout=layout)
        for _ in range(pictures):
            picture = np.zeros((64, 64, 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if pictures:
            container.mux(video.encode(None))
        for begin, samples in parts:
            planes = np.ascontiguousarray(samples, np.float32)
            # PyAV does not reach planes beyond the seventh.
            packed = np.ascontiguousarray(planes.T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = round(begin * rate)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path
