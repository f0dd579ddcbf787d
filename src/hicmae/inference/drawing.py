"""Emotions drawn onto pictures of a clip: boxes with words, and curves over time below them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from hicmae.colours import Colour, colours
from hicmae.inference.results import Floats, Person, Recognition, doubt_words, has_share

Picture = npt.NDArray[np.uint8]

_PAPER: Colour = (255, 255, 255)
_INK: Colour = (30, 30, 30)
_ABSENT: Colour = (232, 232, 232)

_LEAST_WIDTH = 480  # of the annotated picture, for words to fit
_LEAST_FONT = 11
_FONTS_IN_PICTURE = 34  # heights of text in the shorter side
_FINE = 4  # curves are drawn this much larger and made smaller, for smooth edges
_LONGEST_GAP = 0.5  # seconds between boxes that are bridged


def scores_at(person: Person, times: npt.ArrayLike) -> Floats:
    """Scores of a person at some times (T, O).

    Those of a window stand at its middle; between middles they go over evenly, and before the
    first and after the last they stay.

    Args:
        person: The person.
        times: Seconds (T,).
    """
    middles = person.window_times.mean(axis=1)
    columns = [np.interp(np.asarray(times), middles, scores) for scores in person.window_scores.T]
    return np.stack(columns, axis=1).astype(np.float32)


def box_at(person: Person, seconds: float, tolerance: float) -> Floats | None:
    """Left, top, width and height of a person's face at a time, or None if it is out of view.

    Args:
        person: The person.
        seconds: The time.
        tolerance: Seconds by which the nearest box may be off before the first and after the last.
    """
    times = person.box_times
    if not len(times) or not times[0] - tolerance <= seconds <= times[-1] + tolerance:
        return None
    after = int(np.searchsorted(times, seconds))
    before, after = max(after - 1, 0), min(after, len(times) - 1)
    near = min(abs(seconds - float(times[index])) for index in (before, after))
    if near > tolerance and times[after] - times[before] > _LONGEST_GAP:
        return None
    sides = [
        np.interp(seconds, times[before : after + 1], side[before : after + 1])
        for side in person.boxes.T
    ]
    return np.array(sides, np.float32)


class Annotator:
    """Draws what was recognised onto the pictures of a clip.

    Pictures below 480 pixels in width are enlarged by a whole factor, since words would not fit.
    Below the picture come a legend and, for every person, the scores over time: stacked
    probabilities of the classes, or lines of the values.

    Args:
        recognition: What was recognised.
        width: Width of the pictures in pixels.
        height: Their height.
        fps: Their frames per second.

    Attributes:
        width: Width of the annotated pictures, even.
        height: Their height, even.
    """

    def __init__(self, recognition: Recognition, width: int, height: int, fps: float) -> None:
        self._recognition = recognition
        self._fps = fps
        self._scale = -(-_LEAST_WIDTH // width)
        self._inner = (width * self._scale, height * self._scale)
        self.width = _even(self._inner[0])
        self._colours = colours(len(recognition.outputs))
        self._unit = max(round(min(self._inner) / _FONTS_IN_PICTURE), _LEAST_FONT)
        self._strip = _Strip(recognition, self.width, self._unit, self._colours)
        self.height = _even(self._inner[1] + self._strip.picture.shape[0])

    def annotate(self, picture: Picture, seconds: float) -> Picture:
        """A larger picture with boxes, words and the strip.

        Args:
            picture: uint8 RGB picture (H, W, 3) of the clip.
            seconds: When it is shown.

        Returns:
            uint8 RGB picture (`height`, `width`, 3).
        """
        image = Image.fromarray(picture)
        if image.size != self._inner:
            image = image.resize(self._inner, Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(image)
        for person in reversed(self._recognition.people):  # the main person comes on top
            self._draw_person(draw, person, seconds)
        page = np.full((self.height, self.width, 3), _PAPER, np.uint8)
        width, height = self._inner
        page[:height, :width] = np.asarray(image)
        strip = self._strip.at(seconds)
        page[height : height + len(strip)] = strip
        return page

    def _draw_person(self, draw: ImageDraw.ImageDraw, person: Person, seconds: float) -> None:
        lines, colour = self._words(person, seconds)
        unit = self._unit
        font = _font(unit, bold=True)
        size = (
            round(max(font.getlength(line) for line in lines)) + unit,
            round(1.25 * unit * len(lines)) + unit // 3,
        )
        if len(person.boxes):
            box = box_at(person, seconds, 0.75 / self._fps)
            if box is None:
                return
            left, top, width, height = (round(float(side) * self._scale) for side in box)
            thick = max(unit // 7, 2)
            draw.rectangle((left, top, left + width, top + height), outline=colour, width=thick)
            # Above the face if there is room, else within the box.
            corner = (left, top - size[1] if top >= size[1] else top)
        elif person.start - 0.75 / self._fps <= seconds <= person.end + 0.75 / self._fps:
            corner = (unit // 2, unit // 2)
        else:
            return
        x = min(max(corner[0], 0), max(self._inner[0] - size[0], 0))
        y = min(max(corner[1], 0), max(self._inner[1] - size[1], 0))
        draw.rectangle((x, y, x + size[0], y + size[1]), fill=colour)
        for number, line in enumerate(lines):
            place = (x + unit // 2, y + unit // 6 + round(1.25 * unit * number))
            draw.text(place, line, font=font, fill=_readable_on(colour))

    def _words(self, person: Person, seconds: float) -> tuple[list[str], Colour]:
        """What stands beside a face, and in which colour."""
        scores = scores_at(person, [seconds])[0]
        several = len(self._recognition.people) > 1
        number = f"{person.number}: " if several else ""
        outputs = self._recognition.outputs
        if self._recognition.kind == "classification":
            best = int(scores.argmax())
            told = self._recognition.named(scores)
            shared = has_share(told, outputs, self._recognition.target_kind)
            share = f" {scores[best]:.0%}" if shared else ""
            doubt = "?" if doubt_words(person.sure, person.unfamiliarity) else ""
            words = f"{number}{told}{doubt}{share}"
            return [words], self._colours[best]
        values = [f"{name} {score:.2f}" for name, score in zip(outputs, scores, strict=True)]
        return ([f"person {person.number}"] if several else []) + values, _PAPER


class _Strip:
    """Legend and curves of all people, drawn once, with a cursor that moves.

    Args:
        recognition: What was recognised.
        width: Width in pixels.
        unit: Height of the text in pixels.
        palette: Colour of every output.
    """

    def __init__(
        self, recognition: Recognition, width: int, unit: int, palette: Sequence[Colour]
    ) -> None:
        people = recognition.people
        font = _font(unit)
        margin = unit // 2
        labels = [f"person {person.number}" if len(people) > 1 else "" for person in people]
        low_high = ("", "")
        # Shares of one whole lie on top of each other; values and labels have curves of their own.
        stacked = recognition.kind == "classification" and recognition.target_kind != "labels"
        if not stacked:
            labels_alone = recognition.kind == "classification"
            low_high = ("0", "1") if labels_alone else _limits(people)
        gutter = max(font.getlength(text) for text in (*labels, *low_high))
        self._left = margin + (round(gutter) + margin if gutter else 0)
        self._right = width - margin
        self._duration = max(recognition.duration, 1e-6)
        legend = _legend(recognition.outputs, width - 2 * margin, font, unit)
        line = round(1.5 * unit)
        self._top = margin + line * len(legend) + margin // 2
        plot = round((5.5 if len(people) == 1 else 3.5) * unit)
        step = plot + margin
        self._bottom = self._top + step * len(people) - margin
        image = Image.new("RGB", (width, self._bottom + round(1.9 * unit)), _PAPER)
        draw = ImageDraw.Draw(image)
        draw.line((0, 0, width, 0), fill=_ABSENT, width=max(unit // 8, 2))  # below a white picture
        for row, entries in enumerate(legend):
            for index, offset in entries:
                x, y = margin + offset, margin + row * line
                square = (x, y + unit // 5, x + unit, y + unit // 5 + unit)
                draw.rectangle(square, fill=palette[index], outline=_INK)
                draw.text((x + 1.4 * unit, y), recognition.outputs[index], font=font, fill=_INK)
        size = (self._right - self._left, plot)
        for row, (person, label) in enumerate(zip(people, labels, strict=True)):
            top = self._top + row * step
            if stacked:
                curves = _stacked(person, self._duration, size, palette)
            else:
                curves = _lines(person, self._duration, size, palette, low_high)
            image.paste(Image.fromarray(curves), (self._left, top))
            frame = (self._left - 1, top - 1, self._right, top + plot)
            draw.rectangle(frame, outline=_INK)
            draw.text((margin, top + plot / 2), label, font=font, fill=_INK, anchor="lm")
            for text, place, anchor in ((low_high[1], top, "ra"), (low_high[0], top + plot, "rd")):
                draw.text(
                    (self._left - margin // 2, place), text, font=font, fill=_INK, anchor=anchor
                )
        self._draw_times(draw, font, unit)
        self.picture = np.asarray(image).copy()
        self._line = max(unit // 8, 2)

    def at(self, seconds: float) -> Picture:
        """The strip with its cursor at a time, uint8 RGB (H, W, 3)."""
        strip = self.picture.copy()
        share = min(max(seconds / self._duration, 0.0), 1.0)
        span = self._right - self._left - 1
        middle = self._left + round(share * span)
        rows = slice(self._top - self._line, self._bottom + self._line)
        for reach, colour in ((2 * self._line, _PAPER), (self._line, _INK)):
            first = middle - reach // 2
            strip[rows, max(first, 0) : first + reach] = colour
        return strip

    def _draw_times(
        self, draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, unit: int
    ) -> None:
        span = self._right - self._left - 1
        room = span / (font.getlength("0000 s") * 1.8)
        step = next(
            (step for step in _STEPS if self._duration / step <= room), self._duration / room
        )
        digits = 1 if step < 1 else 0
        for number in range(int(self._duration / step + 1e-6) + 1):
            x = self._left + number * step / self._duration * span
            draw.line((x, self._bottom, x, self._bottom + unit // 3), fill=_INK)
            text = f"{number * step:.{digits}f} s"
            near_end = x + font.getlength(text) / 2 > self._right
            anchor = "la" if number == 0 else "ra" if near_end else "ma"
            draw.text((x, self._bottom + unit // 3), text, font=font, fill=_INK, anchor=anchor)


_STEPS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)


def _stacked(
    person: Person, duration: float, size: tuple[int, int], palette: Sequence[Colour]
) -> Picture:
    """Probabilities as areas over each other, in the order of the classes, the first below."""
    width, height = size
    times = (np.arange(width) + 0.5) / width * duration
    scores = scores_at(person, times)
    tops = np.cumsum(scores / np.maximum(scores.sum(axis=1, keepdims=True), 1e-9), axis=1)
    places = 1 - (np.arange(height * _FINE) + 0.5) / (height * _FINE)  # from above
    layer = (places[:, None, None] > tops[None, :, :-1]).sum(axis=2)  # (height · fine, width)
    fine = np.array(palette, np.uint8)[layer]
    picture = fine.reshape(height, _FINE, width, 3).mean(axis=1).round().astype(np.uint8)
    picture[:, ~_in_view(person, times)] = _ABSENT
    return picture


def _lines(
    person: Person,
    duration: float,
    size: tuple[int, int],
    palette: Sequence[Colour],
    low_high: tuple[str, str],
) -> Picture:
    """Values as lines between two limits."""
    width, height = size
    low, high = map(float, low_high)
    times = (np.arange(width) + 0.5) / width * duration
    seen = _in_view(person, times)
    scores = scores_at(person, times)
    image = Image.new("RGB", (width * _FINE, height * _FINE), _PAPER)
    draw = ImageDraw.Draw(image)
    for column in np.flatnonzero(~seen).tolist():
        draw.rectangle((column * _FINE, 0, (column + 1) * _FINE, height * _FINE), fill=_ABSENT)
    for output, colour in enumerate(palette):
        levels = (high - scores[seen, output]) / (high - low) * height
        points = [
            ((column + 0.5) * _FINE, level * _FINE)
            for column, level in zip(np.flatnonzero(seen), levels, strict=True)
        ]
        if len(points) > 1:
            draw.line(points, fill=colour, width=max(height // 20, 2) * _FINE, joint="curve")
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _in_view(person: Person, times: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    spread = times[1] - times[0] if len(times) > 1 else 0.0
    return (times >= person.start - spread) & (times <= person.end + spread)


def _limits(people: Sequence[Person]) -> tuple[str, str]:
    """Words for the lowest and the highest value that curves are drawn between."""
    values = np.concatenate([person.window_scores.ravel() for person in people])
    low, high = float(values.min()), float(values.max())
    space = max(0.1 * (high - low), 0.05)
    return f"{low - space:.2f}", f"{high + space:.2f}"


def _legend(
    names: Sequence[str], width: int, font: ImageFont.FreeTypeFont, unit: int
) -> list[list[tuple[int, float]]]:
    """Lines of the legend, each a list of output and distance from the left."""
    rows: list[list[tuple[int, float]]] = [[]]
    offset = 0.0
    for index, name in enumerate(names):
        length = font.getlength(name) + 1.4 * unit
        if rows[-1] and offset + length > width:
            rows.append([])
            offset = 0.0
        rows[-1].append((index, offset))
        offset += length + 1.2 * unit
    return rows


@lru_cache(maxsize=8)
def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    import matplotlib as mpl  # noqa: PLC0415 (takes time, for its fonts alone)

    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", name)), size)


def _readable_on(colour: Colour) -> Colour:
    red, green, blue = colour
    return _INK if 0.299 * red + 0.587 * green + 0.114 * blue > 110 else _PAPER


def _even(number: int) -> int:
    return number + number % 2
