"""Cross-validation: every fold of a corpus, one after the other, to one table."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser
from rich.table import Table

from hicmae.configs import config_folder, resolve_arguments
from hicmae.consoles import plain_console
from hicmae.data.datamodules import AudioVisualDataModule
from hicmae.errors import ConfigError, DataError
from hicmae.evaluation.fold_runs import Fold, fold_command, locked, run_fold
from hicmae.evaluation.published import published_corpus
from hicmae.evaluation.results import fold_row, open_log, read_results, save_setup
from hicmae.evaluation.scores import ScoreKind
from hicmae.evaluation.setup import (
    Config,
    RunSetup,
    modality_label,
    model_label,
    selection_of,
    start_label,
)
from hicmae.evaluation.tables import score_lines, write_tables
from hicmae.ledger import DONE, Plan, Row, go_on
from hicmae.tasks import RecognitionTask
from hicmae.tasks.recognition import NO_LABELS
from hicmae.training.commands import parse_fit

# Options that the command itself sets for every fold, and how to say the same to it.
_OWN = {
    "--data.fold": "choose folds with --folds 1,3",
    "--data.init_args.fold": "choose folds with --folds 1,3",
    "--trainer.default_root_dir": "say where to write with --output FOLDER",
    "--ckpt_path": "an interrupted fold goes on from its last checkpoint by itself",
    "--print_config": "use it with hicmae fit",
}
# Settings that no result depends on, so that a run may go on with others.
_WITHOUT_EFFECT = {
    "data": ("fold", "num_workers", "prefetch", "pin_memory", "cache_dir"),
    "trainer": ("default_root_dir", "enable_progress_bar", "logger"),
}


def cross_validate(
    rest: Sequence[str],
    *,
    folds: str | None = None,
    output: str | Path | None = None,
    dry_run: bool = False,
) -> None:
    """Runs the folds that are not done and writes the tables.

    Args:
        rest: Options of `hicmae fit` that all folds share.
        folds: Numbers of the folds to run, such as 1,3; None for all of them.
        output: Where to write; None for a folder named by the config.
        dry_run: Whether the commands are shown and nothing is run.

    Raises:
        HicmaeError: A mistake that the user can mend, or a fold that failed.
    """
    name = _name(_check_options(rest))
    folder = Path(output or f"runs/crossval-{name}")
    config = resolve_config(rest)
    data = _data_of(config)
    own = {"--folds": folds, "--output": output}
    command = [*rest, *(f"{name}={value}" for name, value in own.items() if value is not None)]
    setup = _setup(config, data, name, command)
    chosen = _chosen_folds(folds, setup.fold_count, data)
    log = open_log(folder, _settings(config, data))
    if dry_run:
        done = log.rows()
        for fold in chosen:
            to_do = shlex.join(["hicmae", *fold_command(rest, folder, fold)])
            print(f"fold {fold} is done" if fold.id in done else to_do)
        return
    with locked(folder) as lock:
        save_setup(folder, setup)
        work = partial(_run_folds, rest=rest, folder=folder, data=data, lock=lock)
        go_on(
            work,
            chosen,
            log,
            Plan(),
            is_done=lambda row: bool(row["status"] == DONE),
            console=plain_console(),
            things="folds",
        )
    _write_tables(folder)


def _check_options(rest: Sequence[str]) -> Path:
    """The first config; refuses options that the command sets itself."""
    for argument in rest:
        name = argument.partition("=")[0]
        if name in _OWN:
            raise ConfigError(f"hicmae crossval takes no {name}: {_OWN[name]}.")
    for argument in resolve_arguments(list(rest)):
        name, _, value = argument.partition("=")
        if name == "--config":
            return Path(value)
    raise ConfigError("hicmae crossval needs --config, for example finetune/ravdess.yaml.")


def _name(config_file: Path) -> str:
    """What a run of a config is called, such as ravdess for finetune/ravdess.yaml."""
    of_project = config_file.resolve().is_relative_to(config_folder().resolve())
    if of_project and config_file.parent.name != "finetune":
        return f"{config_file.parent.name}-{config_file.stem}"
    return config_file.stem


def resolve_config(rest: Sequence[str]) -> Config:
    """All settings of a `fit` command line, with their defaults.

    Args:
        rest: What stands behind `hicmae fit`.

    Raises:
        ConfigError: They cannot make a cross-validation.
        ArgumentError: An option that does not exist or does not fit.
    """
    config: Config = parse_fit(rest)
    if not config.get("test_after_fit"):
        raise ConfigError("Folds are compared by their tests: leave --test_after_fit out.")
    if config["trainer"].get("fast_dev_run"):
        raise ConfigError("--trainer.fast_dev_run tests nothing; see the commands with --dry_run.")
    for section in ("model", "data"):
        if not isinstance(config.get(section), dict):
            raise ConfigError(f"There is no {section} in the options; give the config of a corpus.")
    module, _, name = str(config["model"]["class_path"]).rpartition(".")
    task = getattr(import_module(module), name)
    if not (isinstance(task, type) and issubclass(task, RecognitionTask)):
        raise ConfigError(
            f"model is a {name}, which has no scores to compare; give a config of finetune/."
        )
    return config


def _data_of(config: Config) -> AudioVisualDataModule:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(AudioVisualDataModule, "data")
    data = parser.instantiate(parser.parse_object({"data": config["data"]})).data
    assert isinstance(data, AudioVisualDataModule)  # noqa: S101 (the parser made it so)
    return data


def _setup(
    config: Config, data: AudioVisualDataModule, name: str, command: Sequence[str]
) -> RunSetup:
    outputs = data.class_names or data.target_names
    if not outputs:
        raise ConfigError(NO_LABELS)
    published = published_corpus(config["data"])
    folds = _fold_count(data)
    return RunSetup(
        name=name if published is None else published.name,
        source=data.source,
        kind=_kind(data),
        outputs=list(outputs),
        fold_count=folds,
        model=model_label(config),
        modality=modality_label(config),
        start=start_label(config),
        selection=selection_of(config, data.splits_of(_first_fold(data))),
        command=shlex.join(["hicmae", "crossval", *command]),
        published=None if published is None else published.name,
    )


def _kind(data: AudioVisualDataModule) -> ScoreKind:
    if not data.class_names:
        return "regression"
    return "classification" if data.target_kind == "class" else data.target_kind


def _fold_count(data: AudioVisualDataModule) -> int:
    if not data.table["split"].notna().any():
        return data.fold_count
    if data.table["fold"].nunique() > 1:
        raise DataError(
            f"{data.source} has the columns split and fold, and the splits would be the same in "
            "every fold; empty one of the two columns."
        )
    return 1


def _first_fold(data: AudioVisualDataModule) -> int:
    folds = data.table["fold"].dropna()
    return int(folds.min()) if len(folds) else 1


def _chosen_folds(text: str | None, count: int, data: AudioVisualDataModule) -> list[Fold]:
    """The folds to run, each of which has rows to train on and to test."""
    try:
        chosen = sorted({int(part) for part in text.split(",")}) if text else range(1, count + 1)
    except ValueError:
        raise ConfigError(f"--folds is {text!r}; give numbers, such as 1,3.") from None
    for fold in chosen:
        if not 1 <= fold <= count:
            have = f"folds 1 to {count}" if count > 1 else "one split: 1"
            raise ConfigError(f"--folds names fold {fold}, but {data.source} has {have}.")
        splits = data.splits_of(fold)
        if not len(splits.test_rows) or not len(splits.train_rows):
            raise DataError(
                f"{data.source} has nothing to train on or to test in fold {fold} "
                f"({splits.policy}); give its rows a fold or a split."
            )
    return [Fold(fold) for fold in chosen]


def _settings(config: Config, data: AudioVisualDataModule) -> Config:
    """What results depend on."""
    kept = {name: value for name, value in config.items() if name != "ckpt_path"}
    kept["data"] = kept["data"] | {
        "init_args": _without(kept["data"].get("init_args") or {}, _WITHOUT_EFFECT["data"])
    }
    kept["trainer"] = _without(kept["trainer"], _WITHOUT_EFFECT["trainer"])
    return _flat(kept) | {"clips, labels or folds": _digest(data)}


def _without(options: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


def _digest(data: AudioVisualDataModule) -> str:
    """Stands for the clips, their labels and folds."""
    columns = data.table[["id", "subject", "fold", "split", *data.labelling.columns]]
    return hashlib.sha256(columns.to_csv(index=False).encode()).hexdigest()[:12]


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings by dotted name, as options are written."""
    if not isinstance(value, dict) or not value:
        return {name: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        inner_name = name if key == "init_args" else f"{name}.{key}".lstrip(".")
        flat |= _flat(inner, inner_name)
    return flat


def _run_folds(
    folds: Sequence[Fold],
    *,
    rest: Sequence[str],
    folder: Path,
    data: AudioVisualDataModule,
    lock: tuple[int, ...],
) -> Iterator[Row]:
    for place, fold in enumerate(folds, start=1):
        if place > 1:
            _write_tables(folder)
        plain_console().rule(f"Fold {fold} ({place} of {len(folds)})")
        run = run_fold(rest, folder, fold, lock)
        splits = data.splits_of(fold)
        yield fold_row(fold, run, test_clips=len(splits.test_rows), splits=splits.policy)


def _write_tables(folder: Path) -> None:
    """Writes the tables of the folds that are done, and shows their scores."""
    results = read_results(folder)
    write_tables(results, folder)
    head, lines = score_lines(results)
    table = Table(*head, title=f"{results.setup.title} ({results.folds_label()})", box=None)
    for line in lines:
        table.add_row(*line)
    console = plain_console()
    console.print(table)
    console.print(f"Checkpoint: {results.setup.selection}.", soft_wrap=True)
    console.print(f"Tables: {folder / 'results.md'}", soft_wrap=True)
