"""One function over many clips: in processes or on a Dask cluster, in shards, resumable.

The log of results is the only state. A clip counts as done when its line is in the log, and its
line is written after its files, so that a killed run redoes at most the clips in hand.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hicmae.data.manifest import Clip
from hicmae.errors import ConfigError, DataError, HicmaeError
from hicmae.files import whole_file

Row: TypeAlias = dict[str, Any]
"""Result for a clip: `id`, `status`, `message` and further plain values."""

DONE = "ok"
FAILED = "error"

_STOPPING_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class Plan:
    """How and where clips are worked on.

    Attributes:
        jobs: Processes on this machine; 0 is one per core.
        shard: "i/n" works on every n-th clip from the i-th on, for job arrays.
        dask: Works on a Dask cluster instead: the address of its scheduler, or "local" for a
            cluster of this machine. The machines need this package and the same paths.
        dry_run: Tells what would be done and does nothing.
    """

    jobs: int = 0
    shard: str = "1/1"
    dask: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 0:
            raise ConfigError(f"jobs is {self.jobs}; give a number of processes, or 0 for all.")
        self.shard_numbers()

    @property
    def processes(self) -> int:
        """Number of processes, at least 1."""
        return self.jobs or len(os.sched_getaffinity(0))

    def shard_numbers(self) -> tuple[int, int]:
        """The shard, from 1, and the number of shards.

        Raises:
            ConfigError: The text is not "i/n" with 1 <= i <= n.
        """
        index, _, count = self.shard.partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise ConfigError(
                f"shard is '{self.shard}'; give i/n with i from 1 to n, such as 2/8 for the "
                "second of eight jobs."
            )
        return int(index), int(count)


class ResultLog:
    """The results so far of a task in a folder, one JSON line per clip.

    Each shard writes a file of its own; all are read. A later line of a clip replaces an earlier.

    Args:
        folder: Where the log lies; made if missing.
        name: Name of the task.
        settings: Options that the results depend on.

    Raises:
        ConfigError: The folder holds results made with other options.
    """

    def __init__(self, folder: Path, name: str, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.name = name
        self._settings = json.loads(json.dumps(settings, default=str))
        self._check_settings()

    def _check_settings(self) -> None:
        path = self.folder / f"{self.name}.settings.json"
        if not path.is_file():
            return
        before = json.loads(path.read_text(encoding="utf-8"))
        for key in sorted(before.keys() | self._settings.keys()):
            if before.get(key) != self._settings.get(key):
                raise ConfigError(
                    f"{self.folder} holds results made with {key} {before.get(key)}, not "
                    f"{self._settings.get(key)}; give another output folder, or remove this one."
                )

    def _save_settings(self) -> None:
        with whole_file(self.folder / f"{self.name}.settings.json") as part:
            part.write_text(json.dumps(self._settings, indent=1), encoding="utf-8")

    def rows(self) -> dict[str, Row]:
        """The last result of every clip, by its id."""
        rows: dict[str, Row] = {}
        for path in sorted(self.folder.glob(f"{self.name}*.jsonl")):
            with path.open(encoding="utf-8") as lines:
                for line in lines:
                    # A line without its end is what a killed run left.
                    if line.endswith("\n"):
                        row = json.loads(line)
                        rows[row["id"]] = row
        return rows

    @contextmanager
    def appending(self, shard: tuple[int, int]) -> Iterator[Callable[[Row], None]]:
        """Opens the file of a shard; gives the function that adds a row to it."""
        self._save_settings()
        index, count = shard
        suffix = "" if count == 1 else f"-{index}-of-{count}"
        path = self.folder / f"{self.name}{suffix}.jsonl"
        _drop_half_a_line(path)
        with path.open("a", encoding="utf-8") as file:

            def append(row: Row) -> None:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()

            yield append


def _drop_half_a_line(path: Path) -> None:
    if not path.is_file():
        return
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)


def process(
    function: Callable[[Clip], Row],
    clips: Sequence[Clip],
    log: ResultLog,
    plan: Plan,
    *,
    is_done: Callable[[Row], bool],
    chunk: int = 1,
    console: Console | None = None,
) -> dict[str, Row]:
    """Gives every clip of the shard a line in the log, unless it has one.

    Args:
        function: Gives the row of a clip; must pickle. A mistake in a clip that it raises becomes
            a row of status "error".
        clips: All clips of the task; the plan's shard is taken of them.
        log: Where results are kept.
        plan: Where to work.
        is_done: Whether a row of an earlier run still holds.
        chunk: Clips handed to a worker at a time.
        console: Where progress is shown.

    Returns:
        The rows of all `clips` that are in the log, by id; empty in a dry run without a log.

    Raises:
        OSError: The results cannot be written.
        DataError: A worker died.
        ConfigError: Dask is asked for and not installed.
    """
    console = console or Console(stderr=True)
    rows = log.rows()
    index, count = plan.shard_numbers()
    mine = clips[index - 1 :: count]
    waiting = [clip for clip in mine if clip.id not in rows or not is_done(rows[clip.id])]
    of_shard = "" if count == 1 else f" of shard {index} of {count}"
    console.print(
        f"{log.name}: {len(waiting)} of {len(mine)} clips{of_shard} to do, "
        f"{len(mine) - len(waiting)} done before."
    )
    if not plan.dry_run and waiting:
        with log.appending((index, count)) as append:
            chunks = [waiting[first : first + chunk] for first in range(0, len(waiting), chunk)]
            for row in _results(partial(_work, function), chunks, plan, console):
                append(row)
                rows[row["id"]] = row
    wanted = {clip.id for clip in clips}
    return {name: row for name, row in rows.items() if name in wanted}


def _results(
    work: Callable[[Sequence[Clip]], list[Row]],
    chunks: Sequence[Sequence[Clip]],
    plan: Plan,
    console: Console,
) -> Iterator[Row]:
    """Rows as they come."""
    to_look_at = 0
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with progress, _executor(plan) as executor:
        bar = progress.add_task("clips", total=sum(len(clips) for clips in chunks))
        if executor is None:
            batches: Iterator[list[Row]] = map(work, chunks)
        else:
            batches = _in_parallel(executor, work, iter(chunks), ahead=4 * plan.processes)
        for batch in batches:
            to_look_at += sum(row["status"] != DONE for row in batch)
            note = f"clips ({to_look_at} to look at)" if to_look_at else "clips"
            progress.update(bar, advance=len(batch), description=note)
            yield from batch


def _in_parallel(
    executor: Executor,
    work: Callable[[Sequence[Clip]], list[Row]],
    chunks: Iterator[Sequence[Clip]],
    ahead: int,
) -> Iterator[list[Row]]:
    """Results in order of completion; at most `ahead` chunks are waiting at a time."""
    pending: dict[Future[list[Row]], Sequence[Clip]] = {}
    try:
        while True:
            for clips in islice(chunks, ahead - len(pending)):
                pending[executor.submit(work, clips)] = clips
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield future.result()
                del pending[future]
    except BrokenProcessPool as error:
        names = ", ".join(clip.id for clips in pending.values() for clip in clips)
        raise DataError(
            f"A worker process died while it worked on one of {names}; run the command again with "
            "fewer --jobs if memory ran out, or with --jobs 1 to see which clip it is."
        ) from error
    finally:
        for future in pending:
            future.cancel()


def _work(function: Callable[[Clip], Row], clips: Sequence[Clip]) -> list[Row]:
    return [_row(function, clip) for clip in clips]


def _row(function: Callable[[Clip], Row], clip: Clip) -> Row:
    try:
        result = function(clip)
    except OSError as error:
        # Without room or leave to write, all that follows would fail as well.
        if error.errno in _STOPPING_ERRORS:
            raise
        result = _failure(str(error))
    except HicmaeError as error:
        result = _failure(str(error))
    except Exception as error:  # noqa: BLE001 (one odd clip of a million must not stop the rest)
        result = _failure(f"{type(error).__name__}: {error}")
    return {"id": clip.id, **result}


def _failure(message: str) -> Row:
    return {"status": FAILED, "message": " ".join(message.split())}


@contextmanager
def _executor(plan: Plan) -> Iterator[Executor | None]:
    """Where to work; None is this process."""
    if plan.dask is not None:
        with _dask_client(plan) as client:
            yield client.get_executor()
    elif plan.processes == 1:
        yield None
    else:
        # Not forked: this process has threads, whose locks a copy would inherit shut.
        executor = ProcessPoolExecutor(
            plan.processes, mp_context=get_context("forkserver"), initializer=_end_with_parent
        )
        try:
            yield executor
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """Makes this worker end when the process that started it is killed, rather than wait on."""

    def watch() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _dask_client(plan: Plan) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ConfigError("dask is not installed; pip install 'hicmae[dask]'.") from error
    if plan.dask == "local":
        options = {"n_workers": plan.processes, "threads_per_worker": 1, "dashboard_address": None}
        with LocalCluster(host="127.0.0.1", **options) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(plan.dask, timeout="20s")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"No Dask scheduler answers at {plan.dask} ({error}); start one with `dask scheduler`."
        ) from error
    with client:
        yield client
