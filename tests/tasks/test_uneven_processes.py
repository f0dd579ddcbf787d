"""Evaluation by two processes, of which one has no clip, no group or no loss to add."""

import json
import math
import sys
from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import pytest
from shell import run_to_the_end
from tiny_tasks import make_batch, tiny_task, tiny_trainer
from torch.utils.data import DataLoader

TASKS = {
    "class": ("class", partial(tiny_task, "classify")),
    "distribution": (
        "soft",
        partial(tiny_task, "classify", target_kind="distribution", blends=["anger", "joy"]),
    ),
    "labels": ("soft", partial(tiny_task, "classify", target_kind="labels")),
    "values": ("values", partial(tiny_task, "regress")),
    "pre-training": (None, partial(tiny_task, "pretrain")),
}
# What is learned, the clips of both processes and their groups. A regressed clip alone has no loss.
CASES = {
    "no clip to reconstruct": ("pre-training", (4, 0), None),
    "no clip of a class": ("class", (4, 0), None),
    "no clip with shares": ("distribution", (4, 0), None),
    "no group with shares": ("distribution", (2, 2), "ssss"),
    "no group with labels": ("labels", (2, 2), "ssss"),
    "no loss of values": ("values", (4, 1), None),
    "no loss and no group of values": ("values", (4, 1), "aabbc"),
}


class Shares(pl.LightningDataModule):
    """A batch for each process, which may be of skipped clips alone; one process has both."""

    def __init__(self, what, counts, groups):
        super().__init__()
        self.counts = counts
        label, self.task = TASKS[what]
        self.whole = make_batch(sum(counts), label=label)
        if what == "labels":
            self.whole["target"] = (self.whole["target"] > 0.3).float()
        if groups:
            self.whole["group"] = list(groups)

    def test_dataloader(self):
        first = self.counts[0]
        parts = [slice(0, first), slice(first, None)]
        if self.trainer.world_size > 1:
            parts = [parts[self.trainer.global_rank]]
        batches = [{name: value[part] for name, value in self.whole.items()} for part in parts]
        return DataLoader(batches, batch_size=None)


def evaluate(name, **options):
    data = Shares(*CASES[name])
    return tiny_trainer(**options).test(data.task(), data, verbose=False)[0]


def evaluate_all():
    both = partial(evaluate, devices=2, strategy="ddp_fork", use_distributed_sampler=False)
    print("\n" + json.dumps({name: both(name) for name in CASES}), flush=True)


@pytest.mark.slow
def test_nobody_waits_for_it_and_scores_are_those_of_one_process(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    program += f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
    program += "from test_uneven_processes import evaluate_all; evaluate_all()"
    found = json.loads(run_to_the_end(sys.executable, "-c", program, timeout=150).splitlines()[-1])
    assert found.keys() == CASES.keys()
    for name, scores in found.items():
        assert scores == pytest.approx(evaluate(name), abs=1e-5, nan_ok=True), name
        assert math.isfinite(scores["test/loss"])
