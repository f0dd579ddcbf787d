"""Draws an invented face with numpy alone.

The shapes are those of `sketch`. The origin of the face coordinates (u, v) is the middle of the
head; the chin lies near v = 1.
"""

from dataclasses import dataclass

import numpy as np

from hicmae.demo.performance import Array
from hicmae.demo.sketch import Colour, Pose, Sketch, darker, ellipse, plane, stroke

LONG, SHORT, CURLY, SHAVEN = range(4)
HAIR_STYLES = (LONG, SHORT, CURLY, SHAVEN)


@dataclass(frozen=True)
class FaceTraits:
    """What stays the same in all clips of a speaker; lengths in face units, colours in 0..255.

    Attributes:
        skin: Colour of the skin.
        hair: Colour of hair, brows and beard.
        iris: Colour of the eyes.
        lips: Colour of the lips.
        head: Half the height of the head, as a share of the picture's.
        width: Half the width of the head.
        taper: How much the jaw narrows.
        eye_distance: From the middle of the face to the middle of an eye.
        eye_width: Half the width of an eye.
        eye_height: Half the height of an open eye.
        brow_gap: From eye to brow.
        brow_thickness: Half the thickness of a brow.
        brow_slant: How much the outer end of a brow hangs at rest.
        mouth_width: Half the width of the mouth.
        lip_thickness: Thickness of the lower lip.
        mouth_slant: How much the corners hang at rest.
        nose_length: From the eyes to the nostrils.
        nose_width: Half the width of the nose.
        hairline: Height of the forehead.
        hair_style: One of `HAIR_STYLES`.
        beard: Opacity of the beard, 0 for none.
        glasses: Whether the speaker wears glasses.
    """

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    head: float
    width: float
    taper: float
    eye_distance: float
    eye_width: float
    eye_height: float
    brow_gap: float
    brow_thickness: float
    brow_slant: float
    mouth_width: float
    lip_thickness: float
    mouth_slant: float
    nose_length: float
    nose_width: float
    hairline: float
    hair_style: int
    beard: float
    glasses: bool


@dataclass(frozen=True)
class Expression:
    """Movements of the face, each an array (T, 1, 1), 0 at rest and about 1 at their strongest.

    Named after what they do; the numbers of the Facial Action Coding System are given beside them.
    """

    inner_brow: Array  # raised, 1
    outer_brow: Array  # raised, 2
    frown: Array  # 4
    lid: Array  # raised, 5; negative is drooping
    squint: Array  # 6 and 7
    corner: Array  # lifted, 12; negative is lowered, 15
    stretch: Array  # 20
    press: Array  # 24
    rounding: Array  # 18 and 22
    jaw: Array  # dropped, 26
    blink: Array  # 45
    gaze_u: Array
    gaze_v: Array


def draw_portrait(
    backdrop: Array,
    traits: FaceTraits,
    pose: Pose,
    expression: Expression,
    light: tuple[float, float],
) -> Array:
    """Draws head, hair and expression over a backdrop.

    Args:
        backdrop: Square picture (3, S, S), float32 in 0..255; left as it is.
        traits: The speaker.
        pose: Where the head is in each of T frames.
        expression: What the face does.
        light: Gradient of brightness over the face to the right and downwards, about −0.3..0.3.

    Returns:
        Pictures (3, T, S, S), float32 in 0..255.
    """
    sketch = Sketch.posed(np.repeat(backdrop[:, None], len(pose.x), axis=1), pose)
    chin = 1 + 0.13 * expression.jaw
    _draw_back_hair(sketch, traits)
    _draw_neck(sketch, traits)
    _draw_head(sketch, traits, chin, light)
    # The features slide over the head when it turns.
    turned = sketch.shifted(0.13 * pose.yaw, 0.09 * pose.pitch)
    for side in (-1, 1):
        _draw_eye(turned, traits, expression, side)
        _draw_brow(turned, traits, expression, side)
        _draw_cheek(turned, traits, expression, side)
    _draw_forehead(turned, traits, expression)
    _draw_nose(turned, traits)
    _draw_mouth(turned, traits, expression)
    _draw_front_hair(sketch, traits, pose)
    return sketch.image


def _head_distance(u: Array, v: Array, traits: FaceTraits, chin: Array) -> Array:
    below = np.maximum(v, 0)
    across = u / (traits.width * (1 - traits.taper * below * below))
    down = v * np.where(v > 0, 1 / chin, np.float32(1 / 0.98))
    return (np.sqrt(across * across + down * down) - 1) * traits.width


def _draw_back_hair(sketch: Sketch, traits: FaceTraits) -> None:
    if traits.hair_style == LONG:
        width = traits.width + 0.2
        top = ellipse(sketch.u, sketch.v, width, 1.12)
        sides = np.maximum(np.abs(sketch.u) - width, np.abs(sketch.v - 0.65) - 0.65)
        sketch.paint(sketch.cover(np.minimum(top, sides), 0.03), darker(traits.hair, 0.75))
    elif traits.hair_style == CURLY:
        crown = sketch.window(0, -0.22, traits.width + 0.25, 1.1)
        bumps = 0.035 * np.sin(17 * np.arctan2(crown.v + 0.22, crown.u))
        shape = ellipse(crown.u, crown.v, traits.width + 0.2, 1.02) + bumps
        crown.paint(crown.cover(shape, 0.03), darker(traits.hair, 0.85))


def _draw_neck(sketch: Sketch, traits: FaceTraits) -> None:
    part = sketch.window(0, 1.2, 0.5, 0.7)
    half_width = 0.36 + 0.1 * np.maximum(part.v, 0) ** 2
    part.paint(part.cover(np.abs(part.u) - half_width, 0.02), darker(traits.skin, 0.72))


def _draw_head(sketch: Sketch, traits: FaceTraits, chin: Array, light: tuple[float, float]) -> None:
    for side in (-1, 1):
        ear = sketch.window(side * traits.width, 0.02, 0.16, 0.26)
        ear.paint(ear.cover(ellipse(ear.u, ear.v, 0.11, 0.2)), darker(traits.skin, 0.85))
    head = sketch.window(0, 0, traits.width + 0.05, 1.2)
    distance = _head_distance(head.u, head.v, traits, chin)
    depth = 1 + np.minimum(distance * (1 / traits.width), 0)
    shade = 1.06 - 0.24 * depth * depth * depth + light[0] * head.u + light[1] * head.v
    opacity = head.cover(distance)
    head.paint(opacity, plane(traits.skin) * shade)
    if traits.beard:
        # Chin and jaws, but not the mouth and what lies above it.
        above = 0.38 - head.v + 0.12 * np.abs(head.u) - 0.35 * head.u * head.u
        mouth = 0.02 - ellipse(head.u, head.v - 0.5, traits.mouth_width + 0.08, 0.2)
        head.paint(traits.beard * opacity * head.cover(np.maximum(above, mouth), 0.1), traits.hair)


def _draw_eye(sketch: Sketch, traits: FaceTraits, expression: Expression, side: int) -> None:
    width, height = traits.eye_width, traits.eye_height
    eye = sketch.window(side * traits.eye_distance, -0.12, width + 0.12, height + 0.14)
    u, v = eye.u, eye.v
    bow = np.maximum(1 - (u / width) ** 2, 0)
    awake = 1 - expression.blink
    up = height * np.maximum(1.0 + 0.55 * expression.lid - 0.3 * expression.squint, 0.15) * awake
    down = height * np.maximum(0.75 - 0.45 * expression.squint + 0.1 * expression.lid, 0.1)
    # The lids meet at the lower one when the eye is shut.
    top = -up * bow + (1 - awake) * 0.6 * down * bow
    bottom = down * bow
    socket = ellipse(u, v + 0.03, width + 0.07, height + 0.07)
    eye.shade(eye.cover(socket, 0.12), 0.9)
    opening = np.maximum(np.maximum(top - v, v - bottom), np.abs(u) - width)
    visible = eye.cover(opening)
    eye.paint(visible, (238, 236, 232))
    gaze_u, gaze_v = expression.gaze_u, expression.gaze_v
    iris = np.hypot(u - 0.05 * gaze_u, v + 0.01 - 0.03 * gaze_v)
    eye.paint(visible * eye.cover(iris - 0.088), traits.iris)
    eye.paint(visible * eye.cover(iris - 0.042), (18, 15, 15))
    glint = np.hypot(u - 0.05 * gaze_u - 0.03, v + 0.045 - 0.03 * gaze_v)
    eye.paint(visible * eye.cover(glint - 0.02), (255, 255, 255))
    lashes = eye.cover(stroke(u, v, top - 0.012, width + 0.02, 0.018))
    eye.paint(0.9 * lashes, (40, 28, 26))
    crease = eye.cover(stroke(u, v, bottom + 0.05, 0.8 * width, 0.008), 0.03)
    eye.shade(crease, 0.88 - 0.2 * np.maximum(expression.squint, 0))
    if traits.glasses:
        rim = np.abs(ellipse(u, v, width + 0.085, height + 0.1)) - 0.014
        eye.paint(0.85 * eye.cover(rim), (35, 35, 42))


def _draw_brow(sketch: Sketch, traits: FaceTraits, expression: Expression, side: int) -> None:
    width = traits.eye_width + 0.05
    brow = sketch.window(
        side * (traits.eye_distance - 0.035 * expression.frown),
        -0.12 - traits.eye_height - traits.brow_gap,
        width + 0.05,
        0.32,
    )
    along = side * brow.u / width  # −1 at the nose, 1 at the temple
    inner = 0.15 * expression.inner_brow - 0.17 * expression.frown
    outer = 0.14 * expression.outer_brow - 0.02 * expression.frown - traits.brow_slant
    arch = 0.05 + 0.03 * expression.outer_brow
    curve = -inner * (1 - along) / 2 - outer * (1 + along) / 2 - arch * (1 - along * along)
    thickness = traits.brow_thickness * (1 - 0.45 * np.clip(along, -0.5, 1))
    brow.paint(0.92 * brow.cover(stroke(brow.u, brow.v, curve, width, thickness)), traits.hair)


def _draw_cheek(sketch: Sketch, traits: FaceTraits, expression: Expression, side: int) -> None:
    cheek = sketch.window(side * 0.42, 0.26, 0.34, 0.4)
    lifted = np.maximum(expression.corner, 0)
    blush = cheek.cover(ellipse(cheek.u, cheek.v + 0.05 * lifted, 0.2, 0.15), 0.2)
    cheek.paint((0.12 + 0.18 * lifted) * blush, traits.lips)
    # The fold from the nose to the corner of the mouth, which a smile deepens.
    depth = 0.3 * lifted + 0.1 * np.maximum(expression.stretch, 0) + 0.06
    bend = side * (-0.17 + 0.25 * (cheek.v + 0.1) + 0.3 * (cheek.v + 0.1) ** 2)
    fold = np.maximum(np.abs(cheek.u - bend) - 0.012, np.abs(cheek.v - 0.04) - 0.16)
    cheek.shade(cheek.cover(fold, 0.05), 1 - depth)


def _draw_forehead(sketch: Sketch, traits: FaceTraits, expression: Expression) -> None:
    brows = -0.12 - traits.eye_height - traits.brow_gap
    between = sketch.window(0, brows + 0.06, 0.12, 0.16)
    crease = np.abs(np.abs(between.u) - 0.045 - 0.1 * between.v * between.v) - 0.01
    lines = between.cover(np.maximum(crease, np.abs(between.v) - 0.1), 0.03)
    between.shade(lines, 1 - 0.35 * np.maximum(expression.frown, 0))
    raised = np.maximum((expression.inner_brow + expression.outer_brow) / 2, 0)
    forehead = sketch.window(0, brows - 0.22, 0.4, 0.12)
    bend = forehead.v - 0.15 * forehead.u * forehead.u
    line = np.maximum(np.abs(np.abs(bend) - 0.05) - 0.009, np.abs(forehead.u) - 0.34)
    forehead.shade(forehead.cover(line, 0.03), 1 - 0.25 * raised)


def _draw_nose(sketch: Sketch, traits: FaceTraits) -> None:
    width = traits.nose_width
    tip = -0.1 + traits.nose_length
    below = sketch.window(0, tip, width + 0.06, 0.1)
    below.shade(below.cover(ellipse(below.u, below.v, width, 0.05), 0.06), 0.78)
    nostrils = ellipse(np.abs(below.u) - 0.55 * width, below.v, 0.035, 0.022)
    below.shade(below.cover(nostrils, 0.02), 0.55)
    ridge = sketch.window(0.04, tip - 0.24, 0.15, 0.24)
    ends = np.abs(ridge.v) - 0.2
    lit = np.maximum(np.abs(ridge.u + 0.06) - 0.025, ends)
    ridge.shade(ridge.cover(lit, 0.06), 1.09)
    flank = np.maximum(np.abs(ridge.u - 0.06 - 0.1 * ridge.v) - 0.01, ends)
    ridge.shade(ridge.cover(flank, 0.07), 0.86)


def _draw_mouth(sketch: Sketch, traits: FaceTraits, expression: Expression) -> None:
    jaw = np.maximum(expression.jaw, 0)
    smile = np.maximum(expression.corner, 0)
    spread = 1 + 0.28 * smile + 0.22 * expression.stretch - 0.38 * expression.rounding
    width = np.maximum(traits.mouth_width * spread, 0.13)
    opening = 0.3 * jaw
    mouth = sketch.window(0, 0.5 + opening / 2, width + 0.05, 0.22 + opening / 2)
    u, v = mouth.u, mouth.v + opening / 2
    along = u * (1 / width)
    bow = np.maximum(1 - along * along, 0)
    lift = 0.15 * expression.corner - traits.mouth_slant
    middle = lift * (0.45 - along * along)
    root = np.sqrt(bow)  # a rounder hole than the parabola of the lips
    upper = middle - 0.18 * opening * root
    lower = middle + opening * root + 0.004
    fullness = traits.lip_thickness * (1 - 0.6 * np.maximum(expression.press, 0))
    notch = 0.02 * np.maximum(1 - 16 * along * along, 0)  # the cupid's bow
    outer_upper = upper - 0.75 * fullness * bow + notch
    outer_lower = lower + fullness * bow
    side = np.abs(u) - width
    mouth.shade(mouth.cover(stroke(u, v, outer_lower + 0.05, 0.6 * width, 0.015), 0.06), 0.87)
    lips = np.maximum(np.maximum(outer_upper - v, v - outer_lower), side)
    mouth.paint(mouth.cover(lips), traits.lips)
    hole = mouth.cover(np.maximum(np.maximum(upper - v, v - lower), side))
    mouth.paint(hole * np.minimum(0.7 + 4 * jaw, 1), (62, 18, 22))
    parted = np.maximum(jaw - 0.05, 0)  # lips that barely part show no teeth
    teeth = v - upper - (0.045 + 0.03 * smile)
    mouth.paint(hole * mouth.cover(teeth) * np.minimum(6 * parted, 1), (236, 232, 222))
    tongue = ellipse(u, v - 0.9 * opening, 0.6 * width, 0.1)
    mouth.paint(hole * mouth.cover(tongue, 0.03) * np.minimum(3 * parted, 0.8), (176, 84, 86))
    corners = np.hypot(np.abs(u) - width, v + 0.55 * lift)  # `middle` at the ends is −0.55 lift
    mouth.shade(mouth.cover(corners - 0.02, 0.04), 0.7)


def _draw_front_hair(sketch: Sketch, traits: FaceTraits, pose: Pose) -> None:
    rim = {LONG: 0.12, SHORT: 0.07, CURLY: 0.05, SHAVEN: 0.01}[traits.hair_style]
    centre = -0.5
    top = sketch.window(0, centre, traits.width + rim + 0.03, 0.7)
    v = top.v + centre
    cap = ellipse(top.u, v + 0.02, traits.width + rim, 1.0 + rim)
    # A parted hairline that comes down at the temples.
    u = top.u - 0.1 * pose.yaw
    line = 0.05 * pose.pitch - traits.hairline + 0.55 * (u + 0.12) * (u + 0.12)
    if traits.hair_style in (LONG, SHORT):
        line += 0.7 * np.abs(u * u * u)
    streaks = 1 + 0.1 * np.sin(40 * u + 14 * v)
    opacity = top.cover(np.maximum(cap, v - line), 0.03)
    if traits.hair_style == SHAVEN:
        opacity *= 0.55
    top.paint(opacity, plane(traits.hair) * streaks)
