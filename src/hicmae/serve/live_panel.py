"""What the page shows of camera and microphone; its script fills it."""

from __future__ import annotations

from html import escape

from hicmae.colours import as_hex, colour_of
from hicmae.weights.description import ModelDescription


def live_html(description: ModelDescription) -> str:
    """The view of what is watched.

    Args:
        description: The model, which says whether camera and microphone are asked for.
    """
    sees, hears = description.modality != "audio", description.modality != "video"
    devices = " and ".join(["camera"] * sees + ["microphone"] * hears)
    colours = [as_hex(colour_of(place)) for place in range(len(description.outputs))]
    bars = "".join(
        f'<div class="hm-bar"><span>{escape(output)}</span>'
        f'<i><b style="background:{colour}"></b></i><em></em></div>'
        for output, colour in zip(description.outputs, colours, strict=True)
    )
    curves = "".join(f'<path stroke="{colour}"></path>' for colour in colours)
    return (
        f'<div id="live" data-kind="{description.kind}" data-sees="{sees:d}" '
        f'data-hears="{hears:d}">'
        '<div class="hm-watched"><video muted playsinline></video>'
        '<button type="button" data-does="start">Start</button>'
        '<button type="button" data-does="stop" hidden>Stop</button>'
        f'<p class="hm-small">What {devices} record goes to the computer that runs this page; it '
        "holds the last seconds of it and stores nothing.</p></div>"
        '<div><div class="hm-message" role="alert" hidden></div>'
        f'<p class="hm-hint">Press Start and allow {devices}: the model answers '
        f"{'for the largest face, ' * sees}window after window of the last seconds.</p>"
        '<div class="hm-course-now" hidden><header class="hm-headline"><div></div>'
        '<p role="status"></p></header>'
        '<div class="hm-cards"><article class="hm-card hm-wide"><h3>The last minute</h3>'
        '<div class="hm-moving"><span></span><span></span>'
        '<svg viewBox="0 0 600 160" preserveAspectRatio="none" role="img" '
        f'aria-label="Scores of the last minute">{curves}</svg></div>'
        '<div class="hm-axis"><span>60 s ago</span><span>now</span></div>'
        "<p>A point for each window, at its middle.</p></article>"
        '<article class="hm-card hm-wide"><h3>The newest window</h3>'
        f'<div class="hm-bars">{bars}</div></article></div></div></div></div>'
    )
