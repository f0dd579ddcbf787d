"""The counters of Lightning that hicmae/loops.py leans on are there and count what they did."""

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel
from tiny_tasks import tiny_trainer

from hicmae import loops

MOVED = (
    "hicmae/loops.py leans on {name}, seen in lightning 2.6.6; lightning {version} has it no "
    "longer or counts something else: look in its loops for what took its place."
)


def moved(name):
    return MOVED.format(name=name, version=pl.__version__)


class Counted(BoringModel):
    """Writes down the counters of every batch, two batches in each of two epochs."""

    def __init__(self):
        super().__init__()
        self.begun, self.steps = [], []

    def on_train_batch_start(self, batch, batch_idx):
        self.begun.append(loops.batches_begun(self.trainer))

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.steps.append(self.trainer.fit_loop.epoch_loop._batches_that_stepped)
        if self.trainer.global_step == 3:
            self.trainer.save_checkpoint("within.ckpt")


class Watched(BoringDataModule):
    """Writes down where training batches are to come in, and where the run begins."""

    def __init__(self):
        super().__init__()
        self.places, self.starts = [], []

    def train_dataloader(self):
        self.starts.append(loops.resumed_place(self.trainer))
        return super().train_dataloader()

    def on_after_batch_transfer(self, batch, dataloader_idx):
        if self.trainer.training:
            self.places.append(loops.batch_to_come(self.trainer))
        return batch


@pytest.fixture
def fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(**options):
        model, data = Counted(), Watched()
        limits = {"max_epochs": 2, "limit_train_batches": 2, "limit_val_batches": 1}
        trainer = tiny_trainer(num_sanity_val_steps=2, **limits)
        trainer.fit(model, datamodule=data, **options)
        return model, data, trainer

    return run


def test_counters_of_a_run(fit):
    model, data, _ = fit()
    assert model.begun == [0, 1, 2, 3], moved("fit_loop.epoch_loop.total_batch_idx")
    assert data.places == [0, 1, 0, 1], moved("fit_loop.batch_idx")
    assert data.starts == [(0, 0)], moved("epoch_progress and epoch_loop.batch_progress")
    assert model.steps == [0, 1, 2, 3], moved("fit_loop.epoch_loop._batches_that_stepped")


def test_counters_of_a_resumed_run(fit):
    fit()
    model, data, _ = fit(ckpt_path="within.ckpt")
    assert data.starts == [(1, 1)], moved("epoch_progress and epoch_loop.batch_progress")
    assert model.begun[0] == 3, moved("fit_loop.epoch_loop.total_batch_idx")


def test_entries_of_a_checkpoint(fit):
    *_, trainer = fit()
    trainer.save_checkpoint("end.ckpt")
    kept = torch.load("end.ckpt", weights_only=True)["loops"]["fit_loop"]
    counters = {"ready", "started", "processed", "completed"}
    batches = kept.get("epoch_loop.batch_progress", {})
    for name in (
        "epoch_progress",
        "epoch_loop.batch_progress",
        "epoch_loop.val_loop.batch_progress",
    ):
        for part in ("current", "total"):
            assert set(kept.get(name, {}).get(part, ())) >= counters, moved(f"{name}.{part}")
    assert batches["total"] == dict.fromkeys(counters, 4), moved("epoch_loop.batch_progress")
    assert batches["is_last_batch"] is True, moved("is_last_batch")
    steps = kept.get("epoch_loop.state_dict", {}).get("_batches_that_stepped")
    assert steps == 4, moved("epoch_loop.state_dict._batches_that_stepped")
