"""What helps a small model learn GRID's words: contrast, skip connections, pre-training at all?

Pre-trains with each setting and fine-tunes on the spoken command from each, with three shares of
the labels, as one process after the other; skips what is done, so that a stopped experiment goes
on. Needs a folder of GRID clips with a `manifest.csv` (columns video, command, ..., split).

    python benchmarks/learning/experiment.py --manifest FOLDER/manifest.csv --seeds 0 1 2
    python benchmarks/learning/report.py --figures docs/figures

`--smallest` makes one step of one pre-training and of one fine-tuning, to see that all works.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from command import Run, last_run, shared_options

from hicmae.machine import processors

HERE = Path(__file__).parent
# The ways to pre-train: the reference first, then each with one thing changed.
PRETRAINING = {
    "reference": [],
    "contrast-0": ["--config=ablations/contrast-weight-0.yaml"],
    "contrast-0.1": ["--config=ablations/contrast-weight-0.1.yaml"],
    "no-skip": ["--config=ablations/no-skip.yaml"],
}
PRETRAINING_EPOCHS = 30
SCRATCH = "scratch"
# Epochs by the share of training labels: fewer labels make shorter epochs.
EPOCHS = {0.1: 60, 0.3: 40, 1.0: 15}
# The share at which all ways to pre-train are compared.
COMPARED = 0.3
# One step, whatever else the configs say.
SMALLEST = [
    f"--trainer.{option}"
    for option in (
        "max_epochs=1",
        "check_val_every_n_epoch=1",
        "limit_train_batches=1",
        "limit_val_batches=1",
        "limit_test_batches=1",
    )
]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What all runs of one seed share.

    Attributes:
        manifest: The table of clips.
        folder: Where runs write.
        seed: Seeds everything.
        smallest: Whether runs take one step alone.
    """

    manifest: Path
    folder: Path
    seed: int
    smallest: bool = False

    def run(self, name: str, command: str, kind: str, *options: str) -> Run:
        """A run of `hicmae` with the configs of pre-training or fine-tuning."""
        return Run(
            f"{name}-seed{self.seed}",
            (
                command,
                f"--config=grid/{kind}.yaml",
                f"--config={HERE / f'{kind}.yaml'}",
                *options,
                *shared_options(self.manifest, self.folder, self.seed),
                *(SMALLEST if self.smallest else ()),
            ),
        )

    def pretraining(self, start: str) -> Run:
        """Pre-training in one of the ways."""
        epochs = f"--trainer.max_epochs={PRETRAINING_EPOCHS}"
        return self.run(f"pretrain-{start}", "fit", "pretrain", *PRETRAINING[start], epochs)

    def finetuning(self, start: str, share: float) -> Run:
        """Fine-tuning from one way to pre-train, or from scratch, on a share of the labels."""
        options = [f"--data.train_fraction={share}", f"--trainer.max_epochs={EPOCHS[share]}"]
        if start != SCRATCH:
            pretrained = last_run(self.folder / self.pretraining(start).name)
            options.append(f"--model.pretrained={pretrained / 'checkpoints/last.ckpt'}")
        return self.run(f"finetune-{start}-{share:g}", "fit", "finetune", *options)

    def execute(self) -> None:
        """Runs everything of this seed that is not done yet."""
        for start in ["reference"] if self.smallest else PRETRAINING:
            self.pretraining(start).execute(self.folder)
            self.finetuning(start, COMPARED).execute(self.folder)
        for share in () if self.smallest else EPOCHS:
            for start in (SCRATCH, "reference"):
                self.finetuning(start, share).execute(self.folder)


def main() -> None:
    """Runs what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--manifest", type=Path, required=True, help="manifest.csv of GRID clips")
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=processors(), help="of each run")
    parser.add_argument("--smallest", action="store_true", help="one step of few runs, as a check")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    for seed in options.seeds:
        Experiment(options.manifest, options.folder, seed, options.smallest).execute()


if __name__ == "__main__":
    main()
