"""Sound of any length, of which a few pieces are held."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from hicmae.errors import HicmaeError
from hicmae.media.audio import SAMPLE_RATE

Waveform = npt.NDArray[np.float32]

_HELD = 2  # since a window may lie on their border


class SoundPieces:
    """The sound of a clip, decoded from the beginning on.

    Going back by more than the two pieces that are held decodes it anew.

    Args:
        decode: Gives the sound from second 0 on as waveforms of 16 kHz, each of `seconds` but for
            the last.
        seconds: Length of the pieces.
    """

    def __init__(self, decode: Callable[[], Iterator[Waveform]], seconds: int) -> None:
        self._decode = decode
        self._length = seconds * SAMPLE_RATE
        self._pieces: OrderedDict[int, Waveform] = OrderedDict()
        self._stream: Iterator[tuple[int, Waveform]] = iter(())
        self._reached = -1  # the last piece that the stream gave

    def between(self, first: int, last: int) -> Waveform:
        """Gives samples `first` to `last`, as `Recording.sound` does."""
        waveform = np.zeros(max(last - first, 0), np.float32)
        heard = 0
        for piece in range(first // self._length, (last - 1) // self._length + 1):
            samples = self._piece(piece)
            offset = piece * self._length
            begin, end = max(first, offset), min(last, offset + len(samples))
            if end > begin:
                waveform[begin - first : end - first] = samples[begin - offset : end - offset]
                heard = end - first
        return waveform[:heard]

    def _piece(self, number: int) -> Waveform:
        """A piece of the sound; empty behind its end."""
        if number not in self._pieces and number <= self._reached:
            self._reached, self._stream = -1, iter(())
        if self._reached < 0:
            self._pieces.clear()
            self._stream = enumerate(self._decode())
        while self._reached < number:
            try:
                found = next(self._stream, None)
            except HicmaeError:
                self._reached = -1  # or it would seem to be the end of the sound the next time
                raise
            if found is None:
                return np.zeros(0, np.float32)
            self._reached, self._pieces[found[0]] = found
            if len(self._pieces) > _HELD:
                self._pieces.popitem(last=False)
        return self._pieces[number]
