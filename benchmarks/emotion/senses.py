"""How well does one model answer on picture and sound and on each alone, beside models of one?

    python benchmarks/emotion/prepare.py --clips ../shared/clips --folder runs/emotion
    python benchmarks/emotion/senses.py --folder runs/emotion --seeds 0

Fine-tunes from scratch as `experiment.py` does, in the same folder, with `modality_dropout` and
without, on both and on each modality alone, and tests the model with it on each alone as well.
What is done is not done again. `--smallest` makes one step of each fold.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pandas as pd
from experiment import EPOCHS, MODALITIES, Experiment
from report import correct, line

DROPOUT = "--model.modality_dropout=[0.25, 0.25]"  # shares without picture and without sound
ROWS = {
    "with modality dropout, on both": "dropout-both",
    "trained on both, on both": "scratch-all-audio_visual",
    "with modality dropout, on sound alone": "dropout-audio",
    "trained on sound alone": "scratch-all-audio",
    "with modality dropout, on picture alone": "dropout-video",
    "trained on picture alone": "scratch-all-video",
}


def train(experiment: Experiment, seed: int) -> None:
    """Fine-tunes with the option."""
    epochs = [] if experiment.smallest else [f"--trainer.max_epochs={EPOCHS['all']}"]
    experiment.crossval("dropout-both", seed, f"--model.seed={seed}", DROPOUT, *epochs)


def test(experiment: Experiment, sense: str, seed: int) -> None:
    """Tests the model of every fold on one sense; the predictions of all become one table."""
    folder = experiment.folder / f"dropout-{sense}-seed{seed}"
    if (folder / "predictions.csv").exists():
        return
    tables = []
    for fold in sorted((experiment.folder / f"dropout-both-seed{seed}").glob("fold-*")):
        # A fold that was interrupted has a run before the one that was finished.
        run = max(fold.glob("version_*"), key=lambda path: path.stat().st_mtime)
        tested = folder / fold.name
        if not any(tested.glob("version_*/test_predictions.csv")):
            experiment.hicmae(
                "test",
                f"--ckpt_path={run}",
                f"--data.senses={sense}",
                f"--trainer.default_root_dir={tested}",
                "--trainer.enable_progress_bar=false",
            )
        tables.append(next(tested.glob("version_*/test_predictions.csv")))
    pd.concat(pd.read_csv(path, dtype=str) for path in tables).to_csv(
        folder / "predictions.csv", index=False
    )


def main() -> None:
    """Runs what the options ask for, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each run")
    parser.add_argument("--smallest", action="store_true", help="one step of each, as a check")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    experiment = Experiment(options.folder, options.smallest)
    for seed in options.seeds:
        train(experiment, seed)
        for sense in ("audio", "video"):
            test(experiment, sense, seed)
        for modality in MODALITIES:
            experiment.finetune("scratch", "all", modality, seed)
    print("| model | accuracy % | seeds | 95 % over clips |\n| --- | --- | --- | --- |")
    for name, runs in ROWS.items():
        print(line(name, correct(options.folder, runs)))


if __name__ == "__main__":
    main()
