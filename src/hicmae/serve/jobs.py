"""A waiting line of jobs: one at a time, in the order they came, while somebody wants them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from hicmae.errors import HicmaeError

_PATIENCE = 10.0  # seconds for a running job to notice that it is stopped


class LineFullError(HicmaeError):
    """As many jobs wait as may."""


class JobStopped(Exception):  # noqa: N818 (it is no mistake)
    """Nobody wants the result any more."""


class Job:
    """Something to do.

    Args:
        owner: Who wants it.
        work: Does it; calls what it is given with the share that is done, from 0 to 1, often,
            since a stopped job ends there.

    Attributes:
        owner: Who wants it.
        share: What share is done.
        future: What the work returns. It is cancelled if the job is stopped before it begins, and
            raises `JobStopped` if it is later.
    """

    def __init__(self, owner: str, work: Callable[[Callable[[float], None]], str]) -> None:
        self.owner = owner
        self.share = 0.0
        self.future: Future[str] = Future()
        self._work = work
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends the job: at once if it waits, else when it next tells its share."""
        self._stopped.set()
        self.future.cancel()

    def run(self) -> None:
        """Does the work, unless the job was stopped before."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self._work(self._tell)
        except BaseException as error:  # noqa: BLE001 (who waits is told; the next job goes on)
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def _tell(self, share: float) -> None:
        if self._stopped.is_set():
            raise JobStopped
        self.share = share


class Line:
    """Jobs of anybody, done one at a time in the order they came.

    Args:
        longest: How many jobs there may be, the running one included.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._closed = False
        # Nobody waits at the end of the program for a job that notices nothing.
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def join(self, job: Job) -> None:
        """Puts a job at the end of the line.

        Raises:
            LineFullError: There are too many already, or the line is closed.
        """
        with self._changed:
            if self._closed or len(self._jobs) >= self._longest:
                raise LineFullError("Too many clips are waiting: try again in a few minutes.")
            self._jobs.append(job)
            self._changed.notify()
        job.future.add_done_callback(lambda _: self._remove(job))

    def before(self, job: Job) -> int:
        """How many jobs come before one."""
        with self._changed:
            return self._jobs.index(job) if job in self._jobs else 0

    def stop(self, owner: str) -> None:
        """Stops the jobs of somebody."""
        with self._changed:
            theirs = [job for job in self._jobs if job.owner == owner]
        for job in theirs:
            job.stop()

    def close(self) -> None:
        """Stops all jobs and takes no more."""
        with self._changed:
            self._closed = True
            jobs = list(self._jobs)
            self._changed.notify()
        for job in jobs:
            job.stop()
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if self._closed:
                    return
                job = self._jobs[0]
            job.run()
            self._remove(job)

    def _remove(self, job: Job) -> None:
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
