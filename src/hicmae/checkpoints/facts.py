"""What a checkpoint of a run tells of its training: plain values for people, without paths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from hicmae.errors import CheckpointError

KEPT = "training_facts"
"""Key of a converted Lightning checkpoint that holds what was known before."""

# Options of a task that the description itself holds, or that say nothing of the training.
_DESCRIBED = {
    "activation",
    "activation_checkpointing",
    "architecture",
    "class_names",
    "compile",
    "contrast_layers",
    "feature_fusion",
    "figure_every_n_epochs",
    "fusion_depth",
    "fusion_order",
    "modality",
    "pretrained",
    "size",
    "skip_layers",
    "target_names",
}
# Options of data modules that tell which clips were learned from; all others are of the machine, or
# of the description.
_OF_DATA = (
    "classes",
    "fold",
    "label",
    "left_actor",
    "pictures",
    "target",
    "targets",
    "test_set",
    "train_fraction",
    "val_split",
    "variant",
    "views",
)

_SCORES = ("validation", "test")


def facts_of_run(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What a Lightning checkpoint tells of its training, as far as it does.

    Args:
        checkpoint: Content of the file.

    Returns:
        Plain values: `task`, its `options`, `pretrained` (name of the file it started from),
        `data` (`module`, `manifest`, and what tells which clips were learned from), `epochs` and
        `steps`. Of a file that `hicmae convert` wrote, what was known then.
    """
    if isinstance(checkpoint.get(KEPT), Mapping):
        return dict(plain(checkpoint[KEPT]))
    task = checkpoint.get("hyper_parameters") or {}
    data = checkpoint.get("datamodule_hyper_parameters") or {}
    facts: dict[str, Any] = {}
    if "_class_path" in task:
        facts["task"] = str(task["_class_path"]).rpartition(".")[2]
    facts["options"] = {
        name: plain(value)
        for name, value in task.items()
        if name not in _DESCRIBED and name[:1] != "_" and value is not None
    }
    if task.get("pretrained"):
        facts["pretrained"] = PurePath(task["pretrained"]).name
    about = {name: plain(data[name]) for name in _OF_DATA if data.get(name) is not None}
    if "_class_path" in data:
        about["module"] = str(data["_class_path"]).rpartition(".")[2]
    if data.get("manifest"):
        about["manifest"] = PurePath(data["manifest"]).name
    if about:
        facts["data"] = about
    if isinstance(checkpoint.get("epoch"), int):
        facts["epochs"] = checkpoint["epoch"] + 1  # they are counted from 0
    if isinstance(checkpoint.get("global_step"), int):
        facts["steps"] = checkpoint["global_step"]
    return {name: value for name, value in facts.items() if value != {}}


def scores_of_run(path: Path, checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's checkpoint scored: on validation by the file, on test by the run folder.

    A run tests one of its checkpoints; the scores are given to that one alone.

    Args:
        path: The checkpoint.
        checkpoint: Its content.

    Returns:
        `validation` and `test`, scores by name; empty as far as nothing is known.
    """
    callbacks = checkpoint.get("callbacks")
    states = list(callbacks.values()) if isinstance(callbacks, Mapping) else []
    states = [state for state in states if isinstance(state, Mapping) and "monitor" in state]
    chosen = [state for state in states if state["monitor"]] or states
    chosen = [
        state for state in chosen if PurePath(str(state.get("best_model_path"))).name == path.name
    ]
    if not chosen:
        return {}
    scores: dict[str, Any] = {}
    monitor, best = chosen[0]["monitor"], chosen[0].get("best_model_score")
    if monitor and best is not None:
        scores["validation"] = {str(monitor).removeprefix("val/"): float(best)}
    file = path.resolve().parent.parent / "test_metrics.json"
    if file.is_file():
        scores["test"] = read_scores(file)
    return scores


def read_scores(path: Path) -> dict[str, float]:
    """The scores of a `test_metrics.json` by name.

    Raises:
        CheckpointError: The file is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name.removeprefix("test/"): float(score) for name, score in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds no scores ({error}): give a test_metrics.json that `hicmae test` wrote."
        ) from error


def facts_amiss(facts: Mapping[str, Any]) -> list[str]:
    """What is not of the kind that `facts_of_run` and `scores_of_run` give, in words."""
    tables = {name: facts[name] for name in ("options", "data", *_SCORES) if name in facts}
    amiss = [
        f"{name} of its training is no table"
        for name, table in tables.items()
        if not isinstance(table, Mapping)
    ]
    scores = [tables[name] for name in _SCORES if isinstance(tables.get(name), Mapping)]
    numbers = {name: score for table in scores for name, score in table.items()}
    numbers |= {name: facts[name] for name in ("epochs", "steps") if name in facts}
    return amiss + [
        f"{name} of its training is no number"
        for name, number in numbers.items()
        if isinstance(number, bool) or not isinstance(number, int | float)
    ]


def plain(value: Any) -> Any:
    """A value as JSON has it; of a path only the last part is kept."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return PurePath(str(value)).name
