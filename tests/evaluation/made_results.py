"""Folders of cross-validations as they look when done, without running any."""

import numpy as np
import pandas as pd

from hicmae.evaluation.results import fold_folder, fold_row, open_log, save_setup
from hicmae.evaluation.setup import HELD_OUT, RunSetup

EMOTIONS = ["anger", "calm", "joy"]


def setup(**changes):
    fields = {
        "name": "own",
        "source": "Manifest clips.csv",
        "kind": "classification",
        "outputs": EMOTIONS,
        "fold_count": 3,
        "model": "HiCMAE-B",
        "modality": "audio + video",
        "start": "random weights",
        "selection": HELD_OUT,
        "command": "hicmae crossval --config own.yaml",
        "published": None,
    }
    return RunSetup(**fields | changes)


def answers(seed, clips=20, outputs=EMOTIONS, *, group=False):
    """Predictions of a classification, right about half of the time."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, len(outputs), clips)
    scores = rng.random((clips, len(outputs)))
    scores[np.arange(clips), target] += 0.4
    scores /= scores.sum(1, keepdims=True)
    names = [f"f{seed}c{index}" for index in range(clips)]
    table = pd.DataFrame({"group": names, "clips": 2} if group else {"id": names})
    table["target"] = np.array(outputs)[target]
    table["prediction"] = np.array(outputs)[scores.argmax(1)]
    table[list(outputs)] = scores
    return table


def mixtures(seed, kind, clips=20, outputs=EMOTIONS):
    """Predictions of shares ("distribution") or of several labels ("labels")."""
    rng = np.random.default_rng(seed)
    true, said = rng.random((2, clips, len(outputs)))
    names = "targets", "predictions"
    if kind == "distribution":
        true, said = (part / part.sum(1, keepdims=True) for part in (true, said))
        names = "target", "prediction"
    else:
        true = (true > 0.5).astype(float)
    table = pd.DataFrame({"id": [f"f{seed}c{index}" for index in range(clips)]})
    for name, part in zip(names, (true, said), strict=True):
        several = ["; ".join(np.array(outputs)[row >= 0.5]) for row in part]
        one = np.array(outputs)[part.argmax(1)]
        table[name] = one if kind == "distribution" else several
    table[list(outputs)] = said
    table[[f"{name}_target" for name in outputs]] = true
    return table


def values(seed, clips=20, targets=("arousal", "valence")):
    """Predictions of a regression."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"id": [f"f{seed}c{index}" for index in range(clips)]})
    for name in targets:
        table[f"{name}_target"] = rng.normal(size=clips)
        table[name] = 0.5 * table[f"{name}_target"] + 0.2 + 0.3 * rng.normal(size=clips)
    return table


def make_folder(folder, described, tables, *, lost=0):
    """Writes what a cross-validation leaves; `tables` are the predictions by fold."""
    save_setup(folder, described)
    with open_log(folder, {}).appending() as append:
        for fold, table in tables.items():
            run = fold_folder(folder, fold) / "version_0"
            run.mkdir(parents=True)
            name = "test_group_predictions.csv" if "group" in table else "test_predictions.csv"
            table.to_csv(run / name, index=False)
            clips = int(table["clips"].sum()) if "clips" in table else len(table)
            splits = f"fold {fold} is for testing"
            append(fold_row(fold, run, test_clips=clips + lost, splits=splits))
    return folder
