import numpy as np
import pytest
import torch
from torchmetrics.functional import spearman_corrcoef

from hicmae.demo.common_causes import speaker_of
from hicmae.demo.face import face_traits, render_face
from hicmae.demo.performance import EMOTIONS, FRAME_RATE, SAMPLE_RATE, ClipKey, perform
from hicmae.demo.voice import render_voice, voice_traits

SIZE = 48
SECONDS = 2.0


def loudness_per_frame(waveform: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(waveform.reshape(-1, SAMPLE_RATE // FRAME_RATE) ** 2, axis=1))


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_face_is_a_moving_picture_that_follows_from_its_key(emotion: str) -> None:
    key = ClipKey(0, 1, emotion, 0)
    plan = perform(key, SECONDS)
    frames = render_face(key, plan, SIZE)
    assert frames.shape == (50, SIZE, SIZE, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(frames, render_face(key, plan, SIZE))
    assert frames.std(axis=(1, 2)).min() > 10
    other = ClipKey(1, 1, emotion, 0)
    assert not np.array_equal(frames, render_face(other, perform(other, SECONDS), SIZE))


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_voice_is_a_sound_that_follows_from_its_key(emotion: str) -> None:
    key = ClipKey(0, 1, emotion, 0)
    plan = perform(key, SECONDS)
    waveform = render_voice(key, plan)
    assert waveform.shape == (32_000,)
    assert waveform.dtype == np.float32
    assert np.isfinite(waveform).all()
    assert 0.05 < np.abs(waveform).max() < 1
    assert np.array_equal(waveform, render_voice(key, plan))
    other = ClipKey(1, 1, emotion, 0)
    assert not np.array_equal(waveform, render_voice(other, perform(other, SECONDS)))


def test_jaw_and_voice_keep_the_same_time() -> None:
    times = np.arange(50, dtype=np.float32) / FRAME_RATE
    for emotion in EMOTIONS:
        key = ClipKey(0, 0, emotion, 0)
        plan = perform(key, SECONDS)
        loudness = loudness_per_frame(render_voice(key, plan))
        assert np.corrcoef(loudness, plan.openness(times))[0, 1] > 0.5, emotion


def test_mouth_moves_when_the_voice_sounds() -> None:
    correlations = []
    for speaker in range(4):
        key = ClipKey(0, speaker, "neutral", 0)
        plan = perform(key, SECONDS)
        loudness = loudness_per_frame(render_voice(key, plan))
        mouth = render_face(key, plan, SIZE)[:, 29:40, 16:32].astype(np.float32)
        movement = np.abs(mouth - np.median(mouth, axis=0)).mean(axis=(1, 2, 3))
        correlations.append(np.corrcoef(loudness, movement)[0, 1])
    assert np.mean(correlations) > 0.3


def test_pitch_is_that_of_the_speaker() -> None:
    for speaker in range(4):
        key = ClipKey(0, speaker, "neutral", 0)
        waveform = render_voice(key, perform(key, SECONDS))
        pieces = np.lib.stride_tricks.sliding_window_view(waveform, 800)[::160]
        energy = np.square(pieces).mean(axis=1)
        pieces = pieces[energy > np.median(energy)]
        similarity = np.fft.irfft(np.abs(np.fft.rfft(pieces, 2048)) ** 2)[:, 40:260]
        pitch = SAMPLE_RATE / (40 + np.median(similarity.argmax(axis=1)))
        # The style of a take moves the pitch by a few semitones.
        assert abs(12 * np.log2(pitch / voice_traits(key).pitch)) < 5


def test_emotions_move_the_face_differently() -> None:
    # The same picture at rest: only the movement from it can tell the emotions apart.
    changes = {}
    for emotion in ("happiness", "anger", "surprise"):
        pictures = []
        for take in range(8):
            key = ClipKey(0, 3, emotion, take)
            frames = render_face(key, perform(key, 1.0), SIZE).astype(np.float32)
            pictures.append((frames[10:14].mean(axis=0) - frames[0]).mean(axis=2))
        changes[emotion] = np.mean(pictures, axis=0).ravel()
    assert np.corrcoef(changes["happiness"], changes["anger"])[0, 1] < 0.9
    assert np.corrcoef(changes["surprise"], changes["anger"])[0, 1] < 0.9


def rank_correlation(first: list[float], second: list[float]) -> float:
    return float(spearman_corrcoef(torch.tensor(first), torch.tensor(second)))


def test_large_heads_speak_low_and_grey_hair_speaks_dull() -> None:
    keys = [ClipKey(0, speaker, "neutral", 0) for speaker in range(60)]
    faces, voices = [face_traits(key) for key in keys], [voice_traits(key) for key in keys]
    heads = [face.head * face.width for face in faces]
    assert rank_correlation(heads, [voice.pitch for voice in voices]) < -0.9
    assert rank_correlation(heads, [voice.tract for voice in voices]) < -0.9
    ages = [speaker_of(key).age for key in keys]
    assert rank_correlation(ages, [voice.brightness for voice in voices]) < -0.8
    old = [np.ptp(face.hair) for face, age in zip(faces, ages, strict=True) if age > 0.9]
    young = [np.ptp(face.hair) for face, age in zip(faces, ages, strict=True) if age < 0.35]
    assert np.mean(old) < 0.3 * np.mean(young)


def test_places_are_seen_and_heard() -> None:
    light, warmth, level, slope = [], [], [], []
    for speaker in range(40):
        key = ClipKey(0, speaker, "neutral", 0)
        plan = perform(key, 1.0)
        corner = render_face(key, plan, SIZE)[0, :8, :8].mean(axis=(0, 1))
        light.append(corner.mean())
        warmth.append(corner[0] / corner[2])
        # Before the first syllable there is the place alone.
        silence = render_voice(key, plan)[: round(plan.syllables[0].start * SAMPLE_RATE)]
        spectrum = np.abs(np.fft.rfft(silence)) ** 2
        level.append(np.mean(silence**2))
        slope.append(spectrum[len(spectrum) // 2 :].sum() / spectrum.sum())
    assert rank_correlation(light, level) > 0.6
    assert rank_correlation(warmth, slope) < -0.6
