"""Which frames and which sound a model reads of a clip, one window after the other."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain, groupby, islice
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import torch

from hicmae.data.batches import RawBatch
from hicmae.data.sampling import evaluation_windows
from hicmae.errors import DataError
from hicmae.faces.people import PersonTrack
from hicmae.media import SAMPLE_RATE
from hicmae.media.pieces import Waveform
from hicmae.media.recording import Picture, Recording

log = logging.getLogger(__name__)

_TRAINED_FPS = (20.0, 37.0)  # read at the stride as trained; models learn from 25 to 30
_USUAL_FPS = 25.0
_GREY = (124, 116, 104)  # the mean picture, which normalisation turns into about zeros


@dataclass(frozen=True, eq=False, slots=True)
class InputWindow:
    """What a model reads at once.

    Attributes:
        person: Number of the person.
        start: Start in seconds.
        end: End in seconds.
        frames: uint8 RGB pictures (T, S, S, 3).
        waveform: float32 sound (L,) of 16 kHz.
        senses: Whether the pictures are of the clip, and whether the sound is.
    """

    person: int
    start: float
    end: float
    frames: npt.NDArray[np.uint8]
    waveform: Waveform
    senses: tuple[bool, bool] = (True, True)


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Where a window lies in its clip.

    Attributes:
        person: Number of the person.
        frames: Frames that are shown, ascending; the last one may repeat.
        end: The frame behind the window.
        seen: Whether the person is in view.
    """

    person: int
    frames: tuple[int, ...]
    end: int
    seen: bool = True


def frame_step(stride: int, fps: float) -> int:
    """Distance between the frames of a window, so that they lie as far apart as in training.

    Args:
        stride: The distance in training.
        fps: Frames per second of the clip.

    Returns:
        The stride itself between 20 and 37 frames a second, else the one that takes nearly as long
        as the stride does at 25 frames a second, at least 1.
    """
    slowest, fastest = _TRAINED_FPS
    return stride if slowest <= fps <= fastest else max(1, round(stride * fps / _USUAL_FPS))


def plan_windows(
    people: Sequence[PersonTrack], *, num_frames: int, step: int, hop: int
) -> Iterator[WindowPlan]:
    """Lays windows over the stays of people, and over the absences of those who are heard.

    Windows of `num_frames` · `step` frames begin every `hop` frames of a stay, and a last one ends
    with it. A shorter stay gives one window, whose last frame repeats.

    Args:
        people: Who is in view, and when.
        num_frames: Frames of a window.
        step: Distance between them.
        hop: Frames between the beginnings of two windows.

    Yields:
        All windows, in order of their last frame and then of the person.
    """
    yield from merge(
        *(_of_person(person, num_frames=num_frames, step=step, hop=hop) for person in people),
        key=lambda plan: (plan.frames[-1], plan.person),
    )


def _of_person(
    person: PersonTrack, *, num_frames: int, step: int, hop: int
) -> Iterator[WindowPlan]:
    span = num_frames * step
    stays = [(*stay, True) for stay in person.stays]
    for begin, end, seen in sorted(stays + [(*gone, False) for gone in person.absences]):
        regular = range(begin, max(end - span, begin) + 1, hop)
        rest = [end - span] if regular[-1] + span < end else []
        for start in chain(regular, rest):
            behind = min(start + span, end)
            # One view of a part is the window that evaluation takes of a clip of that length.
            (view,) = evaluation_windows(behind - start, num_frames, step, 1)
            frames = tuple(start + frame for frame in view.frames)
            yield WindowPlan(person.number, frames, behind, seen)


def read_windows(
    recording: Recording,
    people: Sequence[PersonTrack],
    *,
    num_frames: int,
    step: int,
    hop: int,
    size: int,
    sees: bool = True,
    hears: bool = True,
    lacking: bool = False,
) -> Iterator[InputWindow]:
    """Reads the windows of a clip in one passage through it.

    A frame that windows need is decoded once and cut out for each person who is in one of them;
    the crops are held until the last window that shows them is given.

    The sound of a window reaches from its first frame to one step behind its last. Sound that ends
    within a window is as long as it is; a window behind its end has silence, which is logged once.

    Args:
        recording: The clip.
        people: Who is in view.
        num_frames: As for `plan_windows`.
        step: As for `plan_windows`.
        hop: As for `plan_windows`.
        size: Side of the pictures.
        sees: Whether pictures are read; else they are grey.
        hears: Whether sound is read; else there is silence.
        lacking: Whether a model knows of windows without sound, so that none is made up where there
            is some for at most half of a window. Those without picture as well are left out.

    Raises:
        DataError: Pictures or sound cannot be read, or no window is left.
    """
    layout = {"num_frames": num_frames, "step": step, "hop": hop}
    crops = _Crops(recording, people, layout, size) if sees else None
    grey = np.broadcast_to(np.array(_GREY, np.uint8), (num_frames, size, size, 3))
    told = given = False
    for plan in plan_windows(people, **layout):
        seen = sees and plan.seen
        first, last = plan.frames[0], plan.frames[-1]
        begin = round(recording.time_of(first) * SAMPLE_RATE)
        end = round((recording.time_of(last) + step / recording.fps) * SAMPLE_RATE)
        waveform = recording.sound(begin, end) if hears else np.zeros(0, np.float32)
        heard = hears and (not lacking or _is_heard(recording, plan, waveform, seen=seen))
        if lacking and not seen and not heard:
            continue
        given = True
        if heard and not len(waveform) and not told:
            log.warning(
                "%s: its sound ends before %.2f s; from there on the model hears silence.",
                recording.source,
                recording.time_of(first),
            )
            told = True
        yield InputWindow(
            person=plan.person,
            start=recording.time_of(first),
            end=recording.time_of(plan.end),
            frames=crops.of(plan) if crops is not None and seen else grey,
            waveform=waveform if len(waveform) else np.zeros(end - begin, np.float32),
            senses=(seen, heard),
        )
    if not given:
        raise DataError(
            f"{recording.source} has no sound in the time of its pictures, and those are not used: "
            "use both, or take another clip."
        )


def _is_heard(recording: Recording, plan: WindowPlan, waveform: Waveform, *, seen: bool) -> bool:
    """Whether sound is there for more than half of a window, or at all of one that is not seen."""
    first, end = recording.time_of(plan.frames[0]), recording.time_of(plan.end)
    begin = round(first * SAMPLE_RATE)
    samples = begin + len(waveform) - max(begin, round(recording.sound_begin * SAMPLE_RATE))
    return samples > ((end - first) * SAMPLE_RATE / 2 if seen else 0)


def in_batches(
    windows: Iterator[InputWindow],
    size: int,
    *,
    duration: float,
    progress: Callable[[float], None],
) -> Iterator[list[InputWindow]]:
    """Gathers windows, and tells how far they are read and worked on.

    Args:
        windows: Windows in order of time.
        size: Windows of a batch, at least 1.
        duration: Length of the clip in seconds.
        progress: Is told what share is done, from 0 to 1, after every window read and every batch
            worked on: reading and work count half each.

    Yields:
        1 to `size` windows at a time.
    """
    read = done = 0.0

    def reading() -> Iterator[InputWindow]:
        nonlocal read
        for window in windows:
            read = max(read, min(window.end / duration, 1.0))
            progress((read + done) / 2)
            yield window

    each = reading()
    while batch := list(islice(each, size)):
        yield batch
        done = read
        progress(done)
    progress(1.0)


def raw_batch(windows: Sequence[InputWindow], device: torch.device) -> RawBatch:
    """Windows as a data loader gives clips of one view.

    Args:
        windows: B windows, at least 1.
        device: Where they go.
    """
    lengths = [len(window.waveform) for window in windows]
    waveforms = np.zeros((len(windows), 1, max(lengths)), np.float32)
    for row, window in enumerate(windows):
        waveforms[row, 0, : len(window.waveform)] = window.waveform
    frames = np.stack([window.frames for window in windows])[:, None]
    return {
        "frames": torch.from_numpy(frames).to(device),
        "waveform": torch.from_numpy(waveforms).to(device),
        "waveform_length": torch.tensor(lengths, device=device)[:, None],
    }


class _Crops:
    """The pictures of people, decoded in order and let go when no window needs them any more."""

    def __init__(
        self,
        recording: Recording,
        people: Sequence[PersonTrack],
        layout: dict[str, int],
        size: int,
    ) -> None:
        self._size = size
        self._crops_of = {person.number: person.faces for person in people}
        self._held: dict[int, dict[int, Picture]] = {person.number: {} for person in people}
        self._coming: deque[list[int]] = deque()  # who needs the frames that are to be decoded
        needs = merge(*(_needs(person, layout) for person in people))
        whole = (0, 0, recording.height, recording.width)
        self._pictures = (
            recording.pictures(self._frames(needs), size=size)
            if people[0].faces is None
            else recording.pictures(self._frames(needs), region=whole)
        )

    def of(self, plan: WindowPlan) -> npt.NDArray[np.uint8]:
        """The pictures (T, S, S, 3) of a window; windows are asked for in order."""
        held = self._held[plan.person]
        for frame in [frame for frame in held if frame < plan.frames[0]]:
            del held[frame]
        while plan.frames[-1] not in held:
            frame, picture = next(self._pictures)
            for person in self._coming.popleft():
                crops = self._crops_of[person]
                self._held[person][frame] = (
                    picture if crops is None else crops.crop(picture, frame, self._size)
                )
        return np.stack([held[frame] for frame in plan.frames])

    def _frames(self, needs: Iterator[tuple[int, int]]) -> Iterator[int]:
        for frame, group in groupby(needs, key=itemgetter(0)):
            self._coming.append([person for _, person in group])
            yield frame


def _needs(person: PersonTrack, layout: dict[str, int]) -> Iterator[tuple[int, int]]:
    """Every frame that the windows of a person show, ascending, with the person's number."""
    pending: set[int] = set()
    for plan in _of_person(person, **layout):
        if not plan.seen:
            continue
        ready = sorted(frame for frame in pending if frame < plan.frames[0])
        yield from ((frame, person.number) for frame in ready)
        pending.difference_update(ready)
        pending.update(plan.frames)
    yield from ((frame, person.number) for frame in sorted(pending))
