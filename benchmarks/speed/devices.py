"""A camera and a microphone for Chromium that show and play a clip, over and over."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from hicmae.media import VideoReader, read_audio

SIZE = (640, 480)
_RATE = 48_000


def fake_devices(clip: Path, folder: Path) -> list[str]:
    """Writes pictures and sound of a clip as Chromium takes them.

    Args:
        clip: A video with sound; its picture is fitted into 640 x 480 pixels.
        folder: Where `camera.y4m`, 14 MB for every second, and `microphone.wav` go.

    Returns:
        Options of Chromium that make them its camera and its microphone.
    """
    camera, microphone = folder / "camera.y4m", folder / "microphone.wav"
    with VideoReader(clip) as reader, camera.open("wb") as file:
        fps = round(reader.fps * 1000)
        file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F{fps}:1000 Ip A1:1 C420jpeg\n".encode())
        whole = (0, 0, reader.height, reader.width)
        for _, picture in reader.pictures(range(reader.frame_count), region=whole):
            planes = av.VideoFrame.from_ndarray(fitted(picture), format="rgb24")
            file.write(b"FRAME\n" + planes.reformat(format="yuv420p").to_ndarray().tobytes())
    with av.open(str(microphone), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=_RATE, layout="mono")
        samples = read_audio(clip, sample_rate=_RATE)
        whole_numbers = (samples * 32767).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(whole_numbers, format="s16", layout="mono")
        frame.sample_rate = _RATE
        output.mux([*stream.encode(frame), *stream.encode(None)])
    return [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
        f"--use-file-for-fake-audio-capture={microphone}",
    ]


def fitted(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) scaled to fit, on black, (480, 640, 3)."""
    height, width = picture.shape[:2]
    scale = min(SIZE[0] / width, SIZE[1] / height)
    size = round(width * scale) // 2 * 2, round(height * scale) // 2 * 2
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    scaled = frame.reformat(*size).to_ndarray()
    whole = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    top, left = (SIZE[1] - size[1]) // 2, (SIZE[0] - size[0]) // 2
    whole[top : top + size[1], left : left + size[0]] = scaled
    return whole
