"""Which pooling and which penalty, by the actors of training alone.

    python benchmarks/emotion/choices.py --folder runs/emotion

For each fold that is left out, frozen features are classified among the other three: learnt from
two of them and tried on the third, in turn. What is best there, for each fold apart, is what the
fold may be tested with; see configs/probe/logistic.yaml.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import torch
from experiment import checkpoint
from probes import Floats, batches, clips_of, features

from hicmae.models import Pooling
from hicmae.objectives.logistic_regression import logistic_regression

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)


def inner_accuracies(inputs: Floats, clips: pd.DataFrame, penalty: float) -> dict[str, float]:
    """Shares recognised among the other folds, in percent, by the fold that is left out."""
    names, targets = np.unique(clips["emotion"], return_inverse=True)
    folds = sorted(clips["fold"].unique())
    scores: dict[str, list[float]] = {fold: [] for fold in folds}
    for pair in combinations(folds, 2):
        train = clips["fold"].isin(pair).to_numpy()
        known = torch.from_numpy(inputs[train]), torch.from_numpy(targets[train])
        weight, bias = logistic_regression(*known, len(names), penalty)
        right = (torch.from_numpy(inputs) @ weight.T + bias).argmax(1).numpy() == targets
        for tried, left_out in [(f, o) for f in folds for o in folds if f != o]:
            if not {tried, left_out} & set(pair):
                scores[left_out].append(100 * right[clips["fold"] == tried].mean())
    return {f"without fold {fold}": float(np.mean(found)) for fold, found in scores.items()}


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    folder = parser.parse_args().folder
    read = batches(folder)
    clips = clips_of(folder, [name for batch in read for name in batch["id"]])
    starts = {"pre-trained": checkpoint(folder / "pretraining"), "random weights": 0}
    rows = []
    for start, weights in starts.items():
        for pooling in get_args(Pooling):
            inputs = features(read, weights, pooling, "audio_visual")
            for penalty in PENALTIES:
                scores = inner_accuracies(inputs, clips, penalty)
                rows.append({"start": start, "pooling": pooling, "penalty": penalty, **scores})
    print(pd.DataFrame(rows).round(1).to_string(index=False))


if __name__ == "__main__":
    main()
