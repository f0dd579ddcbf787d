"""Draws the pictures of the concepts page: `python docs/drawings/draw.py` writes them anew.

Every drawing comes in two files, for light and for dark pages.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple
from xml.sax.saxutils import escape

FOLDER = Path(__file__).parent
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


class Palette(NamedTuple):
    """Colours of a drawing, as (fill, stroke) for the kinds of boxes."""

    text: str
    quiet: str
    line: str
    video: tuple[str, str]
    audio: tuple[str, str]
    fusion: tuple[str, str]
    plain: tuple[str, str]
    contrast: str
    masked: str


PALETTES = {
    "light": Palette(
        text="#1f2937",
        quiet="#4b5563",
        line="#64748b",
        video=("#dbeafe", "#2563eb"),
        audio=("#fdebd3", "#c2620c"),
        fusion=("#e7e0fb", "#6d4bd0"),
        plain=("#f1f5f9", "#94a3b8"),
        contrast="#0b7a5c",
        masked="#cbd5e1",
    ),
    "dark": Palette(
        text="#e5e7eb",
        quiet="#b6bfcc",
        line="#94a3b8",
        video=("#1e3a5f", "#60a5fa"),
        audio=("#4a2f14", "#f0a35e"),
        fusion=("#352a5c", "#a78bfa"),
        plain=("#2a3140", "#7b879a"),
        contrast="#34d399",
        masked="#465064",
    ),
}


class Drawing:
    """An SVG in the making; positions are in its own pixels, from the upper left corner."""

    def __init__(self, width: int, height: int, title: str, colours: Palette) -> None:
        self.size = (width, height)
        self.title = title
        self.colours = colours
        self.parts: list[str] = []

    def box(  # noqa: PLR0917 (a place, a size and what is seen)
        self, x: float, y: float, width: float, height: float, paint: tuple[str, str], label: str
    ) -> None:
        """A rounded box with a label in its middle; lines of the label are divided by |."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{paint[0]}" '
            f'stroke="{paint[1]}" stroke-width="1.5"/>'
        )
        lines = label.split("|") if label else []
        for place, line in enumerate(lines):
            offset = (place - (len(lines) - 1) / 2) * 19
            self.text(x + width / 2, y + height / 2 + 5 + offset, line)

    def square(self, x: float, y: float, side: float, fill: str, stroke: str) -> None:
        """A small square, as of a grid of patches."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{side}" height="{side}" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="0.7"/>'
        )

    def text(
        self, x: float, y: float, content: str, *, anchor: str = "middle", colour: str = ""
    ) -> None:
        """A line of text; what begins with ~ is smaller and quiet, with * bold."""
        quiet, bold = content.startswith("~"), content.startswith("*")
        fill = colour or (self.colours.quiet if quiet else self.colours.text)
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{13.5 if quiet else 15}" '
            f'fill="{fill}"{weight}>{escape(content.lstrip("~*"))}</text>'
        )

    def arrow(
        self,
        *points: tuple[float, float],
        colour: str = "",
        dashed: bool = False,
        both_ends: bool = False,
        head: bool = True,
    ) -> None:
        """A line through points, with a head at its end."""
        stroke = colour or self.colours.line
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        marker = "contrast" if colour == self.colours.contrast else "line"
        ends = f' marker-end="url(#{marker})"' if head else ""
        ends += f' marker-start="url(#{marker})"' if both_ends else ""
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="1.6" '
            f'stroke-linejoin="round"{dash}{ends}/>'
        )

    def svg(self) -> str:
        """The whole file."""
        width, height = self.size
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            f'markerHeight="7" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" '
            f'fill="{fill}"/></marker>'
            for name, fill in (("line", self.colours.line), ("contrast", self.colours.contrast))
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                f'width="{width}" height="{height}" role="img" font-family="{FONT}">',
                f"<title>{escape(self.title)}</title>",
                f"<defs>{markers}</defs>",
                *self.parts,
                "</svg>\n",
            ]
        )


def pretraining(colours: Palette) -> Drawing:
    """Masked reconstruction with hierarchical skips and contrast."""
    drawing = Drawing(
        900,
        900,
        "Pre-training: the visible tokens of video and audio go through an encoder each and a "
        "fusion encoder; decoders reconstruct the masked ones, reading encoder layers 10, 7 and 4.",
        colours,
    )
    columns = ((290.0, colours.video, "video", -1), (610.0, colours.audio, "audio", 1))
    _masked_grid(drawing, 290, (10, 10), colours.video[1], visible=10)
    _masked_grid(drawing, 610, (16, 8), colours.audio[1], visible=26)
    drawing.text(290, 24, "*16 frames, 160 × 160")
    drawing.text(290, 44, "~(B, 3, 16, 160, 160)")
    drawing.text(610, 24, "*spectrogram, 2.56 s")
    drawing.text(610, 44, "~(B, 1, 256, 128)")
    drawing.text(212, 100, "~90 % masked,", anchor="end")
    drawing.text(212, 118, "~the same places", anchor="end")
    drawing.text(212, 136, "~in all frames", anchor="end")
    drawing.text(724, 109, "~80 % masked,", anchor="start")
    drawing.text(724, 127, "~anywhere", anchor="start")
    drawing.text(290, 200, "~visible tubes 2 × 16 × 16: (B, 80, 512)")
    drawing.text(610, 200, "~visible patches 16 × 16: (B, 26, 512)")

    top, step = 222, 19
    levels = {}
    for x, paint, name, side in columns:
        drawing.arrow((x, 166), (x, 182))
        for layer in range(1, 11):
            y = top + (layer - 1) * step
            tapped = layer in (4, 7, 10)
            fill = (paint[1] if tapped else paint[0], paint[1])
            drawing.box(x - 90, y, 180, step - 4, fill, "")
            if tapped:
                levels[layer] = y + (step - 4) / 2
        drawing.text(x + side * 100, top + 30, f"*{name} encoder", anchor=_away(side))
        drawing.text(x + side * 100, top + 50, "~10 layers", anchor=_away(side))
        drawing.arrow((x, top + 10 * step - 2), (x, 460))
    for layer, y in levels.items():
        drawing.arrow((384, y), (516, y), colour=colours.contrast, both_ends=True)
        drawing.text(450, y - 6, f"~layer {layer}", colour=colours.contrast)
    drawing.text(450, top + 14, "*contrast", colour=colours.contrast)
    drawing.text(450, top + 32, "~of mean tokens", colour=colours.contrast)

    drawing.box(
        200,
        462,
        500,
        58,
        colours.fusion,
        "*fusion encoder, 2 layers|~each modality reads the other, then itself",
    )
    for x, _, _, _ in columns:
        drawing.arrow((x, 520), (x, 566))
    drawing.text(450, 548, "~+ mask tokens for the masked places")

    first, height = 570, 30
    for x, paint, name, side in columns:
        names = ("self-attention", "reads layer 10", "reads layer 7", "reads layer 4")
        for place, label in enumerate(names):
            drawing.box(x - 90, first + place * 38, 180, height, paint, "~" + label)
        for lane, (place, layer) in enumerate(((1, 10), (2, 7), (3, 4))):
            outer = x + side * (112 + lane * 14)
            y = first + place * 38 + height / 2
            drawing.arrow(
                (x + side * 92, levels[layer]),
                (outer, levels[layer]),
                (outer, y),
                (x + side * 92, y),
            )
        drawing.text(x + side * 150, 640, f"*{name} decoder", anchor=_away(side))
        drawing.text(x + side * 150, 660, "~4 layers", anchor=_away(side))
        drawing.arrow((x, 714), (x, 752))
    for x, anchor in ((140, "end"), (760, "start")):
        drawing.text(x, 440, "*skip", anchor=anchor)
        drawing.text(x, 460, "*connections", anchor=anchor)
    drawing.box(200, 756, 180, 52, colours.plain, "masked tubes|~(B, 720, 1536)")
    drawing.box(520, 756, 180, 52, colours.plain, "masked patches|~(B, 102, 256)")
    drawing.text(
        450, 842, "loss = squared error of video + squared error of audio + 0.0025 · contrast"
    )
    drawing.text(450, 864, "~shapes of the base size; B clips")
    return drawing


def recognition(colours: Palette) -> Drawing:
    """All tokens, features of all layers fused, and a linear head."""
    drawing = Drawing(
        900,
        640,
        "Recognition: of each modality the mean tokens of all ten layers are added with learnt "
        "weights; with the means of the fusion encoder they go through a norm to a linear head.",
        colours,
    )
    columns = ((250.0, colours.video, "video", -1), (650.0, colours.audio, "audio", 1))
    for x, paint, name, side in columns:
        inputs = "all tubes: (B, 800, 512)" if name == "video" else "all patches: (B, 128, 512)"
        drawing.text(x, 24, f"*{name}")
        drawing.text(x, 44, f"~{inputs}")
        drawing.arrow((x, 52), (x, 70))
        for layer in range(10):
            y = 74 + layer * 19
            drawing.box(x - 80, y, 160, 15, (paint[1], paint[1]), "")
            drawing.arrow(
                (x + side * 80, y + 7.5), (x + side * 118, y + 7.5), head=False, dashed=True
            )
        rail = x + side * 118
        drawing.arrow((rail, 81.5), (rail, 390), (x + side * 92, 390))
        words = x + side * 128
        drawing.text(words, 101, "*mean of", anchor=_away(side))
        drawing.text(words, 120, "*every layer", anchor=_away(side))
        drawing.text(words, 140, "~(B, 10, 512)", anchor=_away(side))
        drawing.text(words, 168, "~× softmax of 10", anchor=_away(side))
        drawing.text(words, 186, "~learnt weights,", anchor=_away(side))
        drawing.text(words, 204, "~added up", anchor=_away(side))
        drawing.arrow((x + 40 * -side, 262), (x + 40 * -side, 290))
        drawing.text(x - side * 92, 170, f"*{name}", anchor=_away(-side))
        drawing.text(x - side * 92, 190, "*encoder", anchor=_away(-side))
        drawing.box(x - 90, 366, 180, 48, paint, f"{name}, all layers|~(B, 512)")
        drawing.arrow((x, 414), (x, 440), (x + side * -100, 440), (x + side * -100, 470))
    drawing.box(200, 292, 500, 40, colours.fusion, "*fusion encoder, 2 layers")
    drawing.box(356, 366, 90, 48, colours.fusion, "video|~mean")
    drawing.box(454, 366, 90, 48, colours.fusion, "audio|~mean")
    for x in (401, 499):
        drawing.arrow((x, 332), (x, 362))
        drawing.arrow((x, 414), (x, 470))
    drawing.box(
        250, 474, 400, 48, colours.plain, "joined and normalised: the joint feature|~(B, 2048)"
    )
    drawing.arrow((450, 522), (450, 548))
    drawing.box(330, 552, 240, 48, colours.plain, "linear head|~(B, classes or dimensions)")
    drawing.text(450, 628, "~shapes of the base size; B clips")
    return drawing


def windows(colours: Palette) -> Drawing:
    """How a clip of any length is read."""
    drawing = Drawing(
        900,
        350,
        "A clip is read in windows of 2.56 seconds, each beginning half a window after the one "
        "before; every window gives scores, and their mean is the score of the person.",
        colours,
    )
    left, scale = 150, 100  # pixels of the beginning and of a second
    for label, y, paint, end in (
        ("pictures", 40, colours.video, 6.4),
        ("sound", 84, colours.audio, 6.4),
    ):
        drawing.text(left - 14, y + 20, f"*{label}", anchor="end")
        drawing.box(left, y, end * scale, 30, paint, "")
    for second in range(7):
        x = left + second * scale
        drawing.arrow((x, 118), (x, 124), head=False)
        drawing.text(x, 140, f"~{second} s")
    for frame in range(0, 160, 4):
        x = left + frame / 25 * scale
        drawing.arrow((x, 46), (x, 64), head=False, colour=colours.video[1])
    drawing.text(
        left + 320, 26, "~a face found, followed and cut out; every 4th of 25 frames a second"
    )
    for place in range(4):
        start = left + place * 1.28 * scale
        y = 164 + place * 32
        drawing.box(start, y, 256, 26, colours.fusion, f"~window {place + 1}: 16 frames, 2.56 s")
        drawing.arrow((start + 258, y + 13), (800, y + 13))
    drawing.text(left - 14, 216, "*windows", anchor="end")
    drawing.text(left - 14, 236, "~half a window", anchor="end")
    drawing.text(left - 14, 253, "~apart (--hop)", anchor="end")
    drawing.box(804, 160, 84, 128, colours.plain, "model:|scores|of every|window")
    drawing.arrow((846, 288), (846, 322), (760, 322))
    drawing.text(752, 327, "scores of the person: the mean over windows", anchor="end")
    return drawing


DRAWINGS: dict[str, Callable[[Palette], Drawing]] = {
    "pretraining": pretraining,
    "recognition": recognition,
    "windows": windows,
}


def files() -> dict[str, str]:
    """Content of every drawing's file by name."""
    return {
        f"{name}-{theme}.svg": draw(colours).svg()
        for name, draw in DRAWINGS.items()
        for theme, colours in PALETTES.items()
    }


def _masked_grid(
    drawing: Drawing, middle: float, grid: tuple[int, int], fill: str, *, visible: int
) -> None:
    """A picture of patches, (columns, rows), of which so many are not masked."""
    columns, rows = grid
    side = 106 / rows if rows == columns else 12
    left, top = middle - columns * side / 2, 109 - rows * side / 2
    shown = set(Random(1).sample(range(rows * columns), visible))  # noqa: S311 (only a picture)
    for place in range(rows * columns):
        x, y = left + place % columns * side, top + place // columns * side
        colour = fill if place in shown else drawing.colours.masked
        drawing.square(round(x, 1), round(y, 1), round(side, 1), colour, drawing.colours.line)


def _away(side: int) -> str:
    return "start" if side > 0 else "end"


if __name__ == "__main__":
    for file, content in files().items():
        (FOLDER / file).write_text(content, encoding="utf-8")
