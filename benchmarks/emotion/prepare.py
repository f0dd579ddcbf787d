"""Face crops and tables for the experiment on acted emotion.

    python benchmarks/emotion/prepare.py --clips ../shared/clips --folder runs/emotion

Reads three folders below `--clips`: `java_sed`, whose clips are called
`actor-sentence-emotion_repetition`, and `presenters` and `grid_s1`, whose labels are not used.
Makes face crops of all by `hicmae data faces`, without the black frames with which a third of the
acted clips begin, and three tables: `labelled.csv`, in which each fold tests two actors;
`everyone.csv`, the same without folds, to learn from all actors; and `unlabelled.csv`, which holds
no clip of them. A further run goes on where it was stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from hicmae.cli import main as hicmae

EMOTIONS = {"01": "neutral", "02": "sad", "03": "happy", "04": "surprised", "05": "fearful"}
EMOTIONS["06"] = "angry"
FOLDERS = ("java_sed", "presenters", "grid_s1")
ACTORS_A_FOLD = 2


def crops(clips: Path, folder: Path, name: str) -> pd.DataFrame:
    """Makes the face crops of a folder of clips; a row for each."""
    output = folder / name
    options = ["--size=128", f"--trim={name == 'java_sed'}"]
    hicmae(["data", "faces", str(clips / name), f"--output={output}", *options])
    table = pd.read_csv(output / "manifest.csv", dtype=str)[["video"]]
    table["video"] = [str(Path(name, path)) for path in table["video"]]
    return table


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """With emotion, actor and the fold in which two actors are tested."""
    parts = table["video"].str.extract(r"(?P<actor>\d+)-\d+-(?P<emotion>\d+)_\d+[^/]*$")
    actors = sorted(parts["actor"].unique())
    fold_of = {actor: 1 + place // ACTORS_A_FOLD for place, actor in enumerate(actors)}
    return table.assign(
        emotion=parts["emotion"].map(EMOTIONS),
        subject=parts["actor"],
        fold=parts["actor"].map(fold_of),
    )


def main() -> None:
    """Makes what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=Path, required=True, help="folder of the three folders")
    parser.add_argument("--folder", type=Path, default=Path("runs/emotion"))
    options = parser.parse_args()
    tables = {name: crops(options.clips, options.folder, name) for name in FOLDERS}
    acted = labelled(tables.pop("java_sed"))
    acted.to_csv(options.folder / "labelled.csv", index=False)
    acted.drop(columns="fold").to_csv(options.folder / "everyone.csv", index=False)
    pd.concat(tables.values()).to_csv(options.folder / "unlabelled.csv", index=False)


if __name__ == "__main__":
    main()
