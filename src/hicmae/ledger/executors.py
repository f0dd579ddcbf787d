"""A Dask cluster as a place where clips are worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from hicmae.errors import ConfigError
from hicmae.ledger.plan import Plan


@contextmanager
def dask_executor(plan: Plan) -> Iterator[Executor]:
    """The cluster that a plan names.

    Raises:
        ConfigError: Dask is not installed, or nobody answers at its address.
    """
    with _dask_client(plan) as client:
        yield client.get_executor()


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
