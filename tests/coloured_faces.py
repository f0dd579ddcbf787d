"""Films of coloured squares, which a detector of colours takes for faces."""

import numpy as np

from hicmae.faces.alignment import FACE_POINTS
from hicmae.faces.detection import Face
from hicmae.media.recording import ArrayRecording

COLOURS = {"red": (220, 30, 30), "green": (30, 220, 30)}


def face(left, top, side):
    """A face whose square box reaches from its hairline to its chin."""
    corner = np.array([left, top], float)
    return Face(np.concatenate([corner, corner + side]), FACE_POINTS * side + corner, 1.0)


class Colours:
    """A face wherever there is a red or a green square."""

    def __init__(self, min_face):
        self.min_face = min_face

    def detect(self, picture):
        found = []
        for colour in COLOURS.values():
            close = np.abs(picture.astype(int) - colour).max(axis=-1) < 60
            rows, columns = np.nonzero(close)
            if len(rows) > 20:
                side = max(np.ptp(rows), np.ptp(columns)) + 1
                found.append(face(columns.min() - 0.5, rows.min() - 0.5, side))
        return found


def film(places, size=(160, 96), name="film", **options):
    """Squares by colour: for every frame a dict of (left, top, side)."""
    frames = np.full((len(places), size[1], size[0], 3), 120, np.uint8)
    for frame, squares in zip(frames, places, strict=True):
        for colour, (left, top, side) in squares.items():
            frame[top : top + side, left : left + side] = COLOURS[colour]
    return ArrayRecording(frames, 25, name=name, **options)


PLACES = [
    {"red": (10 + frame // 4, 20, 40)} | ({"green": (100, 30, 50)} if 36 <= frame < 80 else {})
    for frame in range(120)
]
