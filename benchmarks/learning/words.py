"""Pre-training and word recognition on a few hundred GRID clips, with few and with many labels.

Runs the commands that docs/results.md quotes, one after the other, each as its own process, and
skips those that are done; prints a table of what is there. Needs a folder of GRID clips with a
`manifest.csv` (columns video, command, digit, letter, ..., split).

    python benchmarks/learning/words.py --manifest FOLDER/manifest.csv --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from command import Run, last_run, last_values, shared_options
from rich.console import Console
from rich.table import Table

# Each way to pre-train: options beside configs/grid/pretrain.yaml. The yardstick sees nearly the
# whole sentence in every window, at six frames a second. The other kind sees windows of 1.3 seconds
# at twelve frames a second, which differ in their words, shows half of each clip, and weighs
# contrast as much as reconstruction.
PRETRAINING = {
    "yardstick": [],
    "contrast": [
        "--model.contrast_weight=1.0",
        "--model.video_mask_ratio=0.5",
        "--model.audio_mask_ratio=0.5",
        "--data.stride=2",
        "--data.audio_frames=128",
        "--model.architecture.audio_frames=128",
        "--trainer.max_epochs=30",
    ],
}
# Share of the training labels, and the epochs that go with it.
LABELS = {"all": (1.0, 20), "quarter": (0.25, 40)}


@dataclass(frozen=True, slots=True)
class Experiment:
    """What all runs of one seed share.

    Attributes:
        manifest: The table of clips.
        folder: Where runs write.
        seed: Seeds everything.
        precision: Of fine-tuning.
    """

    manifest: str
    folder: Path
    seed: int
    precision: str

    def shared(self) -> list[str]:
        """Options of every run."""
        return shared_options(self.manifest, self.folder, self.seed)

    def untrained(self, kind: str) -> Run:
        """Retrieval and losses before pre-training of one kind."""
        options = ("--config=grid/pretrain.yaml", *self.shared(), *PRETRAINING[kind])
        return Run(f"before-{kind}-{self.seed}", ("validate", *options))

    def pretraining(self, kind: str) -> Run:
        """Pre-training of one kind."""
        options = ("--config=grid/pretrain.yaml", *self.shared(), *PRETRAINING[kind])
        return Run(f"pretrain-{kind}-{self.seed}", ("fit", *options))

    def finetuning(self, start: str, word: str, labels: str) -> Run:
        """Fine-tuning from one kind of pre-training, or from scratch."""
        fraction, epochs = LABELS[labels]
        options = [
            *("fit", "--config=grid/finetune.yaml", *self.shared()),
            f"--data.label={word}",
            f"--data.train_fraction={fraction}",
            f"--trainer.max_epochs={epochs}",
            f"--trainer.precision={self.precision}",
        ]
        if start != "scratch":
            pretrained = self.folder / f"pretrain-{start}-{self.seed}"
            options.append(f"--model.pretrained={last_run(pretrained) / 'checkpoints/last.ckpt'}")
        return Run(f"{word}-{labels}-{start}-{self.seed}", tuple(options))


def report(folder: Path) -> None:
    """Prints what all finished runs below a folder gave."""
    losses = Table("pre-training", "video", "audio", "contrast", "A→V %", "V→A %", "minutes")
    words = Table("fine-tuning", "WAR %", "UAR %", "minutes")
    for path in sorted(folder.glob("*/seconds.json")):
        minutes = f"{json.loads(path.read_text()) / 60:.1f}"
        values = last_values(path.parent)
        if "val/video" in values:
            deepest = max(name for name in values if name.startswith("val/audio_to_video_set"))
            contrast = sum(v for name, v in values.items() if name.startswith("val/contrast_"))
            losses.add_row(
                path.parent.name,
                f"{values['val/video']:.3f}",
                f"{values['val/audio']:.3f}",
                f"{contrast:.2f}",
                f"{100 * values[deepest]:.1f}",
                f"{100 * values[deepest.replace('audio_to_video', 'video_to_audio')]:.1f}",
                minutes,
            )
        elif "test/WAR" in values:
            scores = (f"{100 * values[f'test/{name}']:.1f}" for name in ("WAR", "UAR"))
            words.add_row(path.parent.name, *scores, minutes)
    Console().print(losses, words)


def main() -> None:
    """Runs what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--manifest", required=True, help="manifest.csv of the GRID clips")
    parser.add_argument("--folder", type=Path, default=Path("runs/grid"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--kinds", nargs="*", default=list(PRETRAINING))
    parser.add_argument("--starts", nargs="*", default=["scratch", *PRETRAINING])
    parser.add_argument("--words", nargs="*", default=["command", "digit", "letter"])
    parser.add_argument("--labels", nargs="*", default=list(LABELS))
    parser.add_argument("--precision", default="bf16-mixed", help="of fine-tuning")
    options = parser.parse_args()
    for seed in options.seeds:
        experiment = Experiment(options.manifest, options.folder, seed, options.precision)
        for kind in options.kinds:
            experiment.untrained(kind).execute(options.folder)
            experiment.pretraining(kind).execute(options.folder)
        for word in options.words:
            for labels in options.labels:
                for start in options.starts:
                    experiment.finetuning(start, word, labels).execute(options.folder)
    report(options.folder)


if __name__ == "__main__":
    main()
