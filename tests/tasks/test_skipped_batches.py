"""A step in which one of two processes could read none of its clips."""

import lightning.pytorch as pl
import pytest
import torch
from tiny import ARCHITECTURE
from tiny_tasks import tiny_trainer
from torch.utils.data import DataLoader

from hicmae.tasks import ClassificationTask, RegressionTask

TASKS = {"classification": ClassificationTask, "regression": RegressionTask}


def batch(kind, count):
    rng = torch.Generator().manual_seed(count)
    target = torch.arange(count) % 3
    if kind == "regression":
        target = torch.randn(count, 3, generator=rng)
    return {
        "video": torch.randn(count, 1, 3, 4, 32, 32, generator=rng),
        "audio": torch.randn(count, 1, 1, 32, 32, generator=rng),
        "id": [f"c{index}" for index in range(count)],
        "index": torch.arange(count),
        "skipped": [] if count else [("broken", "cannot be opened")],
        "target": target,
    }


class Uneven(pl.LightningDataModule):
    """Two steps; in the second the second process has nothing."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.batch_size = 4

    def steps_per_epoch(self, world_size):
        return 2

    def train_dataloader(self):
        counts = [4, 0] if self.trainer.global_rank else [4, 4]
        return DataLoader([batch(self.kind, count) for count in counts], batch_size=None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", TASKS)
def test_the_others_do_not_wait_for_it(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    task = TASKS[kind](["a", "b", "c"], learning_rate=0.01, architecture=ARCHITECTURE)
    before = {name: value.clone() for name, value in task.state_dict().items()}
    spawned = {"devices": 2, "strategy": "ddp_spawn", "use_distributed_sampler": False}
    run = tiny_trainer(**spawned)
    run.fit(task, datamodule=Uneven(kind))
    after = task.state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert any(not torch.equal(value, before[name]) for name, value in after.items())
