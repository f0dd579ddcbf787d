"""Tasks on the tiny model, and trainers that run them without a command line."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from tiny import ARCHITECTURE, CLASSES, MODEL, TARGETS, TASKS

from hicmae import tasks

OUTPUTS = {"pretrain": [], "classify": [CLASSES], "regress": [TARGETS]}


def tiny_task(kind: str, **options: Any) -> Any:
    """A task of a kind ("pretrain", "classify", "regress") whose weights are always the same."""
    torch.manual_seed(0)
    task = getattr(tasks, TASKS[kind])
    return task(*OUTPUTS[kind], **{"architecture": ARCHITECTURE} | MODEL[kind] | options)


def tiny_trainer(folder: Path | None = None, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    """A quiet trainer of one epoch on the CPU, which logs into a folder if one is given."""
    defaults = {
        "max_epochs": 1,
        "num_sanity_val_steps": 0,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
    }
    return pl.Trainer(
        default_root_dir=folder,
        accelerator="cpu",
        logger=CSVLogger(folder, name="") if folder else False,
        callbacks=list(callbacks),
        enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in callbacks),
        enable_model_summary=False,
        **defaults | options,
    )
