"""Colours of classes, values and runs, the same in every picture.

They are those of Okabe and Ito, "Color Universal Design" (2008), which people with any colour
vision tell apart. The black of their set, which is for text and is lost on a dark page, is a grey.
"""

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

PALETTE: tuple[Colour, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (130, 130, 130),
    (240, 228, 66),
)
"""Yellow comes last, as lines of it are hard to see on white."""


def colour_of(place: int) -> Colour:
    """The colour of the class, value or run in a place, from 0; beyond eight they come lighter."""
    turn, place = divmod(place, len(PALETTE))
    red, green, blue = (round(255 - (255 - part) * 0.5**turn) for part in PALETTE[place])
    return red, green, blue


def colours(count: int) -> list[Colour]:
    """The colours of the first places."""
    return [colour_of(place) for place in range(count)]


def as_hex(colour: Colour) -> str:
    """What web pages and matplotlib call a colour, such as "#0072b2"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
