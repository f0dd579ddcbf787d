"""What the model of a run scored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from hicmae.errors import CheckpointError
from hicmae.weights.description import TrainingFacts


def scores_of_run(path: Path, checkpoint: Mapping[str, Any]) -> TrainingFacts:
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
    scores: TrainingFacts = {}
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
