"""How losses and metrics went over the epochs of runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hicmae.errors import ConfigError, DataError
from hicmae.visualize.style import COLOURS, short_names

METRICS_FILE = "metrics.csv"
STAGES = {"train": "training", "val": "validation"}
_LINES: dict[str, Literal["--", "-"]] = {"train": "--", "val": "-"}
_COLUMN = re.compile(r"(train|val)/(.+?)(_epoch|_step)?")
_PANELS_IN_A_ROW = 4
# A few points stand apart from each other; more would run into one another.
_MOST_MARKED_POINTS = 12
# Losses come before metrics.
_ORDER = ("loss", "video", "audio", "contrast")


def read_curves(folder: str | Path) -> dict[tuple[str, str], pd.Series[float]]:
    """The metrics of a run, epoch by epoch.

    Args:
        folder: Run folder with metrics.csv, or that file.

    Returns:
        By stage ("train" or "val") and metric: values by epoch, counted from 1. What was logged
        step by step alone is the mean over the logged steps of an epoch; of an epoch that was
        logged twice, as by a resumed run, the later value counts.

    Raises:
        DataError: There is no such file, or nothing of training or validation in it.
    """
    path = Path(folder).expanduser()
    path = path / METRICS_FILE if path.is_dir() else path
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: give a run folder with {METRICS_FILE}, such as RUN/version_0."
        )
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no table of metrics: {error}.") from error
    if "epoch" not in table:
        raise DataError(f"{path} has no column epoch: give the {METRICS_FILE} of a run folder.")
    curves: dict[tuple[str, str], pd.Series[float]] = {}
    # Means of epochs come first, so that steps only fill in where there is none.
    for column in sorted(map(str, table.columns), key=lambda name: name.endswith("_step")):
        match = _COLUMN.fullmatch(column)
        if match is None or (match[1], match[2]) in curves:
            continue
        by_epoch = table.groupby("epoch")[column]
        values = by_epoch.mean() if match[3] == "_step" else by_epoch.last()
        values.index = values.index.astype(int) + 1
        if values.notna().any():
            curves[match[1], match[2]] = values.dropna()
    if not curves:
        raise DataError(f"{path} holds no metric of training or validation; train first.")
    return curves


def curves_figure(folders: Sequence[str | Path], metrics: Sequence[str] | None = None) -> Figure:
    """Draws the training curves of runs over each other, a panel for every metric.

    Args:
        folders: Run folders, at most seven.
        metrics: What to draw, such as "loss", or "val/loss" for one stage alone; None draws all
            that any of the runs has.

    Raises:
        DataError: A run has no metrics.
        ConfigError: No run has a metric of that name, or there are more runs than colours.
    """
    if len(folders) > len(COLOURS):
        raise ConfigError(
            f"{len(folders)} runs are too many for one picture; give at most {len(COLOURS)}."
        )
    runs = [read_curves(folder) for folder in folders]
    panels = _panels(runs, metrics)
    rows = -(-len(panels) // _PANELS_IN_A_ROW)
    columns = -(-len(panels) // rows)
    figure = Figure(figsize=(max(5.0, 3.2 * columns), 2.4 * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, keys) in zip(grid, panels.items(), strict=False):
        for place, curves in enumerate(runs):
            for key in keys:
                if key in curves:
                    _draw(axes, curves[key], COLOURS[place], _LINES[key[0]])
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    figure.supxlabel("epoch", fontsize=10)
    drawn = {key[0] for keys in panels.values() for key in keys}
    handles = [
        Line2D([], [], color=COLOURS[place], label=name)
        for place, name in enumerate(short_names(folders))
    ]
    handles += [
        Line2D([], [], color="grey", linestyle=_LINES[stage], label=word)
        for stage, word in STAGES.items()
        if stage in drawn
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False)
    return figure


def _panels(
    runs: Sequence[dict[tuple[str, str], Any]], metrics: Sequence[str] | None
) -> dict[str, list[tuple[str, str]]]:
    """The curves of every panel, by its title."""
    known = list(dict.fromkeys(key for curves in runs for key in curves))
    names = sorted({name for _, name in known}, key=_place)
    panels = {}
    for wanted in names if metrics is None else metrics:
        keys = [(s, n) for s, n in known if wanted in (n, f"{s}/{n}")]
        if not keys:
            raise ConfigError(
                f"--metrics names {wanted}, which no run has: choose of {', '.join(names)}."
            )
        panels[wanted] = keys
    return panels


def _place(name: str) -> tuple[int, str]:
    kind = re.sub(r"_\d+$", "", name)
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER), name


def _draw(axes: Any, values: pd.Series[float], colour: str, line: str) -> None:
    marker = "." if len(values) <= _MOST_MARKED_POINTS else ""
    axes.plot(values.index, values, color=colour, linestyle=line, marker=marker, linewidth=1.4)
