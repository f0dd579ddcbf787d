"""All that is to be measured on an accelerator, in calls of under nine minutes.

    python benchmarks/accelerator.py --out runs/card

Every measurement is written to a JSON file of its own as soon as it is there. A further call goes
on with those that are missing, and every call ends with a table of all beside the targets.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "speed"))

import torch
from card import basics, clips_to_card, suite, summary, training_steps
from card.measurement import Measurement, Results, Setting
from measure import Report

from hicmae.training.commands import quieten

GRACE = 25.0  # seconds beyond the time given, then the process ends wherever it is
PARTS: dict[str, Callable[[Setting, Report], Iterator[Measurement]]] = {
    "tests": lambda setting, _: suite.measurements(setting),
    basics.PART: lambda setting, _: basics.measurements(setting),
    "pretraining": lambda setting, _: training_steps.measurements(setting, "pretraining"),
    "share": clips_to_card.share,
    "finetuning": lambda setting, _: training_steps.measurements(setting, "finetuning"),
    "memory": lambda setting, _: training_steps.memory(setting),
    "waiting": lambda setting, _: training_steps.waiting(setting),
    "loader": clips_to_card.loading,
    "decoding": clips_to_card.decoding,
    "other_sizes": lambda setting, _: training_steps.other_sizes(setting),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures what is missing, as long as there is time, and sums up.

    Args:
        arguments: Of the command line; None for those of this process.

    Raises:
        SystemExit: There is no accelerator, or a measurement failed.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("runs/card"), help="folder of the results")
    parser.add_argument(
        "--part", nargs="+", choices=PARTS, default=list(PARTS), help="what is measured; else all"
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="time of this call")
    parser.add_argument(
        "--dry_run", action="store_true", help="on the processor, on next to nothing"
    )
    options = parser.parse_args(arguments)
    if not options.dry_run and not torch.cuda.is_available():
        raise SystemExit("No accelerator here; --dry_run sees on the processor that all works.")
    quieten()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Total length of `list`")  # no validation
    setting = Setting(torch.device("cpu" if options.dry_run else "cuda"), options.dry_run)
    end = time.monotonic() + 60 * options.minutes
    # Nothing else ends a compiler or a driver that hangs.
    longest = 60 * options.minutes + GRACE
    faulthandler.dump_traceback_later(longest, exit=True, file=sys.__stderr__)
    try:
        failed = measure(setting, options.part, Report("card", options), Results(options.out), end)
    finally:
        faulthandler.cancel_dump_traceback_later()
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}; see the text files in {options.out}.")


def measure(
    setting: Setting, parts: Sequence[str], report: Report, results: Results, end: float
) -> list[str]:
    """Takes the measurements that are missing; gives those that failed.

    Args:
        setting: Where and how thoroughly.
        parts: Of `PARTS`.
        report: Takes the tables.
        results: Where what was measured is kept.
        end: When no further one is begun, by the monotonic clock.
    """
    planned = [(part, one) for part in parts for one in PARTS[part](setting, report)]
    missing = [(part, one) for part, one in planned if results.get(part, one.name) is None]
    # What failed or never ended must not take the time of the others again.
    missing.sort(key=lambda item: results.was_begun(item[0], item[1].name))
    failed, later = [], []
    for part, one in missing:
        if time.monotonic() + one.takes > end:
            later.append(f"{part}: {one.name}")
            continue
        begin = time.monotonic()
        if not results.take(part, one):
            failed.append(f"{part}: {one.name}")
        took = time.monotonic() - begin
        report.console.print(f"{part}: {one.name}, {took:.0f} s", highlight=False)
    if setting.dry:
        report.note("A dry run: the numbers say nothing.")
    summary.show(report, results, planned)
    report.save(results.folder)
    if later:
        report.console.print(
            f"{len(later)} of {len(planned)} are left for another call: {'; '.join(later)}."
        )
    return failed


if __name__ == "__main__":
    main()
