"""What the benchmarks of steps share: a step, its operations, the matrix rate, where time goes."""

from __future__ import annotations

import gc
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from measure import Report, ratio
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import Optimizer
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from hicmae.tasks.base import AudioVisualTask

Work = Callable[[], object]

# Tasks log to a trainer, of which there is none here.
warnings.filterwarnings("ignore", message=r".*`self.trainer` reference is not registered")
warnings.filterwarnings("ignore", message=r".*Profiler clears events")

# Names of operators and kernels, the first that fits counts.
KINDS = {
    "fused by the compiler": ("triton_", "compiledfxgraph"),
    "attention": ("scaled_dot_product", "flash", "fmha", "_softmax"),
    "optimiser": ("adam", "lerp", "addcdiv", "addcmul", "multi_tensor"),
    "matrix products": ("::mm", "addmm", "bmm", "gemm", "nvjet", "cutlass", "convolution"),
    "norms and activations": ("layer_norm", "gelu"),
    "copies": ("copy_", "::cat", "index", "gather", "fill_", "memcpy", "memset"),
}


class Step:
    """Forward, loss, backward and optimiser step, as a trainer does them.

    Args:
        loss: Forward pass and loss.
        optimiser: Steps the weights.
        autocast: Type of mixed precision; None for single precision. float16 scales the loss.
        device: Where the weights are.
    """

    def __init__(
        self,
        loss: Callable[[], Tensor | None],
        optimiser: Optimizer,
        device: torch.device,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.loss = loss
        self.optimiser = optimiser
        self.device = device
        self.autocast = autocast
        self.scaler = torch.amp.GradScaler(device.type, enabled=autocast == torch.float16)

    def gradients(self) -> Tensor:
        """Forward and backward alone; returns the loss."""
        with precision(self.device, self.autocast):
            loss = cast("Tensor", self.loss())  # None for no clips alone
        self.optimiser.zero_grad()
        self.scaler.scale(loss).backward()
        return loss.detach()

    def advance(self) -> None:
        """The whole step; the device may not be done with it."""
        self.gradients()
        self.scaler.step(self.optimiser)
        self.scaler.update()

    def __call__(self) -> None:
        """The whole step, until the device is done with it."""
        self.advance()
        finish(self.device)


def our_step(
    task: AudioVisualTask, batch: dict[str, Any], autocast: torch.dtype | None = None
) -> Step:
    """A task's own step."""
    optimiser = task.optimiser(task.learning_rate)
    return Step(lambda: task.training_step(batch, 0), optimiser, task.device, autocast)


def precision(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[object]:
    """Mixed precision of a type, or single precision."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def finish(device: torch.device) -> None:
    """Waits for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def operations(work: Work) -> float:
    """Floating point operations of all matrix products of a work, those of attention included.

    Attention is counted as its plain formulation, so that what a kernel computes twice to save
    memory counts once.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops())


class MatrixProducts:
    """Large square matrix products, whose best rate is what the device can do.

    Args:
        sizes: Rows of the matrices.
        device: Where.
        dtype: Of the matrices.
    """

    def __init__(
        self, sizes: Sequence[int], device: torch.device, dtype: torch.dtype = torch.float32
    ) -> None:
        self.device = device
        self.matrices = {
            f"matrix product {size}": torch.randn(size, size, device=device, dtype=dtype)
            for size in sizes
        }
        self.repeats = dict.fromkeys(self.matrices, 1)
        for name, matrix in self.matrices.items():
            # About as much work as the largest, so that each is timed as well.
            self.repeats[name] = max((max(sizes) // len(matrix)) ** 3, 1)

    def works(self) -> dict[str, Work]:
        """What is to be timed, by name."""

        def product(name: str) -> Work:
            matrix = self.matrices[name]

            def work() -> None:
                for _ in range(self.repeats[name]):
                    matrix @ matrix
                finish(self.device)

            return work

        return {name: product(name) for name in self.matrices}

    def rates(self, seconds: Mapping[str, Sequence[float]]) -> list[float]:
        """The best rate of every round in operations per second."""
        by_size = [
            [self.repeats[name] * 2 * len(matrix) ** 3 / second for second in seconds[name]]
            for name, matrix in self.matrices.items()
        ]
        return [max(rates) for rates in zip(*by_size, strict=True)]


def share_of_rate(operations: float, seconds: Sequence[float], rates: Sequence[float]) -> float:
    """Rate of a work in units of the matrix rate of the same round; the median over rounds."""
    return statistics.median(
        operations / second / rate for second, rate in zip(seconds, rates, strict=True)
    )


def report_steps(
    report: Report,
    title: str,
    counts: Mapping[str, float],
    seconds: Mapping[str, Sequence[float]],
    *,
    clips: int,
    rates: Sequence[float],
) -> None:
    """A table of steps beside the matrix rate.

    Args:
        report: Takes the table.
        title: What the steps are.
        counts: Operations by the name of the step; "plain" is what the others are compared with.
        seconds: Of every step in every round.
        clips: Clips of a step.
        rates: The best matrix rate of every round.
    """
    rows: list[list[str | float]] = []
    for name, count in counts.items():
        median = statistics.median(seconds[name])
        faster = ratio(seconds["plain"], seconds[name]) if "plain" in seconds else ""
        rows.append([name, median, clips / median, count / median / 1e9, faster])
    rows.append(["best matrix product", "", "", statistics.median(rates) / 1e9, ""])
    work = f"clips: {clips}, GFLOP: {counts['ours'] / 1e9:.3g}"
    report.table(
        f"{title}, {work}, threads: {torch.get_num_threads()}",
        ["", "s", "clips per s", "GFLOP/s", "times as fast as plain"],
        rows,
    )


def twice(step: Step) -> None:
    """Two steps: the second has the optimiser's moments in memory."""
    step()
    step()


def difference(ours: Tensor, plain: Tensor) -> float:
    """Relative difference in the norm."""
    return float((ours - plain).norm() / plain.norm())


def gradient_difference(model: nn.Module, plain: nn.Module) -> float:
    """Relative difference of all gradients of a model from those of its plain formulation."""
    theirs = dict(plain.named_parameters())
    pairs = [
        (parameter.grad, theirs[name].grad)
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    ]
    return difference(
        torch.cat([ours.flatten() for ours, _ in pairs]),
        torch.cat([plain.flatten() for _, plain in pairs if plain is not None]),
    )


def require_same(report: Report, what: str, measured: float, most: float = 1e-4) -> None:
    """Notes how far ours is from the plain formulation, and stops if it is something else."""
    if not measured <= most:
        raise SystemExit(f"{what} differ by {measured:.2g} from the plain formulation.")
    report.note(f"{what} differ by {measured:.1e} (relative) from the plain formulation.")


def where_time_goes(report: Report, title: str, work: Work, device: torch.device) -> None:
    """Reports the shares of kinds of operations in the time of a work."""
    on_card = device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_card else [])]
    with profile(activities=activities) as profiler:
        work()
    times = dict.fromkeys([*KINDS, "other"], 0.0)
    for event in profiler.key_averages():
        spent = event.self_device_time_total if on_card else event.self_cpu_time_total
        name = event.key.lower()
        kind = next((k for k, parts in KINDS.items() if any(p in name for p in parts)), "other")
        times[kind] += spent / 1e3
    total = sum(times.values())
    rows = [[kind, time, f"{time / total:.0%}"] for kind, time in times.items()]
    report.table(title, ["kind", "ms", "share"], sorted(rows, key=lambda row: -row[1]))


def largest_batch(run: Callable[[int], object], step: int = 8, most: int = 4096) -> int:
    """The largest batch whose steps fit into the memory of the card, in multiples of `step`.

    Args:
        run: Builds a model and takes steps at a batch.
        step: The smallest batch, and what batches are told apart by.
        most: Where to stop looking.
    """
    fits, fails = 0, None
    while fits < most and (fails is None or fails - fits > step):
        batch = max(2 * fits, step) if fails is None else (fits + fails) // 2 // step * step
        if _survives(run, min(batch, most)):
            fits = min(batch, most)
        else:
            fails = batch
    return fits


def _survives(run: Callable[[int], object], batch: int) -> bool:
    try:
        run(batch)
    except torch.OutOfMemoryError:
        return False
    finally:
        free()
    return True


def free() -> None:
    """Gives back what the card holds of models that are gone."""
    gc.collect()
    torch._dynamo.reset()  # compiled code keeps a hold on models
    torch.cuda.empty_cache()


def peak_gib(run: Work) -> float:
    """Most memory of the card that a work took, in GiB."""
    free()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() / 2**30
