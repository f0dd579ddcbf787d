"""What is seen and heard alike in synthetic clips besides the emotion: the speaker and the place.

Who is larger speaks lower and from a longer vocal tract, and age is in the hair as in the voice; a
bright place is loud, and warm light comes with deep noise. Without any of this, the sound of a
stranger could only be matched with the picture by emotion and by the timing of speech.
"""

from dataclasses import dataclass

from hicmae.demo.performance import ClipKey, Stream


@dataclass(frozen=True)
class Speaker:
    """The causes behind the traits of face and voice.

    Attributes:
        low: Whether the voice is low; these speakers may have a beard or no hair.
        build: From 0, large, to 1, small; low voices are below 0.45, high ones above 0.55.
        age: From 0, young, to 1, old.
    """

    low: bool
    build: float
    age: float


def speaker_of(key: ClipKey) -> Speaker:
    """Draws the speaker of `key`; low and high voices alternate."""
    rng = key.speaker_generator(Stream.SPEAKER)
    low = key.speaker % 2 == 0
    build = float(rng.uniform(0, 0.45) if low else rng.uniform(0.55, 1))
    return Speaker(low=low, build=build, age=float(rng.uniform()))


@dataclass(frozen=True)
class Place:
    """Where a clip is recorded, another one for every clip; each from 0 to 1.

    Attributes:
        light: From dim and quiet to bright and loud.
        warmth: From cold light and hissing noise to warm light and rumbling noise.
    """

    light: float
    warmth: float


def place_of(key: ClipKey) -> Place:
    """Draws the place of the clip `key`."""
    rng = key.clip_generator(Stream.PLACE)
    return Place(light=float(rng.uniform()), warmth=float(rng.uniform()))
