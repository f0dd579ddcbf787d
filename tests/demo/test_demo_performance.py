import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae.demo.performance import EMOTIONS, ClipKey, Stream, perform

KEYS = st.builds(
    ClipKey,
    seed=st.integers(0, 2**32),
    speaker=st.integers(0, 30),
    emotion=st.sampled_from(EMOTIONS),
    take=st.integers(0, 30),
)


@given(key=KEYS, seconds=st.floats(0.5, 10))
def test_every_plan_fits_its_clip(key: ClipKey, seconds: float) -> None:
    performance = perform(key, seconds)
    assert performance == perform(key, seconds)
    assert 0 < performance.intensity <= 1
    assert -1 <= performance.arousal <= 1
    assert -1 <= performance.valence <= 1
    assert performance.syllables
    ends = [0.0]
    for syllable in performance.syllables:
        assert ends[-1] <= syllable.start <= syllable.vowel_start < syllable.end
        ends.append(syllable.end)
    times = np.linspace(0, seconds, 200, dtype=np.float32)
    for curve in (
        performance.expression(times),
        performance.openness(times),
        performance.rounding(times),
        performance.stress(times),
    ):
        assert curve.shape == times.shape
        assert np.all((curve >= 0) & (curve <= 1))
    assert performance.expression(times).max() == pytest.approx(performance.intensity, abs=0.15)


def test_speakers_share_random_numbers_among_their_clips_only() -> None:
    first, second = ClipKey(0, 1, "anger", 0), ClipKey(0, 1, "fear", 3)
    stranger = ClipKey(0, 2, "anger", 0)
    draws = [key.speaker_generator(Stream.SPEAKER_FACE).random() for key in (first, second)]
    assert draws[0] == draws[1]
    assert draws[0] != stranger.speaker_generator(Stream.SPEAKER_FACE).random()
    clips = {key.clip_generator(Stream.FACE).random() for key in (first, second, stranger)}
    assert len(clips) == 3


def test_targets_follow_the_emotion() -> None:
    means = {}
    for emotion in EMOTIONS:
        plans = [perform(ClipKey(0, 0, emotion, take), 2.7) for take in range(30)]
        means[emotion] = np.mean([(plan.arousal, plan.valence) for plan in plans], axis=0)
    assert means["happiness"][1] > 0.3 > means["surprise"][1] > means["neutral"][1]
    assert means["sadness"][0] < means["neutral"][0] < means["anger"][0]
    assert max(means["anger"][1], means["fear"][1], means["sadness"][1]) < -0.2
