"""What of the machine this process may use, and how threads share it with other programs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")
PROCESSOR_FACTS = Path("/proc/cpuinfo")

# Rounds for which a thread of GNU's OpenMP looks for work before it sleeps, some ten microseconds.
# Small models work in shorter steps, so that sleeping at once took them twice as long.
SPIN_COUNT = 10_000
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def processors() -> int:
    """How many processors this process may use, at least 1.

    That is how many it may run on; in a container, rounded up, no more than its share of time.
    """
    usable = _usable()
    quota = cpu_quota()
    return usable if quota is None else min(usable, math.ceil(quota))


def settle(environment: MutableMapping[str, str] = os.environ) -> None:
    """Lets threads of torch soon sleep where they wait, and have no more of them than processors.

    By itself a thread that waits for another one spins for long. Where two programs share the
    processors, one spins while the other, for which it waits, is kept from computing: a step then
    takes ten times as long and not twice. Where a container has a share of the processors' time,
    there would be a thread for every processor of the machine.

    OpenMP reads this when torch is imported; call it before. Processes that are started later
    inherit it. What is in the environment already stays.

    Args:
        environment: What to change.
    """
    if processors() < _usable():
        environment.setdefault("OMP_NUM_THREADS", str(processors()))
    if not any(name in environment for name in _WAITING):
        environment["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
        environment["OMP_WAIT_POLICY"] = "PASSIVE"  # for other makes, as on macOS


def cpu_quota(cgroups: Path = CGROUPS, own: Path = OWN_CGROUPS) -> float | None:
    """How many processors' time the control groups of this process allow; None for any.

    Args:
        cgroups: Where Linux shows the limits of control groups, of version 1 or 2.
        own: Which groups this process is in.
    """
    try:
        lines = own.read_text(errors="replace").splitlines()
    except OSError:  # not Linux
        return None
    quotas = []
    for line in lines:
        _, _, place = line.partition(":")
        controllers, _, group = place.partition(":")
        if not controllers or "cpu" in controllers.split(","):
            root = cgroups / controllers if controllers else cgroups
            quotas += [_quota(folder) for folder in _upwards(root, group)]
    return min((quota for quota in quotas if quota is not None), default=None)


def bfloat16_units(facts: Path = PROCESSOR_FACTS) -> bool | None:
    """Whether the processor computes products of bfloat16 itself; None where it does not tell.

    Args:
        facts: Where Linux lists the abilities of the processors, on x86 as flags.
    """
    try:
        lines = facts.read_text().splitlines()
    except OSError:
        return None
    flags = next((line.split() for line in lines if line.startswith("flags")), None)
    return None if flags is None else not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags)


def _usable() -> int:
    """How many processors this process may run on."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _upwards(root: Path, group: str) -> Iterator[Path]:
    """The folder of a group and those around it; limits of all of them hold.

    A container may see its own folder as the root, whatever its group is called outside.
    """
    folder = root / group.strip("/")
    yield folder
    while folder != root:
        folder = folder.parent
        yield folder


def _quota(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").is_file():
            time, period = (folder / "cpu.max").read_text().split()
        else:
            time = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        quota = float(time) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # no limit, such as "max 100000"
        return None
    return quota if quota > 0 else None  # -1 is no limit
