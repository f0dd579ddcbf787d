"""From an uploaded clip to all that the page tells of it, in one passage through the clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hicmae.answers.blends import Blends
from hicmae.choices import Use
from hicmae.data.options import TargetKind
from hicmae.errors import DataError
from hicmae.faces.people import Progress
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.inference.results import Floats, doubt_words
from hicmae.inference.shown import senses_of
from hicmae.inference.windows import InputWindow
from hicmae.media.normalisation import denormalised
from hicmae.media.recording import Recording
from hicmae.media.watched import WatchedDecoder
from hicmae.models.attention import attention_rollout
from hicmae.weights.description import ModelKind

_WINDOWS_SHARE = 0.9  # of the progress told; a close look at each person is the rest


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Which clips are taken.

    Attributes:
        max_seconds: Their greatest length.
        max_megabytes: Their greatest size, which is watched while they are uploaded.
        patience: Seconds without a decoded frame after which one is given up.
    """

    max_seconds: float = 60.0
    max_megabytes: float = 100.0
    patience: float = 60.0


@dataclass(frozen=True, eq=False, slots=True)
class Moment:
    """The window of a person that is looked at closely.

    Attributes:
        start: Start in seconds.
        end: End in seconds.
        frames: What the model saw, after its cropping and resizing, uint8 RGB (T, S, S, 3).
        spectrogram: What it heard, normalised (F, M), time before frequency.
        heard: Rows of the spectrogram that are sound; the others fill it up.
        scores: Scores (O,) of both modalities and, of a model that reads both, of each alone.
        video_map: Where the model looks (T', H', W'), or None if it sees nothing.
        audio_map: Where the model listens (T', F'), or None if it hears nothing.
    """

    start: float
    end: float
    frames: npt.NDArray[np.uint8]
    spectrogram: Floats
    heard: int
    scores: dict[Use, Floats]
    video_map: Tensor | None
    audio_map: Tensor | None


@dataclass(frozen=True, eq=False, slots=True)
class PersonAnswer:
    """What is told of one person.

    Attributes:
        number: 1 for the main person.
        scores: Over all windows (O,).
        window_times: Start and end of every window in seconds (W, 2).
        window_scores: Scores of every window (W, O).
        window_senses: Whether every window was seen and whether it was heard, bool (W, 2).
        moment: The window in which the main emotion is most probable, or, for regression, whose
            values are farthest from their mean.
        doubts: What speaks against the answer, in words for people.
    """

    number: int
    scores: Floats
    window_times: Floats
    window_scores: Floats
    window_senses: npt.NDArray[np.bool_]
    moment: Moment
    doubts: tuple[str, ...] = ()

    @property
    def start(self) -> float:
        """When the person is first looked at, in seconds."""
        return float(self.window_times[:, 0].min())

    @property
    def end(self) -> float:
        """When the person is last looked at, in seconds."""
        return float(self.window_times[:, 1].max())


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """What is told of a clip.

    Attributes:
        name: Name of the file.
        kind: "classification" or "regression".
        outputs: Names of the classes or of the targets (O).
        duration: Length in seconds.
        crops_faces: Whether the model sees faces rather than the whole picture.
        spread: As of a `Recognition`.
        people: Who is in view, the main person first.
        lacking: Whether the model has learnt to do without picture or without sound.
        target_kind: Whether classes exclude each other, share the clip or are labels.
        blends: As of a `Recognition`.
    """

    name: str
    kind: ModelKind
    outputs: tuple[str, ...]
    duration: float
    crops_faces: bool
    people: tuple[PersonAnswer, ...]
    lacking: bool = False
    target_kind: TargetKind = "class"
    blends: Blends | None = None
    spread: tuple[float, ...] = ()


def analyse(
    recognizer: EmotionRecognizer,
    path: Path,
    limits: UploadLimits,
    progress: Progress | None = None,
) -> Answer:
    """Answers for a clip.

    Args:
        recognizer: What recognises.
        path: The clip.
        limits: Which clips are taken; the length is known before a picture is decoded.
        progress: Is told the share that is done, in [0, 1]; what it raises stops the work there.

    Raises:
        DataError: The clip is none, is too long, or lacks what the model reads.
    """
    with WatchedDecoder(limits.patience) as decoder:
        return _analyse(recognizer, decoder.open(path), path, limits, progress)


def _analyse(
    recognizer: EmotionRecognizer,
    recording: Recording,
    path: Path,
    limits: UploadLimits,
    progress: Progress | None,
) -> Answer:
    if recording.duration > limits.max_seconds:
        raise DataError(
            f"{path} is {recording.duration:.0f} s long, and at most {limits.max_seconds:g} s are "
            "taken: cut out the part that matters."
        )
    lacking = recognizer.description.stand_ins
    if recognizer.description.modality != "video" and not (recording.has_sound or lacking):
        raise DataError(f"{path} has no sound, which this model reads: take a clip with sound.")
    if recognizer.description.modality != "audio" and not (recording.has_video or lacking):
        raise DataError(f"{path} has no pictures, which this model reads: take a video.")
    tell = progress or (lambda _share: None)
    _, batches = recognizer.batches(recording, progress=lambda share: tell(_WINDOWS_SHARE * share))
    collected: dict[int, _Collected] = {}
    for windows, video, audio in batches:
        computed = recognizer.score(video, audio, senses=senses_of(recognizer.model, windows))
        for window, scores, features in zip(windows, *computed, strict=True):
            person = collected.setdefault(window.person, _Collected(recognizer.kind))
            person.add(window, scores, features)
    people = []
    for number in sorted(collected):
        people.append(collected[number].answer(number, recognizer))
        tell(_WINDOWS_SHARE + (1 - _WINDOWS_SHARE) * len(people) / len(collected))
    return Answer(
        name=path.name,
        kind=recognizer.kind,
        outputs=recognizer.outputs,
        duration=recording.duration,
        crops_faces=recognizer.faces == "crop",
        people=tuple(people),
        lacking=lacking,
        target_kind=recognizer.description.target_kind,
        blends=recognizer.description.blends,
        spread=recognizer.judge.spread,
    )


@dataclass(slots=True)
class _Collected:
    """The windows of a person so far: all scores, and pictures of those that may be shown.

    Which window is shown is known at the end. Until then those are kept in which some output is
    largest, for regression also smallest: two of each output at most, however long the clip.
    """

    kind: ModelKind
    times: list[tuple[float, float]] = field(default_factory=list)
    scores: list[Floats] = field(default_factory=list)
    senses: list[tuple[bool, bool]] = field(default_factory=list)
    features: list[Floats] = field(default_factory=list)
    extremes: dict[tuple[int, int], int] = field(default_factory=dict)
    kept: dict[int, InputWindow] = field(default_factory=dict)

    def add(self, window: InputWindow, scores: Floats, features: Floats) -> None:
        place = len(self.times)
        self.features.append(features)
        self.times.append((window.start, window.end))
        self.scores.append(scores)
        self.senses.append(window.senses)
        self.kept[place] = window
        signs = (1,) if self.kind == "classification" else (1, -1)
        for output in range(len(scores)):
            for sign in signs:
                best = self.extremes.get((output, sign))
                if best is None or sign * scores[output] > sign * self.scores[best][output]:
                    self.extremes[output, sign] = place
        wanted = set(self.extremes.values())
        self.kept = {place: kept for place, kept in self.kept.items() if place in wanted}

    def answer(self, number: int, recognizer: EmotionRecognizer) -> PersonAnswer:
        scores = np.stack(self.scores)
        mean = scores.mean(axis=0)
        if self.kind == "classification":
            place = self.extremes[int(np.argmax(mean)), 1]
        else:
            place = max(self.kept, key=lambda place: float(np.abs(scores[place] - mean).max()))
        senses = np.array(self.senses)
        verdict = recognizer.judge.verdict(scores, np.stack(self.features), senses)
        return PersonAnswer(
            number=number,
            scores=verdict.scores,
            window_times=np.array(self.times, np.float32),
            window_scores=verdict.window_scores,
            window_senses=senses,
            moment=_moment(recognizer, self.kept[place]),
            doubts=tuple(doubt_words(verdict.sure, verdict.unfamiliarity)),
        )


def _moment(recognizer: EmotionRecognizer, window: InputWindow) -> Moment:
    video, audio = recognizer.preprocess([window])
    reads_both = all(window.senses)
    uses: tuple[Use, ...] = ("both", "video", "audio") if reads_both else ("both",)
    senses = senses_of(recognizer.model, [window])
    scores: dict[Use, Floats] = {
        use: recognizer.judge.told(recognizer.score(video, audio, use, senses)[0][0])
        for use in uses
    }
    bank = recognizer.preprocessor.filter_bank
    rows = (len(window.waveform) - bank.window_length) // bank.shift + 1
    rollout = attention_rollout(
        recognizer.model, video.to(recognizer.device), audio.to(recognizer.device)
    )
    return Moment(
        start=window.start,
        end=window.end,
        frames=_pictures(video[0]),
        spectrogram=audio[0, 0].float().cpu().numpy(),
        heard=min(max(rows, 0), bank.num_frames),
        scores=scores,
        video_map=_map(rollout.video, window.senses[0]),
        audio_map=_map(rollout.audio, window.senses[1]),
    )


def _map(weights: Tensor | None, sensed: bool) -> Tensor | None:
    return weights[0].float().cpu() if weights is not None and sensed else None


def _pictures(video: Tensor) -> npt.NDArray[np.uint8]:
    """Normalised frames (3, T, H, W) as uint8 RGB (T, H, W, 3)."""
    pixels = denormalised(video.cpu()).mul(255).round()
    return pixels.to(torch.uint8).permute(1, 2, 3, 0).numpy()
