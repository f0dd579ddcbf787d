"""Clips of drawn faces with voices, in the containers that people have."""

from __future__ import annotations

from pathlib import Path

import av

from hicmae.demo.corpus import CorpusSettings, make_clip

CODECS = {
    "mp4": ("libx264", "aac"),
    "mkv": ("mpeg4", "libmp3lame"),
    "webm": ("libvpx", "libopus"),
    "avi": ("mpeg4", "libmp3lame"),
    "flv": ("flv", "libmp3lame"),
    "mpg": ("mpeg1video", "mp2"),
    "ts": ("libx264", "aac"),
}


def write_clips(folder: Path) -> Path:
    """Writes a clip for each container; gives the folder."""
    settings = CorpusSettings(speakers=8, clips_per_emotion=1, seed=0, size=160, seconds=1.0)
    folder.mkdir(parents=True)
    source = folder / "source.mp4"
    make_clip(source, settings, settings.clips()[0])
    for suffix, (film, sound) in CODECS.items():
        _coded(source, folder / f"made.{suffix}", film, sound)
    source.unlink()
    return folder


def _coded(source: Path, target: Path, film: str, sound: str) -> None:
    with av.open(str(source)) as read:
        pictures = [frame.to_ndarray(format="rgb24") for frame in read.decode(video=0)]
    with av.open(str(source)) as read, av.open(str(target), "w") as written:
        shown = written.add_stream(film, rate=25)
        shown.height, shown.width = pictures[0].shape[:2]
        shown.pix_fmt = "yuv420p"
        heard = written.add_stream(sound, rate=44_100 if target.suffix == ".flv" else 48_000)
        for picture in pictures:
            written.mux(shown.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        written.mux(shown.encode(None))
        for frame in read.decode(audio=0):
            written.mux(heard.encode(frame))
        written.mux(heard.encode(None))
