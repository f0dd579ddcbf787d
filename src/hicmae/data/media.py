"""Opening and decoding video, sound and folders of face images.

PyAV brings its own FFmpeg, so every container and codec that FFmpeg decodes is read the same way.
Two facts shape this file. Reading the packets of a clip without decoding them takes a small part
of a millisecond and tells exactly which frames there are, while the header of a container may be
wrong about it (edit lists), or silent (FLV, MPEG-1, WebM). And converting and scaling pixels costs
more than decoding, so only the frames asked for are converted, in one pass, straight to the size
asked for.
"""

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import av
import numpy as np
import torch
from av.audio.resampler import AudioResampler
from av.container import InputContainer
from av.filter import Graph
from av.stream import Disposition, Stream
from torchaudio.functional import resample

from hicmae.errors import ConfigError, DataError

SAMPLE_RATE = 16_000
"""Samples per second of every waveform the models hear (method: audio input)."""

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp"})
"""Files of a frame folder that are frames; anything else in the folder is left alone."""

Region = tuple[int, int, int, int]
"""A part of a picture as (top, left, height, width) in source pixels."""

# FLV and Matroska round time stamps to a millisecond, which must not move a frame over a border.
_TOLERANCE = 1e-3
# Decoders of sound need some packets before the first sample they get right.
_AUDIO_RUN_UP = 0.5


class VideoReader:
    """The frames of a clip, or of one segment of it, by index.

    Segments count frames from their own first frame: those with `start <= time < end`, the time
    being that of the container, or index / `folder_fps` in a folder of images.

    A file is kept open until `close`; used as a context manager it closes by itself. Not to be
    shared between threads.

    Args:
        path: A video file, or a folder of face images, which are ordered as a person would number
            them (2.png before 10.png).
        start: Start of the segment in seconds; None is the start of the clip.
        end: End of the segment in seconds; None is the end of the clip.
        folder_fps: Frames per second of a folder of images.

    Attributes:
        frame_count: Frames in the segment, at least 1. A file that was cut off still counts the
            frames its header promises, so that reading the lost ones fails.
        fps: Mean frames per second of the clip.
        width: Width of a frame in pixels.
        height: Height of a frame in pixels.

    Raises:
        ConfigError: `folder_fps` is not positive.
        DataError: The file is missing, empty, no media file, or has no video; the folder has no
            images; `start` is negative or not before `end`; or no frame lies within the segment.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        start: float | None = None,
        end: float | None = None,
        folder_fps: float = 25.0,
    ) -> None:
        path = Path(path)
        _check_segment(path, start, end)
        if folder_fps <= 0:
            raise ConfigError(f"folder_fps is {folder_fps}, but frames per second are positive.")
        self.path = path
        self._source: _Source = (
            _ImageFolder(path, start or 0.0, end, folder_fps)
            if path.is_dir()
            else _VideoFile(path, start or 0.0, end)
        )
        self.frame_count = self._source.frame_count
        self.fps = self._source.fps
        self.width = self._source.width
        self.height = self._source.height
        if self.frame_count == 0:
            self.close()
            where = "" if start is None and end is None else f" between {start} s and {end} s"
            raise DataError(f"{path} has no video frame{where}; correct its row or take it out.")

    def read(
        self, indices: Sequence[int], *, size: int | None = None, region: Region | None = None
    ) -> np.ndarray:
        """Decodes some frames.

        Args:
            indices: Frames to give, 0 to `frame_count` - 1, in any order and with repeats.
            size: Side of the square pictures that are wanted (bilinear); None keeps the pixels of
                the region as they are.
            region: Part of the source picture to give; None is its centre square.

        Returns:
            uint8 RGB pictures of shape (T, size, size, 3), or (T, height, width, 3) without `size`.

        Raises:
            DataError: The file ends before a wanted frame, a frame is damaged, an index or the
                region lies outside the clip, or frames of several shapes were asked for without
                `size`.
        """
        places: dict[int, list[int]] = {}
        for place, index in enumerate(indices):
            if not 0 <= index < self.frame_count:
                raise DataError(
                    f"{self.path}: frame {index} was asked for, but the clip has frames 0 to "
                    f"{self.frame_count - 1}."
                )
            places.setdefault(index, []).append(place)
        convert = _Converter(self.path, size, region)
        pictures: list[np.ndarray | None] = [None] * len(indices)
        for index, frame in self._source.frames(sorted(places)):
            picture = convert(frame)
            for place in places[index]:
                pictures[place] = picture
        kept = [picture for picture in pictures if picture is not None]
        if not kept:
            _, _, height, width = region or _centre_square(self.width, self.height)
            return np.zeros((0, size or height, size or width, 3), np.uint8)
        if len({picture.shape for picture in kept}) > 1:
            raise DataError(f"{self.path} has frames of several sizes; give a size to read them.")
        return np.stack(kept)

    def close(self) -> None:
        """Closes the file; reading afterwards is an error."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


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
        start: Start of the segment in seconds; None is the start of the sound.
        end: End of the segment in seconds; None is the end of the sound. A segment that reaches
            past the sound is as short as the sound makes it.
        sample_rate: Samples per second to give.

    Returns:
        float32 waveform (L,) in [-1, 1], the mean of the channels.

    Raises:
        ConfigError: `sample_rate` is below 1.
        DataError: The file is missing, broken or has no sound in the segment, or `start` is
            negative or not before `end`.
    """
    path = Path(path)
    _check_segment(path, start, end)
    if sample_rate < 1:
        raise ConfigError(f"sample_rate is {sample_rate}, but samples per second are positive.")
    way_out = "name a sound file in the `audio` column or put one of the same name beside it"
    if path.is_dir():
        raise DataError(f"{path} is a folder of images and has no sound; {way_out}.")
    with _open(path) as container:
        if not container.streams.audio:
            raise DataError(f"{path} has no audio stream; {way_out}.")
        sound = _decode_audio(container, path, start or 0.0, end)
        if sound is None and start:
            # Seeking is not exact in every container (MPEG-1); reading from the start always is.
            with _open(path) as again:
                sound = _decode_audio(again, path, start, end, seek=False)
    if sound is None:
        raise DataError(f"{path} has no sound that can be decoded in the segment; {way_out}.")
    samples, native_rate = sound
    waveform = resample(torch.from_numpy(samples), native_rate, sample_rate)
    return waveform.clamp_(-1, 1).numpy()


# --- containers ---------------------------------------------------------------------------------


def _check_segment(path: Path, start: float | None, end: float | None) -> None:
    if start is not None and not start >= 0:
        raise DataError(f"{path}: a segment starts at {start} s, but seconds count from 0.")
    if end is not None and not end > (start or 0.0):
        raise DataError(f"{path}: a segment ends at {end} s, but must end after {start or 0.0} s.")


def _open(path: Path) -> InputContainer:
    if not path.is_file():
        raise DataError(f"{path} does not exist; correct its row or take it out.")
    try:
        # The prefix keeps a colon in a file's name from being read as a network protocol.
        return av.open(f"file:{path}", metadata_errors="ignore")
    except (av.FFmpegError, OSError) as error:
        raise DataError(
            f"{path} cannot be opened as video or sound ({error.strerror}); it is empty, cut off "
            "or no media file: replace it or take it out."
        ) from error


def _origin(container: InputContainer) -> float:
    """The time stamp that counts as second 0; a negative one is only a coder's run-up."""
    return max((container.start_time or 0) / av.time_base, 0.0)


class _Source(Protocol):
    """Where frames come from: a file or a folder."""

    frame_count: int
    fps: float
    width: int
    height: int

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        """Gives the frames of these indices, which ascend without repeats."""

    def close(self) -> None:
        """Lets go of open files."""


class _VideoFile:
    """The compressed packets of a segment, kept in memory and decoded on demand.

    A clip is short, so holding its packets is cheap, and it makes reading exact without trusting
    a container's seeking: all time stamps are known beforehand, and decoding starts at the last
    key frame before the first wanted one.
    """

    def __init__(self, path: Path, start: float, end: float | None) -> None:
        self.path = path
        self._open_stream()
        self._scan(start, end, seek=start > 0)
        if start > 0 and not self._covers(start):
            # Some containers (MPEG-1) seek to later than asked; reading from the top is exact.
            self._container.close()
            self._open_stream()
            self._scan(start, end, seek=False)

        context = self._stream.codec_context
        self.width, self.height = context.width, context.height
        stamps = sorted(self._stamp(packet) for packet in self._packets if not packet.is_discard)
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate else _mean_rate([self._seconds(stamp) for stamp in stamps])

        limit = float("inf") if end is None else end - _TOLERANCE
        self._skipped = sum(self._seconds(stamp) < start - _TOLERANCE for stamp in stamps)
        self._stamps = [s for s in stamps[self._skipped :] if self._seconds(s) < limit]
        self._index_of = {stamp: index for index, stamp in enumerate(self._stamps)}
        self.frame_count = max(len(self._stamps), self._lost_end(start, end))

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        wanted = set(indices)
        if not wanted:
            return
        found = 0
        for index, frame in self._decode(min(wanted)):
            found = max(found, index + 1)
            if index in wanted:
                if frame.is_corrupt:
                    break
                wanted.remove(index)
                yield index, frame
                if not wanted:
                    return
        raise DataError(
            f"{self.path} is cut off or damaged: {found} frames found, {self.frame_count} expected "
            f"and frame {min(wanted)} needed; replace it or take it out."
        )

    def close(self) -> None:
        self._container.close()

    def _open_stream(self) -> None:
        self._container = _open(self.path)
        # The cover of a sound file is a video stream of one picture.
        films = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not films:
            self._container.close()
            raise DataError(f"{self.path} has no video stream; name a file that has one.")
        self._stream = films[0]
        self._unit = self._stream.time_base or Fraction(1, av.time_base)
        # A training run reads one clip per process; threads within a clip cost more than they give.
        self._stream.codec_context.thread_count = 1
        self._origin = _origin(self._container)
        # AVI numbers its packets in the order of decoding and says nothing of their display.
        self._stamped = self._container.format.name != "avi"

    def _scan(self, start: float, end: float | None, *, seek: bool) -> None:
        """Collects the packets from the key frame before `start` up to `end`."""
        self._packets: list[av.Packet[Stream]] = []
        self._reached_end, self._damaged = True, False
        try:
            if seek:
                self._container.seek(int((start + self._origin) * av.time_base))
            # Every stream is read: a file may be cut off in the midst of its sound.
            for packet in self._container.demux():
                self._damaged |= packet.is_corrupt
                if packet.stream_index != self._stream.index or not packet.size:
                    continue
                if packet.pts is None:
                    self._stamped = False
                if (
                    end is not None
                    and packet.dts is not None
                    and self._seconds(packet.dts) >= end - _TOLERANCE
                ):
                    self._reached_end = False
                    break
                if packet.is_keyframe and self._seconds(self._stamp(packet)) <= start + _TOLERANCE:
                    self._packets.clear()
                self._packets.append(packet)
        except av.FFmpegError:
            self._damaged = True

    def _covers(self, start: float) -> bool:
        """Whether the packets begin with a key frame that is no later than `start`."""
        if not self._packets:
            return False
        first = self._packets[0]
        return first.is_keyframe and self._seconds(self._stamp(first)) <= start + _TOLERANCE

    def _stamp(self, packet: "av.Packet[Stream]") -> int:
        """What orders a packet among the shown frames."""
        stamp = packet.pts if self._stamped else packet.dts
        return 0 if stamp is None else stamp

    def _seconds(self, stamp: int) -> float:
        return float(stamp * self._unit) - self._origin

    def _lost_end(self, start: float, end: float | None) -> int:
        """Frames that the header promises for the segment, when the file was cut off; else 0."""
        promised = self._stream.frames / self.fps
        if not (self._reached_end and promised):
            return 0
        last = max((self._seconds(self._stamp(packet)) for packet in self._packets), default=0.0)
        # An edit list of an mp4 leaves frames out by intent: only a broken packet tells of a cut.
        edited = "mp4" in self._container.format.name
        if not self._damaged and (edited or last + 1.5 / self.fps >= promised):
            return 0
        return round((min(promised, end or promised) - start) * self.fps)

    def _decode(self, index: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames of the segment with their index, from `index` or from some frame before it."""
        context = self._stream.codec_context
        context.flush_buffers()
        order = -self._skipped
        packets = iter(self._packets[self._entry(index) :])
        packet: av.Packet[Stream] | None = None
        while True:
            packet = next(packets, None)
            try:
                frames = context.decode(packet)
            except av.FFmpegError:
                if packet is None:
                    return
                # What depends on a broken packet is broken too; the frames before it still come.
                packets = iter(())
                continue
            for frame in frames:
                place = order
                if self._stamped:
                    place = -1 if frame.pts is None else self._index_of.get(frame.pts, -1)
                order += 1
                if place >= 0:
                    yield place, frame
            if packet is None:
                return

    def _entry(self, index: int) -> int:
        """The packet to start decoding at, so that frame `index` comes out whole."""
        if not self._stamped or index >= len(self._stamps):
            return 0
        entry = 0
        for place, packet in enumerate(self._packets):
            if packet.is_keyframe and self._stamp(packet) <= self._stamps[index]:
                entry = place
        return entry


def _mean_rate(times: list[float]) -> float:
    """Frames per second of sorted times; one frame alone counts as one second."""
    span = times[-1] - times[0] if times else 0.0
    return (len(times) - 1) / span if span else 1.0


class _ImageFolder:
    """A folder of numbered images as a clip."""

    def __init__(self, path: Path, start: float, end: float | None, fps: float) -> None:
        self.path = path
        self.fps = fps
        images = sorted(
            (item for item in path.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES),
            key=lambda item: _natural_order(item.name),
        )
        if not images:
            kinds = ", ".join(sorted(IMAGE_SUFFIXES))
            raise DataError(f"{path} holds no images ({kinds}); name the folder of a clip's faces.")
        limit = float("inf") if end is None else end - _TOLERANCE
        self._images = [
            image for index, image in enumerate(images) if start - _TOLERANCE <= index / fps < limit
        ]
        self.frame_count = len(self._images)
        first = self._load(images[0])
        self.width, self.height = first.width, first.height

    def frames(self, indices: Sequence[int]) -> Iterator[tuple[int, av.VideoFrame]]:
        for index in indices:
            yield index, self._load(self._images[index])

    def close(self) -> None:
        """Nothing stays open between images."""

    @staticmethod
    def _load(image: Path) -> av.VideoFrame:
        with _open(image) as container:
            try:
                return next(container.decode(video=0))
            except (av.FFmpegError, StopIteration, IndexError) as error:
                raise DataError(
                    f"{image} cannot be decoded as an image; replace it or take the clip out."
                ) from error


def _natural_order(name: str) -> list[tuple[int, str]]:
    """Sorts numbers within names by value: 2.png before 10.png."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


# --- pictures -----------------------------------------------------------------------------------


def _centre_square(width: int, height: int) -> Region:
    side = min(width, height)
    return (height - side) // 2, (width - side) // 2, side, side


class _Converter:
    """Cuts, scales and turns decoded frames into RGB in one pass of FFmpeg's filters.

    A graph belongs to one kind of picture and is built anew when that changes within a clip.
    """

    def __init__(self, path: Path, size: int | None, region: Region | None) -> None:
        self._path = path
        self._size = size
        self._region = region
        self._kind: tuple[int, int, str, int, int] | None = None
        self._graph: Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        kind = (
            frame.width,
            frame.height,
            frame.format.name,
            int(frame.colorspace),
            int(frame.color_range),
        )
        if self._graph is None or kind != self._kind:
            self._graph, self._kind = self._build(frame), kind
        # A time stamp may be missing or repeat; the graph has no use for it.
        frame.pts = None
        self._graph.vpush(frame)
        return self._graph.vpull().to_ndarray()

    def _build(self, frame: av.VideoFrame) -> Graph:
        region = self._region or _centre_square(frame.width, frame.height)
        top, left, height, width = region
        if (
            min(top, left) < 0
            or min(height, width) < 1
            or top + height > frame.height
            or left + width > frame.width
        ):
            raise DataError(
                f"{self._path}: the region (top, left, height, width) = {region} does not lie "
                f"within its {frame.height} x {frame.width} pixels (height x width)."
            )
        graph = Graph()
        if hasattr(graph, "threads"):  # PyAV 18; a pool of threads costs more than it gives here
            graph.threads = 1
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base or Fraction(1, 1000),
            ),
            graph.add("crop", f"{width}:{height}:{left}:{top}:exact=1"),
            graph.add("scale", f"{self._size or width}:{self._size or height}:flags=bilinear"),
            graph.add("format", "rgb24"),
            graph.add("buffersink"),
        ).configure()
        return graph


# --- sound --------------------------------------------------------------------------------------


def _decode_audio(
    container: InputContainer, path: Path, start: float, end: float | None, *, seek: bool = True
) -> tuple[np.ndarray, int] | None:
    """The mean of the channels at the native rate, or None if nothing was found there."""
    origin = _origin(container)
    seek = seek and start > 0
    if seek:
        try:
            container.seek(int((max(start - _AUDIO_RUN_UP, 0.0) + origin) * av.time_base))
        except av.FFmpegError:
            return None
    # Format only: mixing to mono within the resampler changes the level of stereo by sqrt(2).
    planar = AudioResampler(format="fltp")
    chunks: list[np.ndarray] = []
    begin, samples, rate = 0.0, 0, 1
    for frame in _audio_frames(container, path):
        if not chunks:
            rate = frame.sample_rate
            begin = 0.0 if frame.time is None else frame.time - origin
            if seek and begin > start:
                return None
        for part in planar.resample(frame):
            chunks.append(part.to_ndarray().mean(axis=0))
            samples += part.samples
        if end is not None and begin + samples / rate >= end:
            break
    if not chunks:
        return None
    first = max(round((start - begin) * rate), 0) if start else 0
    last = None if end is None else max(round((end - begin) * rate), 0)
    waveform = np.concatenate(chunks)[first:last]
    return (waveform, rate) if waveform.size else None


def _audio_frames(container: InputContainer, path: Path) -> Iterator[av.AudioFrame]:
    stream = container.streams.audio[0]
    seconds: float | None = None
    cut = False
    # Every stream is read: a file may be cut off in the midst of its pictures.
    for packet in container.demux():
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
            yield frame
    # A WAV that was written to a pipe states no true length, so that its last packet looks cut.
    if cut and container.format.name != "wav":
        raise _damaged_sound(path, seconds or 0.0)


def _damaged_sound(path: Path, seconds: float) -> DataError:
    return DataError(
        f"{path}: its sound is cut off or damaged after {seconds:.2f} s; replace it or take it out."
    )
