"""What was recognised, as a table for a terminal."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

import numpy as np
from rich.table import Table
from rich.text import Text

from hicmae.choices import USED, use_of
from hicmae.inference.results import Floats, Person, Recognition, doubt_words, has_share

_BAR = 10  # characters
_WINDOWS_IN_FULL = 6
_MOST_LINES = 12


def recognition_table(recognition: Recognition, title: str) -> Table:
    """A table with a row for every person: when in view, the scores, their course over time.

    Args:
        recognition: What was recognised.
        title: What to call the clip.
    """
    table = Table(
        title=f"{title}, {recognition.duration:.1f} s", title_justify="left", show_lines=True
    )
    classifies = recognition.kind == "classification"
    table.add_column("person", justify="right")
    table.add_column("in view", no_wrap=True)
    if classifies:
        table.add_column("emotion", style="bold")
    table.add_column("whole clip", no_wrap=True)
    table.add_column("over time")
    lacking = not all(person.window_senses.all() for person in recognition.people)
    for person in recognition.people:
        view = _span(person.start, person.end)
        cells = [str(person.number), f"{view}\n{_by(person)}" if lacking else view]
        doubts = doubt_words(person.sure, person.unfamiliarity)
        if classifies:
            cells.append("\n".join([recognition.named(person.scores), *doubts]))
        elif doubts:
            cells[-1] += "\n" + "\n".join(doubts)
        table.add_row(*cells, _scores(recognition, person), "\n".join(_course(recognition, person)))
    return table


def _by(person: Person) -> str:
    """What was used of a person, and in how many windows where they differ."""
    counts = Counter(USED[use_of(*senses)] for senses in person.window_senses.tolist())
    if len(counts) == 1:
        return next(iter(counts))
    return "\n".join(f"{words} {count}" for words, count in counts.items())


def _scores(recognition: Recognition, person: Person) -> Text:
    names = recognition.outputs
    longest = max(map(len, names))
    text = Text()
    order = range(len(names))
    if recognition.kind == "classification":
        order = sorted(order, key=lambda index: -person.scores[index])  # type: ignore[assignment]
    for place, index in enumerate(order):
        score = float(person.scores[index])
        text.append(("\n" if place else "") + names[index].ljust(longest) + " ")
        if recognition.kind == "classification":
            filled = round(score * _BAR)
            text.append("█" * filled, "cyan").append("·" * (_BAR - filled), "dim")
            text.append(f" {score:4.0%}")
        else:
            off = f" ± {recognition.spread[index]:.3f}" if recognition.spread else ""
            text.append(f"{score:7.3f}{off}")
    return text


def _course(recognition: Recognition, person: Person) -> list[str]:
    """Every window if they are few, else when the most probable class changes."""
    times, scores = person.window_times, person.window_scores
    if len(times) <= _WINDOWS_IN_FULL:
        return [
            f"{_span(*window)} {_words(recognition, values)}"
            for window, values in zip(times.tolist(), scores, strict=True)
        ]
    if recognition.kind != "classification":
        chosen = np.linspace(0, len(times) - 1, _WINDOWS_IN_FULL).round().astype(int)
        lines = [f"{_span(*times[i].tolist())} {_words(recognition, scores[i])}" for i in chosen]
        return [*lines, f"{len(chosen)} of {len(times)} windows; --csv has all"]
    lines = _changes(recognition, person)
    left_out = len(lines) - _MOST_LINES
    if left_out > 0:
        lines = [*lines[:_MOST_LINES], f"and {left_out} more changes; --csv has all windows"]
    return lines


def _changes(recognition: Recognition, person: Person) -> list[str]:
    """Stretches with the same class in front; windows overlap, and meet between their middles."""
    middles = person.window_times.mean(axis=1)
    borders = [
        float(person.window_times[0, 0]),
        *((middles[1:] + middles[:-1]) / 2).tolist(),
        float(person.window_times[-1, 1]),
    ]
    names = [recognition.named(scores) for scores in person.window_scores]
    lines = []
    for name, group in groupby(range(len(names)), key=lambda window: names[window]):
        windows = list(group)
        span = _span(borders[windows[0]], borders[windows[-1] + 1])
        mean = person.window_scores[windows].mean(axis=0)
        lines.append(f"{span} {_with_share(recognition, name, mean)}")
    return lines


def _words(recognition: Recognition, scores: Floats) -> str:
    if recognition.kind == "classification":
        return _with_share(recognition, recognition.named(scores), scores)
    return " ".join(f"{score:.2f}" for score in scores)


def _with_share(recognition: Recognition, name: str, scores: Floats) -> str:
    """A class with its score; labels, which have several, and blends, which have parts, alone."""
    if not has_share(name, recognition.outputs, recognition.target_kind):
        return name
    return f"{name} {scores[recognition.outputs.index(name)]:.0%}"


def _span(start: float, end: float) -> str:
    return f"{start:.1f}-{end:.1f} s"
