"""Face crops as a video or as images."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from hicmae.errors import DataError
from hicmae.faces.detection import Picture, import_opencv

_LONGEST_PERIOD = 1001  # denominator: tells 29.97 = 30000/1001 from 30


def write_video(
    path: Path,
    pictures: Iterable[Picture],
    *,
    begin: float,
    fps: float,
    size: int,
    waveform: npt.NDArray[np.float32] | None,
    sample_rate: int,
    crf: int,
) -> None:
    """Writes pictures as H.264 at a constant rate, with sound as AAC, in an mp4.

    AAC comes in blocks of 1,024 samples: the sound that is read back has up to 1,023 zeros more at
    its end.

    Args:
        path: The file; whatever its suffix, an mp4.
        pictures: uint8 RGB pictures (size, size, 3).
        begin: When the first picture is shown, in seconds.
        fps: Frames per second.
        size: Side of the pictures, even.
        waveform: Sound (L,) in [-1, 1]; None writes none.
        sample_rate: Its samples per second.
        crf: Quality of the pictures, 0 (no loss) to 51.
    """
    with av.open(str(path), "w", format="mp4") as container:
        options = {"crf": str(crf), "preset": "veryfast"}
        rate = Fraction(fps).limit_denominator(_LONGEST_PERIOD)
        video = container.add_stream("libx264", rate=rate, options=options)
        video.width = video.height = size
        video.pix_fmt = "yuv420p"
        # Training starts anywhere in a clip: a key frame per second or so is soon reached.
        video.codec_context.gop_size = 25
        video.codec_context.thread_count = 1  # clips are spread over the cores already
        if waveform is not None:
            audio = container.add_stream("aac", rate=sample_rate, layout="mono")
            audio.bit_rate = 96_000
        for number, picture in enumerate(pictures, start=round(begin * rate)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base, frame.pts = 1 / rate, number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if waveform is not None:
            sound = av.AudioFrame.from_ndarray(waveform[None], format="fltp", layout="mono")
            sound.sample_rate = sample_rate
            sound.time_base = Fraction(1, sample_rate)
            sound.pts = 0  # stated, so that the encoder's delay is marked in the file to be skipped
            container.mux(audio.encode(sound))
            container.mux(audio.encode(None))


def write_frames(folder: Path, pictures: Iterable[Picture], *, quality: int) -> None:
    """Writes uint8 RGB pictures (H, W, 3) as 000001.jpg and so on into a folder.

    Args:
        folder: An existing folder.
        pictures: The pictures.
        quality: Quality of the JPEGs, 1 to 100.

    Raises:
        DataError: An image cannot be coded.
    """
    opencv = import_opencv()
    for number, picture in enumerate(pictures, start=1):
        parameters = [opencv.IMWRITE_JPEG_QUALITY, quality]
        # OpenCV keeps colours in the order blue, green, red.
        coded, data = opencv.imencode(".jpg", picture[..., ::-1], parameters)
        if not coded:
            raise DataError(f"Frame {number} for {folder} cannot be coded as a JPEG.")
        (folder / f"{number:06d}.jpg").write_bytes(data.tobytes())
