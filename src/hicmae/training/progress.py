"""The progress of a run on one line: a bar in a terminal, a line for each epoch elsewhere."""

from __future__ import annotations

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.callbacks.progress.rich_progress import (
    BatchesProcessedColumn,
    CustomBarColumn,
    CustomTimeColumn,
)
from rich import get_console
from rich.progress import TextColumn

_BESIDE = 43  # characters of the line that name the epoch, count batches and tell the time
_RECENT = 10  # steps over which the rate is measured

Metrics = dict[str, int | str | float | dict[str, float]]


class ClipProgressBar(RichProgressBar):
    """Lightning's Rich progress bar on one line, with clips per second of the last ten steps.

    Where the output is no terminal, as in a file, there is one plain line for each epoch.
    """

    def __init__(self, refresh_rate: int = 1, leave: bool = False) -> None:
        super().__init__(refresh_rate=refresh_rate, leave=leave)
        console = get_console()
        self._plain = not (console.is_terminal or console.is_jupyter)
        self._recent: list[tuple[float, int]] = []
        self._epoch_began = 0.0
        if self._plain:
            self.disable()

    def configure_columns(self, trainer: Trainer) -> list[Any]:
        """The columns, with a bar that leaves room for what was measured."""
        return [
            TextColumn("[progress.description]{task.description}"),
            CustomBarColumn(
                bar_width=self._bar_width(),
                complete_style=self.theme.progress_bar,
                finished_style=self.theme.progress_bar_finished,
                pulse_style=self.theme.progress_bar_pulse,
            ),
            BatchesProcessedColumn(style=self.theme.batch_progress),
            CustomTimeColumn(style=self.theme.time),
        ]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the time of the epoch."""
        self._epoch_began = time.perf_counter()
        super().on_train_epoch_start(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Takes the time of the step."""
        clips = len(batch["id"]) * trainer.world_size
        self._recent = [*self._recent[1 - _RECENT :], (time.perf_counter(), clips)]
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tells of the epoch in a line where there is no bar."""
        super().on_train_epoch_end(trainer, pl_module)
        if not self._plain or not trainer.is_global_zero:
            return
        of = f"/{trainer.max_epochs}" if (trainer.max_epochs or -1) > 0 else ""
        measured = {
            name: value
            for name, value in trainer.callback_metrics.items()
            if not name.endswith("_step")
        }
        told = [f"{_short(name)} {float(value):.4g}" for name, value in measured.items()]
        seconds = time.perf_counter() - self._epoch_began
        print(
            f"epoch {trainer.current_epoch + 1}{of}: "
            + ", ".join([*told, *self._rate(), f"{seconds:.0f} s"]),
            flush=True,
        )

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> Metrics:
        """What fits beside the bar: loss, rate, and what was measured last."""
        measured = super().get_metrics(trainer, pl_module)
        measured.pop("v_num", None)
        told: Metrics = {_short(name): value for name, value in measured.items()}
        if rate := self._rate():
            told = {"clips/s": f"{float(rate[0].split()[0]):.3g}"} | told
        if "loss" in told:
            told = {"loss": told["loss"]} | told
        room = get_console().width - self._bar_width() - _BESIDE
        fitting: Metrics = {}
        for name, value in told.items():
            shown = value if isinstance(value, str) else f"{value:{self.theme.metrics_format}}"
            room -= len(f"{name}: {shown} ")
            if room < 0:
                break
            fitting[name] = value
        return fitting

    def _bar_width(self) -> int:
        return min(max(get_console().width - _BESIDE - 60, 10), 40)

    def _rate(self) -> list[str]:
        if len(self._recent) < 2:
            return []
        elapsed = self._recent[-1][0] - self._recent[0][0]
        return [f"{sum(clips for _, clips in self._recent[1:]) / max(elapsed, 1e-9):.1f} clips/s"]


def _short(name: str) -> str:
    return name.removeprefix("train/").removesuffix("_step").removesuffix("_epoch")
