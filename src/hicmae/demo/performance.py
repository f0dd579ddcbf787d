"""What a synthetic speaker does in one clip: the emotion, its intensity, and the timing of speech.

Everything here is invented. Face and voice are both driven by the same performance, so that the
jaw opens with the syllables that are heard.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating[Any]]

EMOTIONS = ("neutral", "happiness", "sadness", "anger", "fear", "surprise")
FRAME_RATE = 25
SAMPLE_RATE = 16_000

# Arousal and valence of each emotion at full intensity, in [-1, 1]: rough places on the circumplex.
AFFECT = {
    "neutral": (0.0, 0.0),
    "happiness": (0.55, 0.80),
    "sadness": (-0.50, -0.70),
    "anger": (0.80, -0.60),
    "fear": (0.70, -0.75),
    "surprise": (0.75, 0.20),
}
# Syllables per second and the chance of a pause after a word, at full intensity.
SPEAKING_RATE = {
    "neutral": 4.2,
    "happiness": 4.9,
    "sadness": 3.1,
    "anger": 5.0,
    "fear": 5.6,
    "surprise": 3.9,
}
PAUSE_CHANCE = {
    "neutral": 0.25,
    "happiness": 0.2,
    "sadness": 0.6,
    "anger": 0.2,
    "fear": 0.35,
    "surprise": 0.35,
}


def mixed(shares: Mapping[str, float], table: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """What a table says of emotions, weighted by their shares."""
    parts = [share * np.asarray(table[emotion], float) for emotion, share in shares.items()]
    return np.asarray(sum(parts))


class Stream(IntEnum):
    """Independent streams of random numbers, so that one part may change without the others."""

    SPEAKER_FACE = 0
    SPEAKER_VOICE = 1
    PERFORMANCE = 2
    FACE = 3
    VOICE = 4
    SPEAKER = 5
    PLACE = 6


@dataclass(frozen=True)
class ClipKey:
    """What decides every pixel and sample of a clip of given size and length.

    Attributes:
        seed: Seed of the corpus, not negative.
        speaker: Index of the speaker.
        emotion: One of `EMOTIONS`.
        take: Index of the clip among those of this speaker and emotion.
        blended: Another emotion that is shown with it, if any.
        percent: Share of `emotion` in such a blend.
    """

    seed: int
    speaker: int
    emotion: str
    take: int
    blended: str | None = None
    percent: int = 100

    @property
    def shares(self) -> dict[str, float]:
        """How much of each emotion is shown; sums to 1."""
        first = self.percent / 100
        return {self.emotion: first} | ({self.blended: 1 - first} if self.blended else {})

    def clip_generator(self, stream: Stream) -> np.random.Generator:
        """Random numbers of this clip alone."""
        parts = [1 + EMOTIONS.index(self.emotion), self.take]
        if self.blended:
            parts += [1 + EMOTIONS.index(self.blended), self.percent]
        return np.random.default_rng((self.seed, stream, self.speaker, *parts))

    def speaker_generator(self, stream: Stream) -> np.random.Generator:
        """Random numbers that all clips of the speaker share."""
        return np.random.default_rng((self.seed, stream, self.speaker, 0, 0))


@dataclass(frozen=True)
class Vowel:
    """A vowel: its formants in hertz (Peterson and Barney 1952, men) and its mouth shape, 0..1."""

    formants: tuple[float, float, float]
    openness: float
    rounding: float


VOWELS = (
    Vowel((730, 1090, 2440), 1.00, 0.0),  # father
    Vowel((530, 1840, 2480), 0.65, 0.0),  # head
    Vowel((270, 2290, 3010), 0.35, 0.0),  # heed
    Vowel((570, 840, 2410), 0.75, 0.6),  # hawed
    Vowel((300, 870, 2240), 0.40, 1.0),  # who'd
    Vowel((640, 1190, 2390), 0.75, 0.0),  # hud
)
CONSONANTS = ("none", "stop", "fricative")


@dataclass(frozen=True)
class Syllable:
    """One syllable: a consonant of `CONSONANTS`, then a vowel (index into `VOWELS`); seconds."""

    start: float
    vowel_start: float
    end: float
    consonant: str
    vowel: int
    stress: float

    def swell(self, times: Array, rise: float, fall: float) -> Array:
        """0..1 curve (T,) that rises at the vowel's start and is back to 0 at the syllable's end.

        `rise` and `fall` are in seconds and shortened where the vowel is too short for both.
        """
        length = self.end - self.vowel_start
        shrink = min(1.0, length / (rise + fall))
        rising = (times - self.vowel_start) / (rise * shrink)
        falling = (self.end - times) / (fall * shrink)
        ramp = np.clip(np.minimum(rising, falling), 0, 1)
        return np.asarray(0.5 - 0.5 * np.cos(np.pi * ramp), dtype=np.float32)


@dataclass(frozen=True)
class Performance:
    """The plan of one clip; times in seconds.

    Attributes:
        shares: How much of each emotion is shown.
        intensity: How strongly it is shown, in 0..1.
        seconds: Length of the clip.
        syllables: Speech in order of time.
        rise_start: When the expression starts to appear.
        apex_start: When it is complete.
        apex_end: When it starts to fade.
        fade: Seconds that the fading takes.
        arousal: Continuous target in [-1, 1].
        valence: Continuous target in [-1, 1].
    """

    shares: Mapping[str, float]
    intensity: float
    seconds: float
    syllables: tuple[Syllable, ...]
    rise_start: float
    apex_start: float
    apex_end: float
    fade: float
    arousal: float
    valence: float

    def expression(self, times: Array) -> Array:
        """Onset, apex and offset of the expression at `times` (T,), in 0..intensity."""
        rising = (times - self.rise_start) / (self.apex_start - self.rise_start)
        # The face never quite returns to rest within a clip.
        fading = 0.35 + 0.65 * (1 - np.clip((times - self.apex_end) / self.fade, 0, 1))
        ramp = np.clip(np.minimum(rising, fading), 0, 1)
        return np.asarray(self.intensity * ramp * ramp * (3 - 2 * ramp), dtype=np.float32)

    def openness(self, times: Array) -> Array:
        """How far speech opens the jaw at `times` (T,), in 0..1."""
        # Slower than the sound, because a jaw has mass.
        return _total(
            times,
            [
                VOWELS[syllable.vowel].openness * syllable.stress * syllable.swell(times, 0.09, 0.1)
                for syllable in self.syllables
            ],
        )

    def rounding(self, times: Array) -> Array:
        """How far speech rounds the lips at `times` (T,), in 0..1."""
        return _total(
            times,
            [
                VOWELS[syllable.vowel].rounding * syllable.swell(times, 0.09, 0.1)
                for syllable in self.syllables
            ],
        )

    def stress(self, times: Array) -> Array:
        """Accents of speech at `times` (T,), in 0..1: they carry the pitch and the head's nods."""
        return _total(
            times,
            [
                syllable.stress * syllable.swell(times, 0.08, 0.12)
                for syllable in self.syllables
                if syllable.stress > 0.85
            ],
        )


def _total(times: Array, curves: list[Array]) -> Array:
    return np.asarray(sum(curves, start=np.zeros_like(times)), dtype=np.float32)


def perform(key: ClipKey, seconds: float) -> Performance:
    """Plans the clip `key` of length `seconds`; equal keys give equal plans."""
    rng = key.clip_generator(Stream.PERFORMANCE)
    intensity = float(rng.uniform(0.8, 1.0))
    arousal, valence = (
        float(np.clip(intensity * value + rng.normal(0, 0.05), -1, 1))
        for value in mixed(key.shares, AFFECT).tolist()
    )
    # Fast emotions come up fast; all times scale with the clip so that short clips show it too.
    scale = seconds / 2.7
    rise_start = float(rng.uniform(0.05, 0.45)) * scale
    rise = float(rng.uniform(0.15, 0.4) if key.emotion == "surprise" else rng.uniform(0.25, 0.7))
    apex_start = rise_start + rise * scale
    apex_end = apex_start + float(rng.uniform(0.7, 1.4)) * scale
    return Performance(
        shares=key.shares,
        intensity=intensity,
        seconds=seconds,
        syllables=_speak(key.shares, intensity, seconds, rng),
        rise_start=rise_start,
        apex_start=apex_start,
        apex_end=apex_end,
        fade=float(rng.uniform(0.3, 0.8)) * scale,
        arousal=arousal,
        valence=valence,
    )


def _speak(
    shares: Mapping[str, float], intensity: float, seconds: float, rng: np.random.Generator
) -> tuple[Syllable, ...]:
    rate, pause = (
        float(np.interp(intensity, (0, 1), (table["neutral"], float(mixed(shares, table)))))
        for table in (SPEAKING_RATE, PAUSE_CHANCE)
    )
    rate *= float(np.exp(rng.normal(0, 0.1)))
    syllables: list[Syllable] = []
    start = float(rng.uniform(0.05, 0.12)) * seconds
    last_end = seconds - float(rng.uniform(0.02, 0.06)) * seconds
    left_in_word = int(rng.integers(2, 5))
    while True:
        length = float(np.clip(rng.lognormal(0, 0.2), 0.6, 1.6)) / rate
        if start + length > last_end and syllables:
            return tuple(syllables)
        consonant = CONSONANTS[int(rng.choice(3, p=(0.3, 0.35, 0.35)))]
        consonant_length = 0.0 if consonant == "none" else 0.3 * length
        syllables.append(
            Syllable(
                start=start,
                vowel_start=start + consonant_length,
                end=start + length,
                consonant=consonant,
                vowel=int(rng.integers(len(VOWELS))),
                stress=float(rng.uniform(0.7, 1.0)),
            )
        )
        start += length
        left_in_word -= 1
        if left_in_word == 0:
            left_in_word = int(rng.integers(2, 5))
            if rng.random() < pause:
                start += float(rng.uniform(0.08, 0.25))
