"""Tables and figures of `experiment.py` and `probes.py`, over the seeds that are done.

    python benchmarks/emotion/report.py --folder runs/emotion [--figures docs/figures]

Clips and emotions are balanced, so that UAR and WAR are one number, pooled over the folds.
Intervals of 95 % are bootstrapped over clips and, wider, over actors; a clip counts by its mean
over the seeds. Differences are of the same clips.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from experiment import (
    FROZEN,
    LABELS,
    MODALITIES,
    PRETRAINING_EPOCHS,
    STARTS,
    VARIANTS,
    pretraining_of,
)
from matplotlib.figure import Figure
from probes import FEATURES, SEEDS, SNAPSHOTS

DRAWS = 10_000
CHANCE = 100 / 6
SHARE_OF_TRAINING = 0.95  # of the clips without labels; the others are held out
HELD_OUT = {
    "val/video": "video error",
    "val/audio": "audio error",
    "val/contrast_4": "contrast",
    "val/audio_to_video_set_4": "audio to video",
    "val/video_to_audio_set_4": "video to audio",
}
# What is compared on both modalities: features that probes.py judges, or fine-tuned runs, of which
# the better one counts.
OURS = "pre-trained, features frozen"
COMPARED = {
    "random weights, features frozen": (),
    "from scratch, fine-tuned": ("scratch", "scratch-flat"),
    "pre-trained, fine-tuned": ("pre-trained",),
}
POOLINGS = ("statistics", "mean")
COLOURS = ["#0072B2", "#D55E00", "#000000", "#56B4E9"]
FEATURE_COLOURS = {"both": "#000000", "audio": "#D55E00", "video": "#009E73"}
Numbers = npt.NDArray[np.float64]


def correct(folder: Path, name: str) -> pd.DataFrame | None:
    """Whether each clip was recognised, 0 or 1, with a column for every seed that is done."""
    wanted = len(pd.read_csv(folder / "labelled.csv"))
    seeds = {}
    for path in sorted(folder.glob(f"{name}-seed*/predictions.csv")):
        table = pd.read_csv(path, dtype=str).set_index("id")
        if len(table) != wanted:
            continue
        table.index = [Path(name).name for name in table.index]
        seeds[path.parent.name.rpartition("seed")[2]] = table["target"] == table["prediction"]
    return pd.DataFrame(seeds).astype(float) if seeds else None


def interval(values: pd.Series[float], groups: pd.Series[str] | None = None) -> tuple[float, float]:
    """Bootstrapped 95 % of a mean in percent, over clips or over groups of clips."""
    units = values if groups is None else values.groupby(groups).mean()
    rng = np.random.default_rng(0)
    draws = rng.choice(units.to_numpy(), (DRAWS, len(units))).mean(axis=1)
    low, high = np.percentile(100 * draws, [2.5, 97.5])
    return float(low), float(high)


def line(name: str, table: pd.DataFrame | None) -> str:
    """A row of Markdown: the mean over the seeds, their spread, and the interval over clips."""
    if table is None:
        return f"| {name} | not run | | |"
    scores = 100 * table.mean()
    spread = f" ± {scores.std():.1f}" if len(scores) > 1 else ""
    low, high = interval(table.mean(axis=1))
    return f"| {name} | {scores.mean():.1f}{spread} | {len(scores)} | {low:.1f} to {high:.1f} |"


def difference(
    name: str, better: pd.DataFrame | None, worse: pd.DataFrame | None, actor: pd.Series[str]
) -> str:
    """A row of Markdown: how far two runs lie apart on the same clips."""
    if better is None or worse is None:
        return f"| {name} | not run | | |"
    gain = better.mean(axis=1) - worse.mean(axis=1)
    ends = [interval(gain), interval(gain, actor.reindex(gain.index))]
    cells = " | ".join(f"{low:+.1f} to {high:+.1f}" for low, high in ends)
    return f"| {name} | {100 * gain.mean():+.1f} | {cells} |"


def better(runs: list[pd.DataFrame | None]) -> pd.DataFrame | None:
    """The run with more clips recognised."""
    done = [table for table in runs if table is not None]
    return max(done, key=lambda table: table.mean(axis=None), default=None)


def probed(
    folder: Path, pooling: str, features: str, labels: str, epoch: int
) -> pd.DataFrame | None:
    """Share of the draws in which each clip was recognised by frozen features, by seed."""
    if not (folder / "hits.csv").exists():
        return None
    table = pd.read_csv(folder / "hits.csv", dtype={"labels": str})
    wanted = {"pooling": pooling, "features": features, "labels": labels, "probe": "linear"}
    for column, value in wanted.items():
        table = table[table[column] == value]
    found = table["pre-training"].str.extract(rf"^(?:seed (\d+), )?epoch {epoch}$()")
    table = table.assign(seed=found[0].fillna("0"))[found[1].notna()]
    if table.empty:
        return None
    return table.pivot(index="clip", columns="seed", values="hits")


def compared(folder: Path, name: str, labels: str) -> pd.DataFrame | None:
    """What is known of a line of the comparison."""
    if not COMPARED.get(name):
        epoch = PRETRAINING_EPOCHS if name == OURS else 0
        return probed(folder, "statistics", "both", labels, epoch)
    return better([correct(folder, f"{run}-{labels}-audio_visual") for run in COMPARED[name]])


def pretraining_table(folder: Path, name: str) -> pd.DataFrame | None:
    """Held-out figures of a pre-training after the epochs of the probes; None before the first."""
    tables = [pd.read_csv(path) for path in sorted(folder.glob(f"{name}/version_*/metrics.csv"))]
    table = pd.concat(tables) if tables else pd.DataFrame()
    if not set(HELD_OUT) <= set(table):
        return None
    table = table.groupby("epoch")[list(HELD_OUT)].last().rename(columns=HELD_OUT)
    table.index += 1
    return table.loc[[epoch for epoch in SNAPSHOTS if epoch in table.index]]


def print_pretraining(folder: Path, name: str) -> None:
    """Prints the held-out figures of a pre-training, if there are any."""
    table = pretraining_table(folder, name)
    if table is not None:
        print(f"{name}, by epoch\n{table.round(3).to_string()}\n")


def print_differences(folder: Path, labels: str, actor: pd.Series[str]) -> None:
    """Prints how far apart lies what is compared, with so many labels."""
    mine = compared(folder, OURS, labels)
    for other in COMPARED:
        theirs = compared(folder, other, labels)
        print(difference(f"{OURS} − {other}, {labels} a class", mine, theirs, actor))
    alike = probed(folder, "mean", "both", labels, PRETRAINING_EPOCHS)
    print(difference(f"statistics − means, {labels} a class", mine, alike, actor))
    for sense in ("audio", "video"):
        trained, drawn = (
            probed(folder, "statistics", sense, labels, epoch) for epoch in (PRETRAINING_EPOCHS, 0)
        )
        print(difference(f"both − {sense} alone, {labels} a class", mine, trained, actor))
        name = f"pre-trained − random, {sense} alone, {labels} a class"
        print(difference(name, trained, drawn, actor))


def labels_figure(folder: Path) -> Figure:
    """Accuracy against labels, of each of what is compared."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for place, (name, colour) in enumerate(zip([OURS, *COMPARED], COLOURS, strict=True)):
        points = {
            share * 24 * 6: compared(folder, name, labels) for labels, share in LABELS.items()
        }
        known = {clips: table for clips, table in sorted(points.items()) if table is not None}
        if not known:
            continue
        middle = np.array([100 * table.mean(axis=1).mean() for table in known.values()])
        ends = np.array([interval(table.mean(axis=1)) for table in known.values()])
        axes.errorbar(
            [clips * 1.04 ** (place - 1.5) for clips in known],  # side by side
            middle,
            np.abs(ends.T - middle),
            color=colour,
            marker="o",
            capsize=3,
            label=name,
        )
    if (folder / "plain.csv").exists():
        plain = pd.read_csv(folder / "plain.csv", index_col="features").loc["both"]
        clips = [round(LABELS[labels] * 24 * 6) for labels in plain.index]
        axes.plot(clips, plain, "x", color="#777777", label="plain statistics of clips")
    axes.axhline(CHANCE, color="#999999", linestyle=":", label="chance")
    axes.set_xscale("log")
    axes.set_xticks([12, 24, 144], ["12", "24", "144"])
    axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
    axes.set(xlabel="labelled clips in training", ylabel="recognised of unseen actors, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left", fontsize="small")
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 14)  # room for the legend
    return figure


def probes_figure(folder: Path) -> Figure:
    """What frozen features tell, against the views of clips that they were learnt from."""
    table = pd.read_csv(folder / "probes.csv", dtype={"labels": str})
    table = table[table["probe"] == "linear"]
    epochs = table["pre-training"].str.extract(r"^(?:seed \d+, )?epoch (\d+)$")[0].astype(float)
    clips = len(pd.read_csv(folder / "unlabelled.csv"))
    table = table.assign(views=epochs * clips * SHARE_OF_TRAINING / 1000).dropna()
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    panels = figure.subplots(1, len(LABELS), sharey=True)
    for labels, axes in zip(LABELS, panels, strict=True):
        for features, colour in FEATURE_COLOURS.items():
            chosen = table[(table["labels"] == labels) & (table["features"] == features)]
            for pooling, style in zip(POOLINGS, ("-", ":"), strict=True):
                if pooling == "mean" and features != "both":
                    continue
                rows = chosen[chosen["pooling"] == pooling]
                means = rows.groupby("views")["accuracy"].mean()
                name = features if pooling == "statistics" else "both, means alone"
                axes.plot(means.index, means, style, color=colour, marker="o", label=name)
                axes.plot(rows["views"], rows["accuracy"], ".", color=colour, alpha=0.3)
        axes.axhline(CHANCE, color="#999999", linestyle="--", linewidth=0.8)
        title = "all labels" if labels == "all" else f"{labels} labels a class"
        axes.set(title=title, xlabel="thousand views of clips")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("logistic regression, %")
    panels[-1].legend(frameon=False, fontsize="small")
    return figure


def main() -> None:
    """Prints the tables and draws the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    parser.add_argument("--figures", type=Path, help="where to draw; nothing is drawn without")
    options = parser.parse_args()
    folder = options.folder
    clips = pd.read_csv(folder / "labelled.csv", dtype=str)
    actor = pd.Series(clips["subject"].to_numpy(), index=[Path(v).stem for v in clips["video"]])
    for name in map(pretraining_of, SEEDS):
        print_pretraining(folder, name)
    for name in VARIANTS:
        print_pretraining(folder, f"pretraining-{name}")
    runs = {
        f"{kind}, {labels} a class, {modality.replace('_', '-')}": correct(
            folder, f"{kind}-{labels}-{modality}"
        )
        for labels in LABELS
        for modality in MODALITIES
        for kind in [*(f"{kind}-{start}" for kind in FROZEN for start in list(STARTS)[:2]), *STARTS]
    }
    print("| run | accuracy % | seeds | 95 % over clips |\n| --- | --- | --- | --- |")
    for labels, (pooling, _, sense), epoch in product(LABELS, FEATURES, (0, PRETRAINING_EPOCHS)):
        table = probed(folder, pooling, sense, labels, epoch)
        name = f"frozen, {pooling}, {labels} a class, {sense}, epoch {epoch}"
        if table is not None:
            print(line(name, table))
    for name, table in runs.items():
        if table is not None:
            print(line(name, table))
    print(
        "\n| difference | points | 95 % over clips | 95 % over actors |\n| --- | --- | --- | --- |"
    )
    for labels in LABELS:
        print_differences(folder, labels, actor)
    if options.figures:
        labels_figure(folder).savefig(options.figures / "emotion-labels.png", dpi=160)
        if (folder / "probes.csv").exists():
            probes_figure(folder).savefig(options.figures / "emotion-probes.png", dpi=160)


if __name__ == "__main__":
    main()
