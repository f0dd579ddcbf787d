"""Tasks on the tiny model, and batches and trainers that run them without a command line."""

from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from tiny import ARCHITECTURE, CLASSES, MODEL, TARGETS, TASKS
from torch.utils.data import DataLoader

from hicmae import tasks

OUTPUTS = {"pretrain": [], "classify": [CLASSES], "regress": [TARGETS]}


def tiny_task(kind: str, *outputs: Any, **options: Any) -> Any:
    """A task of a kind ("pretrain", "classify", "regress") whose weights are always the same."""
    torch.manual_seed(0)
    task = getattr(tasks, TASKS[kind])
    return task(
        *(outputs or OUTPUTS[kind]), **{"architecture": ARCHITECTURE} | MODEL[kind] | options
    )


pretraining, classification, regression = (partial(tiny_task, kind) for kind in TASKS)
# Makers of tasks, and the labels they learn.
MAKERS = {
    "pretraining": (pretraining, None),
    "classification": (classification, "class"),
    "regression": (regression, "values"),
}


def tiny_trainer(folder: Path | None = None, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    """A quiet trainer of one epoch on the CPU, which logs into a folder if one is given."""
    defaults = {
        "default_root_dir": folder,
        "accelerator": "cpu",
        "max_epochs": 1,
        "num_sanity_val_steps": 0,
        "logger": CSVLogger(folder, name="") if folder else False,
        "log_every_n_steps": 1,
        "callbacks": list(callbacks),
        "enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return pl.Trainer(**defaults | options)  # type: ignore[arg-type]


def make_batch(
    clips: int = 4, views: int = 1, label: str | None = "class", seed: int = 0
) -> dict[str, Any]:
    """A batch as data modules give it; label is "class", "soft", "values" or None."""
    rng = torch.Generator().manual_seed(seed)
    batch = {
        "video": torch.randn(clips, views, 3, 4, 32, 32, generator=rng),
        "audio": torch.randn(clips, views, 1, 32, 32, generator=rng),
        "id": [f"clip{seed}-{index}" for index in range(clips)],
        "index": torch.arange(clips),
        "skipped": [],
    }
    if label == "class":
        batch["target"] = torch.arange(clips) % len(CLASSES)
    elif label == "soft":
        batch["target"] = torch.rand(clips, len(CLASSES), generator=rng).softmax(1)
    elif label == "values":
        batch["target"] = torch.randn(clips, len(TARGETS), generator=rng)
    return batch


class Batches(pl.LightningDataModule):
    """Gives the same batches in every epoch."""

    def __init__(self, train=(), val=(), test=(), batch_size=256):
        super().__init__()
        self.train, self.val, self.test = list(train), list(val), list(test)
        self.batch_size = batch_size

    def steps_per_epoch(self, world_size=1):
        return len(self.train) // world_size

    def train_dataloader(self):
        return DataLoader(self.train, batch_size=None)

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=None) if self.val else []

    def test_dataloader(self):
        return DataLoader(self.test, batch_size=None)

    predict_dataloader = test_dataloader
