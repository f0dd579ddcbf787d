"""What frozen features tell of emotion, after more and more views of clips without labels.

    python benchmarks/emotion/probes.py --folder runs/emotion

Takes the features of the labelled clips from checkpoints of `experiment.py`, a mean over the views
of each clip, and classifies them, leaving two actors out in turn: by logistic regression as
configs/probe/logistic.yaml does, and by nearest neighbours. Features are those of pooling
`statistics`, of both modalities and of each, and of both those of the paper (`mean`). Also tells
how much of what features vary by lies between actors and how much between emotions. Writes
`probes.csv`, `shares.csv` and, of each clip, the share of the draws of labels in which it was
recognised, `hits.csv`; what is known of a checkpoint is not found out again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

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
DRAWS = 20  # of few labels
NEIGHBOURS = 5
KINDS = ("linear", "nearest")
FEATURES: tuple[tuple[Pooling, Modality, str], ...] = (
    ("statistics", "audio_visual", "both"),
    ("statistics", "audio", "audio"),
    ("statistics", "video", "video"),
    ("mean", "audio_visual", "both"),
)
Floats = npt.NDArray[np.float32]
Arrays = dict[str, Floats]


def config(name: str) -> Any:
    """A shipped config."""
    return yaml.safe_load(Path(find_config(name)).read_text(encoding="utf-8"))


def labelled_clips(folder: Path) -> pd.DataFrame:
    """The labelled clips, by the names of their files."""
    clips = pd.read_csv(folder / "labelled.csv", dtype=str)
    return clips.set_index(pd.Index(clips["video"].map(lambda path: Path(path).stem)))


def clips_of(folder: Path, names: list[str]) -> pd.DataFrame:
    """The labelled clips in the order of ids of batches."""
    return labelled_clips(folder).loc[[Path(name).name for name in names]].reset_index(drop=True)


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
    read: list[dict[str, Any]],
    weights: Path | int,
    pooling: Pooling,
    modality: Modality,
) -> Floats:
    """Features of the clips (N, D), of a checkpoint or, by a seed, as drawn."""
    init = config("small/finetune.yaml")["model"]["init_args"]
    torch.manual_seed(weights if isinstance(weights, int) else 0)
    model = RecognitionModel(
        Architecture.of_size(init["size"], init["architecture"]),
        0,
        modality=modality,
        pooling=pooling,
    ).eval()
    if isinstance(weights, Path):
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


def hits(
    kind: str, inputs: Floats, clips: pd.DataFrame, per_class: int | None, draws: int = DRAWS
) -> Floats:
    """Share of the draws of labels in which each clip was recognised (N,), pooled over folds."""
    total = np.zeros(len(clips), np.float32)
    draws = draws if per_class else 1
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        for fold in clips["fold"].unique():
            test = (clips["fold"] == fold).to_numpy()
            train = rng.permutation(np.flatnonzero(~test))
            if per_class:
                train = clips.iloc[train].groupby("emotion").head(per_class).index.to_numpy()
            told = answers(kind, inputs[test], inputs[train], clips["emotion"].iloc[train])
            total[test] += told == clips["emotion"][test]
    return total / draws


def all_hits(kind: str, inputs: Floats, clips: pd.DataFrame, draws: int = DRAWS) -> Arrays:
    """The same with all labels and with few."""
    counts = {name: None if name == "all" else round(24 * share) for name, share in LABELS.items()}
    return {
        labels: hits(kind, inputs, clips, per_class, draws) for labels, per_class in counts.items()
    }


def judged(inputs: Floats, clips: pd.DataFrame, draws: int) -> Arrays:
    """What all kinds of classifiers recognise, by kind and labels."""
    return {
        f"{kind} {labels}": found
        for kind in KINDS
        for labels, found in all_hits(kind, inputs, clips, draws).items()
    }


def share_between(inputs: Floats, groups: pd.Series[str]) -> float:
    """Share of the variance of standardised features that lies between groups, in percent."""
    standardised = pd.DataFrame(StandardScaler().fit_transform(inputs))
    means = standardised.groupby(groups.to_numpy()).transform("mean")
    return float(100 * means.to_numpy().var(axis=0).mean())


def snapshots(folder: Path, seeds: Sequence[int]) -> dict[str, Path | int]:
    """The checkpoints that are there, by what they are; a number seeds random weights."""
    runs = {"": "pretraining"}
    runs |= {f"seed {seed}, ": f"pretraining-seed{seed}" for seed in seeds if seed}
    runs |= {f"{variant}, ": f"pretraining-{variant}" for variant in VARIANTS}
    found: dict[str, Path | int] = {
        f"seed {seed}, epoch 0" if seed else "epoch 0": seed for seed in seeds
    }
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
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--draws", type=int, default=DRAWS, help="of few labels")
    options = parser.parse_args()
    folder = options.folder
    read = batches(folder)
    names = [Path(name).name for batch in read for name in batch["id"]]
    clips = clips_of(folder, names)
    (folder / "features").mkdir(exist_ok=True)
    rows, between, of_clips = [], [], []
    for name, weights in snapshots(folder, options.seeds).items():
        for pooling, modality, sense in FEATURES:
            stem = f"{name}-{pooling}-{sense}".replace(", ", "-").replace(" ", "-")
            file = folder / "features" / f"{stem}.npz"
            if not file.exists():
                made = features(read, weights, pooling, modality)
                np.savez(file, features=made, **judged(made, clips, options.draws))
            known = np.load(file)
            inputs = known["features"]
            actors, emotions = (share_between(inputs, clips[key]) for key in ("subject", "emotion"))
            between.append((name, pooling, sense, round(actors), round(emotions)))
            for kind, labels in product(KINDS, LABELS):
                found = known[f"{kind} {labels}"]
                run = (name, pooling, sense, kind, labels)
                rows.append((*run, round(100 * float(found.mean()), 1)))
                of_clips += [(*run, *clip) for clip in zip(names, found, strict=True)]
    columns = ["pre-training", "pooling", "features", "probe", "labels"]
    table = pd.DataFrame(rows, columns=[*columns, "accuracy"])
    table.to_csv(folder / "probes.csv", index=False)
    of_each = pd.DataFrame(of_clips, columns=[*columns, "clip", "hits"])
    of_each.to_csv(folder / "hits.csv", index=False)
    columns = [*columns[:3], "between actors %", "between emotions %"]
    shares = pd.DataFrame(between, columns=columns)
    shares.to_csv(folder / "shares.csv", index=False)
    print(shares.pivot(index=["pooling", "pre-training"], columns="features").to_string())
    layout = ["probe", "pooling", "features", "pre-training"]
    table = table.pivot_table(index=layout, columns="labels", values="accuracy", sort=False)
    print(table.to_string())


if __name__ == "__main__":
    main()
