"""The demo: corpus, pre-training, fine-tuning and test on unseen speakers, in one command."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from hicmae.consoles import plain_console
from hicmae.demo.corpus import make_corpus
from hicmae.imports import quick_imports

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

EMOTIONS = 6


@dataclass(frozen=True, slots=True)
class Effort:
    """How much the demo does.

    Attributes:
        speakers: Synthetic speakers.
        clips: Clips of every speaker and emotion.
        labels: Labelled clips of every emotion; all training clips are pre-trained on.
        pretraining_epochs: Epochs of pre-training.
        finetuning_epochs: Epochs of each fine-tuning run.
    """

    speakers: int
    clips: int
    labels: int
    pretraining_epochs: int
    finetuning_epochs: int


# Many speakers: with few, the contrast learns by heart which voice belongs to which face.
FULL = Effort(speakers=192, clips=1, labels=4, pretraining_epochs=60, finetuning_epochs=60)
REDUCED = Effort(speakers=8, clips=1, labels=2, pretraining_epochs=1, finetuning_epochs=2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A fine-tuning run of the demo.

    Attributes:
        folder: Its run folder.
        uar: Mean recall on unseen speakers, in [0, 1].
        war: Accuracy on unseen speakers, in [0, 1].
        seconds: Time taken.
    """

    folder: Path
    uar: float
    war: float
    seconds: float


def demo(
    *, folder: str | Path = "demo-run", seed: int = 0, reduced: bool = False
) -> dict[str, Outcome]:
    """Makes a synthetic corpus of talking faces and trains and tests a very small model on it.

    The model is pre-trained on many clips without labels, fine-tuned on a few of six emotions and
    tested on speakers that it has never seen; beside it one that was not pre-trained.

    Args:
        folder: Where to write.
        seed: Of the corpus and the training.
        reduced: A much smaller run, as a check.

    Returns:
        The fine-tuned models by how they began: "pre-trained" and "from scratch".
    """
    return run_demo(Path(folder), seed=seed, effort=REDUCED if reduced else FULL)


def run_demo(folder: Path, *, seed: int, effort: Effort) -> dict[str, Outcome]:
    """Runs the demo.

    Args:
        folder: Where the corpus and the run folders go.
        seed: Of the corpus and the training.
        effort: How much to do.

    Returns:
        The fine-tuned models by how they began: "pre-trained" and "from scratch".
    """
    console = plain_console()
    start = time.perf_counter()
    console.rule("A synthetic corpus: rendered faces and synthesised voices, no real people")
    manifest = make_corpus(
        folder / "corpus", speakers=effort.speakers, clips_per_emotion=effort.clips, seed=seed
    )
    corpus_seconds = time.perf_counter() - start
    # Clips are seen to be made before the libraries of training are there, which takes seconds.
    with quick_imports():
        import pandas as pd  # noqa: PLC0415

        from hicmae.training.commands import run  # noqa: PLC0415

    common = [
        f"--data.manifest={manifest}",
        f"--data.cache_dir={folder / 'cache'}",
        f"--data.seed={seed}",
        f"--model.seed={seed}",
        f"--seed_everything={seed}",
    ]

    table = pd.read_csv(manifest)
    training = table[table["split"] == "train"]
    fewest = training["emotion"].value_counts().min()
    console.rule(f"Pre-training on {len(training)} clips without labels")
    pretraining_start = time.perf_counter()
    pretraining = run(
        [
            "fit",
            "--config=demo/pretrain.yaml",
            *common,
            f"--trainer.max_epochs={effort.pretraining_epochs}",
            f"--trainer.check_val_every_n_epoch={min(10, effort.pretraining_epochs)}",
            f"--trainer.default_root_dir={folder / 'pretrain'}",
        ]
    )
    pretraining_seconds = time.perf_counter() - pretraining_start
    pretraining_folder = Path(str(pretraining.trainer.log_dir))
    checkpoint = pretraining_folder / "checkpoints" / "last.ckpt"

    outcomes = {}
    for name, start_from in (
        ("pre-trained", [f"--model.pretrained={checkpoint}"]),
        ("from scratch", []),
    ):
        console.rule(f"Fine-tuning on {effort.labels * EMOTIONS} labelled clips, {name}")
        began = time.perf_counter()
        finetuning = run(
            [
                "fit",
                "--config=demo/finetune.yaml",
                *common,
                *start_from,
                f"--data.train_fraction={effort.labels / fewest}",
                f"--trainer.max_epochs={effort.finetuning_epochs}",
                f"--trainer.check_val_every_n_epoch={min(20, effort.finetuning_epochs)}",
                f"--trainer.default_root_dir={folder / 'finetune' / name.replace(' ', '-')}",
            ]
        )
        metrics = finetuning.trainer.callback_metrics
        outcomes[name] = Outcome(
            folder=Path(str(finetuning.trainer.log_dir)),
            uar=float(metrics["test/UAR"]),
            war=float(metrics["test/WAR"]),
            seconds=time.perf_counter() - began,
        )

    console.rule("Result")
    _report(console, table, effort.labels, outcomes)
    _retrieval(console, table, pretraining.trainer.callback_metrics)
    best = outcomes["pre-trained"].folder
    console.print(
        f"\ncorpus {corpus_seconds:.0f} s, pre-training {pretraining_seconds:.0f} s, "
        f"all {time.perf_counter() - start:.0f} s"
    )
    for what, where in (
        ("reconstruction", _newest(pretraining_folder / "pictures", "reconstruction*.png")),
        ("confusion matrix", _newest(best / "pictures", "confusion*.png")),
        ("pre-trained model", checkpoint),
        ("fine-tuned model", _newest(best / "checkpoints", "best*.ckpt")),
    ):
        console.print(f"{what:18} {where}", soft_wrap=True)
    clip = manifest.parent / str(table["video"].iloc[-1])
    console.print(
        f"\nOn a clip, of the demo or of yours:\n  hicmae recognize {clip} --checkpoint "
        f"{_newest(best / 'checkpoints', 'best*.ckpt')}",
        soft_wrap=True,
    )
    return outcomes


def _report(
    console: Console, clips: pd.DataFrame, labels: int, outcomes: dict[str, Outcome]
) -> None:
    test = clips[clips["split"] == "test"]
    chance = f"{100 / EMOTIONS:.1f}"
    majority = 100 * test["emotion"].value_counts().max() / len(test)
    report = Table(
        "model",
        "labels",
        "UAR %",
        "WAR %",
        "time s",
        title=f"{len(test)} synthetic clips of {test['subject'].nunique()} unseen speakers",
    )
    for name, outcome in outcomes.items():
        report.add_row(
            name,
            f"{labels} of each emotion",
            f"{100 * outcome.uar:.1f}",
            f"{100 * outcome.war:.1f}",
            f"{outcome.seconds:.0f}",
        )
    report.add_row("chance", "", chance, f"{majority:.1f}", "")
    console.print(report)


def _retrieval(console: Console, clips: pd.DataFrame, metrics: Mapping[str, Tensor]) -> None:
    """How often the sound of a held-out clip finds its picture among all, and the reverse."""
    to_video, to_audio = (
        100 * float(metrics[max(name for name in metrics if name.startswith(f"val/{way}_set_"))])
        for way in ("audio_to_video", "video_to_audio")
    )
    count = (clips["split"] == "val").sum()
    console.print(
        f"\nOf {count} held-out clips the sound finds its picture in {to_video:.1f} %, the picture "
        f"its sound in {to_audio:.1f} % (chance {100 / count:.1f} %)."
    )


def _newest(folder: Path, pattern: str) -> Path | str:
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    return found[-1] if found else f"none in {folder}"
