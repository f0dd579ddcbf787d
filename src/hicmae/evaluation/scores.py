"""Figures of merit of written predictions, in percent where they have no unit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from hicmae.answers.blends import written_blend_scores
from hicmae.errors import DataError
from hicmae.tasks.confidence import confidence_scores
from hicmae.tasks.metrics import (
    ClassificationMetrics,
    DistributionMetrics,
    LabelMetrics,
    RegressionMetrics,
)

ScoreKind = Literal["classification", "distribution", "labels", "regression"]
"""What is judged: one class of each clip, its shares of classes, its labels, or numbers."""

_TEXT_COLUMNS = (
    "id",
    "group",
    "blend_target",
    "blend",
    "target",
    "prediction",
    "targets",
    "predictions",
)
# Where clips are judged in groups, their predictions come first.
_PREDICTIONS = ("test_group_predictions", "test_predictions")
_LABELS = {"F1_weighted": "weighted F1", "F1_macro": "macro F1"}
_OF_SHARES = ("presence", "salience", "mAP", "exact")
_IN_PERCENT = (*_OF_SHARES, "UAR", "WAR", "F1_weighted", "F1_macro", "CCC", "PCC")
_OF_CONFIDENCE = ("ECE", "AURC")
_ORDER = (*_IN_PERCENT, "KL", "cosine", *_OF_CONFIDENCE, "RMSE", "MSE", "MAE")


def read_run_predictions(folder: Path) -> pd.DataFrame:
    """The test predictions of a run, of all its processes.

    Args:
        folder: Run folder.

    Returns:
        A row for every clip or, in corpora judged by groups, for every group: `id`, in groups
        `clips`, then what the task wrote.

    Raises:
        DataError: There are none, or a clip is there twice.
    """
    for name in _PREDICTIONS:
        # One file, or one for every process.
        paths = [
            path
            for path in sorted(folder.glob(f"{name}*.csv"))
            if re.fullmatch(rf"{name}(-\d+)?", path.stem)
        ]
        if not paths:
            continue
        table = pd.concat([read_predictions(path) for path in paths], ignore_index=True)
        table = table.rename(columns={"group": "id"})
        twice = table["id"][table["id"].duplicated()]
        if len(twice):
            raise DataError(
                f"{folder}: {twice.iloc[0]} has two predictions in {name}*.csv; the files are of "
                "several tests, so test the checkpoint again into a folder of its own."
            )
        return table
    raise DataError(f"{folder} has no {_PREDICTIONS[-1]}.csv; run `hicmae test` first.")


def read_predictions(path: Path) -> pd.DataFrame:
    """A file of predictions; names stay text, whatever they look like."""
    columns = pd.read_csv(path, nrows=0).columns
    text = [name for name in columns if name in _TEXT_COLUMNS]
    numbers = [name for name in columns if name not in _TEXT_COLUMNS]
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(text, str),
        keep_default_na=False,
        na_values={name: [""] for name in numbers},
    )


def outputs_of(predictions: pd.DataFrame) -> tuple[ScoreKind, list[str]]:
    """What a table of test predictions is of, and its classes or regressed targets in order."""
    columns = [str(name) for name in predictions]
    told = next((name for name in ("prediction", "predictions") if name in columns), None)
    if told is None:
        ends = [name for name in columns if name.endswith("_target")]
        return "regression", [name.removesuffix("_target") for name in ends]
    after = columns[columns.index(told) + 1 :]
    classes = after[: len(after) // 2]
    if not classes or after[len(classes) :] != [f"{name}_target" for name in classes]:
        return "classification", after
    return ("labels" if told == "predictions" else "distribution"), classes


def scores_of(
    predictions: pd.DataFrame, kind: ScoreKind, outputs: Sequence[str]
) -> dict[str, float]:
    """Scores of a set of predictions, by the names that a test logs.

    Args:
        predictions: A row for every clip or group.
        kind: What was learned.
        outputs: Classes in order of their index, or regressed targets.

    Returns:
        UAR, WAR and F1 in percent, ECE and AURC; of distributions KL and cosine too, and of blends
        presence and salience in percent; of labels mAP, macro F1 and exact in percent; or PCC and
        CCC in percent, MSE, RMSE and MAE in units of the target, as means over the targets and,
        where there are several, for each of them.

    Raises:
        DataError: A target or prediction is none of the classes.
    """
    if kind == "regression":
        values = _regression(predictions, outputs)
    else:
        if kind == "classification":
            metrics: ClassificationMetrics | LabelMetrics = _classification(predictions, outputs)
        else:
            metrics = (LabelMetrics if kind == "labels" else DistributionMetrics)(len(outputs))
            metrics.update(*_numbers(predictions, outputs))
        values = {name: float(score) for name, score in metrics.compute()[0].items()}
    if kind in {"classification", "distribution"}:
        values |= _confidence(predictions, outputs)
    if "blend_target" in predictions and kind == "distribution":
        values |= written_blend_scores(predictions["blend"], predictions["blend_target"])
    return {
        name: 100 * values[name] if in_percent(name) else values[name]
        for name in sorted(values, key=_place)
    }


def confusion_of(predictions: pd.DataFrame, classes: Sequence[str]) -> Tensor:
    """Counts (K, K) with a row for every true class."""
    return _classification(predictions, classes).compute()[1]


def most_frequent_class(predictions: pd.DataFrame) -> tuple[str, float]:
    """The class that most targets are of, and its share in percent."""
    counts = predictions["target"].value_counts()
    return str(counts.index[0]), 100 * float(counts.iloc[0]) / len(predictions)


def in_percent(name: str) -> bool:
    """Whether a metric is given in percent; others are in units of the target."""
    return name in _IN_PERCENT or name.startswith(("PCC_", "CCC_"))


def metric_label(name: str) -> str:
    """A metric as tables call it, with its unit."""
    if name in _LABELS:
        label = _LABELS[name]
    else:
        metric, _, target = name.partition("_")
        label = f"{metric} {target}" if target else metric
    return f"{label} %" if in_percent(name) else label


def _place(name: str) -> int:
    return _ORDER.index(name if name in _ORDER else name.partition("_")[0])


def _classification(predictions: pd.DataFrame, classes: Sequence[str]) -> ClassificationMetrics:
    metrics = ClassificationMetrics(len(classes))
    metrics.update(
        _indices(predictions["prediction"], classes), _indices(predictions["target"], classes)
    )
    return metrics


def _confidence(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    told = torch.from_numpy(predictions[list(classes)].to_numpy(dtype=float, copy=True))
    scores = confidence_scores(told, _indices(predictions["target"], classes))
    return {name: scores[name] for name in _OF_CONFIDENCE}


def _indices(names: Iterable[str], classes: Sequence[str]) -> Tensor:
    index_of = {name: index for index, name in enumerate(classes)}
    unknown = set(names) - index_of.keys()
    if unknown:
        raise DataError(
            f"The predictions name the class {min(unknown)!r}, which is none of "
            f"{', '.join(classes)}; they are of another run."
        )
    return torch.tensor([index_of[name] for name in names])


def _numbers(predictions: pd.DataFrame, outputs: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Predicted and true numbers (N, K)."""
    true = predictions[[f"{name}_target" for name in outputs]].to_numpy(dtype=float, copy=True)
    values = predictions[list(outputs)].to_numpy(dtype=float, copy=True)
    return torch.from_numpy(values), torch.from_numpy(true)


def _regression(predictions: pd.DataFrame, targets: Sequence[str]) -> dict[str, float]:
    metrics = RegressionMetrics(len(targets))
    for metric in metrics.metrics.values():
        metric.set_dtype(torch.float64)  # sums over whole corpora
    metrics.update(*_numbers(predictions, targets))
    scores = {}
    for name, of_targets in metrics.compute().items():
        scores[name] = float(of_targets.mean())
        if len(targets) > 1:
            each = zip(targets, of_targets.tolist(), strict=True)
            scores |= {f"{name}_{target}": value for target, value in each}
    return scores
