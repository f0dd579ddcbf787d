"""What the card can do at best: rates of matrix products, of memory and of the way to it."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial

import torch
from measure import alternating
from steps import MatrixProducts, Work, finish

from card.measurement import Measurement, Result, Setting

PART = "basics"
MATRICES = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "tf32": torch.float32,
    "fp32": torch.float32,
}


def measurements(setting: Setting) -> Iterator[Measurement]:
    """Rates of matrices by type, of memory, and of transfer."""
    for name in MATRICES:
        yield Measurement(f"matrix rate, {name}", partial(matrix_rate, setting, name))
    yield Measurement("memory", partial(bandwidth, setting))
    yield Measurement("transfer", partial(transfer, setting))


def matrix_rate(setting: Setting, name: str) -> Result:
    """The best rate of large square matrix products."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    try:
        sizes = [64] if setting.dry else [4096, 8192, 16384]
        products = MatrixProducts(sizes, setting.device, MATRICES[name])
        seconds = alternating(products.works(), setting.rounds)
    finally:
        torch.set_float32_matmul_precision(before)
    return {"TFLOP/s": statistics.median(products.rates(seconds)) / 1e12}


def bandwidth(setting: Setting) -> Result:
    """Bytes that are read and written in copying within the memory of the device."""
    values = torch.zeros(2**10 if setting.dry else 2**30, dtype=torch.uint8, device=setting.device)
    other = torch.empty_like(values)
    seconds = timed(setting, lambda: other.copy_(values))
    return {"GB/s": 2 * values.nbytes / seconds / 1e9}


def transfer(setting: Setting) -> Result:
    """Bytes that go from the memory of the processor to the device."""
    values = torch.zeros(2**10 if setting.dry else 2**28, dtype=torch.uint8)
    sources = {"pageable": values}
    if setting.device.type == "cuda":
        sources["pinned"] = values.pin_memory()
    return {
        f"GB/s, {name}": values.nbytes / timed(setting, partial(source.to, setting.device)) / 1e9
        for name, source in sources.items()
    }


def timed(setting: Setting, work: Work) -> float:
    """The median of the seconds of a work, until the device is done with it."""

    def whole() -> None:
        work()
        finish(setting.device)

    return statistics.median(alternating({"": whole}, setting.rounds)[""])
