"""What frozen features tell of emotion, after more and more views of clips without labels.

    python benchmarks/emotion/probes.py --folder runs/emotion

Takes the features of the labelled clips from checkpoints of `experiment.py` with `hicmae embed`, a
mean for each clip, and classifies them by logistic regression and by their nearest neighbours,
leaving two actors out in turn. How strong the regression is held back is chosen within the actors
of training. Also tells how much of what features vary by lies between actors and how much between
emotions. Writes `probes.csv` and `shares.csv`; features that are there are not made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from experiment import LABELS, VARIANTS, Experiment, checkpoint
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hicmae.cli import main as hicmae
from hicmae.inference.features import read_features

SNAPSHOTS = (5, 10, 20, 35, 60, 110)  # epochs, of which only the last of a run has low rates
DRAWS = 5  # of few labels
STRENGTHS = np.logspace(-4, 0, 5)
NEIGHBOURS = 5

Arrays = dict[str, npt.NDArray[np.float32]]


def untrained(experiment: Experiment) -> Path | None:
    """The model as it is before pre-training: a step that changes nothing."""
    still = ["--model.learning_rate=1e-12", "--model.min_learning_rate=0", "--trainer.max_steps=1"]
    experiment.pretrain("pretraining-untrained", 1, *still)
    return checkpoint(experiment.folder / "pretraining-untrained")


def features(folder: Path, weights: Path, name: str) -> tuple[Arrays, list[str]]:
    """Features of the labelled clips by modality, and the names of the clips."""
    output = folder / "features" / f"{name}.npz"
    if not output.exists():
        output.parent.mkdir(exist_ok=True)
        clips = [str(folder / "java_sed" / "clips"), f"--checkpoint={weights}", "--faces=none"]
        hicmae(["embed", *clips, f"--output={output}", "--per=clip", "--layers=true"])
    table = read_features(output)
    sets = {"video": table.video_layers, "audio": table.audio_layers, "both": table.joint}
    sets = {name: np.reshape(rows, (len(table.joint), -1)) for name, rows in sets.items()}
    return sets, [Path(path).stem for path in table.table["source"]]


def classifier(kind: str, per_class: int | None) -> Pipeline:
    """What classifies standardised features, with so many of a class to learn from."""
    if kind == "linear":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    neighbours = KNeighborsClassifier(min(NEIGHBOURS, per_class or NEIGHBOURS), metric="cosine")
    return make_pipeline(StandardScaler(), neighbours)


def accuracy(
    kind: str, inputs: npt.NDArray[np.float32], clips: pd.DataFrame, per_class: int | None
) -> float:
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
            model = classifier(kind, per_class)
            if kind == "linear":
                actors = clips["subject"].iloc[train]
                grid = {"logisticregression__C": STRENGTHS}
                inner = GroupKFold(3).split(train, groups=actors)
                model = GridSearchCV(model, grid, cv=list(inner))
            model.fit(inputs[train], clips["emotion"].iloc[train])
            right[test] = model.predict(inputs[test]) == clips["emotion"][test]
        scores.append(100 * right.mean())
    return float(np.mean(scores))


def labelled_clips(folder: Path) -> pd.DataFrame:
    """The labelled clips, by the names of their files."""
    clips = pd.read_csv(folder / "labelled.csv", dtype=str)
    return clips.set_index(pd.Index(clips["video"].map(lambda path: Path(path).stem)))


def accuracies(kind: str, inputs: npt.NDArray[np.float32], clips: pd.DataFrame) -> dict[str, float]:
    """Shares recognised with all labels and with few, in percent."""
    counts = {name: None if name == "all" else round(24 * share) for name, share in LABELS.items()}
    return {
        labels: round(accuracy(kind, inputs, clips, per_class), 1)
        for labels, per_class in counts.items()
    }


def share_between(inputs: npt.NDArray[np.float32], groups: pd.Series[str]) -> float:
    """Share of the variance of standardised features that lies between groups, in percent."""
    standardised = pd.DataFrame(StandardScaler().fit_transform(inputs))
    means = standardised.groupby(groups.to_numpy()).transform("mean")
    return float(100 * means.to_numpy().var(axis=0).mean())


def main() -> None:
    """Looks at every checkpoint that is there."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    folder = parser.parse_args().folder
    clips = labelled_clips(folder)
    found = {"epoch 0": untrained(Experiment(folder))}
    runs = {"": folder / "pretraining"} | {f"{v}, ": folder / f"pretraining-{v}" for v in VARIANTS}
    for variant, run in runs.items():
        found |= {f"{variant}epoch {epoch}": checkpoint(run, epoch) for epoch in SNAPSHOTS}
    rows, between = [], []
    for name, weights in found.items():
        if weights is None:
            continue
        sets, names = features(folder, weights, name.replace(", ", "-").replace(" ", "-"))
        here = clips.loc[names].reset_index(drop=True)
        for modality, inputs in sets.items():
            actors, emotions = (share_between(inputs, here[key]) for key in ("subject", "emotion"))
            between.append((name, modality, round(actors), round(emotions)))
            for kind in ("linear", "nearest"):
                scores = accuracies(kind, inputs, here)
                rows += [(name, modality, kind, *score) for score in scores.items()]
    columns = ["pre-training", "features", "probe", "labels", "accuracy"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(folder / "probes.csv", index=False)
    columns = ["pre-training", "features", "between actors %", "between emotions %"]
    shares = pd.DataFrame(between, columns=columns)
    shares.to_csv(folder / "shares.csv", index=False)
    print(shares.pivot(index="pre-training", columns="features"))
    print(
        table.pivot_table(
            index=["features", "probe", "pre-training"],
            columns="labels",
            values="accuracy",
            sort=False,
        )
    )


if __name__ == "__main__":
    main()
