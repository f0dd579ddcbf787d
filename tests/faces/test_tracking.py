"""Which faces are linked to one chain, against a search through all pairs."""

import os

import numpy as np
import pytest

os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
pytest.importorskip("cv2", reason="faces need the extra: pip install 'hicmae[faces]'")

from hicmae.faces.alignment import FACE_POINTS
from hicmae.faces.detection import Face
from hicmae.faces.tracking import _link

LEAST = 0.3


def face(left, top, width, height):
    box = np.array([left, top, left + width, top + height], float)
    return Face(box, FACE_POINTS * width + box[:2], 1.0)


def shots(rng, looks):
    """People who move a little, are missed at times, and change at cuts."""
    found = []
    while len(found) < looks:
        boxes = rng.uniform((0, 0, 20, 20), (200, 100, 90, 90), (rng.integers(1, 4), 4))
        for _ in range(rng.integers(1, 12)):
            boxes[:, :2] += rng.normal(0, 4, (len(boxes), 2))
            found.append([face(*box) for box in boxes if rng.random() > 0.2])
    return found


def crowd(rng, looks):
    """Boxes on a coarse grid, so that many overlap alike; some are turned inside out."""
    return [
        [
            face(*rng.integers(0, 6, 2) * 10, *rng.integers(-1, 6, 2) * 10)
            for _ in range(rng.integers(0, 5))
        ]
        for _ in range(looks)
    ]


def overlap(one, other):
    low, high = np.maximum(one.box[:2], other.box[:2]), np.minimum(one.box[2:], other.box[2:])
    shared = np.prod(np.maximum(high - low, 0))
    areas = [np.prod(np.maximum(item.box[2:] - item.box[:2], 0)) for item in (one, other)]
    union = sum(areas) - shared
    return shared / union if union > 0 else 0.0


def chains_by_search(detections):
    chains = []
    for look, faces in enumerate(detections):
        pairs = [(chain, item) for chain in chains for item in faces]
        pairs = [(overlap(chain[-1][1], item), chain, item) for chain, item in pairs]
        free = list(faces)
        for share, chain, item in sorted(pairs, key=lambda pair: -pair[0]):
            if share > LEAST and item in free and chain[-1][0] < look:
                chain.append((look, item))
                free.remove(item)
        chains += [[(look, item)] for item in free]
    return chains


@pytest.mark.parametrize("film", [shots, crowd])
@pytest.mark.parametrize("seed", range(8))
def test_faces_go_to_the_chain_that_they_overlap_most(film, seed):
    detections = film(np.random.default_rng(seed), 80)
    wanted = chains_by_search(detections)
    assert 1 < len(wanted) < sum(map(len, detections))  # some go on, and some begin
    found = [list(zip(chain.looks, chain.faces, strict=True)) for chain in _link(detections)]
    assert found == wanted


def test_a_chain_goes_on_however_long_it_was_lost():
    here, there = face(10, 10, 50, 50), face(300, 10, 50, 50)
    first, second = _link([[here], *[[there]] * 500, [], [here]])
    assert first.looks == [0, 502]
    assert second.looks == [*range(1, 501)]
