"""What the page shows of a clip, as HTML with all pictures inside it: no file is written.

Everything that comes from a checkpoint or a file is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from hicmae.choices import Use
from hicmae.colours import as_hex, colour_of
from hicmae.inference.judging import Judge
from hicmae.inference.results import Floats, has_share, named, used_words
from hicmae.serve.analysis import Answer, Moment, PersonAnswer
from hicmae.serve.pictures import (
    as_bytes,
    curve_svg,
    overlay,
    picture,
    relative,
    spectrogram_pictures,
    strip,
    thumbnail,
    upright,
    upsampled,
    wide_picture,
)
from hicmae.weights.description import ModelDescription

_MOST_BARS = 8
_MOST_CURVES = 5
_MOST_NAMES = 12
_MOST_FRAMES = 8


def message_box(text: str) -> str:
    """A mistake, told in the place of the answer."""
    return f'<div class="hm-message" role="alert"><b>No answer.</b> {escape(text)}</div>'


def hint_box(text: str) -> str:
    """What stands in the place of the answer before there is one."""
    return f'<div class="hm-hint">{escape(text)}</div>'


def progress_box(before: int, share: float) -> str:
    """What stands in the place of the answer while it is made.

    Args:
        before: How many clips come first.
        share: What share is done, from 0 to 1.
    """
    if before:
        clips = "1 clip is" if before == 1 else f"{before} clips are"
        text, width = f"Waiting: {clips} before yours.", 0.0
    else:
        text, width = f"Recognising: {share:.0%}", share
    return (
        f'<div class="hm-hint">{text}<div class="hm-progress" role="progressbar" '
        f'aria-label="{text}" aria-valuenow="{100 * width:.0f}">'
        f'<b style="width:{width:.0%}"></b></div></div>'
    )


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
        middle = person.moment.frames[len(person.moment.frames) // 2]
        face = picture(thumbnail(middle), f"Person {person.number}")
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
    several = len(person.window_times) > 1
    cards = [
        _card("Over the whole clip", bars.of(person.scores), _windows_note(person), wide=several),
        _curve_card(answer, person, order),
        _face_card(answer, person),
        _sound_card(answer, person.moment),
        _modality_card(answer, person.moment, bars),
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
        told = named(answer.outputs, person.scores, answer.target_kind, answer.blends)
        title = (
            f'<span class="hm-dot" style="background:{colour}"></span>'
            f'<span class="hm-emotion">{escape(told)}</span>'
        )
        if has_share(told, answer.outputs, answer.target_kind):
            title += f'<span class="hm-share">{person.scores[best]:.0%}</span>'
    else:
        offs = [f" ± {off:.2f}" for off in answer.spread] or [""] * len(answer.outputs)
        title = "".join(
            f'<span class="hm-value"><small>{escape(output)}</small>{score:+.2f}{off}</span>'
            for output, score, off in zip(answer.outputs, person.scores.tolist(), offs, strict=True)
        )
    title += "".join(f'<span class="hm-doubt">{doubt}</span>' for doubt in person.doubts)
    where = f" · in view {_span(person.start, person.end)}" if len(answer.people) > 1 else ""
    used = used_words(person.window_senses) if answer.lacking else ""
    by = f" · {used}" if used else ""
    return (
        f'<header class="hm-headline"><div>{title}</div>'
        f"<p>{name} · {answer.duration:.1f} s{where}{by}</p></header>"
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
        return _card("The clip", _PLAYER)
    shown = order[:_MOST_CURVES]
    note = "A point for each window, at its middle. Shaded: the moment shown below."
    if len(shown) < len(order):
        note += f" The {len(shown)} most probable of {len(order)}."
    legend = "".join(
        f'<span><u style="background:{as_hex(colour_of(place))}"></u>'
        f"{escape(answer.outputs[place])}</span>"
        for place in shown
    )
    curves = curve_svg(person, shown, answer.kind, (person.moment.start, person.moment.end))
    body = f'{_PLAYER}<div>{curves}<div class="hm-legend">{legend}</div></div>'
    return _card("Over time", f'<div class="hm-course">{body}</div>', note, wide=True)


# The script of the page gives it the clip, which the browser has.
_PLAYER = (
    '<div class="hm-player" hidden><video controls playsinline preload="auto"></video>'
    "<p hidden>This browser cannot play the clip.</p></div>"
)


def _face_card(answer: Answer, person: PersonAnswer) -> str:
    moment = person.moment
    what = "The face" if answer.crops_faces else "The picture"
    title = f"{what}, {_span(moment.start, moment.end)}"
    if moment.video_map is None and answer.lacking:
        return _card(title, "", "There is none here: the model answers by the sound alone.")
    count = min(_MOST_FRAMES, len(moment.frames))
    chosen = np.linspace(0, len(moment.frames) - 1, count).round().astype(int)
    frames = [thumbnail(moment.frames[place]) for place in chosen]
    rows = "<h4>What the model saw</h4>" + strip(frames, "What the model saw")
    note = _moment_note(answer, person)
    if moment.video_map is not None:
        heat = relative(moment.video_map)
        tube = len(moment.frames) // len(heat)
        shape = frames[0].shape[:2]
        looks = [
            overlay(frame, upsampled(heat[place // tube], shape))
            for frame, place in zip(frames, chosen, strict=True)
        ]
        rows += f"<h4>Where the model looks {_SCALE}</h4>" + strip(looks, "Where the model looks")
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


def _sound_card(answer: Answer, moment: Moment) -> str:
    title = f"The sound, {_span(moment.start, moment.end)}"
    if moment.audio_map is None and answer.lacking:
        return _card(title, "", "There is none here: the model answers by the picture alone.")
    spectrogram = moment.spectrogram
    coloured, grey = spectrogram_pictures(spectrogram, moment.heard)
    seconds = len(spectrogram) / 100  # a row is 10 ms
    start, end = f"{moment.start:.1f} s", f"{moment.start + seconds:.1f} s"
    axis = f'<div class="hm-axis"><span>{start}</span><span>{end}</span></div>'
    parts = [
        "<h4>What the model heard</h4>"
        + wide_picture(upright(coloured), "Spectrogram of the moment")
        + axis
    ]
    note = "Low tones at the bottom, high ones at the top; bright is loud."
    if moment.heard < len(spectrogram):
        note += " Grey: the model takes more sound at once than the moment has."
    if moment.audio_map is not None:
        heat = upsampled(relative(moment.audio_map), spectrogram.shape)
        looks = overlay(as_bytes(grey), heat)
        parts.append(
            f"<h4>Where the model listens {_SCALE}</h4>"
            + wide_picture(looks.transpose(1, 0, 2)[::-1], "Where the model listens")
            + axis
        )
    else:
        note = "This model does not hear sound: it was not asked about it."
    body = "".join(f"<div>{part}</div>" for part in parts)
    return _card(title, f'<div class="hm-columns">{body}</div>', note, wide=True)


def _modality_card(answer: Answer, moment: Moment, bars: _Bars) -> str:
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
        "For the same moment. The model has learnt to do with one of the two."
        if answer.lacking
        else "For the same moment. “Picture alone” replaces the sound by silence, “sound alone” "
        "the picture by grey. The model learned from both together, so these are probes of it and "
        "no models of their own."
    )
    columns = f'<div class="hm-columns">{columns}</div>'
    return _card("Which modality said what", columns, note, wide=True)


_TELLS = {
    "class": "It knows {} answers and always gives one of them:",
    "distribution": "It divides what is shown among {} emotions, whose shares add up to 100 %:",
    "labels": "It says of each of {} emotions by itself whether it is shown, from 50 % on:",
}


def about_html(judge: Judge) -> str:
    """What the model is and what it is not, and what is known of its answers, in a few words."""
    description, outputs = judge.description, judge.description.outputs
    names = escape(", ".join(outputs[:_MOST_NAMES])) + (", …" if len(outputs) > _MOST_NAMES else "")
    if description.kind == "classification":
        tells = _TELLS[description.target_kind].format(len(outputs)) + f" {names}."
    else:
        tells = f"It gives {len(outputs)} values: {names}."
    return (
        '<div class="hm-about"><p>The model guesses which expression is <b>shown</b>. It does not '
        "know what a person feels, it errs, and it errs more on faces, voices and settings unlike "
        "those it learned from. Nothing should be decided about people by it.</p>"
        f"<p>{tells} {_learned_from(description)} {_reliable(judge)}</p></div>"
    )


def _reliable(judge: Judge) -> str:
    known = judge.description.reliability
    if known is None:
        return "How often it is right when it says so is not known."
    clips = f"{known.clips} clips that it did not learn from"
    if judge.spread:
        pairs = zip(judge.description.outputs, judge.spread, strict=True)
        off = [f"{escape(name)} ± {spread:.3g}" for name, spread in pairs][:_MOST_NAMES]
        return f"On {clips} it was usually off by as much: {', '.join(off)}."
    if known.temperature is None or not judge.calibrated:
        return "Its answers are not calibrated: they are what the model says by itself."
    right = (
        ""
        if known.risk_coverage is None
        else f": {1 - known.risk_coverage.error[-1]:.0%} of its answers were right there"
    )
    return f"How sure it is was fitted on {clips}{right}."


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


def _span(start: float, end: float) -> str:
    return f"{start:.1f}–{end:.1f} s"
