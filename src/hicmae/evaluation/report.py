"""Many runs in one table and one picture, beside published results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from hicmae.consoles import plain_console
from hicmae.evaluation.results import Results, read_results
from hicmae.evaluation.scores import in_percent, metric_label
from hicmae.evaluation.setup import ON_TEST_FOLD
from hicmae.evaluation.tables import cell, markdown, published_rows

# What a corpus is judged by where nothing is published for it.
_USUAL_METRICS = {
    "classification": ("WAR",),
    "distribution": ("WAR",),
    "labels": ("mAP",),
    "regression": ("CCC",),
}
_HEADINGS = {"distribution": "Shares of classes", "labels": "Several labels"}
_COLOURS = {"ours": "#2f6db5", "optimistic": "#d98a29", "published": "#9a9a9a"}
_CAPTION = (
    "Bars: all folds pooled. Whiskers: standard deviation over folds. "
    "Hatched: checkpoint selected on the test fold, optimistic."
)
_BAR_INCHES = 0.62
_HEAD_INCHES = 0.75
_NOTES = """\
- Scores are over the answers of all folds together, as HiCMAE's published totals are; in brackets
  the mean of the folds ± their standard deviation (n - 1).
- "tested checkpoint" says how the epoch was chosen. In rows with "{on_test}",
  the test clips themselves chose it, which raises the score.
- Rows with a part of the folds do not compare with published totals.
- UAR is the recall averaged over classes, WAR the accuracy, F1 the harmonic mean of precision and
  recall; ECE is the expected calibration error and AURC the area under the risk-coverage curve, 0
  is best for both; CCC is concordance, PCC correlation, both averaged over the targets where none
  is named.
"""


@dataclass(frozen=True)
class Row:
    """A line of the report.

    Attributes:
        corpus: What was tested.
        kind: What was learned; see `ScoreKind`.
        whose: "ours" or "published".
        model: Model.
        modality: Modality.
        selection: How the tested checkpoint was chosen.
        folds: Which folds, in words.
        scores: Pooled scores by metric.
        means: Means over folds; empty for a single fold and for published rows.
        deviations: Standard deviations over folds, likewise.
        source: Folder, or where a published number was read.
        metrics: What the picture shows.
        clips: Clips tested; None for published rows.
    """

    corpus: str
    kind: str
    whose: str
    model: str
    modality: str
    selection: str
    folds: str
    scores: dict[str, float]
    means: dict[str, float]
    deviations: dict[str, float]
    source: str
    metrics: tuple[str, ...]
    clips: int | None = None


def write_report(folders: Sequence[Path], output: Path) -> None:
    """Writes report.csv, report.md and report.png.

    Args:
        folders: Of runs.
        output: Folder to write them into.

    Raises:
        HicmaeError: A folder holds no results.
    """
    rows = report_rows([(folder, read_results(folder)) for folder in folders])
    output.mkdir(parents=True, exist_ok=True)
    report_frame(rows).to_csv(output / "report.csv", index=False)
    (output / "report.md").write_text(report_page(rows), encoding="utf-8")
    report_figure(rows).savefig(output / "report.png", dpi=110)
    console = plain_console()
    for name in ("report.md", "report.csv", "report.png"):
        console.print(output / name, soft_wrap=True)


def report_rows(runs: Sequence[tuple[Path, Results]]) -> list[Row]:
    """Our rows by corpus, each corpus followed by its published rows.

    Args:
        runs: Results with the folder that they come from.
    """
    by_corpus: dict[str, list[tuple[Path, Results]]] = {}
    for folder, results in runs:
        by_corpus.setdefault(results.setup.title, []).append((folder, results))
    rows: list[Row] = []
    for of_corpus in by_corpus.values():
        rows += [_own_row(folder, results) for folder, results in of_corpus]
        published = [row for _, results in of_corpus for row in _published(results)]
        rows += list({(row.model, row.modality, row.source): row for row in published}.values())
    return rows


def _own_row(folder: Path, results: Results) -> Row:
    setup, by_fold = results.setup, results.fold_scores()
    several = len(by_fold) > 1
    return Row(
        corpus=setup.title,
        kind=setup.kind,
        whose="ours",
        model=setup.model,
        modality=setup.modality,
        selection=setup.selection,
        folds=results.folds_label(),
        scores=results.pooled_scores(),
        means={str(name): float(by_fold[name].mean()) for name in by_fold if several},
        deviations={str(name): float(by_fold[name].std(ddof=1)) for name in by_fold if several},
        source=str(folder),
        metrics=_metrics(results),
        clips=sum(result.judged_clips for result in results.folds),
    )


def _published(results: Results) -> list[Row]:
    corpus = results.setup.published_corpus
    if corpus is None:
        return []
    return [
        Row(
            corpus=results.setup.title,
            kind=results.setup.kind,
            whose="published",
            model=row.model,
            modality=row.modality,
            selection=corpus.selection,
            folds="one split" if results.setup.fold_count == 1 else "all folds",
            scores=row.scores,
            means={},
            deviations={},
            source=row.source,
            metrics=_metrics(results),
        )
        for row in published_rows(results)
        if row.fold is None
    ]


def _metrics(results: Results) -> tuple[str, ...]:
    corpus = results.setup.published_corpus
    return _USUAL_METRICS[results.setup.kind] if corpus is None else corpus.metrics


def report_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The report for programs: a line per run and published result, columns per metric."""
    lines: list[dict[str, Any]] = []
    for row in rows:
        line: dict[str, Any] = {
            "corpus": row.corpus,
            "row": row.whose,
            "model": row.model,
            "modality": row.modality,
            "checkpoint": row.selection,
            "folds": row.folds,
            "test_clips": row.clips,
            "source": row.source,
        }
        for name, score in row.scores.items():
            line[metric_label(name)] = score
            if name in row.means:
                line[f"{metric_label(name)} mean of folds"] = row.means[name]
                line[f"{metric_label(name)} standard deviation of folds"] = row.deviations[name]
        lines.append(line)
    return pd.DataFrame(lines).astype({"test_clips": "Int64"})


def report_page(rows: Sequence[Row]) -> str:
    """The report for readers."""
    parts = ["# Results\n"]
    for kind in _USUAL_METRICS:
        chosen = [row for row in rows if row.kind == kind]
        if not chosen:
            continue
        metrics = _columns(chosen)
        head = ["corpus", "model", "modality", "tested checkpoint", "folds", "test clips"]
        lines = [
            [
                row.corpus,
                f"{row.model} ({row.whose})",
                row.modality,
                row.selection,
                row.folds,
                "" if row.clips is None else str(row.clips),
                *(_score(row, name) for name in metrics),
                row.source,
            ]
            for row in chosen
        ]
        parts += [
            f"## {_HEADINGS.get(kind, kind.capitalize())}\n",
            markdown([*head, *map(metric_label, metrics), "source"], lines),
        ]
    parts += ["![Scores of every corpus](report.png)\n", _NOTES.format(on_test=ON_TEST_FOLD)]
    return "\n".join(parts)


def _columns(rows: Sequence[Row]) -> list[str]:
    """The metrics that a reader compares, in the order in which they come."""
    left_out = ("MSE", "MAE", "RMSE_")  # they are in report.csv
    names = dict.fromkeys(name for row in rows for name in row.scores)
    return [name for name in names if not name.startswith(left_out)]


def _score(row: Row, name: str) -> str:
    text = cell(name, row.scores.get(name))
    if name in row.means:
        text += f" ({cell(name, row.means[name])} ± {cell(name, row.deviations[name])})"
    return text


def report_figure(rows: Sequence[Row]) -> Figure:
    """Bars of every corpus, ours above published.

    Args:
        rows: Lines of the report, never empty.
    """
    panels: list[tuple[str, str, list[Row]]] = []
    for corpus in dict.fromkeys(row.corpus for row in rows):
        of_corpus = [row for row in rows if row.corpus == corpus]
        for name in of_corpus[0].metrics:
            shown = [row for row in of_corpus if name in row.scores]
            if shown:
                panels.append((corpus, name, shown))
    heights = [_HEAD_INCHES + _BAR_INCHES * len(shown) for _, _, shown in panels]
    figure = Figure(figsize=(11, sum(heights) + 0.5), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for axes, (corpus, name, shown) in zip(grid[:, 0], panels, strict=True):
        _draw_panel(axes, shown, name)
        axes.set_title(f"{corpus} · {metric_label(name)}", loc="left", fontweight="bold")
    figure.supxlabel(_CAPTION, fontsize=8)
    return figure


def _draw_panel(axes: Any, rows: Sequence[Row], name: str) -> None:
    scores = [row.scores[name] for row in rows]
    # A single fold has no spread.
    spread = [row.deviations.get(name, 0.0) for row in rows]
    places = range(len(rows))
    for place, row, score, deviation in zip(places, rows, scores, spread, strict=True):
        optimistic = row.selection == ON_TEST_FOLD
        colour = "published" if row.whose == "published" else "optimistic" if optimistic else "ours"
        axes.barh(
            place,
            score,
            xerr=deviation or None,
            color=_COLOURS[colour],
            hatch="//" if optimistic else None,
            edgecolor="white",
            capsize=3,
        )
        shift = max(score, 0) + deviation
        axes.annotate(
            cell(name, score), (shift, place), (5, 0), textcoords="offset points", va="center"
        )
    axes.set_yticks(places, [_bar_label(row) for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.axvline(0, color="black", linewidth=0.8)
    if in_percent(name):
        low = min([0.0, *(score - std for score, std in zip(scores, spread, strict=True))])
        axes.set_xlim(1.1 * low, 112)
        axes.set_xticks([tick for tick in range(-100, 101, 20) if tick >= low])


def _bar_label(row: Row) -> str:
    whose = "published" if row.whose == "published" else "ours"
    return f"{whose}: {row.model}, {row.modality}, {row.folds}\n{row.selection}"
