"""One function over many clips, resumable: in other processes, or in this one clip by clip."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
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

from hicmae.consoles import plain_console
from hicmae.errors import DataError, HicmaeError
from hicmae.ledger.executors import dask_executor
from hicmae.ledger.log import DONE, FAILED, ResultLog, Row
from hicmae.ledger.plan import Plan
from hicmae.workers import ChildError, each


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

_WAY_OUT = (
    "replace it or take it out (give fewer --jobs if memory ran out, more --patience if it is only "
    "slow)"
)
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
            a row of status "error", and so does a process that crashes or falls silent at it.
        items: All clips of the task; the plan's shard is taken of them.
        log: Where results are kept.
        plan: Where to work.
        is_done: Whether a row of an earlier run still holds.
        chunk: Clips handed to a worker of Dask at a time.
        console: Where progress is shown.

    Returns:
        The rows of all `items` that are in the log, by id; empty in a dry run without a log.

    Raises:
        OSError: The results cannot be written.
        ConfigError: Dask is asked for and not installed, or a process cannot begin.
    """
    console = console or plain_console(stderr=True)

    def work(waiting: Sequence[AnyItem]) -> Iterator[Row]:
        rows = (
            _in_children(function, waiting, plan)
            if plan.dask is None
            else _on_dask(function, waiting, plan, chunk)
        )
        return _shown(rows, len(waiting), console)

    return go_on(work, items, log, plan, is_done=is_done, console=console)


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
    console = console or plain_console(stderr=True)

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

    return go_on(work, items, log, plan, is_done=is_done, console=console)


def go_on(
    work: Callable[[Sequence[AnyItem]], Iterator[Row]],
    items: Sequence[AnyItem],
    log: ResultLog | None,
    plan: Plan,
    *,
    is_done: Callable[[Row], bool],
    console: Console,
    things: str = "clips",
) -> dict[str, Row]:
    """Works on what the shard has no row for that holds.

    Args:
        work: Gives the row of each as it is done; a row is kept before the next is asked for.
        items: All of the task; the plan's shard is taken of them.
        log: Where results are kept; None keeps none.
        plan: Which of them.
        is_done: Whether a row of an earlier run still holds.
        console: Where it is told how much there is to do.
        things: What is worked on, in words.

    Returns:
        The rows of all `items` that are known, by id.
    """
    rows = {} if log is None else log.rows()
    index, count = plan.shard_numbers()
    mine = plan.share(items)
    waiting = [item for item in mine if item.id not in rows or not is_done(rows[item.id])]
    if log is not None:
        of_shard = "" if plan.is_whole else f" of shard {index} of {count}"
        console.print(
            f"{log.name}: {len(waiting)} of {len(mine)} {things}{of_shard} to do, "
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


def _shown(rows: Iterable[Row], total: int, console: Console) -> Iterator[Row]:
    """Rows as they come, and a bar."""
    to_look_at = 0
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    with progress:
        bar = progress.add_task("clips", total=total)
        for row in rows:
            to_look_at += row["status"] != DONE
            note = f"clips ({to_look_at} to look at)" if to_look_at else "clips"
            progress.update(bar, advance=1, description=note)
            yield row


def _in_children(
    function: Callable[[AnyItem], Row], items: Sequence[AnyItem], plan: Plan
) -> Iterator[Row]:
    processes = min(plan.processes, len(items))
    work = partial(_row, function)
    for item, row in each(work, items, processes=processes, patience=plan.patience):
        if isinstance(row, ChildError):
            message = f"{item.id}: the process that worked on it {row}, twice; {_WAY_OUT}."
            yield {"id": item.id, **_failure(message)}
        else:
            yield row


def _on_dask(
    function: Callable[[AnyItem], Row], items: Sequence[AnyItem], plan: Plan, chunk: int
) -> Iterator[Row]:
    """Rows in order of completion; few chunks are waiting at a time."""
    chunks = (items[first : first + chunk] for first in range(0, len(items), chunk))
    pending: set[Future[list[Row]]] = set()
    with dask_executor(plan) as executor:
        try:
            while True:
                for some in islice(chunks, 4 * plan.processes - len(pending)):
                    pending.add(executor.submit(_rows, function, some))
                if not pending:
                    return
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
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
