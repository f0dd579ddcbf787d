"""Figures of merit of written predictions, in percent where they have no unit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from hicmae.errors import DataError
from hicmae.tasks.metrics import ClassificationMetrics, RegressionMetrics
from hicmae.tasks.recognition import LabelKind

_TEXT_COLUMNS = ("id", "group", "target", "prediction", "targets", "predictions")
# Where clips are judged in groups, their predictions come first.
_PREDICTIONS = ("test_group_predictions", "test_predictions")
_LABELS = {"F1_weighted": "weighted F1", "F1_macro": "macro F1"}
_ORDER = ("UAR", "WAR", "F1_weighted", "F1_macro", "CCC", "PCC", "RMSE", "MSE", "MAE")
_IN_PERCENT = ("UAR", "WAR", "F1_weighted", "F1_macro", "PCC", "CCC")


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


def scores_of(
    predictions: pd.DataFrame, kind: LabelKind, outputs: Sequence[str]
) -> dict[str, float]:
    """Scores of a set of predictions, by the names that a test logs.

    Args:
        predictions: A row for every clip or group.
        kind: What was learned.
        outputs: Classes in order of their index, or regressed targets.

    Returns:
        UAR, WAR and F1 in percent; or PCC and CCC in percent, MSE, RMSE and MAE in units of the
        target, as means over the targets and, where there are several, for each of them.

    Raises:
        DataError: A target or prediction is none of the classes.
    """
    if kind == "classification":
        scores, _ = _classification(predictions, outputs).compute()
        values = {name: float(score) for name, score in scores.items()}
    else:
        values = _regression(predictions, outputs)
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


def _indices(names: Iterable[str], classes: Sequence[str]) -> Tensor:
    index_of = {name: index for index, name in enumerate(classes)}
    unknown = set(names) - index_of.keys()
    if unknown:
        raise DataError(
            f"The predictions name the class {min(unknown)!r}, which is none of "
            f"{', '.join(classes)}; they are of another run."
        )
    return torch.tensor([index_of[name] for name in names])


def _regression(predictions: pd.DataFrame, targets: Sequence[str]) -> dict[str, float]:
    metrics = RegressionMetrics(len(targets))
    for metric in metrics.metrics.values():
        metric.set_dtype(torch.float64)  # sums over whole corpora
    true = predictions[[f"{name}_target" for name in targets]].to_numpy(dtype=float, copy=True)
    values = predictions[list(targets)].to_numpy(dtype=float, copy=True)
    metrics.update(torch.from_numpy(values), torch.from_numpy(true))
    scores = {}
    for name, of_targets in metrics.compute().items():
        scores[name] = float(of_targets.mean())
        if len(targets) > 1:
            each = zip(targets, of_targets.tolist(), strict=True)
            scores |= {f"{name}_{target}": value for target, value in each}
    return scores
