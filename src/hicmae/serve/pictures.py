"""The pictures of the page, as HTML with all that is in them: no file is written."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import torch.nn.functional as F  # noqa: N812
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from hicmae.colours import as_hex, colour_of
from hicmae.inference.results import Floats
from hicmae.serve.analysis import PersonAnswer

_THUMBNAIL = 112  # pixels
_PAGE_COLOUR = "#010203"  # stands for the colour of the page's text, dark or light
_HEAT = "inferno"
_FILL = 0.35  # grey of what is no sound


def strip(frames: Sequence[npt.NDArray[np.uint8]], name: str) -> str:
    """Pictures in a row."""
    pictures = "".join(
        picture(frame, f"{name}, frame {number}") for number, frame in enumerate(frames, start=1)
    )
    return f'<div class="hm-strip">{pictures}</div>'


def picture(frame: npt.NDArray[np.uint8], name: str) -> str:
    """A picture (H, W, 3) of a face."""
    return f'<img alt="{escape(name)}" src="{_data_url(frame, "jpeg")}">'


def wide_picture(picture: npt.NDArray[np.uint8], name: str) -> str:
    """A picture (H, W, 3) of sound, over the whole width."""
    return f'<img class="hm-sound" alt="{escape(name)}" src="{_data_url(picture, "png")}">'


def _data_url(picture: npt.NDArray[np.uint8], kind: str) -> str:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, kind.upper())
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"


def spectrogram_pictures(spectrogram: Floats, heard: int) -> tuple[Floats, Floats]:
    """A spectrogram in colours and in greys.

    Args:
        spectrogram: Loudness (time, frequency).
        heard: Rows that are sound; the others are filled with one grey.

    Returns:
        Two pictures (time, frequency, 3) in [0, 1].
    """
    low, high = np.percentile(spectrogram[:heard] if heard else spectrogram, [2, 99.5])
    loud = np.clip((spectrogram - low) / max(high - low, 1e-6), 0, 1)
    coloured = mpl.colormaps["magma"](loud)[..., :3]
    grey = loud[..., None].repeat(3, axis=2)
    coloured[heard:] = grey[heard:] = _FILL
    return coloured, grey


def upright(picture: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """A picture (time, frequency, 3) with time to the right and frequency upwards."""
    return as_bytes(picture.transpose(1, 0, 2)[::-1])


def thumbnail(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A small square picture (S, S, 3)."""
    return np.asarray(Image.fromarray(frame).resize((_THUMBNAIL, _THUMBNAIL)))


def relative(weights: Tensor) -> Tensor:
    """Weights spread over [0, 1]; equal ones become 0."""
    weights = weights.float() - weights.min()
    return weights / weights.max().clamp(min=1e-12)


def upsampled(weights: Tensor, shape: Sequence[int]) -> Floats:
    """Weights (h, w) smoothly enlarged to a shape (H, W)."""
    large = F.interpolate(weights[None, None], size=tuple(shape), mode="bicubic")
    return large[0, 0].clamp(0, 1).numpy()


def overlay(picture: npt.NDArray[np.uint8], heat: Floats) -> npt.NDArray[np.uint8]:
    """A grey picture (H, W, 3) with heat (H, W) in [0, 1] laid over it."""
    grey = picture.mean(axis=2, keepdims=True) / 255
    colour = mpl.colormaps[_HEAT](heat)[..., :3]
    return as_bytes(0.45 * grey + 0.55 * colour)


def as_bytes(picture: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """A picture in [0, 1] as uint8."""
    return np.round(255 * picture).astype(np.uint8)


def curve_svg(
    person: PersonAnswer, places: Sequence[int], kind: str, shaded: tuple[float, float]
) -> str:
    """The scores of every window over time, as SVG in the colour of the surrounding text.

    Where the time axis lies is written beside it, for the script of the page: from when to when in
    seconds, from where to where as a share of the width.

    Args:
        person: Whose windows.
        places: Which outputs, by their place.
        kind: "classification", for an axis of percent, or "regression".
        shaded: Start and end in seconds of what is shaded.
    """
    with mpl.rc_context({"font.size": 10.5}):
        figure = Figure(figsize=(4.4, 2.1), layout="constrained")
        axes = figure.add_subplot()
        axes.axvspan(*shaded, color=_PAGE_COLOUR, alpha=0.08, linewidth=0)
        middle = person.window_times.mean(axis=1)
        for place in reversed(places):
            colour = as_hex(colour_of(place))
            scores = person.window_scores[:, place]
            axes.plot(middle, scores, color=colour, linewidth=2.2, marker="o", markersize=4)
        start, end = float(person.window_times[0, 0]), float(person.window_times[-1, 1])
        axes.set_xlim(start, end)
        axes.set_xlabel("seconds", color=_PAGE_COLOUR)
        if kind == "classification":
            axes.set_ylim(-0.03, 1.03)
            axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
        else:
            axes.axhline(0, color=_PAGE_COLOUR, linewidth=0.8)
        axes.tick_params(colors=_PAGE_COLOUR)
        axes.grid(axis="y", color=_PAGE_COLOUR, alpha=0.12)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_PAGE_COLOUR)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        left, _, right, _ = axes.get_position().extents
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(_PAGE_COLOUR, "currentColor")
    return (
        f'<div class="hm-curve" data-start="{start:.3f}" data-end="{end:.3f}" '
        f'data-left="{left:.4f}" data-right="{right:.4f}">'
        f'<div role="img" aria-label="Scores over time">{svg}</div>'
        '<div class="hm-now" hidden></div></div>'
    )
