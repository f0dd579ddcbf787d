"""One function over many clips, resumable: in other processes, or in this one clip by clip."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import Protocol, TypeAlias, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hicmae.errors import DataError, HicmaeError
from hicmae.ledger.executors import executor_of
from hicmae.ledger.log import DONE, FAILED, ResultLog, Row
from hicmae.ledger.plan import Plan


class Item(Protocol):
    """What is worked on, such as a clip.

    Attributes:
        id: Tells it from all others, in this run and in later ones.
    """

    @property
    def id(self) -> str:  # noqa: D102 (told above)
        ...


Tell: TypeAlias = Callable[[float], None]
"""Is told what share is done, from 0 to 1."""

AnyItem = TypeVar("AnyItem", bound=Item)
Result = TypeVar("Result")

_STOPPING_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def process(
    function: Callable[[AnyItem], Row],
    items: Sequence[AnyItem],
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
        items: All clips of the task; the plan's shard is taken of them.
        log: Where results are kept.
        plan: Where to work.
        is_done: Whether a row of an earlier run still holds.
        chunk: Clips handed to a worker at a time.
        console: Where progress is shown.

    Returns:
        The rows of all `items` that are in the log, by id; empty in a dry run without a log.

    Raises:
        OSError: The results cannot be written.
        DataError: A worker died.
        ConfigError: Dask is asked for and not installed.
    """
    console = console or Console(stderr=True)

    def work(waiting: Sequence[AnyItem]) -> Iterator[Row]:
        chunks = [waiting[first : first + chunk] for first in range(0, len(waiting), chunk)]
        return _results(partial(_rows, function), chunks, plan, console)

    return _go_on(work, items, log, plan, is_done=is_done, console=console)


def process_here(
    compute: Callable[[AnyItem, Tell], Result],
    keep: Callable[[AnyItem, Result], Row],
    items: Sequence[AnyItem],
    log: ResultLog | None,
    plan: Plan,
    *,
    is_done: Callable[[Row], bool],
    label: Callable[[AnyItem], str],
    stop_at_failure: bool = False,
    console: Console | None = None,
) -> dict[str, Row]:
    """Does the same one clip after the other, as for a model on one device.

    Args:
        compute: Works on a clip and tells how far it is. A `DataError` that it raises becomes a row
            of status "error"; all else stops the run.
        keep: Writes or shows the result of a clip and gives its row.
        items: All clips of the task; the plan's shard is taken of them.
        log: Where results are kept; None keeps none.
        plan: Which clips.
        is_done: Whether a row of an earlier run still holds.
        label: What to call a clip while it is worked on.
        stop_at_failure: Whether a clip's mistake stops the run.
        console: Where progress is shown.

    Returns:
        As of `process`.

    Raises:
        DataError: A clip cannot be used, if that stops the run.
    """
    console = console or Console(stderr=True)

    def work(waiting: Sequence[AnyItem]) -> Iterator[Row]:
        progress = _share_bar(console)
        bar = progress.add_task("", total=len(waiting))
        for number, item in enumerate(waiting):
            place = "" if len(waiting) == 1 else f"{number + 1} of {len(waiting)}: "
            progress.update(bar, description=place + label(item), completed=number)
            try:
                with progress:  # which is gone while a result is shown
                    result = compute(item, partial(_move, progress, bar, number))
            except DataError as error:
                if stop_at_failure:
                    raise
                yield {"id": item.id, **_failure(str(error))}
            else:
                yield {"id": item.id, **keep(item, result)}

    return _go_on(work, items, log, plan, is_done=is_done, console=console)


def _go_on(
    work: Callable[[Sequence[AnyItem]], Iterator[Row]],
    items: Sequence[AnyItem],
    log: ResultLog | None,
    plan: Plan,
    *,
    is_done: Callable[[Row], bool],
    console: Console,
) -> dict[str, Row]:
    """Works on the clips of the shard that have no row that holds."""
    rows = {} if log is None else log.rows()
    index, count = plan.shard_numbers()
    mine = plan.share(items)
    waiting = [item for item in mine if item.id not in rows or not is_done(rows[item.id])]
    if log is not None:
        of_shard = "" if plan.is_whole else f" of shard {index} of {count}"
        console.print(
            f"{log.name}: {len(waiting)} of {len(mine)} clips{of_shard} to do, "
            f"{len(mine) - len(waiting)} done before."
        )
    if not plan.dry_run and waiting:
        with nullcontext(_forget) if log is None else log.appending((index, count)) as append:
            for row in work(waiting):
                append(row)
                rows[row["id"]] = row
    wanted = {item.id for item in items}
    return {name: row for name, row in rows.items() if name in wanted}


def _forget(_row: Row) -> None:
    """Keeps no row."""


def _move(progress: Progress, bar: TaskID, number: int, share: float) -> None:
    progress.update(bar, completed=number + share)


def _share_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not console.is_terminal,  # else there is an empty line for every clip
    )


def _results(
    work: Callable[[Sequence[AnyItem]], list[Row]],
    chunks: Sequence[Sequence[AnyItem]],
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
    with progress, executor_of(plan) as executor:
        bar = progress.add_task("clips", total=sum(map(len, chunks)))
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
    work: Callable[[Sequence[AnyItem]], list[Row]],
    chunks: Iterator[Sequence[AnyItem]],
    ahead: int,
) -> Iterator[list[Row]]:
    """Results in order of completion; at most `ahead` chunks are waiting at a time."""
    pending: dict[Future[list[Row]], Sequence[AnyItem]] = {}
    try:
        while True:
            for items in islice(chunks, ahead - len(pending)):
                pending[executor.submit(work, items)] = items
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield future.result()
                del pending[future]
    except BrokenProcessPool as error:
        names = ", ".join(item.id for items in pending.values() for item in items)
        raise DataError(
            f"A worker process died while it worked on one of {names}; run the command again with "
            "fewer --jobs if memory ran out, or with --jobs 1 to see which clip it is."
        ) from error
    finally:
        for future in pending:
            future.cancel()


def _rows(function: Callable[[AnyItem], Row], items: Sequence[AnyItem]) -> list[Row]:
    return [_row(function, item) for item in items]


def _row(function: Callable[[AnyItem], Row], item: AnyItem) -> Row:
    try:
        result = function(item)
    except OSError as error:
        # Without room or leave to write, all that follows would fail as well.
        if error.errno in _STOPPING_ERRORS:
            raise
        result = _failure(str(error))
    except HicmaeError as error:
        result = _failure(str(error))
    except Exception as error:  # noqa: BLE001 (one odd clip of a million must not stop the rest)
        result = _failure(f"{type(error).__name__}: {error}")
    return {"id": item.id, **result}


def _failure(message: str) -> Row:
    return {"status": FAILED, "message": " ".join(message.split())}
