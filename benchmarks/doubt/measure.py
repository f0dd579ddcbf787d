"""What answers are worth on acted emotion of unseen actors: calibration, doubt, outsiders.

    python benchmarks/emotion/prepare.py --clips ../shared/clips --folder runs/emotion
    python benchmarks/doubt/measure.py --folder runs/emotion

Fine-tunes configs/small/finetune.yaml from scratch, leaving two actors out in turn; two of the six
other actors are held out for validation, by which the answers of the last epoch are calibrated.
Test clips decide nothing. Then shows every fold's model its test clips and clips that are no acted
emotion at all. Folds that are done are not done again. `--smallest` takes one step of one fold.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw
from torchmetrics.functional.classification import binary_auroc

from hicmae.demo.corpus import make_corpus
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.media import SAMPLE_RATE
from hicmae.media.recording import ArrayRecording, FileRecording, Recording

SEED = 0
FPS, FRAMES, SIDE = 25.0, 50, 112
# From scratch, this rate without layer decay is the better of two; see benchmarks/emotion.
TRAINING = ["--model.layer_decay=1", "--model.learning_rate=8e-3", "--data.val_fraction=0.34"]
TRAINING += ["--trainer.check_val_every_n_epoch=30", "--trainer.enable_progress_bar=false"]
SMALLEST = ["--trainer.max_epochs=1", "--trainer.max_steps=1", "--folds=1"]
SMALLEST += ["--trainer.check_val_every_n_epoch=1"]
SCORES = ("WAR", "ECE_raw", "ECE", "Brier_raw", "Brier", "NLL_raw", "NLL", "AURC_raw", "AURC")


def train(folder: Path, output: Path, *, smallest: bool) -> None:
    """Runs the folds that are not done."""
    options = [f"--data.manifest={folder / 'labelled.csv'}", f"--output={output}"]
    options += [f"--{name}={SEED}" for name in ("seed_everything", "model.seed", "data.seed")]
    options += [f"--data.cache_dir={output / 'cache'}", *TRAINING, *(SMALLEST if smallest else ())]
    command = [sys.executable, "-m", "hicmae.cli", "crossval", "--config=small/finetune.yaml"]
    subprocess.run([*command, *options], check=True)  # noqa: S603


def outsiders(folder: Path, output: Path, count: int) -> dict[str, list[Recording]]:
    """Clips that are no acted emotion of these actors, by kind."""
    synthetic = output / "synthetic"
    make_corpus(synthetic, speakers=3, clips_per_emotion=1, seed=SEED, workers=1)
    rng = np.random.default_rng(SEED)
    noise, cartoons, silence = [], [], []
    acted = sorted((folder / "java_sed").rglob("*.mp4"))
    for clip in acted[:: max(len(acted) // count, 1)][:count]:
        recording = FileRecording(clip)
        shown = range(min(FRAMES, recording.frame_count))
        frames = np.stack([picture for _, picture in recording.pictures(shown)])
        silence.append(ArrayRecording(frames, FPS, np.zeros(len(frames) * 640, np.float32)))
    for number in range(count):
        hiss = rng.normal(0, 0.1, FRAMES * 640).astype(np.float32)
        pictures = rng.integers(0, 256, (FRAMES, SIDE, SIDE, 3), np.uint8)
        noise.append(ArrayRecording(pictures, FPS, hiss))
        times = np.arange(FRAMES * 640) / SAMPLE_RATE
        tone = 0.2 * np.sin(2 * np.pi * (200 + 40 * number) * times).astype(np.float32)
        cartoons.append(ArrayRecording(np.stack(list(_drawn(rng))), FPS, tone))
    files = {
        "GRID talkers": folder / "grid_s1",
        "presenters": folder / "presenters",
        "synthetic faces": synthetic,
    }
    found: dict[str, list[Recording]] = {
        name: [FileRecording(path) for path in sorted(where.rglob("*.mp4"))[:count]]
        for name, where in files.items()
    }
    return found | {"silence": silence, "noise": noise, "cartoons": cartoons}


def _drawn(rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Frames of a face of flat ellipses, whose mouth moves."""
    skin, paper = (tuple(map(int, rng.integers(60, 256, 3))) for _ in range(2))
    for frame in range(FRAMES):
        image = Image.new("RGB", (SIDE, SIDE), paper)
        draw = ImageDraw.Draw(image)
        draw.ellipse((12, 4, 100, 108), fill=skin, outline="black", width=3)
        for left in (34, 66):
            draw.ellipse((left, 36, left + 12, 48), fill="black")
        draw.ellipse((40, 72, 72, 76 + frame % 12), fill="darkred")
        yield np.asarray(image)


def look(checkpoint: Path, tested: list[Path], others: dict[str, list[Recording]]) -> pd.DataFrame:
    """How strange a model finds clips, and how unsure it is of them."""
    recognizer = EmotionRecognizer.from_pretrained(checkpoint, faces="none")
    clips = {"tested": [FileRecording(path) for path in tested], **others}
    rows = [
        {"kind": kind, "strange": person.unfamiliarity, "unsure": 1 - float(person.scores.max())}
        for kind, recordings in clips.items()
        for recording in recordings
        for person in recognizer.recognize(recording).people
    ]
    return pd.DataFrame(rows)


def tell(runs: list[Path], seen: pd.DataFrame) -> None:
    """Prints the tables."""
    scores = pd.DataFrame([json.loads((run / "test_metrics.json").read_text()) for run in runs])
    print("| score | folds | mean |\n| --- | --- | ---: |")
    for name in SCORES:
        values = scores[f"test/{name}"]
        print(f"| {name} | {', '.join(f'{v:.3f}' for v in values)} | {values.mean():.3f} |")
    print("\n| outsiders | clips | AUROC strange | AUROC unsure | called strange % |")
    print("| --- | ---: | ---: | ---: | ---: |")
    tested = seen[seen["kind"] == "tested"]
    print(f"| (tested actors) | {len(tested)} | | | {100 * (tested['strange'] > 1).mean():.0f} |")
    for kind in seen["kind"].unique()[1:]:
        other = seen[seen["kind"] == kind]
        both = pd.concat([tested, other])
        truth = torch.tensor((both["kind"] == kind).to_numpy().astype(int))
        areas = [
            float(binary_auroc(torch.tensor(both[column].rank(pct=True).to_numpy()), truth))
            for column in ("strange", "unsure")
        ]
        called = 100 * (other["strange"] > 1).mean()
        cells = " | ".join(f"{area:.2f}" for area in areas)
        print(f"| {kind} | {len(other)} | {cells} | {called:.0f} |")


def main() -> None:
    """Trains, looks and tells."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    parser.add_argument("--output", type=Path, help="where the folds go; FOLDER/doubt without")
    parser.add_argument("--smallest", action="store_true", help="one step of each, as a check")
    options = parser.parse_args()
    folder = options.folder
    output = options.output or folder / "doubt"
    train(folder, output, smallest=options.smallest)
    table = pd.read_csv(folder / "labelled.csv", dtype=str)
    others = outsiders(folder, output, 1 if options.smallest else 12)
    runs, parts = [], []
    for place in sorted(output.glob("fold-*")):
        # A fold that was interrupted has its checkpoint and its test in different folders.
        checkpoint, scores = (
            max(place.glob(f"version_*/{name}"), key=lambda path: path.stat().st_mtime)
            for name in ("checkpoints/last.ckpt", "test_metrics.json")
        )
        videos = table["video"][table["fold"] == place.name.removeprefix("fold-")]
        tested = [folder / video for video in videos][: 1 if options.smallest else None]
        parts.append(look(checkpoint, tested, others))
        runs.append(scores.parent)
    tell(runs, pd.concat(parts))


if __name__ == "__main__":
    main()
