"""Who is followed through a clip, and what is cut out of it."""

import os

import numpy as np
import pytest
from coloured_faces import COLOURS, PLACES, face, film

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
pytest.importorskip("cv2", reason="faces need the extra: pip install 'hicmae[faces]'")

from hicmae.data.manifest import Clip
from hicmae.errors import DataError
from hicmae.faces import FaceOptions
from hicmae.faces.detection import Face
from hicmae.faces.people import box_track, find_people, whole_picture
from hicmae.faces.tracking import track_people
from hicmae.inference.windows import read_windows
from hicmae.media.recording import FileRecording
from hicmae.preparation.face_crops import crop_face

EVERY = {"detect_every": 3, "whole_every": 2}  # as recognition looks for faces
OPTIONS = FaceOptions(
    detector="coloured_faces.Colours", margin=0.0, size=64, detect_side=400, **EVERY
)


def tracks(detections, step=1, **options):
    frames = [look * step for look in range(len(detections))]
    settings = {"most": 4, "longest_gap": 5} | options
    found = track_people(detections, frames, frames[-1] + 1, **settings)
    return [[(stay.begin, stay.end) for stay in stays] for stays in found], found


class TestTracking:
    LEFT, RIGHT = face(40, 100, 80), face(400, 90, 120)

    def test_nobody_is_nobody(self):
        assert tracks([[], []])[0] == []

    def test_two_people_are_two_tracks_the_larger_first(self):
        spans, found = tracks([[self.LEFT, self.RIGHT]] * 10)
        assert spans == [[(0, 10)], [(0, 10)]]
        assert [track[0].landmarks[0, 0, 0] for track in found] == [
            self.RIGHT.landmarks[0, 0],
            self.LEFT.landmarks[0, 0],
        ]

    def test_long_in_view_outweighs_large(self):
        spans, _ = tracks([[self.LEFT]] * 12 + [[self.LEFT, self.RIGHT]] * 6)
        assert spans == [[(0, 18)], [(12, 18)]]

    def test_who_comes_back_is_the_same_and_was_away(self):
        spans, found = tracks([[self.LEFT]] * 8 + [[]] * 9 + [[self.LEFT]] * 8, step=2)
        assert spans == [[(0, 15), (34, 49)]]
        assert [len(stay.landmarks) for stay in found[0]] == [15, 15]

    def test_a_short_loss_is_no_absence(self):
        spans, _ = tracks([[self.LEFT]] * 8 + [[]] * 3 + [[self.LEFT]] * 8)
        assert spans == [[(0, 19)]]
        moved = face(90, 100, 80)  # no overlap to speak of, yet about the same place
        assert tracks([[self.LEFT]] * 8 + [[moved]] * 8)[0] == [[(0, 16)]]

    def test_losses_at_the_ends_of_the_clip_are_no_absence(self):
        assert tracks([[]] * 3 + [[self.LEFT]] * 8 + [[]] * 4)[0] == [[(0, 15)]]
        assert tracks([[]] * 9 + [[self.LEFT]] * 8 + [[]] * 9)[0] == [[(9, 17)]]

    def test_chance_finds_are_left_out_unless_there_is_nothing_else(self):
        chance = face(500, 10, 90)
        assert tracks([[self.LEFT]] * 8 + [[self.LEFT, chance]] * 2)[0] == [[(0, 10)]]
        assert tracks([[]] * 9 + [[chance]] * 2 + [[]] * 9)[0] == [[(9, 11)]]

    def test_after_a_cut_there_is_someone_else(self):
        spans, _ = tracks([[self.LEFT]] * 8 + [[self.RIGHT]] * 8)
        assert sorted(spans) == [[(0, 8)], [(8, 16)]]

    def test_only_so_many_are_followed(self):
        crowd = [face(100 * place, 10, 40 + place) for place in range(6)]
        spans, found = tracks([crowd] * 5, most=3)
        assert len(spans) == 3
        eyes = [track[0].landmarks[0, 0, 0] for track in found]
        assert eyes == [crowd[place].landmarks[0, 0] for place in (5, 4, 3)]


class TestPeople:
    def test_people_are_found_with_their_times_and_boxes(self):
        recording = film(PLACES)
        shares = []
        red, green = find_people(recording, OPTIONS, most=4, progress=shares.append)
        assert (red.number, red.stays) == (1, ((0, 120),))
        assert green.number == 2
        ((begin, end),) = green.stays
        assert 0 <= begin - 36 <= 2
        assert 0 <= 80 - end <= 2
        assert shares == sorted(shares)
        assert shares[-1] == 1.0
        times, boxes = box_track(red, recording, 1.0)
        np.testing.assert_allclose(times, np.arange(120) / 25, rtol=1e-6)
        np.testing.assert_allclose(boxes[60], [25, 20, 40, 40], atol=1.5)
        _, central = box_track(red, recording, 0.5)
        np.testing.assert_allclose(central[60], [35, 30, 20, 20], atol=1.5)

    def test_windows_show_each_person_only_while_in_view(self):
        recording = film(PLACES)
        people = find_people(recording, OPTIONS, most=4)
        layout = {"num_frames": 4, "step": 4, "hop": 8, "size": 32}
        windows = list(read_windows(recording, people, **layout, hears=False))
        for window in windows:
            colour = COLOURS["red" if window.person == 1 else "green"]
            assert np.abs(window.frames[:, 4:-4, 4:-4].astype(int) - colour).max() < 12
        green = [window for window in windows if window.person == 2]
        assert 1.3 < green[0].start < green[-1].end < 3.3
        assert len(green) >= 4

    def test_the_main_person_alone(self):
        (red,) = find_people(film(PLACES), OPTIONS, most=1)
        assert red.number == 1

    def test_no_face_names_the_way_out(self):
        with pytest.raises(DataError, match=r"film: no face .*--faces none"):
            find_people(film([{}] * 10), OPTIONS, most=4)

    def test_pictures_are_reduced_for_the_detector_alone(self):
        small = FaceOptions(detector=OPTIONS.detector, margin=0.0, size=64, detect_side=80, **EVERY)
        recording = film(PLACES)
        (red, _) = find_people(recording, small, most=4)
        _, boxes = box_track(red, recording, 1.0)
        np.testing.assert_allclose(boxes[60], [25, 20, 40, 40], atol=3)

    def test_without_faces_there_is_one_person_without_boxes(self):
        recording = film(PLACES)
        (whole,) = whole_picture(recording)
        assert whole.stays == ((0, 120),)
        times, boxes = box_track(whole, recording, 1.0)
        assert (times.shape, boxes.shape) == ((0,), (0, 4))


def test_crops_are_those_of_hicmae_data_faces(tmp_path, clip_factory):
    """As far as coding as a video leaves them: the same part of the same frames."""
    path = clip_factory("cropped_faces.mp4", seconds=1.0, size=(96, 64))
    options = FaceOptions(detector=f"{__name__}.Middle", size=64, margin=0.1, crf=1)
    crop_face(
        Clip(id="c", video=str(path), audio=None, start=None, end=None),
        output=tmp_path,
        options=options,
    )
    written = FileRecording(tmp_path / "clips" / "c.mp4")
    recording = FileRecording(path)
    people = find_people(recording, options, most=1)
    layout = {"num_frames": 5, "step": 4, "hop": 5, "size": 48}
    found = read_windows(recording, people, **layout, hears=False)
    trained = read_windows(written, whole_picture(written), **layout, hears=False)
    for one, other in zip(found, trained, strict=True):
        ours, theirs = one.frames.mean(axis=-1), other.frames.mean(axis=-1)
        difference = (ours - theirs).std()
        assert difference < 4.0
        for axis in (1, 2):
            assert (ours - np.roll(theirs, 1, axis))[:, 2:-2, 2:-2].std() > 2 * difference


class Middle:
    """A face in the middle, leaning a little."""

    def __init__(self, min_face):
        self.min_face = min_face

    def detect(self, picture):
        height, width = picture.shape[:2]
        found = face((width - 40) / 2, (height - 40) / 2, 40)
        lean = found.landmarks + np.array([[0, -2], [0, 2], [0, 0], [0, -2], [0, 2]])
        return [Face(found.box, lean, 1.0)]
