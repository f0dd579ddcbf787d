"""Processes that work on clips: on this machine, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context, parent_process
from threading import Thread
from typing import Any

from hicmae.errors import ConfigError
from hicmae.ledger.plan import Plan


@contextmanager
def executor_of(plan: Plan) -> Iterator[Executor | None]:
    """Where to work; None is this process."""
    if plan.dask is not None:
        with _dask_client(plan) as client:
            yield client.get_executor()
    elif plan.processes == 1:
        yield None
    else:
        # Not forked: this process has threads, whose locks a copy would inherit shut.
        start = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"
        executor = ProcessPoolExecutor(
            plan.processes, mp_context=get_context(start), initializer=_end_with_parent
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
