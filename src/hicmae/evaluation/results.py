"""The results of several folds, or of one run, as they lie in folders."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import yaml

from hicmae.errors import ConfigError, DataError
from hicmae.evaluation.published import published_corpus
from hicmae.evaluation.scores import outputs_of, read_run_predictions, scores_of
from hicmae.evaluation.setup import (
    UNKNOWN_SELECTION,
    Config,
    RunSetup,
    modality_label,
    model_label,
    selection_of_config,
    start_label,
)
from hicmae.files import whole_file
from hicmae.ledger import DONE, ResultLog, Row, read_rows

SETUP_FILE = "crossval.json"
METRICS_FILE = "test_metrics.json"
CONFIG_FILE = "config.yaml"

_LOG = "crossval"


@dataclass(frozen=True)
class FoldResult:
    """What the tested checkpoint of one fold said.

    Attributes:
        fold: The fold, from 1.
        predictions: A row for every clip or group; see `scores.read_run_predictions`.
        test_clips: Clips that the fold tests; None where that is not known.
        splits: How its rows were divided, as one sentence; empty where that is not known.
    """

    fold: int
    predictions: pd.DataFrame
    test_clips: int | None = None
    splits: str = ""

    @property
    def judged_clips(self) -> int:
        """Clips with a prediction."""
        if "clips" in self.predictions:
            return int(self.predictions["clips"].sum())
        return len(self.predictions)


@dataclass(frozen=True)
class Results:
    """The finished folds of a cross-validation, or a single run.

    Attributes:
        setup: What was run.
        folds: The finished folds in order; never empty.
    """

    setup: RunSetup
    folds: list[FoldResult]

    @property
    def pooled(self) -> pd.DataFrame:
        """The predictions of all folds, with `fold` as the first column."""
        parts = []
        for result in self.folds:
            part = result.predictions.copy()
            part.insert(0, "fold", result.fold)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)

    @property
    def complete(self) -> bool:
        """Whether every fold of the corpus is there."""
        return len(self.folds) == self.setup.fold_count

    @property
    def grouped(self) -> bool:
        """Whether groups of clips are judged."""
        return "clips" in self.folds[0].predictions

    def fold_scores(self) -> pd.DataFrame:
        """Scores of every fold: a row per fold, a column per metric."""
        return pd.DataFrame(
            [self._scores(result.predictions) for result in self.folds],
            index=[result.fold for result in self.folds],
        )

    def pooled_scores(self) -> dict[str, float]:
        """Scores over the predictions of all folds together."""
        return self._scores(self.pooled)

    def folds_label(self) -> str:
        """Which folds there are, such as "folds 1, 3 of 5"."""
        numbers = ", ".join(str(result.fold) for result in self.folds)
        word = "fold" if len(self.folds) == 1 else "folds"
        if not self.setup.fold_count:
            return f"a single run, fold {numbers}"
        if self.setup.fold_count == 1:
            return "one split"
        if self.complete:
            return f"all {self.setup.fold_count} folds"
        return f"{word} {numbers} of {self.setup.fold_count}"

    def _scores(self, predictions: pd.DataFrame) -> dict[str, float]:
        return scores_of(predictions, self.setup.kind, self.setup.outputs)


def fold_folder(folder: Path, fold: int) -> Path:
    """Where a fold of a cross-validation runs."""
    return folder / f"fold-{fold}"


def open_log(folder: Path, settings: Config) -> ResultLog:
    """The log of the folds of a cross-validation.

    Args:
        folder: Folder of the cross-validation.
        settings: What the results depend on, by dotted name.

    Raises:
        ConfigError: The folder holds folds run with other settings, or by an older version.
    """
    way_out = "give another --output, or remove this folder"
    path = folder / SETUP_FILE
    if path.is_file() and "settings" in json.loads(path.read_text(encoding="utf-8")):
        raise ConfigError(
            f"{folder} was begun by an older version, which `hicmae report` reads and no later one "
            f"goes on with: finish it with that version, {way_out}."
        )
    return ResultLog(folder, _LOG, settings, way_out=way_out)


def save_setup(folder: Path, setup: RunSetup) -> None:
    """Notes in the folder of a cross-validation what it runs, in words."""
    with whole_file(folder / SETUP_FILE) as part:
        text = json.dumps({"setup": asdict(setup)}, indent=1, ensure_ascii=False)
        part.write_text(text + "\n", encoding="utf-8")


def fold_row(fold: int, run: Path, *, test_clips: int, splits: str) -> Row:
    """The row of a fold that is done.

    Args:
        fold: The fold.
        run: Run folder with its test predictions.
        test_clips: Clips that it tests.
        splits: How its rows were divided.

    Raises:
        DataError: There are no test predictions.
    """
    read_run_predictions(run)
    row = {"id": str(fold), "status": DONE, "run": run.name}
    return row | {"test_clips": test_clips, "splits": splits}


def read_results(folder: Path) -> Results:
    """The results in the folder of a cross-validation or of a single run.

    Args:
        folder: What `hicmae crossval` wrote, or a run folder whose checkpoint was tested.

    Raises:
        ConfigError: It is neither.
        DataError: No fold is done, or predictions are missing.
    """
    if (folder / SETUP_FILE).is_file():
        return _read_crossval(folder)
    if (folder / METRICS_FILE).is_file() and (folder / CONFIG_FILE).is_file():
        return _read_run(folder)
    raise ConfigError(
        f"{folder} holds no results: give the folder of a `hicmae crossval`, or a run folder with "
        f"{METRICS_FILE} and {CONFIG_FILE}, such as RUN/version_0."
    )


def _read_crossval(folder: Path) -> Results:
    setup = json.loads((folder / SETUP_FILE).read_text(encoding="utf-8"))["setup"]
    rows = read_rows(folder, _LOG) or _rows_of_0_2(folder)
    if not rows:
        raise DataError(
            f"{folder}: no fold is done yet; give its `hicmae crossval` command again to go on."
        )
    results = []
    for fold in sorted(map(int, rows)):
        row = rows[str(fold)]
        predictions = read_run_predictions(fold_folder(folder, fold) / row["run"])
        results.append(FoldResult(fold, predictions, row["test_clips"], row["splits"]))
    return Results(RunSetup(**setup), results)


def _rows_of_0_2(folder: Path) -> dict[str, Row]:
    """Rows of the folds that version 0.2 noted, each in a file of its own."""
    return {
        path.parent.name.removeprefix("fold-"): json.loads(path.read_text(encoding="utf-8"))
        for path in folder.glob("fold-*/fold.json")
    }


def _read_run(folder: Path) -> Results:
    config: Config = yaml.safe_load((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    data = config["data"].get("init_args") or {}
    predictions = read_run_predictions(folder)
    kind, outputs = outputs_of(predictions)
    published = published_corpus(config["data"])
    training = _training_config(folder, config)
    where = data.get("manifest") or data.get("root") or "its data"
    setup = RunSetup(
        name=folder.resolve().parent.name if published is None else published.name,
        source=f"{str(config['data']['class_path']).rsplit('.', 1)[-1]} over {where}",
        kind=kind,
        outputs=outputs,
        fold_count=0,
        model=model_label(config),
        modality=modality_label(config),
        start=start_label(training or config),
        selection=UNKNOWN_SELECTION if training is None else selection_of_config(training),
        command="",
        published=None if published is None else published.name,
    )
    return Results(setup, [FoldResult(int(data.get("fold") or 1), predictions)])


def _training_config(folder: Path, config: Config) -> Config | None:
    """The config of the run that trained what was tested in a folder; None if it is gone."""
    if (folder / "checkpoints").is_dir():
        return config
    if not config.get("ckpt_path"):
        return None
    path = Path(config["ckpt_path"]).parent.parent / CONFIG_FILE
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
