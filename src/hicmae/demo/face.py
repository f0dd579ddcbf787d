"""The moving face of a synthetic speaker: who it is, how emotion and speech move it, how it is lit.

No real person is shown. Fear and surprise are close on purpose.
"""

from dataclasses import asdict, astuple, dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hicmae.demo.common_causes import Place, place_of, speaker_of
from hicmae.demo.performance import FRAME_RATE, Array, ClipKey, Performance, Stream, mixed
from hicmae.demo.portrait import (
    HAIR_STYLES,
    Expression,
    FaceTraits,
    draw_portrait,
)
from hicmae.demo.sketch import Colour, Pose

SKINS: tuple[Colour, ...] = (
    (244, 208, 182),
    (231, 186, 152),
    (214, 164, 124),
    (186, 130, 92),
    (150, 100, 70),
    (112, 74, 54),
)
HAIRS: tuple[Colour, ...] = (
    (30, 24, 22),
    (62, 42, 30),
    (104, 68, 40),
    (150, 110, 62),
    (122, 56, 32),
    (128, 124, 120),
)
GREY = 205.0
# What warm light adds to red, green and blue.
WARMTH = np.array((1.0, 0.0, -1.0))
IRISES: tuple[Colour, ...] = ((70, 46, 30), (86, 110, 62), (72, 108, 148), (100, 84, 50))

Moves = TypeVar("Moves", Pose, Expression)

# Frames drawn at once: enough to spread numpy's overhead, few enough to stay in the cache.
BATCH = 8


@dataclass(frozen=True)
class Gesture:
    """How an emotion moves face and head at full intensity; units of `Expression` and `Pose`."""

    inner_brow: float = 0.0
    outer_brow: float = 0.0
    frown: float = 0.0
    lid: float = 0.0
    squint: float = 0.0
    corner: float = 0.0
    stretch: float = 0.0
    press: float = 0.0
    rounding: float = 0.0
    jaw: float = 0.0
    pitch: float = 0.0
    lean: float = 0.0
    nod: float = 0.0


GESTURES = {
    "neutral": Gesture(nod=0.25),
    "happiness": Gesture(
        outer_brow=0.25, squint=0.6, corner=1.0, stretch=0.2, jaw=0.15, pitch=-0.1, nod=0.6
    ),
    "sadness": Gesture(
        inner_brow=0.8, frown=0.25, lid=-0.55, corner=-0.8, press=0.2, pitch=0.6, nod=0.1
    ),
    "anger": Gesture(
        frown=1.0, outer_brow=0.1, lid=0.15, squint=0.5, corner=-0.3, press=0.7, stretch=0.15,
        pitch=0.2, lean=0.12, nod=0.8,
    ),
    "fear": Gesture(
        inner_brow=0.95, outer_brow=0.6, frown=0.25, lid=0.85, corner=-0.25, stretch=0.55,
        jaw=0.25, pitch=-0.1, lean=-0.08, nod=0.3,
    ),
    "surprise": Gesture(
        inner_brow=0.9, outer_brow=0.95, lid=0.8, stretch=-0.1, rounding=0.25, jaw=0.5,
        pitch=-0.25, lean=-0.04, nod=0.4,
    ),
}  # fmt: skip


def face_traits(key: ClipKey) -> FaceTraits:
    """Draws the looks of the speaker of `key`."""
    rng = key.speaker_generator(Stream.SPEAKER_FACE)
    speaker = speaker_of(key)
    style = int(
        rng.choice(HAIR_STYLES, p=(0.1, 0.5, 0.15, 0.25) if speaker.low else (0.6, 0.2, 0.2, 0.0))
    )
    skin = _mixed(SKINS, rng)
    red = float(rng.uniform(0.78, 0.92))
    return FaceTraits(
        skin=skin,
        hair=_greyed(_mixed(HAIRS, rng), speaker.age),
        iris=IRISES[int(rng.integers(len(IRISES)))],
        lips=(skin[0] * red, skin[1] * 0.58, skin[2] * 0.62),
        head=0.41 - 0.09 * speaker.build,
        width=float(0.84 - 0.14 * speaker.build + rng.normal(0, 0.01)),
        taper=float(rng.uniform(-0.08, 0.2)),
        eye_distance=float(rng.uniform(0.31, 0.38)),
        eye_width=float(rng.uniform(0.16, 0.2)),
        eye_height=float(0.08 + 0.03 * speaker.build + rng.normal(0, 0.003)),
        brow_gap=float(rng.uniform(0.13, 0.2)),
        brow_thickness=float(0.055 - 0.025 * speaker.build + rng.normal(0, 0.003)),
        brow_slant=float(rng.uniform(-0.02, 0.05)),
        mouth_width=float(rng.uniform(0.24, 0.31)),
        lip_thickness=float(rng.uniform(0.05, 0.1)),
        mouth_slant=float(rng.normal(0, 0.015)),
        nose_length=float(rng.uniform(0.36, 0.44)),
        nose_width=float(rng.uniform(0.1, 0.15)),
        hairline=float(rng.uniform(0.62, 0.78)),
        hair_style=style,
        beard=float(rng.uniform(0.35, 0.75)) if speaker.low and rng.random() < 0.4 else 0.0,
        glasses=bool(rng.random() < 0.2),
    )


def render_face(key: ClipKey, performance: Performance, size: int) -> NDArray[np.uint8]:
    """Films the performance at 25 frames per second.

    Args:
        key: Names the clip; the speaker's traits and all random numbers follow from it.
        performance: The plan that the voice shares.
        size: Height and width in pixels.

    Returns:
        Frames (T, size, size, 3), uint8 RGB, T = seconds · 25.
    """
    rng = key.clip_generator(Stream.FACE)
    traits = face_traits(key)
    times = np.arange(round(performance.seconds * FRAME_RATE), dtype=np.float32) / FRAME_RATE
    gesture = _gesture(performance, times, rng)
    expression = _expression(gesture, performance, times, rng)
    pose = _pose(gesture, performance, times, traits.head, rng)
    place = place_of(key)
    backdrop = _backdrop(size, place, rng)
    light = (float(rng.normal(0, 0.12)), float(rng.normal(-0.05, 0.08)))
    gain = (0.75 + 0.37 * place.light + rng.normal(0, 0.02)) * (
        1 + 0.16 * (place.warmth - 0.5) * WARMTH + rng.normal(0, 0.01, 3)
    )
    tint = gain.astype(np.float32)[:, None, None, None]
    grain = rng.normal(0, rng.uniform(1, 3), (2 * size, 2 * size)).astype(np.float32)
    # One sheet of grain, moved for every frame, is much cheaper than new grain.
    places = rng.integers(size, size=(len(times), 2))

    frames = np.empty((len(times), size, size, 3), dtype=np.uint8)
    for start in range(0, len(times), BATCH):
        span = slice(start, start + BATCH)
        pictures = draw_portrait(
            backdrop, traits, _part(pose, span), _part(expression, span), light
        )
        pictures *= tint
        for index, (row, column) in enumerate(places[span]):
            pictures[:, index] += grain[row : row + size, column : column + size]
        frames[span] = np.clip(pictures, 0, 255).transpose(1, 2, 3, 0)
    return frames


def _part(moves: Moves, span: slice) -> Moves:
    """Some of the frames, in the form for drawing: arrays (T, 1, 1)."""
    values = {
        field.name: getattr(moves, field.name)[span, None, None].astype(np.float32)
        for field in fields(moves)
    }
    return type(moves)(**values)


def _mixed(colours: tuple[Colour, ...], rng: np.random.Generator) -> Colour:
    """A colour between two neighbours of a scale."""
    place = rng.uniform(0, len(colours) - 1)
    scale = np.arange(len(colours))
    red, green, blue = (float(np.interp(place, scale, tone)) for tone in zip(*colours, strict=True))
    return (red, green, blue)


def _greyed(colour: Colour, age: float) -> Colour:
    """Hair of this age: grey from about 0.4 on, white at 1."""
    share = min(max((age - 0.35) / 0.65, 0.0), 1.0)
    red, green, blue = ((1 - share) * tone + share * GREY for tone in colour)
    return (red, green, blue)


def _gesture(performance: Performance, times: Array, rng: np.random.Generator) -> dict[str, Array]:
    """The movements of `Gesture`, each (T,): rise and fall of the emotion, differing per take."""
    level = performance.expression(times)
    movements = {}
    moved = mixed(performance.shares, {name: astuple(full) for name, full in GESTURES.items()})
    for name, full in zip(asdict(GESTURES["neutral"]), moved.tolist(), strict=True):
        # Leaning is measured in scale, everything else in whole movements.
        rest = rng.normal(0, 0.01 if name == "lean" else 0.06)
        movements[name] = rest + full * rng.uniform(0.8, 1.4) * level
    return movements


def _expression(
    gesture: dict[str, Array], performance: Performance, times: Array, rng: np.random.Generator
) -> Expression:
    """What the face does, arrays (T,)."""
    spoken = performance.openness(times)
    effort = rng.uniform(0.5, 0.8)  # how clearly this take is articulated
    return Expression(
        inner_brow=gesture["inner_brow"],
        outer_brow=gesture["outer_brow"],
        frown=gesture["frown"],
        lid=gesture["lid"],
        squint=gesture["squint"],
        corner=gesture["corner"],
        stretch=gesture["stretch"],
        press=gesture["press"] * (1 - spoken),  # pressed lips must part to speak
        rounding=np.maximum(gesture["rounding"], 0) + 0.5 * performance.rounding(times),
        jaw=np.maximum(0.6 * gesture["jaw"], 0) + effort * spoken,
        blink=_blinks(performance, times, rng),
        gaze_u=_drift(times, 0.25, rng),
        gaze_v=_drift(times, 0.15, rng),
    )


def _pose(
    gesture: dict[str, Array],
    performance: Performance,
    times: Array,
    head: float,
    rng: np.random.Generator,
) -> Pose:
    """Where the head is, arrays (T,)."""
    down = gesture["pitch"] + np.maximum(gesture["nod"], 0) * performance.stress(times)
    # Fear trembles; the tremble is too small to see in a single frame.
    tremble = 0.006 * performance.expression(times) * performance.shares.get("fear", 0.0)
    shaking = tremble * np.sin(2 * np.pi * (7 * times + rng.random()))
    return Pose(
        x=0.5 + rng.normal(0, 0.025) + _drift(times, 0.01, rng) + shaking,
        y=0.5 + rng.normal(0, 0.025) + _drift(times, 0.008, rng) + 0.06 * down,
        scale=(head + rng.normal(0, 0.008)) * (1 + gesture["lean"]),
        roll=rng.normal(0, 0.05) + _drift(times, 0.035, rng),
        yaw=rng.normal(0, 0.35) + _drift(times, 0.25, rng),
        pitch=rng.normal(0, 0.25) + _drift(times, 0.15, rng) + down,
    )


def _drift(times: Array, spread: float, rng: np.random.Generator) -> Array:
    """Slow wandering (T,) of the given spread, as nobody holds still."""
    slow, fast = rng.uniform(0.15, 0.4), rng.uniform(0.5, 0.9)
    phases = 2 * np.pi * rng.random(2)
    wave = np.sin(2 * np.pi * slow * times + phases[0])
    wave += 0.4 * np.sin(2 * np.pi * fast * times + phases[1])
    return np.asarray(spread * wave, dtype=np.float32)


def _blinks(performance: Performance, times: Array, rng: np.random.Generator) -> Array:
    """Closing of the lids (T,) in 0..1."""
    closed = np.zeros_like(times)
    moment = rng.exponential(1.5)
    while moment < performance.seconds:
        closed = np.maximum(closed, np.exp(-(((times - moment) / 0.055) ** 2)))
        moment += 0.4 + rng.exponential(2.5)
    return closed


def _backdrop(size: int, place: Place, rng: np.random.Generator) -> Array:
    """A blurred room and the speaker's clothes (3, S, S), different in every clip."""
    base = 60 + 130 * place.light + 50 * (place.warmth - 0.5) * WARMTH + rng.normal(0, 6, 3)
    grid = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = grid[None, :, None], grid[:, None, None]
    room = base + _hue(30, rng) * (x - 0.5) + _hue(30, rng) * (y - 0.5)
    for _ in range(int(rng.integers(2, 6))):
        left, top = rng.uniform(-0.1, 1.1, 2)
        width, height = rng.uniform(0.06, 0.3, 2)
        outside = np.maximum(np.abs(x - left) - width, np.abs(y - top) - height)
        room = room + np.clip(0.5 - outside / 0.04, 0, 1) * _hue(25, rng)
    shoulders = np.hypot((x - 0.5) / 0.52, (y - 1.12) / 0.34) - 1
    opacity = np.clip(0.5 - shoulders / 0.03, 0, 1)
    clothes = (rng.uniform(40, 180) + rng.normal(0, 30, 3)) * (1 + 0.15 * (x - 0.5))
    picture = np.clip(room + opacity * (clothes - room), 0, 255)
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def _hue(spread: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A change of colour (3,): mostly of brightness, a little of hue."""
    return np.asarray(rng.normal(0, spread) + rng.normal(0, 0.4 * spread, 3))
