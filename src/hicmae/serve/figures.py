"""What the page shows of a clip, as HTML with all pictures inside it: no file is written.

Everything that comes from a checkpoint or a file is escaped.
"""

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

from hicmae.choices import Use
from hicmae.colours import as_hex, colour_of
from hicmae.inference.results import Floats
from hicmae.serve.analysis import Answer, Moment, PersonAnswer
from hicmae.weights.description import ModelDescription

_MOST_BARS = 8
_MOST_CURVES = 5
_MOST_NAMES = 12
_MOST_FRAMES = 8
_THUMBNAIL = 112  # pixels
_PAGE_COLOUR = "#010203"  # stands for the colour of the page's text, dark or light
_HEAT = "inferno"
_FILL = 0.35  # grey of what is no sound


def message_box(text: str) -> str:
    """A mistake, told in the place of the answer."""
    return f'<div class="hm-message" role="alert"><b>No answer.</b> {escape(text)}</div>'


def hint_box(text: str) -> str:
    """What stands in the place of the answer before there is one."""
    return f'<div class="hm-hint">{escape(text)}</div>'


def answer_html(answer: Answer) -> str:
    """The whole answer: a panel per person, with a tab for each where there are several."""
    people = answer.people
    panels = [_panel(answer, person) for person in people]
    if len(panels) == 1:
        return f'<div class="hm-answer">{panels[0]}</div>'
    choices, labels = [], []
    for place, person in enumerate(people):
        checked = " checked" if place == 0 else ""
        name = f"hm-person-{place}"
        choices.append(f'<input type="radio" name="hm-person" id="{name}"{checked}>')
        face = _picture(_middle_frame(person.moment), f"Person {person.number}")
        labels.append(
            f'<label for="{name}">{face}<span>Person {person.number}<small>'
            f"{_span(person.start, person.end)}</small></span></label>"
        )
    return (
        f'<div class="hm-answer hm-people">{"".join(choices)}'
        f'<div class="hm-tabs">{"".join(labels)}</div>{"".join(panels)}</div>'
    )


def _panel(answer: Answer, person: PersonAnswer) -> str:
    order = _order(answer.kind, person.scores)
    bars = _Bars(answer.kind, answer.outputs, order, _extent(person))
    cards = [
        _card("Over the whole clip", bars.of(person.scores), _windows_note(person)),
        _curve_card(answer, person, order),
        _face_card(answer, person),
        _sound_card(person.moment),
        _modality_card(person.moment, bars),
    ]
    return (
        f'<section class="hm-panel">{_headline(answer, person)}'
        f'<div class="hm-cards">{"".join(cards)}</div></section>'
    )


def _headline(answer: Answer, person: PersonAnswer) -> str:
    name = escape(answer.name)
    if answer.kind == "classification":
        best = int(np.argmax(person.scores))
        colour = as_hex(colour_of(best))
        title = (
            f'<span class="hm-dot" style="background:{colour}"></span>'
            f'<span class="hm-emotion">{escape(answer.outputs[best])}</span>'
            f'<span class="hm-share">{person.scores[best]:.0%}</span>'
        )
    else:
        title = "".join(
            f'<span class="hm-value"><small>{escape(output)}</small>{score:+.2f}</span>'
            for output, score in zip(answer.outputs, person.scores.tolist(), strict=True)
        )
    where = f" · in view {_span(person.start, person.end)}" if len(answer.people) > 1 else ""
    return (
        f'<header class="hm-headline"><div>{title}</div>'
        f"<p>{name} · {answer.duration:.1f} s{where}</p></header>"
    )


def _order(kind: str, scores: Floats) -> list[int]:
    """Places of the outputs, the most probable class first; targets stay as they are."""
    if kind == "classification":
        return [int(place) for place in np.argsort(-scores, kind="stable")]
    return list(range(len(scores)))


def _extent(person: PersonAnswer) -> float:
    """The largest absolute value among those that bars of this person show, at least 1."""
    shown = [person.scores, *person.moment.scores.values()]
    return max(1.0, *(float(np.abs(scores).max()) for scores in shown))


class _Bars:
    """Horizontal bars in one order, with one scale and one set of colours."""

    def __init__(
        self, kind: str, outputs: Sequence[str], order: Sequence[int], extent: float
    ) -> None:
        self.kind = kind
        self.outputs = outputs
        self.order = order
        self.extent = extent

    def of(self, scores: Floats) -> str:
        rows = [self._row(place, float(scores[place])) for place in self.order]
        shown, rest = "".join(rows[:_MOST_BARS]), "".join(rows[_MOST_BARS:])
        if rest:
            shown += f"<details><summary>{len(rows) - _MOST_BARS} more</summary>{rest}</details>"
        return f'<div class="hm-bars">{shown}</div>'

    def _row(self, place: int, score: float) -> str:
        if self.kind == "classification":
            left, width, text = 0.0, score, f"{score:.0%}"
        else:  # from the middle, where zero is
            width, text = abs(score) / self.extent / 2, f"{score:+.2f}"
            left = 0.5 if score >= 0 else 0.5 - width
        colour = as_hex(colour_of(place))
        style = f"left:{100 * left:.1f}%;width:{100 * width:.1f}%;background:{colour}"
        middle = "" if self.kind == "classification" else '<u class="hm-zero"></u>'
        return (
            f'<div class="hm-bar"><span>{escape(self.outputs[place])}</span>'
            f'<i>{middle}<b style="{style}"></b></i><em>{text}</em></div>'
        )


def _windows_note(person: PersonAnswer) -> str:
    count = len(person.window_times)
    seconds = float(np.mean(person.window_times[:, 1] - person.window_times[:, 0]))
    if count == 1:
        return f"The clip is one window of {seconds:.1f} s for the model."
    return f"Mean over {count} windows of {seconds:.1f} s."


def _curve_card(answer: Answer, person: PersonAnswer, order: Sequence[int]) -> str:
    if len(person.window_times) == 1:
        return ""
    shown = order[:_MOST_CURVES]
    note = "A point for each window, at its middle. Shaded: the moment shown below."
    if len(shown) < len(order):
        note += f" The {len(shown)} most probable of {len(order)}."
    legend = "".join(
        f'<span><u style="background:{as_hex(colour_of(place))}"></u>'
        f"{escape(answer.outputs[place])}</span>"
        for place in shown
    )
    picture = curve_svg(person, shown, answer.kind, (person.moment.start, person.moment.end))
    return _card("Over time", f'{picture}<div class="hm-legend">{legend}</div>', note)


def curve_svg(
    person: PersonAnswer, places: Sequence[int], kind: str, shaded: tuple[float, float]
) -> str:
    """The scores of every window over time, as SVG in the colour of the surrounding text.

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
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].replace(_PAGE_COLOUR, "currentColor")
    return f'<div class="hm-curve" role="img" aria-label="Scores over time">{svg}</div>'


def _face_card(answer: Answer, person: PersonAnswer) -> str:
    moment = person.moment
    what = "The face" if answer.crops_faces else "The picture"
    title = f"{what}, {_span(moment.start, moment.end)}"
    count = min(_MOST_FRAMES, len(moment.frames))
    chosen = np.linspace(0, len(moment.frames) - 1, count).round().astype(int)
    frames = [_thumbnail(moment.frames[place]) for place in chosen]
    rows = "<h4>What the model saw</h4>" + _strip(frames, "What the model saw")
    note = _moment_note(answer, person)
    if moment.video_map is not None:
        heat = _relative(moment.video_map)
        tube = len(moment.frames) // len(heat)
        shape = (_THUMBNAIL, _THUMBNAIL)
        looks = [
            _overlay(frame, _upsampled(heat[place // tube], shape))
            for frame, place in zip(frames, chosen, strict=True)
        ]
        rows += f"<h4>Where the model looks {_SCALE}</h4>" + _strip(looks, "Where the model looks")
        note += " " + _ROLLOUT_NOTE
    else:
        note += " This model does not read pictures."
    return _card(title, rows, note, wide=True)


_SCALE = '<span class="hm-scale">little <u></u> much</span>'
_ROLLOUT_NOTE = (
    "Attention roll-out: from where information can reach the model's answer; it does not tell "
    "what speaks for the emotion and what against it."
)


def _moment_note(answer: Answer, person: PersonAnswer) -> str:
    if len(person.window_times) == 1:
        return ""
    if answer.kind == "classification":
        return "The window in which the emotion named above is strongest."
    return "The window that is farthest from the mean of the clip."


def _sound_card(moment: Moment) -> str:
    spectrogram = moment.spectrogram
    heard = spectrogram[: moment.heard] if moment.heard else spectrogram
    low, high = np.percentile(heard, [2, 99.5])
    loud = np.clip((spectrogram - low) / max(high - low, 1e-6), 0, 1)
    coloured = mpl.colormaps["magma"](loud)[..., :3]
    grey = loud[..., None].repeat(3, axis=2)
    coloured[moment.heard :] = grey[moment.heard :] = _FILL
    seconds = len(spectrogram) / 100  # a row is 10 ms
    start, end = f"{moment.start:.1f} s", f"{moment.start + seconds:.1f} s"
    axis = f'<div class="hm-axis"><span>{start}</span><span>{end}</span></div>'
    parts = [
        "<h4>What the model heard</h4>"
        + _wide_picture(_upright(coloured), "Spectrogram of the moment")
        + axis
    ]
    note = "Low tones at the bottom, high ones at the top; bright is loud."
    if moment.heard < len(spectrogram):
        note += " Grey: the model takes more sound at once than the moment has."
    if moment.audio_map is not None:
        heat = _upsampled(_relative(moment.audio_map), spectrogram.shape)
        looks = _overlay(_bytes(grey), heat)
        parts.append(
            f"<h4>Where the model listens {_SCALE}</h4>"
            + _wide_picture(looks.transpose(1, 0, 2)[::-1], "Where the model listens")
            + axis
        )
    else:
        note = "This model does not hear sound: it was not asked about it."
    body = "".join(f"<div>{part}</div>" for part in parts)
    title = f"The sound, {_span(moment.start, moment.end)}"
    return _card(title, f'<div class="hm-columns">{body}</div>', note, wide=True)


def _upright(picture: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """A picture (time, frequency, 3) with time to the right and frequency upwards."""
    return _bytes(picture.transpose(1, 0, 2)[::-1])


def _modality_card(moment: Moment, bars: _Bars) -> str:
    if set(moment.scores) == {"both"}:
        return ""
    names: dict[Use, str] = {
        "both": "Both together",
        "video": "Picture alone",
        "audio": "Sound alone",
    }
    columns = "".join(
        f"<div><h4>{name}</h4>{bars.of(moment.scores[use])}</div>" for use, name in names.items()
    )
    note = (
        "For the same moment. “Picture alone” replaces the sound by silence, “sound alone” the "
        "picture by grey. The model learned from both together, so these are probes of it and no "
        "models of their own."
    )
    columns = f'<div class="hm-columns">{columns}</div>'
    return _card("Which modality said what", columns, note, wide=True)


def about_html(description: ModelDescription) -> str:
    """What the model is and what it is not, in a few words."""
    outputs = description.outputs
    names = escape(", ".join(outputs[:_MOST_NAMES])) + (", …" if len(outputs) > _MOST_NAMES else "")
    if description.kind == "classification":
        tells = f"It knows {len(outputs)} answers and always gives one of them: {names}."
    else:
        tells = f"It gives {len(outputs)} values: {names}."
    return (
        '<div class="hm-about"><p>The model guesses which expression is <b>shown</b>. It does not '
        "know what a person feels, it errs, and it errs more on faces, voices and settings unlike "
        "those it learned from. Nothing should be decided about people by it.</p>"
        f"<p>{tells} {_learned_from(description)}</p></div>"
    )


def _learned_from(description: ModelDescription) -> str:
    data = description.training.get("data", {})
    if "corpus" in data:
        where = f"clips of {data['corpus']}"
    elif "manifest" in data:
        label = f", by their label “{data['label']}”" if "label" in data else ""
        where = f"the clips of {data['manifest']}{label}"
    else:
        return "Its file does not say which clips it learned from."
    return f"It learned from {escape(where)}."


def _card(title: str, body: str, note: str = "", *, wide: bool = False) -> str:
    kind = "hm-card hm-wide" if wide else "hm-card"
    foot = f"<p>{escape(note.strip())}</p>" if note.strip() else ""
    return f'<article class="{kind}"><h3>{escape(title)}</h3>{body}{foot}</article>'


def _strip(frames: Sequence[npt.NDArray[np.uint8]], name: str) -> str:
    pictures = "".join(
        _picture(frame, f"{name}, frame {number}") for number, frame in enumerate(frames, start=1)
    )
    return f'<div class="hm-strip">{pictures}</div>'


def _picture(frame: npt.NDArray[np.uint8], name: str) -> str:
    return f'<img alt="{escape(name)}" src="{_data_url(frame, "jpeg")}">'


def _wide_picture(picture: npt.NDArray[np.uint8], name: str) -> str:
    return f'<img class="hm-sound" alt="{escape(name)}" src="{_data_url(picture, "png")}">'


def _data_url(picture: npt.NDArray[np.uint8], kind: str) -> str:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, kind.upper())
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"


def _middle_frame(moment: Moment) -> npt.NDArray[np.uint8]:
    return _thumbnail(moment.frames[len(moment.frames) // 2])


def _thumbnail(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.fromarray(frame).resize((_THUMBNAIL, _THUMBNAIL)))


def _relative(weights: Tensor) -> Tensor:
    """Weights spread over [0, 1]; equal ones become 0."""
    weights = weights.float() - weights.min()
    return weights / weights.max().clamp(min=1e-12)


def _upsampled(weights: Tensor, shape: Sequence[int]) -> Floats:
    """Weights (h, w) smoothly enlarged to a shape (H, W)."""
    large = F.interpolate(weights[None, None], size=tuple(shape), mode="bicubic")
    return large[0, 0].clamp(0, 1).numpy()


def _overlay(picture: npt.NDArray[np.uint8], heat: Floats) -> npt.NDArray[np.uint8]:
    """A grey picture (H, W, 3) with heat (H, W) in [0, 1] laid over it."""
    grey = picture.mean(axis=2, keepdims=True) / 255
    colour = mpl.colormaps[_HEAT](heat)[..., :3]
    return _bytes(0.45 * grey + 0.55 * colour)


def _bytes(picture: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """A picture in [0, 1] as uint8."""
    return np.round(255 * picture).astype(np.uint8)


def _span(start: float, end: float) -> str:
    return f"{start:.1f}–{end:.1f} s"
