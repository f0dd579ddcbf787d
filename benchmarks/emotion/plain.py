"""What plain statistics of sound and motion tell of emotion: a yardstick for features.

    python benchmarks/emotion/plain.py --folder runs/emotion

Reads the labelled clips as fine-tuning does and classifies, as `probes.py` does, the mean and the
standard deviation of each mel bin over a clip, and how much the grey values of a grid over the face
change from frame to frame.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from probes import Arrays, all_hits, batches, clips_of
from torch.nn.functional import avg_pool2d

CELL = 8  # side in pixels


def statistics(folder: Path) -> tuple[Arrays, list[str]]:
    """Statistics of the labelled clips by modality, and the names of the clips."""
    sound, motion, names = [], [], []
    for batch in batches(folder):
        spectrograms = batch["audio"].flatten(1, 3)  # (B, V · T', F)
        sound.append(torch.cat([spectrograms.mean(1), spectrograms.std(1)], 1))
        grey = batch["video"].mean(2)  # (B, V, T, H, W)
        cells = avg_pool2d(grey.flatten(0, 2)[:, None], CELL).flatten(1)
        cells = cells.unflatten(0, grey.shape[:3])  # (B, V, T, cells)
        motion.append(cells.diff(dim=2).abs().mean((1, 2)))
        names += [Path(name).name for name in batch["id"]]
    sets = {"audio": torch.cat(sound).numpy(), "video": torch.cat(motion).numpy()}
    return {**sets, "both": np.concatenate(list(sets.values()), 1)}, names


def main() -> None:
    """Prints a table, and writes `plain.csv`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    folder = parser.parse_args().folder
    sets, names = statistics(folder)
    clips = clips_of(folder, names)
    rows = {
        name: {
            labels: 100 * float(hits.mean())
            for labels, hits in all_hits("linear", x, clips).items()
        }
        for name, x in sets.items()
    }
    table = pd.DataFrame(rows).T.round(1)
    table.to_csv(folder / "plain.csv", index_label="features")
    print(table.to_string())


if __name__ == "__main__":
    main()
