"""Shapes painted on pictures with numpy alone.

Every shape is a distance function: negative inside, in units of half a head's height. Its edge is
smoothed over one pixel. Face coordinates (u, v) have u to the right of the picture and v downwards.

Some frames are drawn at once, as numpy is slow on small arrays: opacities, distances and
coordinates are (T, H, W), pictures (3, T, H, W), and whatever moves is (T, 1, 1).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from hicmae.demo.performance import Array

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Pose:
    """Where the head is, each an array (T, 1, 1).

    Position and scale are fractions of the picture, roll is in radians; yaw and pitch (about −1..1)
    shift the features on the head, positive is right and down.
    """

    x: Array
    y: Array
    scale: Array
    roll: Array
    yaw: Array
    pitch: Array


class Sketch:
    """Pictures (3, T, H, W), float32 in 0..255, and the face coordinates (T, H, W) of their pixels.

    The colour axis comes first because numpy is several times faster along long last axes.
    """

    def __init__(self, image: Array, u: Array, v: Array, unit: Array, roll: Array) -> None:
        self.image = image
        self.u = u
        self.v = v
        self.unit = unit  # pixels per face unit (T, 1, 1)
        self.roll = roll  # radians (T, 1, 1)

    @classmethod
    def posed(cls, image: Array, pose: Pose) -> Self:
        """Lays the face coordinates of `pose` over the square pictures `image`."""
        size = image.shape[-1]
        unit = pose.scale * size
        pixels = np.arange(size, dtype=np.float32) + np.float32(0.5)
        right = (pixels - pose.x * size) / unit  # (T, 1, W)
        down = (pixels[:, None] - pose.y * size) / unit  # (T, H, 1)
        cosine, sine = np.cos(pose.roll), np.sin(pose.roll)
        u = cosine * right + sine * down
        v = cosine * down - sine * right
        return cls(image, u, v, unit, pose.roll)

    def shifted(self, u: Array | float, v: Array | float) -> Self:
        """The same pictures with their coordinates measured from (u, v)."""
        return type(self)(self.image, self.u - u, self.v - v, self.unit, self.roll)

    def window(
        self, u: Array | float, v: Array | float, reach_u: Array | float, reach_v: Array | float
    ) -> Self:
        """The part around (u, v), seen through views, with its coordinates measured from there."""
        cosine, sine = np.cos(self.roll), np.sin(self.roll)
        du, dv = u - self.u[:, :1, :1], v - self.v[:, :1, :1]
        column = (cosine * du - sine * dv) * self.unit
        row = (sine * du + cosine * dv) * self.unit
        # Half the sides of the upright box around the turned one, and a pixel for the smooth edge.
        width = (reach_u * cosine + reach_v * abs(sine)) * self.unit + 1
        height = (reach_v * cosine + reach_u * abs(sine)) * self.unit + 1
        rows, columns = _span(row, height), _span(column, width)
        part = type(self)(
            self.image[:, :, rows, columns],
            self.u[:, rows, columns],
            self.v[:, rows, columns],
            self.unit,
            self.roll,
        )
        return part.shifted(u, v)

    def cover(self, distance: Array, softness: float = 0.0) -> Array:
        """Opacity (T, H, W) of a shape; `softness` widens its edge, in face units."""
        opacity = 0.5 - distance * (1 / (softness + 1 / self.unit))
        np.maximum(opacity, 0, out=opacity)  # in place, and so faster than np.clip on small arrays
        return np.minimum(opacity, 1, out=opacity)

    def paint(self, opacity: Array, colour: Colour | Array) -> None:
        """Lays a colour, or pictures (3, T, H, W), over the pictures with an opacity (T, H, W)."""
        # One colour channel after the other, so that what is in between stays in the cache.
        for plane, value in zip(self.image, colour, strict=True):
            change = value - plane
            change *= opacity
            np.add(plane, change, out=plane)

    def shade(self, opacity: Array, factor: Array | float) -> None:
        """Darkens (factor below 1) or lightens what is there."""
        self.image *= 1 + (factor - 1) * opacity


def _span(middle: Array, reach: Array) -> slice:
    return slice(max(int((middle - reach).min()), 0), max(int((middle + reach).max()) + 2, 0))


def ellipse(u: Array, v: Array, width: Array | float, height: float) -> Array:
    """Distance of an ellipse around (0, 0), exact on the edge of a circle, else close to it."""
    across, down = u * (1 / width), v * (1 / height)
    return (np.sqrt(across * across + down * down) - 1) * np.minimum(width, height)


def stroke(
    u: Array, v: Array, curve: Array, half_length: Array | float, thickness: Array | float
) -> Array:
    """Distance of a stroke that follows v = curve(u) for |u| below `half_length`."""
    return np.maximum(np.abs(v - curve) - thickness, np.abs(u) - half_length)


def plane(colour: Colour) -> Array:
    """A colour as (3, 1, 1, 1), to be multiplied by pictures."""
    return np.array(colour, dtype=np.float32).reshape(3, 1, 1, 1)


def darker(colour: Colour, factor: float) -> Colour:
    """A colour times a factor below 1."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)
