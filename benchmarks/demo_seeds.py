"""How far the demo's scores lie apart from seed to seed.

    python benchmarks/demo_seeds.py --seeds 0 1 2

Runs `hicmae demo` whole with every seed, which draws other speakers, other labelled clips and other
weights, and prints a table in Markdown.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from hicmae.demo.run import demo


def main() -> None:
    """Runs what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/demo-seeds"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--smallest", action="store_true", help="reduced demos, as a check")
    options = parser.parse_args()
    scores = {}
    for seed in options.seeds:
        folder = options.folder / f"seed-{seed}"
        outcomes = demo(folder=folder, seed=seed, reduced=options.smallest)
        scores[seed] = {name: 100 * outcome.uar for name, outcome in outcomes.items()}
    table = pd.DataFrame(scores).T
    table["difference"] = table["pre-trained"] - table["from scratch"]
    print(f"\n| seed | {' | '.join(table.columns)} |\n|{' --- |' * (len(table.columns) + 1)}")
    rows = list(table.iterrows())
    if len(table) > 1:
        rows += [("mean", table.mean()), ("standard deviation", table.std())]
    for name, row in rows:
        print(f"| {name} | {' | '.join(f'{value:.1f}' for value in row)} |")


if __name__ == "__main__":
    main()
