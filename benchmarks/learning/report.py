"""Tables and curves of `experiment.py`, over its seeds.

    python benchmarks/learning/report.py --folder runs/learning [--figures docs/figures]

Prints Markdown: what pre-training reached, and the accuracy of fine-tuning on the test clips, as
mean ± standard deviation over the seeds that are done. Draws the curves of every seed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from command import metrics_of
from experiment import COMPARED, EPOCHS, PRETRAINING, SCRATCH
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours that most colour-blind people tell apart (Okabe and Ito, 2008).
COLOURS = dict(
    zip(
        (SCRATCH, *PRETRAINING),
        ("#000000", "#0072B2", "#E69F00", "#CC79A7", "#009E73"),
        strict=True,
    )
)
# As people read them; the reference is λ = 0.0025 with skip connections.
LABELS = {
    SCRATCH: "from scratch",
    "reference": "reference",
    "contrast-0": "without contrast (λ = 0)",
    "contrast-0.1": "λ = 0.1",
    "no-skip": "without skips",
}
Curve = tuple["pd.Series[float]", "pd.Series[float]"]


def finished(folder: Path, name: str) -> list[pd.DataFrame]:
    """The metrics of every finished seed of a run."""
    runs = sorted(path.parent for path in folder.glob(f"{name}-seed*/seconds.json"))
    return [metrics_of(run) for run in runs]


def curve(metrics: pd.DataFrame, *columns: str) -> Curve:
    """Epochs, and the sum of some columns at each."""
    values = metrics[list(columns)].dropna()
    return metrics["epoch"][values.index] + 1, values.sum(axis=1)


def contrast_columns(metrics: pd.DataFrame, stage: str) -> list[str]:
    """The columns of the contrastive losses of a stage."""
    suffix = "_epoch" if stage == "train" else ""
    found = metrics.filter(regex=rf"^{stage}/contrast_\d+{suffix}$").columns
    return list(found)


def pretraining_values(metrics: pd.DataFrame) -> dict[str, float]:
    """What a run of pre-training reached."""
    deepest = max(metrics.filter(like="val/audio_to_video_set").columns)
    columns = {
        "train video": ["train/video_epoch"],
        "train audio": ["train/audio_epoch"],
        "train contrast": contrast_columns(metrics, "train"),
        "val video": ["val/video"],
        "val audio": ["val/audio"],
        "val contrast": contrast_columns(metrics, "val"),
        "A→V %": [deepest],
        "V→A %": [deepest.replace("audio_to_video", "video_to_audio")],
    }
    values = {name: float(curve(metrics, *chosen)[1].iloc[-1]) for name, chosen in columns.items()}
    return {name: 100 * value if "%" in name else value for name, value in values.items()}


def spread(values: list[float], digits: int) -> str:
    """Mean ± sample standard deviation."""
    if not values:
        return "not run"
    mean = f"{np.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def print_table(head: list[str], rows: list[list[str]]) -> None:
    """Prints a Markdown table."""
    for cells in (head, ["---"] * len(head), *rows):
        print(f"| {' | '.join(cells)} |")
    print()


def report(folder: Path) -> None:
    """Prints the tables."""
    rows = []
    for start in PRETRAINING:
        runs = [pretraining_values(metrics) for metrics in finished(folder, f"pretrain-{start}")]
        names = list(runs[0]) if runs else []
        digits = [1 if "%" in name else 3 for name in names]
        cells = [
            spread([run[name] for run in runs], n) for name, n in zip(names, digits, strict=True)
        ]
        rows.append([LABELS[start], str(len(runs)), *cells])
        head = ["pre-training", "seeds", *names]
    print_table(head, rows)
    rows = []
    for start in (SCRATCH, *PRETRAINING):
        cells = []
        for share in EPOCHS:
            runs = finished(folder, f"finetune-{start}-{share:g}")
            scores = [100 * float(run["test/WAR"].dropna().iloc[-1]) for run in runs]
            each = ", ".join(f"{score:.1f}" for score in scores)
            cells.append(f"{spread(scores, 1)} ({each})" if scores else "")
        rows.append([LABELS[start], *cells])
    print_table(["start", *(f"{share:.0%} of the labels" for share in EPOCHS)], rows)
    seconds = [json.loads(path.read_text()) for path in folder.glob("*/seconds.json")]
    print(f"{len(seconds)} runs, {sum(seconds) / 3600:.1f} hours in all.")


def draw(axes: Axes, folder: Path, run: str, start: str, *columns: str) -> None:
    """Draws a curve for every seed of a run."""
    for index, metrics in enumerate(finished(folder, run)):
        found = contrast_columns(metrics, columns[0]) if columns[0] in ("train", "val") else columns
        axes.plot(
            *curve(metrics, *found),
            color=COLOURS[start],
            linewidth=1.2,
            label=LABELS[start] if not index else None,
        )


def pretraining_figure(folder: Path) -> Figure:
    """Reconstruction and contrast over the epochs."""
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    panels = [
        ("video reconstruction, training", ["train/video_epoch"]),
        ("audio reconstruction, training", ["train/audio_epoch"]),
        ("contrast, training", ["train"]),
        ("video reconstruction, held out", ["val/video"]),
        ("audio reconstruction, held out", ["val/audio"]),
        ("contrast, held out", ["val"]),
    ]
    for axes, (title, columns) in zip(figure.subplots(2, 3).flat, panels, strict=True):
        for start in PRETRAINING:
            draw(axes, folder, f"pretrain-{start}", start, *columns)
        axes.set(title=title, xlabel="epoch")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False)
    return figure


def finetuning_figure(folder: Path) -> Figure:
    """Accuracy on validation clips over the epochs, for every share of the labels."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for axes, share in zip(figure.subplots(1, len(EPOCHS), sharey=True), EPOCHS, strict=True):
        for start in (SCRATCH, *PRETRAINING) if share == COMPARED else (SCRATCH, "reference"):
            draw(axes, folder, f"finetune-{start}-{share:g}", start, "val/WAR")
        axes.axhline(0.25, color="grey", linestyle=":", linewidth=1)
        axes.set(title=f"{share:.0%} of the labels", xlabel="epoch", ylim=(0, 1))
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, loc="lower right")
    figure.axes[0].set_ylabel("accuracy on validation clips")
    return figure


def main() -> None:
    """Prints and draws what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    parser.add_argument("--figures", type=Path, help="folder for the curves, as PNG")
    options = parser.parse_args()
    report(options.folder)
    if options.figures:
        options.figures.mkdir(parents=True, exist_ok=True)
        for name, make in (("pretraining", pretraining_figure), ("finetuning", finetuning_figure)):
            path = options.figures / f"learning-{name}.png"
            make(options.folder).savefig(path, dpi=100)
            print(f"Wrote {path}.")


if __name__ == "__main__":
    main()
