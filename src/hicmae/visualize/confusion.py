"""What a tested model takes for what."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from hicmae.errors import ConfigError, DataError
from hicmae.evaluation.results import SETUP_FILE, read_results
from hicmae.evaluation.scores import (
    confusion_of,
    outputs_of,
    read_predictions,
    read_run_predictions,
    scores_of,
)
from hicmae.tasks.figures import confusion_figure
from hicmae.visualize.style import short_names

_FEWEST_CLASSES = 2


def classified(path: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """The predictions of a tested classifier, and its classes.

    Args:
        path: A run folder, the folder of a cross-validation (all folds together), or a table as
            `test_predictions.csv`.

    Returns:
        A row per clip or group with at least `target` and `prediction`, and the classes in the
        order of their index.

    Raises:
        DataError: There are no predictions, no class or no row.
        ConfigError: The path does not exist.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise ConfigError(f"{path} does not exist: give a run folder or a table of predictions.")
    if (path / SETUP_FILE).is_file():
        table = read_results(path).pooled
    elif path.is_dir():
        table = read_run_predictions(path)
    else:
        try:
            table = read_predictions(path)
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is no table of predictions: {error}.") from error
    for name in ("target", "prediction"):
        if name not in table:
            raise DataError(
                f"{path} has no column {name} (it has {', '.join(table.columns)}): give the test "
                "predictions of a classification."
            )
    if table.empty:
        raise DataError(f"{path} holds no prediction; test the checkpoint with `hicmae test`.")
    classes = outputs_of(table)[1]
    if len(classes) < _FEWEST_CLASSES:
        raise DataError(
            f"{path} has no column for each class behind prediction: give a file that "
            "`hicmae test` wrote."
        )
    return table, classes


def confusion_matrix_figure(path: str | Path) -> Figure:
    """Draws the confusion matrix of a tested classifier, with UAR and WAR above it.

    Args:
        path: See `classified`.

    Raises:
        DataError: There are no predictions, or they are of other classes than the columns say.
        ConfigError: The path does not exist.
    """
    table, classes = classified(path)
    scores = scores_of(table, "classification", classes)
    what = "groups" if "clips" in table else "clips"
    return confusion_figure(
        confusion_of(table, classes),
        classes,
        title=f"{short_names([path])[0]}\n"
        f"UAR {scores['UAR']:.1f} %, WAR {scores['WAR']:.1f} %, {len(table)} {what}",
    )
