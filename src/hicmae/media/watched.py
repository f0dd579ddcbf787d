"""Clips that are decoded in a child process, whose crash or hang is told as the clip's fault.

The child needs PyAV and numpy alone, lives for many clips, and decodes ahead of whoever reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from ctypes import c_ubyte
from itertools import islice
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hicmae.errors import ConfigError, DataError, HicmaeError
from hicmae.media.pictures import Region, Side, region_of
from hicmae.media.pieces import SoundPieces, Waveform
from hicmae.media.recording import NOMINAL_FPS, FileRecording, Picture, Recording
from hicmae.media.streaming import decode_sound, in_pieces
from hicmae.workers import PATIENCE, ChildError, Worker, preload, prepare

_ROOM = 16 << 20  # bytes for the pictures of a block; of larger ones each comes by itself
_BLOCKS = 2  # on their way: one is read while the next is decoded
_FRAMES = 16  # of a block at most
_SAMPLES = 1 << 18  # of a block of sound at least, if there are as many
_PIECE_SECONDS = 30


class WatchedDecoder:
    """A child process that decodes one clip after the other.

    It begins with this object, beside whatever this process does next, and ends when it is closed;
    used as a context manager it closes by itself. After a crash the next clip has a fresh one.

    Args:
        patience: Seconds without a decoded frame after which a clip is given up.

    Raises:
        ConfigError: `patience` is not positive.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        if not patience > 0:
            raise ConfigError(f"patience is {patience}; give a positive number of seconds.")
        self._patience = patience
        self._shared = RawArray(c_ubyte, _BLOCKS * _ROOM)
        self._worker: Worker[tuple[Any, ...], Any] | None = None
        self._asked: deque[_Reply] = deque()
        self._clip = ""
        preload(__name__)
        prepare()

    def open(
        self,
        path: str | Path,
        *,
        sound: str | Path | None = None,
        folder_fps: float = NOMINAL_FPS,
    ) -> Recording:
        """Opens a clip, which can be read until the next one is opened.

        Args:
            path: As for `FileRecording`.
            sound: As for `FileRecording`.
            folder_fps: As for `FileRecording`.

        Raises:
            DataError: As for `FileRecording`, or the process that decodes crashed or hung; so do
                the methods of the clip.
            ConfigError: As for `FileRecording`.
        """
        if self._asked:  # what was left of the clip before
            self.close()
        if self._worker is None:
            self._worker = Worker(_Decoding(self._shared), patience=self._patience)
        self._clip = str(path)
        found = self.ask("open", path, sound, folder_fps).content()
        return _WatchedRecording(self, _rooms(self._shared), found)

    def ask(self, *request: Any) -> _Reply:
        """Asks the child for something, after all that was asked for before."""
        if self._worker is None:
            raise RuntimeError(f"{self._clip} cannot be read on after its decoder ended.")
        self._worker.send(request)
        reply = _Reply(self)
        self._asked.append(reply)
        return reply

    def hear(self) -> None:
        """Waits for the oldest reply."""
        if self._worker is None:
            raise RuntimeError(f"{self._clip} cannot be read on after its decoder ended.")
        reply = self._asked.popleft()
        try:
            reply.put(self._worker.answer())
        except ChildError as error:
            self.close()
            raise DataError(
                f"{self._clip}: the process that decoded it {error}; replace it or take it out."
            ) from error
        except HicmaeError as error:
            reply.put(error)

    def close(self) -> None:
        """Ends the child."""
        self._asked.clear()
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Reply:
    """What a child is going to say."""

    def __init__(self, decoder: WatchedDecoder) -> None:
        self._decoder = decoder
        self._found: list[Any] = []

    def put(self, content: Any) -> None:
        self._found.append(content)

    def content(self) -> Any:
        while not self._found:
            self._decoder.hear()
        (content,) = self._found
        if isinstance(content, HicmaeError):
            raise content
        return content


class _WatchedRecording(FileRecording):
    """A clip that a child has open and has told the attributes of; nothing is opened here."""

    def __init__(
        self, decoder: WatchedDecoder, rooms: npt.NDArray[np.uint8], found: dict[str, Any]
    ) -> None:
        vars(self).update(found)
        self._decoder = decoder
        self._rooms = rooms
        self._passages = 0
        self._sound = SoundPieces(
            lambda: in_pieces(self._decoded_sound(), seconds=_PIECE_SECONDS), _PIECE_SECONDS
        )

    def pictures(
        self,
        frames: Iterable[int],
        *,
        size: int | None = None,
        region: Region | Side | None = None,
    ) -> Iterator[tuple[int, Picture]]:
        if not self.has_video:
            raise DataError(f"{self.source} has no pictures; give a video.")
        self._passages = passage = self._passages + 1
        self._decoder.ask("begin_pictures", size, region).content()
        _, _, height, width = region_of(region, self.width, self.height)
        bytes_of_one = 3 * (size or height) * (size or width)
        most = min(max(self._rooms.shape[1] // max(bytes_of_one, 1), 1), _FRAMES)
        wanted = iter(frames)
        coming: deque[tuple[int, _Reply]] = deque()
        room = 0
        while passage == self._passages:
            while len(coming) < _BLOCKS and (block := list(islice(wanted, most))):
                coming.append((room, self._decoder.ask("pictures", block, room)))
                room = (room + 1) % _BLOCKS
            if not coming:
                return
            place, reply = coming.popleft()
            found, error = reply.content()
            # Copied, since the child writes the block after the next one there.
            pictures = [(frame, self._picture(place, where)) for frame, where in found]
            yield from pictures
            if error is not None:
                raise error
        raise RuntimeError(f"{self.source} is in one passage through its pictures at a time.")

    def _picture(self, room: int, where: Picture | tuple[int, tuple[int, ...]]) -> Picture:
        if isinstance(where, np.ndarray):
            return where
        begin, shape = where
        return self._rooms[room, begin : begin + int(np.prod(shape))].reshape(shape).copy()

    def _decoded_sound(self) -> Iterator[tuple[int, Waveform]]:
        self._decoder.ask("begin_sound").content()
        parts, error = None, None
        while parts is None or parts:
            parts, error = self._decoder.ask("sound").content()
            yield from parts
            if error is not None:
                raise error


class _Decoding:
    """What the child does: it keeps a clip open, and where its pictures and sound have come to."""

    def __init__(self, shared: Any) -> None:
        self._shared = shared

    def __call__(self, request: tuple[Any, ...]) -> Any:
        name, *arguments = request
        return getattr(self, name)(*arguments)

    def open(self, path: str | Path, sound: str | Path | None, fps: float) -> dict[str, Any]:
        self._recording = FileRecording(path, sound=sound, folder_fps=fps)
        told = vars(self._recording).items()
        return {name: value for name, value in told if not name.startswith("_")}

    def begin_pictures(self, size: int | None, region: Region | Side | None) -> None:
        self._asked: deque[int] = deque()
        self._options: dict[str, Any] = {"size": size, "region": region}
        self._pictures = self._recording.pictures(_taken(self._asked), **self._options)

    def pictures(
        self, frames: list[int], room: int
    ) -> tuple[list[tuple[int, Any]], HicmaeError | None]:
        """Some frames and where they lie in the shared room, up to one that cannot be had."""
        if self._recording.path.is_dir():  # whose images are read one by one
            self._pictures = self._recording.pictures(frames, **self._options)
        self._asked.extend(frames)
        space = _rooms(self._shared)[room]
        found: list[tuple[int, Any]] = []
        end = 0
        try:
            for frame, picture in islice(self._pictures, len(frames)):
                begin, end = end, end + picture.size
                if end > len(space):
                    found.append((frame, picture))
                    end = begin
                    continue
                space[begin:end] = picture.reshape(-1)
                found.append((frame, (begin, picture.shape)))
        except HicmaeError as error:
            return found, error
        return found, None

    def begin_sound(self) -> None:
        self._sound = decode_sound(self._recording.sound_path)

    def sound(self) -> tuple[list[tuple[int, Waveform]], HicmaeError | None]:
        """Some parts of the sound, none at its end, up to one that cannot be had."""
        parts: list[tuple[int, Waveform]] = []
        held = 0
        try:
            while held < _SAMPLES and (part := next(self._sound, None)) is not None:
                parts.append(part)
                held += len(part[1])
        except HicmaeError as error:
            return parts, error
        return parts, None


def _rooms(shared: Any) -> npt.NDArray[np.uint8]:
    return np.frombuffer(shared, np.uint8).reshape(_BLOCKS, -1)


def _taken(asked: deque[int]) -> Iterator[int]:
    """Frames that were asked for by now, and those that will be when it is gone on with."""
    while asked:
        yield asked.popleft()
