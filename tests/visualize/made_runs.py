"""Checkpoints and tables as runs leave them, without any run."""

from functools import partial

import pandas as pd
import torch
from tiny import CLASSES
from tiny_tasks import tiny_task

pretraining = partial(tiny_task, "pretrain", audio_mask_ratio=0.5)
DATA = {"stride": 2, "frame_size": 32, "crop_pct": 1.0, "region": None, "batch_size": 4}


def save_task(path, task, data=DATA):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "state_dict": task.state_dict(),
        "hyper_parameters": dict(task.hparams),
        "datamodule_hyper_parameters": data,
    }
    torch.save(content, path)
    return path


def save_predictions(path, pairs):
    """Writes test predictions of (true class, answer) pairs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"id": f"c{place}", "target": target, "prediction": answer}
        | {name: float(name == answer) for name in CLASSES}
        for place, (target, answer) in enumerate(pairs)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path
