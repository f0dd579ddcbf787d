"""Writes real little clips whose frames carry their own number."""

from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

# What each container usually holds: (video codec, audio codec, sample rate of the sound).
CODECS = {
    ".mp4": ("libx264", "aac", 16_000),
    ".mov": ("libx264", "aac", 16_000),
    ".mkv": ("libx264", "aac", 48_000),
    ".flv": ("flv", "libmp3lame", 22_050),
    ".avi": ("mpeg4", "libmp3lame", 44_100),
    ".webm": ("libvpx", "libopus", 48_000),
    ".mpg": ("mpeg1video", "mp2", 44_100),
    ".wav": (None, "pcm_s16le", 16_000),
}
VIDEO_SUFFIXES = tuple(suffix for suffix, codecs in CODECS.items() if codecs[0])

SWEEP_HERTZ = (440.0, 200.0)
"""The sound of every clip starts at the first frequency and rises by the second every second, so
that the pitch tells the time; the amplitude is 0.5."""

_BITS = 8


def numbered_picture(
    index: int, size: tuple[int, int] = (96, 96), *, rng: np.random.Generator | None = None
) -> np.ndarray:
    """A uint8 RGB picture (H, W, 3) whose centre square shows `index` in 2 x 4 light or dark cells.

    `size` is (width, height); `rng` adds a little noise, so that pictures of several clips differ.
    """
    width, height = size
    side = min(width, height)
    top, left = (height - side) // 2, (width - side) // 2
    picture = np.full((height, width, 3), 128, np.uint8)
    for bit in range(_BITS):
        row, column = divmod(bit, 4)
        area = np.s_[
            top + row * side // 2 : top + (row + 1) * side // 2,
            left + column * side // 4 : left + (column + 1) * side // 4,
        ]
        picture[area] = 205 if index >> bit & 1 else 50
    if rng is not None:
        picture = picture + rng.integers(0, 20, picture.shape, dtype=np.uint8)
    return picture


def picture_number(picture: np.ndarray) -> int:
    """The index that `numbered_picture` put into a square picture (S, S, 3) of any size."""
    side = picture.shape[0]
    index = 0
    for bit in range(_BITS):
        row, column = divmod(bit, 4)
        centre = picture[int((row + 0.5) * side / 2), int((column + 0.5) * side / 4)]
        index |= int(centre.mean() > 128) << bit
    return index


def sweep(seconds: float, sample_rate: int, seed: int = 0) -> np.ndarray:
    """A float32 waveform (L,): a rising tone with a little noise that differs by seed."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    start, rise = SWEEP_HERTZ
    noise = np.random.default_rng(seed).normal(0, 0.01, time.shape)
    tone = 0.5 * np.sin(2 * np.pi * (start + rise / 2 * time) * time)
    return (tone + noise).astype(np.float32)


def write_clip(
    path: str | Path,
    *,
    seconds: float = 3.0,
    fps: int = 25,
    size: tuple[int, int] = (96, 96),
    video_codec: str | None = None,
    audio_codec: str | None = None,
    sound: bool = True,
    picture: bool = True,
    seed: int = 0,
    sample_rate: int | None = None,
    options: dict[str, str] | None = None,
    rotation: int = 0,
) -> Path:
    """Writes a clip with numbered frames and a rising tone; the suffix chooses the container.

    Args:
        path: Where to write; missing folders are made.
        seconds: Length of pictures and sound.
        fps: Frames per second.
        size: (width, height) in pixels.
        video_codec: Encoder of the pictures, else the usual one of the container.
        audio_codec: Encoder of the sound, else the usual one of the container.
        sound: Whether there is an audio stream.
        picture: Whether there is a video stream.
        seed: Noise in pictures and sound, so that clips differ.
        sample_rate: Samples per second, else the usual number of the container.
        options: Options of the container, such as {"movflags": "faststart"}.
        rotation: Degrees counterclockwise by which the file asks players to turn the pictures.

    Returns:
        The path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    usual_video, usual_audio, usual_rate = CODECS[path.suffix]
    video_codec, audio_codec = video_codec or usual_video, audio_codec or usual_audio
    sample_rate = sample_rate or usual_rate
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w", options=options or {}) as container:
        video = audio = None
        if picture and video_codec:
            video = container.add_stream(video_codec, rate=fps)
            assert isinstance(video, VideoStream)
            video.width, video.height = size
            video.pix_fmt = "yuv420p"
            video.bit_rate = 1_500_000
            video.codec_context.gop_size = 25
            if rotation:
                video.set_display_rotation(rotation)
        if sound and audio_codec:
            audio = container.add_stream(audio_codec, rate=sample_rate, layout="mono")
            assert isinstance(audio, AudioStream)
        if video is not None:
            for index in range(round(seconds * fps)):
                image = numbered_picture(index, size, rng=rng)
                container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(video.encode(None))
        if audio is not None:
            waveform = sweep(seconds, sample_rate, seed)
            samples = (waveform * 32767).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = sample_rate
            container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def write_image(path: str | Path, picture: np.ndarray) -> Path:
    """Writes one uint8 RGB picture (H, W, 3) as .jpg, .png or .bmp."""
    path = Path(path)
    codec, pixels = {
        ".jpg": ("mjpeg", "yuvj420p"),
        ".png": ("png", "rgb24"),
        ".bmp": ("bmp", "bgr24"),
    }[path.suffix]
    with av.open(str(path), "w", format="image2", options={"update": "1"}) as container:
        stream = container.add_stream(codec, rate=1)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = pixels
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path
