"""Checkpoints and tables as runs leave them, without any run."""

import pandas as pd
import torch
from tiny import ARCHITECTURE

from hicmae.tasks import ClassificationTask, PretrainingTask

EMOTIONS = ["anger", "calm", "joy"]
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


def pretraining(**options):
    torch.manual_seed(0)
    defaults = {
        "video_mask_ratio": 0.75,
        "audio_mask_ratio": 0.5,
        "contrast_weight": 0.05,
        "temperature": 0.07,
        "learning_rate": 0.01,
    }
    return PretrainingTask(architecture=ARCHITECTURE, **defaults | options)


def classification(**options):
    torch.manual_seed(0)
    return ClassificationTask(EMOTIONS, architecture=ARCHITECTURE, learning_rate=0.01, **options)


def save_predictions(path, pairs):
    """Writes test predictions of (true class, answer) pairs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"id": f"c{place}", "target": target, "prediction": answer}
        | {name: float(name == answer) for name in EMOTIONS}
        for place, (target, answer) in enumerate(pairs)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path
