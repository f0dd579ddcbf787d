import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae.data.sampling import Window, evaluation_windows, random_window
from hicmae.errors import ConfigError

sizes = {
    "frame_count": st.integers(1, 400),
    "num_frames": st.integers(1, 32),
    "stride": st.integers(1, 8),
}


def assert_is_window_of(window: Window, frame_count: int, num_frames: int) -> None:
    assert len(window.frames) == num_frames
    assert all(0 <= frame < frame_count for frame in window.frames)
    assert list(window.frames) == sorted(window.frames)
    assert 0 <= window.audio_from <= window.audio_to <= 1


def test_evaluation_windows_are_those_of_the_reference(
    reference_file: Callable[[str], Path],
) -> None:
    cases = json.loads(reference_file("evaluation_views.json").read_text())
    assert cases
    for case in cases:
        views = case["views"]
        windows = evaluation_windows(
            case["num_frames_in_clip"], 16, case["sampling_rate"], len(views)
        )
        assert [list(window.frames) for window in windows] == [view["frames"] for view in views]
        assert [(window.audio_from, window.audio_to) for window in windows] == [
            (view["audio_from"], view["audio_to"]) for view in views
        ]


@given(**sizes, count=st.integers(1, 5))
def test_evaluation_windows_reach_from_start_to_end(
    frame_count: int, num_frames: int, stride: int, count: int
) -> None:
    windows = evaluation_windows(frame_count, num_frames, stride, count)
    assert len(windows) == count
    for window in windows:
        assert_is_window_of(window, frame_count, num_frames)
    assert windows[0].frames[0] == 0
    if count > 1:
        assert windows[-1].frames[-1] == range(0, frame_count, stride)[-1]
    starts = [window.frames[0] for window in windows]
    assert starts == sorted(starts)


def test_one_view_lies_at_the_start() -> None:
    assert evaluation_windows(75, 4, 4, 1) == [Window((0, 4, 8, 12), 0.0, 16 / 74)]


@given(**sizes, seed=st.integers(0, 2**32))
def test_random_windows_are_even_and_inside(
    frame_count: int, num_frames: int, stride: int, seed: int
) -> None:
    window = random_window(frame_count, num_frames, stride, np.random.default_rng(seed))
    assert_is_window_of(window, frame_count, num_frames)
    if frame_count >= num_frames * stride:
        assert set(np.diff(window.frames)) <= {stride}
    else:
        spread = list(range(0, frame_count, stride))[:num_frames]
        assert list(window.frames) == spread + [spread[-1]] * (num_frames - len(spread))


def test_random_windows_follow_the_generator_and_reach_both_ends() -> None:
    def draw(seed: int) -> Window:
        return random_window(12, 2, 4, np.random.default_rng(seed))

    assert draw(5) == draw(5)
    assert {draw(seed).frames[0] for seed in range(100)} == set(range(5))


def test_sound_is_cut_in_proportion_to_the_frames() -> None:
    window = random_window(41, 4, 10, np.random.default_rng(0))
    first, last = window.frames[0], window.frames[-1]
    assert window.audio_from == first / 40
    assert window.audio_to == min((last + 10) / 40, 1)
    assert Window((0,), 0.25, 0.5).samples(1000) == slice(250, 500)


def test_a_clip_of_one_frame_keeps_its_sound() -> None:
    (window,) = evaluation_windows(1, 16, 4, 1)
    assert (window.audio_from, window.audio_to) == (0, 0)
    assert window.samples(1000) == slice(0, 1000)


@pytest.mark.parametrize("arguments", [(0, 16, 4), (10, 0, 4), (10, 16, 0)])
def test_numbers_below_one_are_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        random_window(*arguments, np.random.default_rng(0))
    with pytest.raises(ConfigError, match="at least 1"):
        evaluation_windows(*arguments, 2)
    with pytest.raises(ConfigError, match="number of views"):
        evaluation_windows(10, 16, 4, 0)
