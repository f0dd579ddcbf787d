"""The page of an integrity check: counts against the published ones, problems, overlap."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from hicmae.consoles import plain_console
from hicmae.data.datamodules import AudioVisualDataModule, CorpusDataModule
from hicmae.data.targets import names_in
from hicmae.preparation.integrity import PROBLEMS
from hicmae.preparation.lead_ins import association

PAGE_WIDTH = 100
_LONGEST_LIST = 12
_LONGEST_LEFT_OUT = 1000
_SAME_RATE = 0.02  # share by which a header and time stamps rounded to milliseconds may differ
_UNLIKELY = 0.01  # chance below which lead-ins are said to go with the label


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        text: The page.
        good: Whether nothing is wrong: no clip has a problem, none of the listed and of the
            published ones is missing, and nobody is in training and in test, except where the
            corpus says so.
    """

    text: str
    good: bool


def compose_report(
    data: AudioVisualDataModule, clips: pd.DataFrame, problems: pd.DataFrame
) -> Report:
    """Composes the page.

    Args:
        data: The data that was checked.
        clips: A row per clip as `integrity.inspect` gives it, with `id`.
        problems: Those of them that have a problem.
    """
    # Text in a file has no colours, whatever the terminal.
    page = StringIO()
    console = plain_console(file=page, width=PAGE_WIDTH, no_color=True)
    expected = data.expected.clips
    lacking = max(expected - len(data.table), 0) if expected else 0
    published = "" if expected is None else f"; the published protocol has {expected}"
    console.print(f"{data.source}: {len(data.table)} clips{published}.")
    if lacking:
        console.print(f"{lacking} clips of the published protocol are not there.")
    corpus = data if isinstance(data, CorpusDataModule) else None
    left_out = list(corpus.left_out) if corpus else []
    if left_out:
        names = _some(left_out, most=_LONGEST_LEFT_OUT)
        console.print(f"{len(left_out)} listed clips lack a file and are left out: {names}.")
    known_bad = corpus.corpus.known_bad if corpus else {}
    if known_bad:
        console.print(
            f"{len(known_bad)} clips are left out whether they are there or not, as in the "
            f"published protocol: {_some(sorted(known_bad), most=5)}."
        )
    _print_lengths(console, clips)
    overlapping = _print_splits(console, data)
    _print_labels(console, data)
    _print_subjects(console, data)
    _print_rates(console, clips)
    leaking = _print_lead_ins(console, data, clips)
    _print_problems(console, problems)
    good = not len(problems) and not lacking and not left_out and not overlapping
    well = "See what goes with the label above." if leaking else "All is well."
    console.print(f"\n{well}" if good else "\nSee the lines above and problems.csv.")
    text = "\n".join(line.rstrip() for line in page.getvalue().splitlines()) + "\n"
    return Report(text, good)


def count_clips(data: AudioVisualDataModule) -> pd.DataFrame:
    """Clips of every fold, split, person and class that the table tells apart.

    Args:
        data: The data to count.

    Returns:
        A column for each of them that is known, and `clips`.
    """
    columns = ["fold", "split", "subject", *([data.label_column] if data.label_column else [])]
    known = [name for name in columns if data.table[name].notna().any()]
    if not known:
        return pd.DataFrame({"clips": [len(data.table)]})
    return data.table.groupby(known, dropna=False).size().rename("clips").reset_index()


def _print_lengths(console: Console, clips: pd.DataFrame) -> None:
    table = _table("measured", "smallest", "median", "largest")
    for column, name in (
        ("video_seconds", "seconds of picture"),
        ("audio_seconds", "seconds of sound"),
        ("frames", "frames"),
        ("fps", "frames per second"),
        ("height", "height in pixels"),
        ("peak", "largest sample of the sound"),
    ):
        if column in clips and clips[column].notna().any():
            values = clips[column].dropna()
            table.add_row(name, *(f"{v:g}" for v in (values.min(), values.median(), values.max())))
    console.print(table)


def _print_splits(console: Console, data: AudioVisualDataModule) -> int:
    """Clips of every split of every fold; gives the number of folds where people overlap."""
    table = _table("fold", "train", "val", "test", "published test", "people also tested on")
    published = data.expected.test_clips
    overlapping = 0
    notes: list[str] = []
    policy = ""
    for fold in range(1, data.fold_count + 1):
        if data.table["fold"].notna().any() and not (data.table["fold"] == fold).any():
            row = ("", "", "0", str(published[fold - 1]) if published else "", "no clip is there")
            table.add_row(str(fold), *row)
            continue
        splits = data.splits_of(fold)
        parts = (splits.train_rows, splits.val_rows, splits.test_rows)
        train, val, test = (set(data.table["subject"].iloc[rows].dropna()) for rows in parts)
        same_as_test = np.array_equal(splits.val_rows, splits.test_rows)
        shared = sorted((train if same_as_test else train | val) & test)
        allowed = data.subjects_may_repeat
        overlapping += bool(shared) and not allowed
        people = f"{_some(shared)}{' (as published)' if allowed else ''}" if shared else "none"
        if data.table["subject"].isna().all():
            people = "subjects are unknown"
        if train & val and not same_as_test:
            notes.append(f"Fold {fold} trains and validates on {_some(sorted(train & val))}.")
        table.add_row(
            str(fold),
            *(str(len(rows)) for rows in parts),
            str(published[fold - 1]) if published else "",
            people,
        )
        policy = splits.policy if fold == data.fold else policy
    console.print(table)
    console.print(f"Splits, as configured: {policy}.")
    for note in notes:
        console.print(note)
    return overlapping


def _print_labels(console: Console, data: AudioVisualDataModule) -> None:
    if data.class_names and data.label_column:
        named = data.table[data.label_column]
        counts = (
            named.map(names_in).explode() if data.target_kind == "labels" else named
        ).value_counts()
        published = data.expected.class_clips
        table = _table("class", "clips", "published")
        for name in data.class_names:
            table.add_row(name, str(counts.get(name, 0)), str(published.get(name, "")))
        console.print(table)
    elif data.labelling.names:
        table = _table("target", "smallest", "mean", "largest")
        for name in data.labelling.names:
            values = pd.to_numeric(data.table[name])
            table.add_row(name, *(f"{v:.3g}" for v in (values.min(), values.mean(), values.max())))
        console.print(table)


def _print_subjects(console: Console, data: AudioVisualDataModule) -> None:
    per_subject = data.table["subject"].value_counts()
    if len(per_subject):
        console.print(
            f"{len(per_subject)} subjects with {per_subject.min()} to {per_subject.max()} clips "
            f"each (median {per_subject.median():g})."
        )


def _print_rates(console: Console, clips: pd.DataFrame) -> None:
    if "fps" not in clips:
        return
    uneven = clips[clips["variable_rate"].eq(True)]
    if len(uneven):
        console.print(
            f"{len(uneven)} clips show their frames at irregular times; they are read at the rate "
            f"that most frames keep: {_some(uneven['id'].tolist(), most=3)}."
        )
    made_up = clips[(clips["stated_fps"] / clips["fps"] - 1).abs() > _SAME_RATE]
    if len(made_up):
        rates = zip(made_up["id"], made_up["stated_fps"], made_up["fps"], strict=True)
        examples = [f"{name} ({stated:g}, but {fps:g})" for name, stated, fps in rates]
        console.print(
            f"{len(made_up)} clips state another rate than their time stamps, which are believed: "
            f"{_some(examples, most=3)}."
        )


_LEAD_INS = {
    "black_start": "begin with black frames",
    "black_end": "end with black frames",
    "frozen_start": "begin with a picture that stands still",
    "frozen_end": "end with a picture that stands still",
}


def _print_lead_ins(console: Console, data: AudioVisualDataModule, clips: pd.DataFrame) -> bool:
    """Tells of lead-ins; whether some go with the label."""
    if "black_start" not in clips:
        return False
    told = leaking = False
    for kind, words in _LEAD_INS.items():
        marked = clips[kind].fillna(0) > 0
        if not marked.any():
            continue
        told = True
        names = _some(clips.loc[marked, "id"].tolist(), most=3)
        most = int(clips[kind].max())
        console.print(f"{marked.sum()} clips {words} (up to {most}): {names}.")
        if data.label_column:
            labels = data.table[data.label_column].reset_index(drop=True)
            marked = marked.reset_index(drop=True)
            leaking |= _print_association(console, data.label_column, marked, labels)
    if told:
        console.print(
            "The columns black_start to frozen_end of clips.csv list them; `hicmae data faces "
            "--trim true` leaves such frames out."
        )
    return leaking


def _print_association(
    console: Console, label: str, marked: pd.Series[bool], labels: pd.Series[str]
) -> bool:
    chance = association(marked, labels)
    if chance >= _UNLIKELY:
        return False
    counts = marked.groupby(labels).agg(["sum", "size"])
    shares = [f"{name} {row['sum']} of {row['size']}" for name, row in counts.iterrows()]
    console.print(
        f"  They go with {label} (p = {chance:.1g}): {_some(shares)}. A model can learn it from "
        "them without looking at a face."
    )
    return True


def _print_problems(console: Console, problems: pd.DataFrame) -> None:
    if problems.empty:
        console.print("No clip has a problem.")
        return
    table = _table("problem", "clips", "such as")
    kinds = problems["problems"].str.split(";")
    for kind in PROBLEMS:
        having = problems.loc[kinds.map(lambda names, kind=kind: kind in names), "id"]
        if len(having):
            table.add_row(kind, str(len(having)), _some(having.tolist(), most=3))
    console.print(table)
    console.print(f"{len(problems)} clips have a problem.")


def _some(names: list[str], most: int = _LONGEST_LIST) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), title=None)
    table.add_column(f"\n{first}", overflow="fold")
    for name in others:
        text = name in {"such as", "people also tested on"}
        table.add_column(f"\n{name}", justify="left" if text else "right", overflow="fold")
    return table
