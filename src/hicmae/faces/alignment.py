"""Turning, scaling and cutting a picture so that the face in it stands upright and in the middle.

The template is this project's own: the mean landmarks that MTCNN finds on 15 clips of 13 speakers
(GRID and RAVDESS), measured in distances of the eyes, rounded and made symmetric with level eyes.
"""

from __future__ import annotations

import numpy as np

from hicmae.errors import DataError
from hicmae.faces.detection import Array, Picture, import_opencv
from hicmae.media import Region

# In distances of the eyes, from their middle: the nose lies 0.57 and the mouth 1.15 below, and the
# corners of the mouth are 0.81 apart. The hairline lies 1.15 above and the chin 1.85 below.
_FROM_EYES = np.array([[-0.5, 0], [0.5, 0], [0, 0.57], [-0.405, 1.15], [0.405, 1.15]])
FACE_POINTS = (_FROM_EYES + np.array([1.5, 1.15])) / 3.0
"""(5, 2) landmarks of an upright face in a square that reaches from its hairline to its chin."""

_BORDER = 2  # pixels beyond the crop that bilinear scaling looks at


def template(size: int, margin: float) -> Array:
    """Where the five landmarks of an upright face lie in a crop.

    Args:
        size: Side of the crop in pixels.
        margin: What is added on every side of the face, in heights of the face.

    Returns:
        (5, 2) x and y in pixels: left eye, right eye, nose, left and right corner of the mouth.
    """
    return (FACE_POINTS + margin) / (1 + 2 * margin) * size - 0.5


def similarity(landmarks: Array, target: Array) -> Array:
    """The turn, scaling and shift that bring landmarks nearest to a target (least squares).

    This is the solution of Umeyama (1991) in two dimensions, where points as complex numbers make
    turn and scaling one factor, and no mirroring can come out.

    Args:
        landmarks: (..., P, 2) points.
        target: (P, 2) where they should lie.

    Returns:
        (..., 2, 3) matrices that map (x, y, 1) of the source to (x, y) of the target.

    Raises:
        DataError: All points of a face are one point.
    """
    source = landmarks[..., 0] + 1j * landmarks[..., 1]
    goal = target[:, 0] + 1j * target[:, 1]
    source_mean = source.mean(axis=-1, keepdims=True)
    centred = source - source_mean
    spread = (np.abs(centred) ** 2).sum(axis=-1)
    if not np.all(spread > 0):
        raise DataError("The detector put all landmarks of a face on one point; use another one.")
    factor = (np.conj(centred) * (goal - goal.mean())).sum(axis=-1) / spread
    shift = goal.mean() - factor * source_mean[..., 0]
    rows = [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


def in_picture(points: Array, transforms: Array) -> Array:
    """Where points of crops lie in the pictures that they were cut from.

    Args:
        points: (P, 2) x and y in a crop.
        transforms: (T, 2, 3) matrices from picture to crop.

    Returns:
        (T, P, 2) x and y.
    """
    return (points - transforms[:, None, :, 2]) @ np.linalg.inv(transforms[:, :, :2]).mT


def source_region(transforms: Array, size: int, width: int, height: int) -> Region:
    """The part of a picture that crops are made of.

    Args:
        transforms: (T, 2, 3) matrices from picture to crop.
        size: Side of the crops in pixels.
        width: Width of the picture.
        height: Height of the picture.

    Returns:
        (top, left, height, width); top and left are even, as coders store colours of 2 x 2 pixels.
    """
    edge = size - 0.5
    corners = np.array([[-0.5, -0.5], [edge, -0.5], [-0.5, edge], [edge, edge]])
    points = in_picture(corners, transforms)
    left, top = np.floor(points.min(axis=(0, 1))) - _BORDER
    right, bottom = np.ceil(points.max(axis=(0, 1))) + _BORDER + 1
    # A crop that lies beyond the picture still needs the border that is repeated there.
    left = int(np.clip(left, 0, width - 1)) // 2 * 2
    top = int(np.clip(top, 0, height - 1)) // 2 * 2
    right, bottom = int(np.clip(right, left + 1, width)), int(np.clip(bottom, top + 1, height))
    return top, left, bottom - top, right - left


def align(picture: Picture, transform: Array, size: int) -> Picture:
    """Cuts an upright face out of a picture.

    What lies beyond the picture repeats its border: a black wedge would be the strongest edge of
    the crop, and would tell where in the picture the face was.

    Args:
        picture: uint8 RGB (H, W, 3).
        transform: (2, 3) matrix from picture to crop.
        size: Side of the crop in pixels.

    Returns:
        uint8 RGB (size, size, 3).
    """
    opencv = import_opencv()
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    # Bilinear sampling skips pixels when it shrinks: sample finer, then take means.
    finer = max(round(1 / scale), 1)
    matrix = transform * finer
    matrix[:, 2] += (finer - 1) / 2
    fine: Picture = opencv.warpAffine(
        picture,
        matrix,
        (finer * size, finer * size),
        flags=opencv.INTER_LINEAR,
        borderMode=opencv.BORDER_REPLICATE,
    )
    if finer == 1:
        return fine
    crop: Picture = opencv.resize(fine, (size, size), interpolation=opencv.INTER_AREA)
    return crop


def within_region(transforms: Array, region: Region) -> Array:
    """The same transforms (..., 2, 3) for a picture of which only a region is left."""
    top, left, _, _ = region
    result = transforms.copy()
    result[..., 2] += transforms[..., :2] @ np.array([left, top], np.float64)
    return result
