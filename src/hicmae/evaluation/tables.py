"""Tables of a cross-validation: scores of folds, pooled scores, confusion, published results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hicmae.evaluation.published import PublishedResult
from hicmae.evaluation.results import Results
from hicmae.evaluation.scores import confusion_of, in_percent, metric_label, most_frequent_class
from hicmae.tasks.figures import confusion_figure

# A larger matrix does not fit a page; it is in confusion.csv and in the picture.
_LARGEST_MATRIX = 12
_MEANINGS = {
    "UAR": "UAR is the recall of a class, averaged over the classes: every class counts alike.",
    "WAR": "WAR is the accuracy: the share of right answers, so that frequent classes count more.",
    "F1_weighted": "Weighted F1 averages the F1 of the classes by their frequency, macro F1 "
    "without weights.",
    "presence": "Presence is the share of clips of which just the right emotions are named; "
    "salience that of the blends of two of which their order, or that they are equal, is right "
    "too. The thresholds of both are fitted to the validation clips.",
    "mAP": "mAP is the average precision of a label, averaged over the labels; a label is given "
    "from a probability of 0.5 on.",
    "exact": "Exact is the share of clips all of whose labels are right.",
    "KL": "KL is the distance of the answer's shares from the true ones (0 where all are right), "
    "cosine the cosine of the angle between them (1). UAR, WAR and F1 are of the largest shares.",
    "ECE": "ECE is the expected calibration error over ten bins: how far confidence and the share "
    "of right answers are apart; AURC the area under the risk-coverage curve: the share of wrong "
    "ones among the surest answers, averaged over how many are given. 0 is best for both.",
    "CCC": "CCC (concordance) is 100 % where prediction and target are equal, and near 0 where "
    "they have nothing to do with each other; it is lowered by a wrong scale or offset.",
    "PCC": "PCC (Pearson's correlation) leaves scale and offset out.",
    "RMSE": "RMSE, MSE and MAE are in units of the targets; smaller is better. Where there are "
    "several targets, the lines without a name are means over them.",
}


def write_tables(results: Results, folder: Path) -> None:
    """Writes predictions.csv, results.csv, results.md and, for classes, the confusion matrix.

    Args:
        results: The finished folds.
        folder: Where to write; made if missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    results.pooled.to_csv(folder / "predictions.csv", index=False)
    results_frame(results).to_csv(folder / "results.csv", index=False)
    if results.setup.one_class:
        _write_confusion(results, folder)
    (folder / "results.md").write_text(results_page(results), encoding="utf-8")


def results_frame(results: Results) -> pd.DataFrame:
    """The scores as a table for programs.

    Returns:
        A row for every fold, for the mean of the folds and their standard deviation (n - 1), for
        the pooled scores, and for every published result; metrics are columns, named with their
        unit.
    """
    setup, by_fold = results.setup, results.fold_scores()
    ours: dict[str, Any] = {
        "model": setup.model,
        "modality": setup.modality,
        "checkpoint": setup.selection,
        "source": setup.source,
    }
    rows: list[dict[str, Any]] = []

    def add(row: str, scores: Mapping[Any, float], **fields: Any) -> None:
        rows.append({"row": row, **fields} | {metric_label(n): v for n, v in scores.items()})

    clips = {result.fold: result.judged_clips for result in results.folds}
    for fold, count in clips.items():
        add("fold", by_fold.loc[fold].to_dict(), folds=fold, test_clips=count, **ours)
    folds = " ".join(map(str, clips))
    if len(by_fold) > 1:
        add("mean", by_fold.mean().to_dict(), folds=folds, **ours)
        add("standard deviation", by_fold.std(ddof=1).to_dict(), folds=folds, **ours)
    add("pooled", results.pooled_scores(), folds=folds, test_clips=sum(clips.values()), **ours)
    for published in published_rows(results):
        add(
            "published",
            published.scores,
            folds=published.fold or "all",
            model=published.model,
            modality=published.modality,
            checkpoint=_published_selection(results),
            source=published.source,
        )
    order = ["row", "folds", "test_clips", "model", "modality", "checkpoint", "source"]
    metrics = [metric_label(str(name)) for name in by_fold]
    return pd.DataFrame(rows).reindex(columns=order + metrics)


def score_lines(results: Results) -> tuple[list[str], list[list[str]]]:
    """The scores as a table for readers: a line per metric.

    Returns:
        Headings and lines; where there is nothing to say, a cell is empty.
    """
    by_fold, pooled = results.fold_scores(), results.pooled_scores()
    totals = [row for row in published_rows(results) if row.fold is None]
    several = len(by_fold) > 1
    head = ["", *(f"fold {fold}" for fold in by_fold.index)]
    if several:
        head += ["mean ± std of folds", "pooled"]
    head += [f"published [{number}]" for number in range(1, len(totals) + 1)]
    counts = [str(len(result.predictions)) for result in results.folds]
    if several:
        counts += ["", str(sum(map(int, counts)))]
    what = "test groups" if results.grouped else "test clips"
    lines = [[what, *counts, *("" for _ in totals)]]
    for name, of_folds in by_fold.items():
        metric = str(name)
        line = [metric_label(metric), *(cell(metric, value) for value in of_folds)]
        if several:
            spread = f"{cell(metric, of_folds.mean())} ± {cell(metric, of_folds.std(ddof=1))}"
            line += [spread, cell(metric, pooled[metric])]
        line += [cell(metric, row.scores.get(metric)) for row in totals]
        lines.append(line)
    return head, lines


def published_rows(results: Results) -> list[PublishedResult]:
    """What is published for the same corpus, model and modality."""
    corpus = results.setup.published_corpus
    return [] if corpus is None else corpus.rows(results.setup.model, results.setup.modality)


def cell(metric: str, value: float | None) -> str:
    """A score as tables show it; empty where there is none."""
    if value is None:
        return ""
    return f"{value:.2f}" if in_percent(metric) else f"{value:.4f}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    rows = [head, ["---"] * len(head), *lines]
    cells = [[str(text).replace("|", "\\|") for text in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def results_page(results: Results) -> str:
    """The page that tells a reader what was measured, and how."""
    setup = results.setup
    parts = [f"# Cross-validation: {setup.title}\n", _facts(results)]
    if not results.complete:
        parts.append(
            f"**These are {results.folds_label()}.** Totals are over these alone and do not "
            "compare with published ones.\n"
        )
    parts += ["## Scores\n", markdown(*score_lines(results)), _notes(results)]
    of_folds = _published_folds(results)
    if of_folds:
        parts += ["## Published scores of single folds\n", of_folds]
    if any(result.splits for result in results.folds):
        lines = [f"- {result.splits}." for result in results.folds]
        parts += ["## How clips were divided\n", "\n".join(lines) + "\n"]
    if setup.one_class:
        parts += ["## Confusion matrix, folds pooled\n", _confusion_part(results)]
    matrix = ", `confusion.csv`" if setup.one_class else ""
    parts.append(f"Files: `predictions.csv` (every answer), `results.csv` (all scores){matrix}.\n")
    return "\n".join(parts)


def _facts(results: Results) -> str:
    setup = results.setup
    count = sum(result.judged_clips for result in results.folds)
    facts = [
        ("data", f"{setup.source}: {count} clips tested, {results.folds_label()}"),
        ("model", f"{setup.model}, {setup.modality}, started from {setup.start}"),
        ("tested checkpoint", setup.selection),
        ("command", f"`{setup.command}`"),
    ]
    if setup.kind == "regression":
        facts.insert(1, ("targets", ", ".join(setup.outputs)))
    return markdown(["", ""], [list(fact) for fact in facts])


def _notes(results: Results) -> str:
    scores = results.pooled_scores()
    notes = [text for metric, text in _MEANINGS.items() if metric in scores]
    if len(results.folds) > 1:
        notes.append(
            "Mean ± std: mean of the folds' scores and their standard deviation (n - 1 in the "
            "denominator). Pooled: computed once, over the answers of all folds together, as "
            "HiCMAE's published totals are."
        )
    if results.grouped:
        notes.append("The outputs of the clips of a group are averaged; groups are judged.")
    if results.setup.one_class:
        name, share = most_frequent_class(results.pooled)
        classes = results.pooled["target"].nunique()
        notes.append(
            f"For comparison: always answering {name}, the most frequent class, gives "
            f"{share:.2f} % WAR and {100 / classes:.2f} % UAR."
        )
    totals = [row for row in published_rows(results) if row.fold is None]
    for number, row in enumerate(totals, start=1):
        notes.append(
            f"Published [{number}]: {row.model}, {row.modality}, all folds; {row.source}. "
            f"Checkpoint: {_published_selection(results)}."
        )
    if not totals:
        notes.append("Nothing is published for this corpus with this model and modality.")
    for result in results.folds:
        if result.test_clips is not None and result.judged_clips != result.test_clips:
            notes.append(
                f"**Fold {result.fold}: {result.judged_clips} of {result.test_clips} test clips "
                "are judged; the others could not be read.**"
            )
    return "\n".join(f"- {note}" for note in notes) + "\n"


def _published_selection(results: Results) -> str:
    corpus = results.setup.published_corpus
    return "" if corpus is None else corpus.selection


def _published_folds(results: Results) -> str:
    rows = [row for row in published_rows(results) if row.fold is not None]
    if not rows:
        return ""
    metrics = list(rows[0].scores)
    table = markdown(
        ["", *(f"fold {row.fold}" for row in rows)],
        [[metric_label(m), *(cell(m, row.scores.get(m)) for row in rows)] for m in metrics],
    )
    return f"{table}\n{rows[0].model}, {rows[0].modality}; {rows[0].source}.\n"


def _write_confusion(results: Results, folder: Path) -> None:
    classes = results.setup.outputs
    matrix = confusion_of(results.pooled, classes)
    table = pd.DataFrame(matrix.tolist(), index=classes, columns=classes)
    table.to_csv(folder / "confusion.csv", index_label="true \\ predicted")
    confusion_figure(matrix, classes).savefig(folder / "confusion.png", dpi=110)


def _confusion_part(results: Results) -> str:
    classes = results.setup.outputs
    text = "Lines are the true classes, columns the answers.\n"
    if len(classes) <= _LARGEST_MATRIX:
        counts = confusion_of(results.pooled, classes).tolist()
        lines = [
            [f"**{name}**", *map(str, row), f"{100 * row[place] / max(sum(row), 1):.1f}"]
            for place, (name, row) in enumerate(zip(classes, counts, strict=True))
        ]
        text += "\n" + markdown(["", *classes, "recall %"], lines)
    return text + "\n![Confusion matrix as shares of the true class](confusion.png)\n"
