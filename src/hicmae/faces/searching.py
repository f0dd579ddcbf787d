"""Looking for faces in some frames of a clip."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hicmae.faces.detection import Face, Picture, build_detector, import_opencv
from hicmae.faces.options import FaceOptions


def frames_to_search(frame_count: int, every: int) -> list[int]:
    """Every n-th frame of a clip, and its last."""
    return [*range(0, frame_count - 1, every), frame_count - 1]


def find_faces(pictures: Iterable[Picture], options: FaceOptions) -> Iterator[list[Face]]:
    """Finds the faces of pictures one by one, of which none is held.

    Args:
        pictures: uint8 RGB (H, W, 3).
        options: The detector, how far pictures are reduced for it, and which faces count.

    Yields:
        The faces of each picture, in its own pixels.

    Raises:
        ConfigError: The detector cannot be used.
    """
    detector = build_detector(options.detector, options.min_face)
    opencv = import_opencv()
    for picture in pictures:
        height, width = picture.shape[:2]
        reduction = max(max(width, height) / options.detect_side, 1.0)
        reduced = max(round(width / reduction), 1), max(round(height / reduction), 1)
        small = picture
        if reduction > 1:
            small = opencv.resize(picture, reduced, interpolation=opencv.INTER_AREA)
        yield [
            face.scaled(width / reduced[0], height / reduced[1])
            for face in detector.detect(small)
            if face.score >= options.min_score
        ]
