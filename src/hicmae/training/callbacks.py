"""What a run tells and keeps: the size of the model, results."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from rich.table import Table
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from hicmae.consoles import plain_console
from hicmae.files import whole_file
from hicmae.tasks import AudioVisualTask


class ModelCost(Callback):
    """Prints parameters and multiply-adds of the model's parts before training or testing."""

    def __init__(self) -> None:
        self._trained = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before training."""
        self._trained = True
        self._print(pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before testing on its own."""
        if not self._trained:
            self._print(pl_module)

    @staticmethod
    def _print(task: LightningModule) -> None:
        if not isinstance(task, AudioVisualTask):
            return
        name = type(task.model).__name__
        cost = multiply_adds(task)  # by all processes, as sharded weights take all of them
        if not task.trainer.is_global_zero:
            return
        table = Table(name, "parameters", "multiply-adds per clip", box=None, pad_edge=False)
        for part, module in [*task.model.named_children(), ("all", task.model)]:
            parameters = sum(parameter.numel() for parameter in module.parameters())
            adds = cost[name if part == "all" else f"{name}.{part}"]
            table.add_row(part, f"{parameters / 1e6:.2f} M", f"{adds / 1e9:.2f} G")
        plain_console().print(table)


def multiply_adds(task: AudioVisualTask) -> dict[str, int]:
    """Multiply-adds of one forward pass of one clip, as the task uses the model.

    Args:
        task: The task; its model's mode and the random state stay as they are.

    Returns:
        Counts by dotted module name, beginning with the model's class.
    """
    training = task.model.training
    task.model.eval()
    with (
        torch.random.fork_rng(devices=[task.device] if task.device.type == "cuda" else []),
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),  # the counter does not see into fused attention everywhere
        FlopCounterMode(display=False) as counter,
    ):
        task.example_forward()
    task.model.train(training)
    return defaultdict(
        int,
        {name: sum(flops.values()) // 2 for name, flops in counter.get_flop_counts().items()},
    )


class ResultsFile(Callback):
    """Writes the metrics of a test run as `test_metrics.json` into the run folder."""

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After testing."""
        folder = trainer.log_dir  # the processes agree on it, so that each of them has to ask
        if folder is None or not trainer.is_global_zero:
            return
        # JSON has no way to write what is not a number.
        results = {
            name: float(value) if value.isfinite() else None
            for name, value in trainer.callback_metrics.items()
            if name.startswith("test/")
        }
        path = Path(folder) / "test_metrics.json"
        with whole_file(path) as part:
            part.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n")
        rank_zero_info(f"Results are in {path.parent}.")
