"""What frozen features tell of emotion, after more and more views of clips without labels.

    python benchmarks/emotion/probes.py --folder runs/emotion

Takes the features of the labelled clips from checkpoints of `experiment.py`, a mean over the views
of each clip, and classifies them, leaving two actors out in turn: by logistic regression as
configs/probe/logistic.yaml does, and by nearest neighbours. Features are of both poolings, the
paper's (`mean`) and `statistics`. Also tells how much of what features vary by lies between actors
and how much between emotions. Writes `probes.csv` and `shares.csv`; features that are there are
not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import yaml
from experiment import LABELS, VARIANTS, checkpoint
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from hicmae.configs import find_config
from hicmae.data.datamodules import ManifestDataModule
from hicmae.models import Architecture, Modality, Pooling, RecognitionModel
from hicmae.objectives.logistic_regression import logistic_regression
from hicmae.weights.reading import load_pretrained

SNAPSHOTS = (5, 10, 20, 35, 60, 110)  # epochs, of which only the last of a run has low rates
SEEDS = (0, 1, 2)
DRAWS = 5  # of few labels
NEIGHBOURS = 5
MODALITY_NAMES: dict[Modality, str] = {"audio_visual": "both", "audio": "audio", "video": "video"}
Floats = npt.NDArray[np.float32]
Arrays = dict[str, Floats]


def config(name: str) -> Any:
    """A shipped config."""
    return yaml.safe_load(Path(find_config(name)).read_text(encoding="utf-8"))


def labelled_clips(folder: Path) -> pd.DataFrame:
    """The labelled clips, by the names of their files."""
    clips = pd.read_csv(folder / "labelled.csv", dtype=str)
    return clips.set_index(pd.Index(clips["video"].map(lambda path: Path(path).stem)))


def batches(folder: Path) -> list[dict[str, Any]]:
    """All labelled clips as fine-tuning tests them."""
    options = config("small/finetune.yaml")["data"]["init_args"] | {
        "manifest": str(folder / "labelled.csv"),
        "cache_dir": str(folder / "cache"),
        "augmentation": None,
    }
    read = []
    for fold in sorted(labelled_clips(folder)["fold"].astype(int).unique()):
        data = ManifestDataModule(**options, fold=fold)
        data.setup("test")
        read += [dict(data.preprocessor(raw)) for raw in data.test_dataloader()]
    return read


def features(
    read: list[dict[str, Any]], weights: Path | None, pooling: Pooling, modality: Modality
) -> Floats:
    """Features of the clips (N, D), of a checkpoint or as drawn."""
    init = config("small/finetune.yaml")["model"]["init_args"]
    torch.manual_seed(0)
    model = RecognitionModel(
        Architecture.of_size(init["size"], init["architecture"]),
        0,
        modality=modality,
        pooling=pooling,
    ).eval()
    if weights is not None:
        load_pretrained(model, weights)
    rows = []
    with torch.no_grad():
        for batch in read:
            views = batch["video"].shape[1]
            found = model.features(batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1))
            rows.append(found.unflatten(0, (-1, views)).mean(1))
    return np.asarray(torch.cat(rows).numpy())


def answers(kind: str, inputs: Floats, known: Floats, emotions: pd.Series[str]) -> Any:
    """What clips are taken for, by those of known emotions."""
    if kind == "linear":
        names, targets = np.unique(emotions, return_inverse=True)
        penalty = config("probe/logistic.yaml")["model"]["init_args"]["penalty"]
        weight, bias = logistic_regression(
            torch.from_numpy(known), torch.from_numpy(targets), len(names), penalty
        )
        return names[(torch.from_numpy(inputs) @ weight.T + bias).argmax(1).numpy()]
    scaler = StandardScaler().fit(known)
    neighbours = min(NEIGHBOURS, int(emotions.value_counts().min()))
    model = KNeighborsClassifier(neighbours, metric="cosine").fit(scaler.transform(known), emotions)
    return model.predict(scaler.transform(inputs))


def accuracy(kind: str, inputs: Floats, clips: pd.DataFrame, per_class: int | None) -> float:
    """Share of the clips recognised, pooled over folds and drawn labels, in percent."""
    scores = []
    for draw in range(DRAWS if per_class else 1):
        rng = np.random.default_rng(draw)
        right = np.zeros(len(clips))
        for fold in clips["fold"].unique():
            test = (clips["fold"] == fold).to_numpy()
            train = rng.permutation(np.flatnonzero(~test))
            if per_class:
                train = clips.iloc[train].groupby("emotion").head(per_class).index.to_numpy()
            told = answers(kind, inputs[test], inputs[train], clips["emotion"].iloc[train])
            right[test] = told == clips["emotion"][test]
        scores.append(100 * right.mean())
    return float(np.mean(scores))


def accuracies(kind: str, inputs: Floats, clips: pd.DataFrame) -> dict[str, float]:
    """Shares recognised with all labels and with few, in percent."""
    counts = {name: None if name == "all" else round(24 * share) for name, share in LABELS.items()}
    return {
        labels: round(accuracy(kind, inputs, clips, per_class), 1)
        for labels, per_class in counts.items()
    }


def share_between(inputs: Floats, groups: pd.Series[str]) -> float:
    """Share of the variance of standardised features that lies between groups, in percent."""
    standardised = pd.DataFrame(StandardScaler().fit_transform(inputs))
    means = standardised.groupby(groups.to_numpy()).transform("mean")
    return float(100 * means.to_numpy().var(axis=0).mean())


def snapshots(folder: Path) -> dict[str, Path | None]:
    """The checkpoints that are there, by what they are; None is random weights."""
    runs = {"": "pretraining"}
    runs |= {f"seed {seed}, ": f"pretraining-seed{seed}" for seed in SEEDS if seed}
    runs |= {f"{variant}, ": f"pretraining-{variant}" for variant in VARIANTS}
    found: dict[str, Path | None] = {"epoch 0": None}
    for name, run in runs.items():
        for epoch in SNAPSHOTS:
            weights = checkpoint(folder / run, epoch)
            if weights is not None:
                found[f"{name}epoch {epoch}"] = weights
    return found


def main() -> None:
    """Looks at every checkpoint that is there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    folder = parser.parse_args().folder
    read = batches(folder)
    names = [Path(name).name for batch in read for name in batch["id"]]
    clips = labelled_clips(folder).loc[names].reset_index(drop=True)
    (folder / "features").mkdir(exist_ok=True)
    rows, between = [], []
    for name, weights in snapshots(folder).items():
        for pooling in get_args(Pooling):
            for modality, sense in MODALITY_NAMES.items():
                stem = f"{name}-{pooling}-{sense}".replace(", ", "-").replace(" ", "-")
                file = folder / "features" / f"{stem}.npy"
                if not file.exists():
                    np.save(file, features(read, weights, pooling, modality))
                inputs = np.load(file)
                actors, emotions = (
                    share_between(inputs, clips[key]) for key in ("subject", "emotion")
                )
                between.append((name, pooling, sense, round(actors), round(emotions)))
                for kind in ("linear", "nearest"):
                    scores = accuracies(kind, inputs, clips)
                    rows += [(name, pooling, sense, kind, *score) for score in scores.items()]
    columns = ["pre-training", "pooling", "features", "probe", "labels", "accuracy"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(folder / "probes.csv", index=False)
    columns = ["pre-training", "pooling", "features", "between actors %", "between emotions %"]
    shares = pd.DataFrame(between, columns=columns)
    shares.to_csv(folder / "shares.csv", index=False)
    print(shares.pivot(index=["pooling", "pre-training"], columns="features").to_string())
    layout = ["probe", "pooling", "features", "pre-training"]
    table = table.pivot_table(index=layout, columns="labels", values="accuracy", sort=False)
    print(table.to_string())


if __name__ == "__main__":
    main()
