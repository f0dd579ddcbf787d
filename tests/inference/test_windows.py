"""Windows over clips: where they lie, what they hold, and how little is held at a time."""

import logging
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from media_factory import picture_number, write_clip

from hicmae.faces.people import PersonTrack, whole_picture
from hicmae.inference.windows import frame_step, plan_windows, read_windows
from hicmae.media import SAMPLE_RATE, VideoReader, read_audio
from hicmae.media.recording import ArrayRecording, FileRecording

LAYOUT = {"num_frames": 4, "step": 4, "hop": 8}


def plans(*stays, **layout):
    return list(plan_windows([PersonTrack(1, stays)], **(LAYOUT | layout)))


@pytest.mark.parametrize(
    ("fps", "step"),
    [(25, 4), (29.97, 4), (20, 4), (37, 4), (50, 8), (60, 10), (15, 2), (10, 2), (5, 1), (1, 1)],
)
def test_the_step_follows_the_frame_rate_beyond_that_of_training(fps, step):
    assert frame_step(4, fps) == step


class TestPlans:
    def test_windows_hop_and_the_last_one_ends_with_the_stay(self):
        found = plans((0, 37))
        assert [plan.frames for plan in found] == [
            (0, 4, 8, 12),
            (8, 12, 16, 20),
            (16, 20, 24, 28),
            (21, 25, 29, 33),
        ]
        assert [plan.end for plan in found] == [16, 24, 32, 37]

    def test_a_stay_of_exactly_one_window_has_one(self):
        assert [plan.frames for plan in plans((5, 21))] == [(5, 9, 13, 17)]

    def test_a_shorter_stay_repeats_its_last_frame(self):
        (plan,) = plans((10, 17))
        assert (plan.frames, plan.end) == ((10, 14, 14, 14), 17)
        assert plans((3, 4))[0].frames == (3, 3, 3, 3)

    def test_hops_may_leave_gaps_or_be_single_frames(self):
        assert [plan.frames[0] for plan in plans((0, 60), hop=20)] == [0, 20, 40, 44]
        assert [plan.frames[0] for plan in plans((0, 20), hop=1)] == [0, 1, 2, 3, 4]

    def test_windows_of_several_people_come_in_order_of_time(self):
        people = [PersonTrack(1, ((0, 40),)), PersonTrack(2, ((10, 30), (60, 70)))]
        found = list(plan_windows(people, **LAYOUT))
        lasts = [plan.frames[-1] for plan in found]
        assert lasts == sorted(lasts)
        assert [plan.frames[0] for plan in found if plan.person == 1] == [0, 8, 16, 24]
        assert [plan.frames[0] for plan in found if plan.person == 2] == [10, 14, 60]


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mpg"])
@pytest.mark.parametrize("fps", [25, Fraction(30000, 1001)])
def test_windows_of_pieces_are_those_of_the_whole_clip(clip_factory, suffix, fps):
    path = clip_factory(f"windows{float(fps):.0f}{suffix}", seconds=3.5, fps=fps, size=(64, 48))
    in_pieces = FileRecording(path, piece_seconds=1)
    with VideoReader(path) as reader:
        count = reader.frame_count
        pictures = reader.read(range(count), region=(0, 0, 48, 64))
    waveform = read_audio(path)
    layout = {"num_frames": 8, "step": 4, "hop": 7}
    people = whole_picture(in_pieces)
    found = list(read_windows(in_pieces, people, **layout, size=32))
    whole = ArrayRecording(pictures, float(fps), waveform)
    wanted = list(read_windows(whole, people, **layout, size=32))
    assert len(found) == len(wanted) > 8
    for plan, one, other in zip(plan_windows(people, **layout), found, wanted, strict=True):
        assert [picture_number(frame) for frame in one.frames] == list(plan.frames)
        assert [picture_number(frame) for frame in other.frames] == list(plan.frames)
        assert (one.person, one.start, one.end) == (other.person, other.start, other.end)
        assert len(one.waveform) == len(other.waveform)
        np.testing.assert_allclose(one.waveform, other.waveform, atol=1e-3)
    with VideoReader(path) as reader:
        frames = reader.read(range(count), size=32)
    for plan, window in zip(plan_windows(people, **layout), found, strict=True):
        np.testing.assert_array_equal(window.frames, frames[list(plan.frames)])


def test_the_sound_of_a_window_is_that_of_its_time():
    ramp = np.arange(4 * SAMPLE_RATE, dtype=np.float32) / (4 * SAMPLE_RATE)
    recording = ArrayRecording(np.zeros((100, 8, 8, 3), np.uint8), 25, ramp)
    windows = list(read_windows(recording, whole_picture(recording), **LAYOUT, size=8))
    for window in windows:
        first, last = round(window.start * SAMPLE_RATE), round(window.end * SAMPLE_RATE)
        np.testing.assert_array_equal(window.waveform, ramp[first:last])


def test_behind_the_end_of_the_sound_there_is_silence(caplog):
    sound = np.full(SAMPLE_RATE, 0.5, np.float32)
    recording = ArrayRecording(np.zeros((100, 8, 8, 3), np.uint8), 25, sound, name="film")
    with caplog.at_level(logging.WARNING):
        windows = list(read_windows(recording, whole_picture(recording), **LAYOUT, size=8))
    for window in windows:
        if window.start < 1.0:
            assert (window.waveform == 0.5).all()
            heard = min(window.end, 1.0) - window.start
            assert len(window.waveform) == round(heard * SAMPLE_RATE)
        else:
            assert len(window.waveform) == round(0.64 * SAMPLE_RATE)
            assert not window.waveform.any()
    assert [record.getMessage() for record in caplog.records] == [
        "film: its sound ends before 1.28 s; from there on the model hears silence."
    ]


def test_what_is_not_used_is_not_read():
    class Broken(ArrayRecording):
        def pictures(self, frames, **options):
            raise AssertionError

        sound = pictures

    recording = Broken(np.zeros((20, 8, 8, 3), np.uint8), 25, np.zeros(SAMPLE_RATE))
    layout = {"size": 8, **LAYOUT}
    (window, _) = read_windows(
        recording, whole_picture(recording), **layout, sees=False, hears=False
    )
    assert window.frames.shape == (4, 8, 8, 3)
    assert len(window.waveform) == round(0.64 * SAMPLE_RATE)


def test_memory_does_not_grow_with_the_clip(tmp_path):
    peaks = {}
    for seconds in (15, 60):
        path = write_clip(tmp_path / f"{seconds}.mp4", seconds=seconds, fps=10, size=(64, 36))
        recording = FileRecording(path, piece_seconds=5)
        people = whole_picture(recording)
        tracemalloc.start()
        count = 0
        for window in read_windows(recording, people, num_frames=8, step=4, hop=2, size=64):
            count += 1
            del window
        peaks[seconds] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == (seconds * 10 - 32) // 2 + 1
    assert peaks[60] < 1.2 * peaks[15] < 5e6
