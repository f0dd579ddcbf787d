"""A synthetic voice: a source (glottal pulses and noise) through moving formants.

No real speaker is imitated. The speaker sets pitch and vocal tract length, the emotion sets how
both are used, and the place what else is heard.
"""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from hicmae.demo.common_causes import place_of, speaker_of
from hicmae.demo.performance import (
    SAMPLE_RATE,
    VOWELS,
    Array,
    ClipKey,
    Performance,
    Stream,
    Syllable,
    mixed,
)

Response = NDArray[np.complex64]

# Filtering works on Hann frames that overlap four times, zero-padded to hold the formants' ringing.
FRAME = 512
HOP = FRAME // 4
TRANSFORM = 2 * FRAME
# One sample's delay at the frequencies of the transform (TRANSFORM / 2 + 1,).
DELAY = np.exp(-1j * np.linspace(0, np.pi, TRANSFORM // 2 + 1)).astype(np.complex64)


@dataclass(frozen=True)
class VoiceTraits:
    """What stays the same in all clips of a speaker.

    Attributes:
        pitch: Median pitch in hertz.
        tract: Factor on all formants; above 1 for a short vocal tract.
        breath: Share of breath noise at rest, in 0..1.
        brightness: Slope of the spectrum in dB per octave, added to the emotion's.
    """

    pitch: float
    tract: float
    breath: float
    brightness: float


@dataclass(frozen=True)
class Style:
    """How an emotion uses the voice.

    Attributes:
        pitch: Shift in semitones.
        accent: Height of stressed syllables in semitones.
        slope: Change from the start to the end in semitones.
        final: Movement within the last half second in semitones.
        energy: Level in dB.
        brightness: Slope of the spectrum in dB per octave.
        breath: Share of breath noise, in 0..1.
        jitter: Random pitch movement in semitones.
        tremor: Depth of a 6 Hz tremble in semitones.
    """

    pitch: float
    accent: float
    slope: float
    final: float
    energy: float
    brightness: float
    breath: float
    jitter: float
    tremor: float


STYLES = {
    "neutral": Style(0.0, 2.0, -2.0, -1.5, 0.0, 0.0, 0.05, 0.15, 0.0),
    "happiness": Style(4.0, 5.0, -0.5, 0.0, 4.5, 2.5, 0.06, 0.2, 0.0),
    "sadness": Style(-2.5, 1.0, -4.0, -2.0, -8.0, -5.0, 0.30, 0.25, 0.15),
    "anger": Style(3.0, 5.0, -2.0, -2.5, 8.0, 5.0, 0.04, 0.4, 0.0),
    "fear": Style(8.0, 2.0, 1.0, 0.5, 0.5, -1.0, 0.40, 0.4, 0.6),
    "surprise": Style(6.0, 6.0, 3.0, 4.5, 3.0, 0.5, 0.10, 0.2, 0.0),
}
# Spread between takes of the same speaker and emotion, in the units of `Style`.
SPREAD = Style(0.7, 0.5, 0.7, 0.7, 1.2, 0.5, 0.02, 0.03, 0.03)


def voice_traits(key: ClipKey) -> VoiceTraits:
    """Draws the voice of the speaker of `key`: pitch and tract follow the build, the rest age."""
    rng = key.speaker_generator(Stream.SPEAKER_VOICE)
    speaker = speaker_of(key)
    return VoiceTraits(
        # From 95 to 227 Hz, give or take half a semitone.
        pitch=float(95 * 2 ** (1.25 * speaker.build + rng.normal(0, 1 / 24))),
        tract=float(0.92 + 0.3 * speaker.build + rng.normal(0, 0.01)),
        breath=float(0.05 * speaker.age * rng.uniform(0.7, 1.0)),
        brightness=float(1.6 - 3.2 * speaker.age + rng.normal(0, 0.4)),
    )


def render_voice(key: ClipKey, performance: Performance) -> Array:
    """Speaks the performance.

    Args:
        key: Names the clip; the speaker's traits and all random numbers follow from it.
        performance: The plan that the face shares.

    Returns:
        Waveform at 16 kHz, float32 (L,) in [-1, 1], L = seconds · 16000.
    """
    rng = key.clip_generator(Stream.VOICE)
    traits = voice_traits(key)
    style = _style(performance, rng)
    times = np.arange(round(performance.seconds * SAMPLE_RATE), dtype=np.float32) / SAMPLE_RATE
    noise = rng.standard_normal(len(times), dtype=np.float32)

    loudness = _loudness(performance, times)
    source = _glottal_pulses(_pitch(traits, style, performance, times, rng))
    breath = min(style.breath + traits.breath, 0.6)
    voiced = loudness * ((1 - breath) * source + breath * noise)

    frames = np.arange(len(times) // HOP + 4, dtype=np.float32) * (HOP / SAMPLE_RATE)
    response = _vocal_tract(traits, performance, frames)
    tilt = _tilt(style.brightness + traits.brightness, TRANSFORM // 2 + 1, centre=500)
    response *= tilt.astype(np.float32)
    speech = _filter(voiced, response)
    speech += _filter(*_frication(performance, times, frames, noise))

    # 0.06 leaves room for the loudest emotion; the level of the microphone differs per clip.
    level = np.sqrt(np.mean(np.square(speech)) + 1e-12)
    speech *= 0.06 / level * 10 ** ((style.energy + rng.normal(0, 1.5)) / 20)
    speech += _noise_of_place(key, len(times), rng)
    return np.tanh(speech).astype(np.float32)


def _noise_of_place(key: ClipKey, samples: int, rng: np.random.Generator) -> Array:
    """What is heard besides the speaker (L,): loud in bright places, deep in warm ones."""
    place = place_of(key)
    level = 10 ** ((-62 + 14 * place.light + rng.normal(0, 0.5)) / 20)
    spectrum = np.fft.rfft(rng.standard_normal(samples, dtype=np.float32))
    tilt = _tilt(4 - 8 * place.warmth, len(spectrum), centre=1000)
    noise = np.fft.irfft(spectrum * tilt, samples)
    return np.asarray(level * noise / noise.std(), dtype=np.float32)


def _style(performance: Performance, rng: np.random.Generator) -> Style:
    rest = np.array(astuple(STYLES["neutral"]))
    full = mixed(performance.shares, {name: astuple(style) for name, style in STYLES.items()})
    spread = np.array(astuple(SPREAD))
    values = rest + performance.intensity * (full - rest) + spread * rng.standard_normal(len(rest))
    values[-3:] = np.maximum(values[-3:], 0)  # breath, jitter and tremor have no negative side
    return Style(*values.tolist())


def _pitch(
    traits: VoiceTraits,
    style: Style,
    performance: Performance,
    times: Array,
    rng: np.random.Generator,
) -> Array:
    position = times / performance.seconds
    semitones = style.pitch + style.slope * (position - 0.5)
    semitones += style.accent * performance.stress(times)
    end = performance.syllables[-1].end
    semitones += style.final * np.clip((times - end + 0.5) / 0.5, 0, 1)
    semitones += style.tremor * np.sin(2 * np.pi * (6 * times + rng.random()))
    knots = np.arange(0, performance.seconds + 0.02, 0.02)
    semitones += np.interp(times, knots, style.jitter * rng.standard_normal(len(knots)))
    return np.asarray(np.clip(traits.pitch * 2 ** (semitones / 12), 60, 600), dtype=np.float32)


def _glottal_pulses(pitch: Array) -> Array:
    """Sawtooth of the given pitch (L,): 6 dB per octave down, as glottal flow at the lips."""
    step = pitch.astype(np.float64) / SAMPLE_RATE
    phase = np.cumsum(step) % 1.0
    wave = 1 - 2 * phase
    # The jump is rounded over two samples (polynomial band-limited step), which tames aliasing.
    after = phase < step
    ahead = phase[after] / step[after]
    wave[after] += 2 * ahead - ahead**2 - 1
    before = phase > 1 - step
    behind = (phase[before] - 1) / step[before]
    wave[before] += behind**2 + 2 * behind + 1
    return wave.astype(np.float32)


def _loudness(performance: Performance, times: Array) -> Array:
    loudness = np.zeros_like(times)
    for syllable in performance.syllables:
        # Open vowels are louder.
        gain = syllable.stress * (0.5 + 0.5 * VOWELS[syllable.vowel].openness)
        loudness += gain * syllable.swell(times, 0.04, 0.07)
    return loudness


def _vocal_tract(traits: VoiceTraits, performance: Performance, frames: Array) -> Response:
    """Response (K, TRANSFORM / 2 + 1) of five formants at the times `frames` (K,)."""
    moments: list[float] = []
    targets: list[tuple[float, float, float]] = []
    for syllable in performance.syllables:
        length = syllable.end - syllable.vowel_start
        # Held in the middle of the vowel, gliding in between.
        moments += [syllable.vowel_start + 0.25 * length, syllable.vowel_start + 0.7 * length]
        targets += [VOWELS[syllable.vowel].formants] * 2
    tracks = [np.interp(frames, moments, values) for values in zip(*targets, strict=True)]
    tracks += [np.full_like(frames, 3500), np.full_like(frames, 4500)]
    poles = np.ones((len(frames), TRANSFORM // 2 + 1), dtype=np.complex64)
    for track, bandwidth in zip(tracks, (80, 100, 140, 220, 300), strict=True):
        poles *= _poles(np.minimum(traits.tract * track, 7000), bandwidth)
    # Each formant passes 0 Hz unchanged.
    return poles[:, :1] / poles


def _poles(centre: Array, bandwidth: float) -> Response:
    """Denominator (K, TRANSFORM / 2 + 1) of a two-pole resonator at `centre` (K,) hertz."""
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    first = np.float32(-2 * radius * np.cos(2 * np.pi * centre[:, None] / SAMPLE_RATE))
    return first * DELAY + (1 + np.float32(radius**2) * DELAY**2)


def _tilt(slope: float, bins: int, *, centre: float) -> Array:
    """Gain (bins,) up to half the sample rate, of `slope` dB per octave around `centre` hertz."""
    frequency = np.linspace(0, SAMPLE_RATE / 2, bins)
    octaves = np.log2(np.maximum(frequency, 100) / centre)
    return np.asarray(10 ** (slope * octaves / 20))


def _frication(
    performance: Performance, times: Array, frames: Array, noise: Array
) -> tuple[Array, Response]:
    """Noise of the consonants (L,) and the response (K, F) to filter it with."""
    source = np.zeros_like(noise)
    centre = np.full_like(frames, 4000)
    for syllable in performance.syllables:
        if syllable.consonant == "none":
            continue
        source += _consonant(syllable, times) * noise
        near = (frames >= syllable.start - 0.03) & (frames < syllable.vowel_start + 0.03)
        # Which consonant it is does not matter here; the vowel index varies the colour.
        centre[near] = 2500 + 700 * syllable.vowel
    poles = _poles(centre, 1500)
    return source, poles[:, :1] / (4 * poles)


def _consonant(syllable: Syllable, times: Array) -> Array:
    """Level of the consonant's noise at `times` (L,): a short burst or a longer hiss."""
    length = syllable.vowel_start - syllable.start
    if syllable.consonant == "stop":
        since = times - (syllable.vowel_start - 0.015)  # the burst comes just before the vowel
        decay = np.exp(-np.maximum(since, 0) / 0.008)
        return np.where(since >= 0, 0.5 * decay, 0).astype(np.float32)
    position = np.clip((times - syllable.start) / length, 0, 1)
    return np.asarray(0.25 * np.sin(np.pi * position), dtype=np.float32)


def _filter(signal: Array, response: Response) -> Array:
    """Filters `signal` (L,) with a response (K, F) that changes every `HOP` samples."""
    count = len(response)
    padded = np.zeros(FRAME + count * HOP, dtype=np.float32)
    padded[FRAME // 2 : FRAME // 2 + len(signal)] = signal
    # Overlapping four times, these windows add up to one.
    window = 0.25 - 0.25 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    pieces = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:count]
    spectrum = np.fft.rfft(pieces * window.astype(np.float32), TRANSFORM)
    filtered = np.fft.irfft(spectrum * response, TRANSFORM)
    output = np.zeros(count * HOP + TRANSFORM, dtype=np.float32)
    for quarter in range(TRANSFORM // HOP):
        part = filtered[:, quarter * HOP : (quarter + 1) * HOP].reshape(-1)
        output[quarter * HOP : quarter * HOP + len(part)] += part
    return output[FRAME // 2 : FRAME // 2 + len(signal)]
