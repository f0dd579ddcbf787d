"""What was measured on a card, as tables and beside the targets."""

from __future__ import annotations

from collections.abc import Sequence

from measure import Report

from card import basics
from card.measurement import Measurement, Results

FASTER = 2.5  # times the plain formulation under fp16 autocast
SHARE = 45.0  # percent of the bf16 matrix rate
WAITS = 10.0  # percent of a training run


def show(report: Report, results: Results, planned: Sequence[tuple[str, Measurement]]) -> None:
    """Prints and keeps a table of every part, and the targets that can be judged."""
    for part in dict.fromkeys(part for part, _ in planned):
        rows: list[list[str | float]] = []
        for name in [one.name for of, one in planned if of == part]:
            found = results.get(part, name)
            if found is None:
                failed = results.was_begun(part, name)
                found = {"": "failed" if failed else "not measured yet"}
            rows += [[name, what, value] for what, value in flat(found).items()]
        report.table(part, ["what", "", "measured"], rows)
    targets(report, results, planned)


def flat(found: dict[str, object], prefix: str = "") -> dict[str, str | float]:
    """Values of dicts in dicts by the names of both."""
    values: dict[str, str | float] = {}
    for name, value in found.items():
        if isinstance(value, dict):
            values |= flat(value, f"{prefix}{name}: ")
        else:
            values[f"{prefix}{name}"] = value if isinstance(value, str) else float(str(value))
    return values


def targets(report: Report, results: Results, planned: Sequence[tuple[str, Measurement]]) -> None:
    """Sets steps at base size and waiting beside what they should be."""
    rate = results.get(basics.PART, "matrix rate, bf16")
    for part in ("pretraining", "finetuning"):
        plain = results.get(part, "base, plain, fp16, eager")
        for way in ("bf16, compiled", "bf16, eager", "fp16, compiled", "fp16, eager"):
            ours = results.get(part, f"base, ours, {way}")
            if ours is None:
                continue
            name = f"{part}, base, {way}"
            if plain is not None:
                faster = ours["clips/s"] / plain["clips/s"]
                report.target(f"{name}: times plain under fp16 autocast", faster, FASTER, "×")
            if rate is not None:
                share = 100 * ours["TFLOP/s"] / rate["TFLOP/s"]
                report.target(f"{name}: share of the bf16 matrix rate", share, SHARE, "%")
    for name in [one.name for part, one in planned if part == "share"]:
        found = results.get("share", name)
        if found is not None:
            report.target(f"{name}: the card waits", found["waiting, %"], WAITS, "%", most=True)
