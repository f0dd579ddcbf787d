"""Looking for faces in some frames of a clip.

Most of the time goes into finding out where in a picture there is a face at all. Whole pictures are
therefore searched in turns only, and in those between only the surroundings of the faces that the
picture before showed. Where one of them is not found again, someone has left, has moved quickly or
a scene was cut: whole pictures are then searched until the next turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from hicmae.faces.detection import Face, FaceDetector, Picture, build_detector, import_opencv
from hicmae.faces.options import FaceOptions
from hicmae.faces.tracking import SAME_OVERLAP, overlaps

_SURROUNDINGS = 2.0  # side of what is searched around a face, in sides of its box
_LEAST_SHARE = 0.4  # of these surroundings that a face takes: 0.8 of the side that it had
_FACE_SIDE = 96  # pixels to which larger faces are reduced; the last network of MTCNN sees 48


def frames_to_search(frame_count: int, every: int) -> list[int]:
    """Every n-th frame of a clip, and its last."""
    return [*range(0, frame_count - 1, every), frame_count - 1]


def find_faces(pictures: Iterable[Picture], options: FaceOptions) -> Iterator[list[Face]]:
    """Finds the faces of pictures one by one, of which none is held.

    Args:
        pictures: uint8 RGB (H, W, 3), in the order of time.
        options: The detector, how far pictures are reduced for it, how many of them are searched as
            a whole, and which faces count.

    Yields:
        The faces of each picture, in its own pixels.

    Raises:
        ConfigError: The detector cannot be used.
    """
    detector = build_detector(options.detector, options.min_face)
    close_detector = build_detector(options.detector, _LEAST_SHARE)
    faces: list[Face] = []
    lost = False
    for look, picture in enumerate(pictures):
        again = None
        if look % options.whole_every == 0:
            lost = False
        elif faces and not lost:
            again = _find_again(picture, faces, close_detector, options.min_score)
            lost = again is None
        faces = _search(picture, detector, options) if again is None else again
        yield faces


def _search(picture: Picture, detector: FaceDetector, options: FaceOptions) -> list[Face]:
    """The faces of a whole picture."""
    reduction = max(max(picture.shape[:2]) / options.detect_side, 1.0)
    return _detect(picture, detector, reduction, options.min_score)


def _find_again(
    picture: Picture, faces: Sequence[Face], detector: FaceDetector, min_score: float
) -> list[Face] | None:
    """The faces of the picture before in this one; None if they are not all there, each for itself.

    What overlaps a face too little would not be taken for the same one later on, and two that
    overlap may be one who hides the other.
    """
    found: list[Face] = []
    for face in faces:
        candidates = _search_around(picture, face, detector, min_score)
        shares = [_overlap(face, candidate) for candidate in candidates]
        best = int(np.argmax(shares)) if shares else 0
        if not shares or shares[best] <= SAME_OVERLAP:
            return None
        if any(_overlap(candidates[best], other) > SAME_OVERLAP for other in found):
            return None
        found.append(candidates[best])
    return found


def _search_around(
    picture: Picture, face: Face, detector: FaceDetector, min_score: float
) -> list[Face]:
    """The faces that lie whole in the surroundings of one, in pixels of the picture."""
    size = picture.shape[1::-1]
    reach = _SURROUNDINGS / 2 * face.side
    least = np.clip(np.floor(face.centre - reach), 0, np.array(size) - 1).astype(int)
    most = np.clip(np.ceil(face.centre + reach) + 1, least + 1, size).astype(int)
    part = picture[least[1] : most[1], least[0] : most[0]]
    found = _detect(part, detector, max(face.side / _FACE_SIDE, 1.0), min_score)
    moved = [near.moved(*map(float, least)) for near in found]
    return [
        near
        for near in moved
        if np.all((near.box[:2] > least) | (least == 0))
        and np.all((near.box[2:] < most - 1) | (most == size))
    ]


def _detect(
    picture: Picture, detector: FaceDetector, reduction: float, min_score: float
) -> list[Face]:
    """The faces that a detector is sure of, looked for in a reduced picture."""
    height, width = picture.shape[:2]
    reduced = max(round(width / reduction), 1), max(round(height / reduction), 1)
    if reduced != (width, height):
        opencv = import_opencv()
        picture = opencv.resize(picture, reduced, interpolation=opencv.INTER_AREA)
    return [
        face.scaled(width / reduced[0], height / reduced[1])
        for face in detector.detect(picture)
        if face.score >= min_score
    ]


def _overlap(one: Face, other: Face) -> float:
    return float(overlaps(one.box[:, None], other.box[:, None])[0, 0])
