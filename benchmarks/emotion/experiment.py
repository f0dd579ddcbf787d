"""Does pre-training pay on acted emotion of unseen actors, and with how few labels?

    python benchmarks/emotion/prepare.py --clips ../shared/clips --folder runs/emotion
    python benchmarks/emotion/experiment.py --folder runs/emotion --seeds 0 1 2
    python benchmarks/emotion/choices.py --folder runs/emotion
    python benchmarks/emotion/probes.py --folder runs/emotion
    python benchmarks/emotion/report.py --folder runs/emotion --figures docs/figures

Pre-trains configs/small/pretrain.yaml on clips without labels, once for each seed. Then, leaving
two actors out in turn, with all labels and with few, on both modalities and on each alone:
classifies frozen features by configs/probe/logistic.yaml (*frozen*), those of pre-trained weights
and those of weights as drawn; and fine-tunes configs/small/finetune.yaml from the pre-trained
weights of seed 0 and from scratch. Then pre-trains without one part of the method after the other.
A variant follows the schedule of the whole, so that the two can be compared after any number of
epochs, also if it is stopped. The last epoch is tested, and no test clip decides anything. What is
done is not done again, so a stopped experiment goes on;
`--only pretraining` and the like run a part. `--smallest` makes one step of pre-training and of
each fold, to see that all works.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

# Labelled clips of a class in training; a fold has 24.
LABELS = {"all": 1.0, "4": 4 / 24, "2": 2 / 24}
# Passes over the training clips, so that few labels still make some hundred steps.
EPOCHS = {"all": 30, "4": 120, "2": 160}
# Scratch gets two settings, of which the better one on the test clips is compared: in its favour.
STARTS = {
    "pre-trained": [],
    "scratch": [],
    "scratch-flat": ["--model.layer_decay=1", "--model.learning_rate=8e-3"],
}
MODALITIES = {"audio_visual": [], "audio": ["--config=ablations/audio-only.yaml"]}
MODALITIES["video"] = ["--config=ablations/video-only.yaml"]
# What of frozen features is classified; the first is what the others are compared with.
FROZEN = {
    "frozen": [],
    "frozen-mean": ["--model.pooling=mean"],
    "frozen-last-layer": ["--model.feature_fusion=false"],
}
PRETRAINING_EPOCHS = 60
# Pre-training without a part of the method or with another setting.
VARIANTS = {
    "no-contrast": ["--model.contrast_weight=0"],
    "contrast-0.1": ["--model.contrast_weight=0.1"],
    "no-skips": ["--model.skip_layers=[]"],
    "published-ratios": ["--model.video_mask_ratio=0.9", "--model.audio_mask_ratio=0.8"],
}
PARTS = ("pretraining", "frozen", "finetuning", "modalities", "variants")
SMALLEST = [
    "--trainer.max_epochs=1",
    "--trainer.max_steps=1",
    "--trainer.check_val_every_n_epoch=1",
]


@dataclass(frozen=True, slots=True)
class Experiment:
    """What all runs share.

    Attributes:
        folder: Where the tables of `prepare.py` lie and the runs go.
        smallest: Whether runs take one step alone.
    """

    folder: Path
    smallest: bool = False

    def hicmae(self, *options: str) -> None:
        """Runs a command."""
        print("hicmae", *options, flush=True)
        command = [sys.executable, "-m", "hicmae.cli", *options]
        subprocess.run(command, check=True)  # noqa: S603

    def shared(self, table: str, seed: int) -> list[str]:
        """Options of every run: its clips, one cache for all, every seed."""
        return [
            f"--data.manifest={self.folder / table}",
            f"--data.cache_dir={self.folder / 'cache'}",
            f"--seed_everything={seed}",
            f"--data.seed={seed}",
            *(SMALLEST if self.smallest else ()),
        ]

    def pretrain(self, name: str, epochs: int, *options: str, seed: int = 0) -> None:
        """Pre-trains into a folder of that name, or goes on with it."""
        folder = self.folder / name
        done = folder / "done"
        if done.exists():
            return
        started = any(folder.glob("version_*/checkpoints/last.ckpt"))
        self.hicmae(
            "fit",
            "--config=small/pretrain.yaml",
            *self.shared("unlabelled.csv", seed),
            f"--model.seed={seed}",
            *options,
            *([] if self.smallest else [f"--trainer.max_epochs={epochs}"]),
            f"--trainer.default_root_dir={folder}",
            *(["--ckpt_path=last"] if started else []),
        )
        done.touch()

    def crossval(self, name: str, seed: int, *options: str, labels: str = "all") -> None:
        """Runs the folds that are not done, into a folder of that name."""
        self.hicmae(
            "crossval",
            "--config=small/finetune.yaml",
            *options,
            *self.shared("labelled.csv", seed),
            *([] if labels == "all" else [f"--data.train_fraction={LABELS[labels]:.4f}"]),
            "--trainer.enable_progress_bar=false",
            f"--output={self.folder / f'{name}-seed{seed}'}",
        )

    def classify(self, kind: str, start: str, labels: str, modality: str, seed: int) -> None:
        """Classifies frozen features in all folds."""
        weights = checkpoint(self.folder / pretraining_of(seed))
        self.crossval(
            f"{kind}-{start}-{labels}-{modality}",
            seed,
            "--config=probe/logistic.yaml",
            *MODALITIES[modality],
            *FROZEN[kind],
            *([f"--model.pretrained={weights}"] if start == "pre-trained" else []),
            labels=labels,
        )

    def classify_all(
        self, starts: list[str], all_labels: list[str], modalities: list[str], seed: int
    ) -> None:
        """Classifies all kinds of frozen features, of one seed."""
        for start, labels in product(("pre-trained", "scratch"), all_labels):
            for modality in modalities if start in starts else ():
                self.classify("frozen", start, labels, modality, seed)
        for kind, labels in product(list(FROZEN)[1:], all_labels):
            if "pre-trained" in starts and "audio_visual" in modalities:
                self.classify(kind, "pre-trained", labels, "audio_visual", seed)

    def finetune(self, start: str, labels: str, modality: str, seed: int) -> None:
        """Fine-tunes in all folds."""
        weights = checkpoint(self.folder / "pretraining")
        self.crossval(
            f"{start}-{labels}-{modality}",
            seed,
            *MODALITIES[modality],
            f"--model.seed={seed}",
            *([] if self.smallest else [f"--trainer.max_epochs={EPOCHS[labels]}"]),
            *STARTS[start],
            *([f"--model.pretrained={weights}"] if start == "pre-trained" else []),
            labels=labels,
        )


def pretraining_of(seed: int) -> str:
    """The folder of a pre-training."""
    return f"pretraining-seed{seed}" if seed else "pretraining"


def checkpoint(folder: Path, epoch: int | None = None) -> Path | None:
    """The weights of a pre-training at its end or after an epoch, if it came there."""
    name = "last" if epoch is None else f"epoch-{epoch - 1}"
    found = folder.glob(f"version_*/checkpoints/{name}.ckpt")
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def main() -> None:
    """Runs what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--starts", nargs="+", choices=list(STARTS), default=list(STARTS))
    parser.add_argument("--labels", nargs="+", choices=list(LABELS), default=list(LABELS))
    parser.add_argument(
        "--modalities", nargs="+", choices=list(MODALITIES), default=list(MODALITIES)
    )
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each run")
    parser.add_argument("--smallest", action="store_true", help="one step of each, as a check")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    experiment = Experiment(options.folder, options.smallest)
    if options.smallest:
        experiment.pretrain("pretraining", 1)
        experiment.classify("frozen", "pre-trained", "2", "audio_visual", 0)
        experiment.finetune("pre-trained", "2", "audio_visual", 0)
        return
    for seed in options.seeds:
        if "pretraining" in options.only:
            experiment.pretrain(pretraining_of(seed), PRETRAINING_EPOCHS, seed=seed)
        if "frozen" in options.only:
            experiment.classify_all(options.starts, options.labels, options.modalities, seed)
        for labels in options.labels if "finetuning" in options.only else ():
            for start in options.starts:
                experiment.finetune(start, labels, "audio_visual", seed)
        for modality in options.modalities if "modalities" in options.only else ():
            for start in options.starts if modality != "audio_visual" else ():
                experiment.finetune(start, "all", modality, seed)
    for name in options.variants if "variants" in options.only else ():
        experiment.pretrain(f"pretraining-{name}", PRETRAINING_EPOCHS, *VARIANTS[name])


if __name__ == "__main__":
    main()
