"""An annotated copy of a clip: faces with their emotion, its course over time, and the sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer

from hicmae.errors import ConfigError, DataError
from hicmae.files import whole_file
from hicmae.inference.drawing import Annotator
from hicmae.inference.results import Recognition
from hicmae.media.containers import open_container, time_origin
from hicmae.media.recording import NOMINAL_FPS, FileRecording, Recording

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""Containers of rendered clips by suffix."""

_COPIED_SOUND = ("aac", "mp3", "opus")  # what players expect within these containers
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_LONGEST_PERIOD = 1001  # denominator: tells 29.97 = 30000/1001 from 30
_TICKS = 10_000  # per second at least, for frames at irregular times


def render(
    clip: str | Path,
    recognition: Recognition,
    output: str | Path,
    *,
    sound: str | Path | None = None,
    folder_fps: float = NOMINAL_FPS,
    recording: Recording | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Writes an annotated copy of a clip.

    Every frame of the clip comes at its time, as H.264, with a box around each face, the person's
    emotion at that moment, and a strip of the scores over time below. Sound is copied where it is
    AAC, MP3 or Opus and else written as AAC. Frames go through one by one.

    Args:
        clip: The video file or folder of images that was recognised.
        recognition: What was recognised in it.
        output: File to write, .mp4, .mov or .mkv; one that is there is replaced.
        sound: A file with the sound, if it is not within the clip.
        folder_fps: Frames per second of a folder of images.
        recording: The clip, where it is open already.
        progress: Is told the share that is done, in [0, 1].

    Raises:
        ConfigError: The clip has no pictures, or the output has another suffix or is the clip.
        DataError: The clip cannot be read or the output not be written.
    """
    output, clip = Path(output).expanduser(), Path(clip).expanduser()
    check_output(output)
    if output.resolve() == clip.resolve():
        raise ConfigError(f"{output} is the clip itself: name another file to render to.")
    recording = recording or FileRecording(clip, sound=sound, folder_fps=folder_fps)
    if not recording.has_video:
        raise ConfigError(f"{clip} has no pictures to render: leave --render out, or give a video.")
    try:
        with (
            whole_file(output) as part,
            av.open(str(part), "w", format=FORMATS[output.suffix.lower()]) as container,
        ):
            heard = None
            if recording.has_sound:
                heard = Path(sound).expanduser() if sound is not None else clip
            _write(container, recording, recognition, heard, progress or (lambda share: None))
    except av.FFmpegError as error:
        raise DataError(
            f"{output} cannot be rendered ({error.strerror}): check that the disk has room, that "
            f"its folder can be written and that {clip} plays."
        ) from error


def check_output(path: Path) -> None:
    """Refuses a name that no video can be rendered to.

    Raises:
        ConfigError: The suffix is unknown.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"{path} names no kind of video that can be rendered: end it in {', '.join(FORMATS)}."
        )


def _write(
    container: OutputContainer,
    recording: Recording,
    recognition: Recognition,
    heard: Path | None,
    progress: Callable[[float], None],
) -> None:
    annotator = Annotator(recognition, recording.width, recording.height, recording.fps)
    rate = Fraction(recording.fps).limit_denominator(_LONGEST_PERIOD)
    ticks = rate.numerator * -(-_TICKS // rate.numerator)
    try:
        film = container.add_stream("libx264", rate, {"crf": "20", "preset": "veryfast"})
    except av.codec.codec.UnknownCodecError as error:
        raise ConfigError(
            "This PyAV has no H.264 encoder to render with: install the wheel of PyAV, which has "
            "one."
        ) from error
    film.width, film.height, film.pix_fmt = annotator.width, annotator.height, "yuv420p"
    film.codec_context.time_base = Fraction(1, ticks)
    packets = iter(()) if heard is None else _sound(container, heard)
    # Sound up to the picture's time goes between the pictures, so that players find it there.
    waiting = next(packets, None)
    whole = (0, 0, recording.height, recording.width)
    for index, picture in recording.pictures(range(recording.frame_count), region=whole):
        seconds = recording.time_of(index)
        while waiting is not None and _begin(waiting) <= seconds:
            container.mux(waiting)
            waiting = next(packets, None)
        frame = av.VideoFrame.from_ndarray(annotator.annotate(picture, seconds), format="rgb24")
        frame.time_base = Fraction(1, ticks)
        frame.pts = round(seconds * ticks)
        frame.duration = round((recording.time_of(index + 1) - seconds) * ticks)
        container.mux(film.encode(frame))
        progress((index + 1) / recording.frame_count)
    container.mux(film.encode(None))
    while waiting is not None:
        container.mux(waiting)
        waiting = next(packets, None)


def _sound(container: OutputContainer, path: Path) -> Iterator[av.Packet[av.AudioStream]]:
    """Adds a stream of sound; gives its packets in order."""
    source = open_container(path)
    stream = source.streams.audio[0]
    if stream.codec.canonical_name in _COPIED_SOUND:
        target = container.add_stream_from_template(stream)
        packets = _copied(source, stream, target)
    else:
        rate = stream.rate if stream.rate in _AAC_RATES else _AAC_RATES[-1]
        target = container.add_stream("aac", rate)
        target.layout = "mono" if stream.channels == 1 else "stereo"
        packets = _coded(source, stream, target)

    def closing() -> Iterator[av.Packet[av.AudioStream]]:
        with source:
            yield from packets

    return closing()


def _copied(
    source: av.container.InputContainer, stream: av.AudioStream, target: av.AudioStream
) -> Iterator[av.Packet[av.AudioStream]]:
    for packet in source.demux(stream):
        if packet.dts is None or packet.pts is None:  # the end, or what cannot be placed
            continue
        shift = round(time_origin(source) / packet.time_base)
        packet.pts -= shift
        packet.dts -= shift
        packet.stream = target
        yield packet


def _coded(
    source: av.container.InputContainer, stream: av.AudioStream, target: av.AudioStream
) -> Iterator[av.Packet[av.AudioStream]]:
    for frame in source.decode(stream):
        if frame.pts is not None and frame.time_base:
            frame.pts -= round(time_origin(source) / frame.time_base)
        yield from target.encode(frame)
    yield from target.encode(None)


def _begin(packet: av.Packet[av.AudioStream]) -> float:
    return 0.0 if packet.pts is None else float(packet.pts * packet.time_base)
