"""Work in child processes whose death or silence is told, and survived.

Decoders are native code: on a file that is odd enough they end their process, or never return.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from multiprocessing import forkserver
from multiprocessing.connection import Connection, Listener, wait
from threading import Lock, Thread
from types import ModuleType
from typing import Any, Generic, TypeVar

from hicmae.errors import ConfigError, HicmaeError

Request = TypeVar("Request")
Answer = TypeVar("Answer")

PATIENCE = 600.0
"""Seconds without a sign of life after which a child is given up."""

_FORKS = "forkserver" in multiprocessing.get_all_start_methods()
# Not forked from here: this process has threads, whose locks a copy would inherit shut.
_CONTEXT = (
    multiprocessing.get_context("forkserver") if _FORKS else multiprocessing.get_context("spawn")
)
_START = 300.0  # seconds in which a child has to begin
_END = 10.0  # seconds in which a killed process has to be gone
_SIGN_EVERY = 1.0  # seconds

_READY, _ALIVE, _DONE, _FAILED = range(4)

_DEATHS = {
    "SIGSEGV": "crashed (segmentation fault",
    "SIGBUS": "crashed (bus error",
    "SIGABRT": "crashed (aborted by a library",
    "SIGILL": "crashed (illegal instruction",
    "SIGFPE": "crashed (arithmetic error",
    "SIGKILL": "was killed (as when memory runs out",
}

_preloaded: list[str] = []
_starting = Lock()
_tell_alive: Callable[[], None] | None = None


class ChildError(HicmaeError):
    """A child process crashed, ended or fell silent at its work.

    The message says what it did, to go on from "the process".
    """


def sign_of_life() -> None:
    """Tells whoever waits for this process that its work goes on; elsewhere it does nothing."""
    if _tell_alive is not None:
        _tell_alive()


def preload(*modules: str) -> None:
    """Has children begin with some modules imported, which they share.

    It has no effect once there was a child, nor where the system cannot fork.
    """
    _preloaded.extend(name for name in modules if name not in _preloaded)
    if _FORKS:
        _CONTEXT.set_forkserver_preload(_preloaded)


def check_sockets() -> None:
    """Checks that processes can send each other tensors and files through sockets.

    Raises:
        ConfigError: They cannot, as where the folder for temporary files has too long a path.
    """
    if not _FORKS:
        return
    try:
        Listener(family="AF_UNIX").close()
    except OSError as error:
        raise ConfigError(
            f"Child processes cannot have sockets in {tempfile.gettempdir()} ({error}): set TMPDIR "
            "to a folder with a short path on a local disk."
        ) from error


def prepare() -> None:
    """Begins to import what is to be preloaded, beside whatever this process does next.

    Raises:
        ConfigError: Processes cannot have sockets.
    """
    if not _FORKS:
        return
    check_sockets()
    # Ctrl-C belongs to this process; what is imported there would end in a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Worker(Generic[Request, Answer]):
    """A child process that calls a function on what it is sent, one after the other.

    It ends with this process, writes no core dump and leaves Ctrl-C to this process.

    Args:
        function: What is called; it must pickle.
        patience: Seconds without a sign of life after which the child is given up.

    Attributes:
        connection: Becomes readable when there is something to `receive`.
        deadline: When patience ends, by `time.monotonic`.
    """

    def __init__(
        self, function: Callable[[Request], Answer], *, patience: float = PATIENCE
    ) -> None:
        preload(_module_of(function))
        prepare()
        self._patience = patience
        self._ready = False
        self.connection, line = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(line, function), daemon=True)
        with contextlib.nullcontext() if _is_of_script(function) else _without_script():
            self._process.start()
        line.close()
        self.deadline = time.monotonic() + _START

    def send(self, request: Request) -> None:
        """Hands over something to work on, after all that was sent before."""
        if self._ready:
            self.deadline = time.monotonic() + self._patience
        # Of a child that is gone, `receive` tells.
        with contextlib.suppress(OSError):
            self.connection.send(request)

    def answer(self) -> Answer:
        """What the function gave for the oldest request; what it raised is raised here.

        Raises:
            ChildError: The child crashed, ended, or gave no sign of life for too long.
            ConfigError: It could not begin.
        """
        while (found := self.receive()) is None:
            wait([self.connection], max(self.deadline - time.monotonic(), 0.0))
        return found[0]

    def receive(self) -> tuple[Answer] | None:
        """The same without waiting; None if it is not there yet.

        Raises:
            ChildError: As for `answer`.
            ConfigError: As for `answer`.
        """
        try:
            kind, content = self._message()
        except (EOFError, OSError):
            raise self._death() from None
        if kind == _FAILED:
            raise content
        if kind == _DONE:
            return (content,)
        if time.monotonic() < self.deadline:
            return None
        self.close()
        raise ChildError(f"gave no sign of life for {self._patience:g} s")

    def close(self) -> None:
        """Ends the child."""
        self._process.kill()
        self._process.join(_END)
        self.connection.close()

    def _message(self) -> tuple[int, Any]:
        """The next answer, or a sign of life where there is none."""
        while self.connection.poll():
            kind, content = self.connection.recv()
            self._ready = True
            self.deadline = time.monotonic() + self._patience
            if kind in {_DONE, _FAILED}:
                return kind, content
        return _ALIVE, None

    def _death(self) -> HicmaeError:
        self._process.join(_END)
        status = self._process.exitcode
        self.close()
        if not self._ready:
            return ConfigError(
                f"A worker process could not begin (exit status {status}); a script of your own "
                'has to start its work below `if __name__ == "__main__":`.'
            )
        if status is None or status >= 0:
            return ChildError(f"ended by itself (exit status {status})")
        name = signal.Signals(-status).name
        return ChildError(f"{_DEATHS.get(name, 'was ended (by a signal')}, {name})")


def each(
    function: Callable[[Request], Answer],
    items: Iterable[Request],
    *,
    processes: int,
    patience: float = PATIENCE,
) -> Iterator[tuple[Request, Answer | ChildError]]:
    """Calls a function on many things in child processes.

    Where a child crashes or falls silent, the others go on in a fresh one. What it worked on is
    tried once more at the end, alone, since its neighbours may have taken the memory.

    Args:
        function: What is called; it must pickle.
        items: What it is called on.
        processes: Children at a time, at least 1.
        patience: Seconds without a sign of life after which a child is given up.

    Yields:
        Items as they are done, with what the function gave, or how the child ended twice.

    Raises:
        Exception: Whatever the function raises.
        ConfigError: A child could not begin.
    """
    suspects = []
    for item, answer in _once(function, items, processes=processes, patience=patience):
        if isinstance(answer, ChildError):
            suspects.append(item)
        else:
            yield item, answer
    yield from _once(function, suspects, processes=1, patience=patience)


def _once(
    function: Callable[[Request], Answer],
    items: Iterable[Request],
    *,
    processes: int,
    patience: float,
) -> Iterator[tuple[Request, Answer | ChildError]]:
    coming = iter(items)
    idle: list[Worker[Request, Answer]] = []
    busy: dict[Connection, tuple[Worker[Request, Answer], Request]] = {}
    try:
        while True:
            for item in islice(coming, processes - len(busy)):
                worker = idle.pop() if idle else Worker(function, patience=patience)
                worker.send(item)
                busy[worker.connection] = worker, item
            if not busy:
                return
            nearest = min(worker.deadline for worker, _ in busy.values())
            wait(list(busy), max(nearest - time.monotonic(), 0.0))
            for connection, (worker, item) in list(busy.items()):
                answer: Answer | ChildError
                try:
                    found = worker.receive()
                except ChildError as error:
                    answer = error
                else:
                    if found is None:
                        continue
                    (answer,) = found
                    idle.append(worker)
                del busy[connection]
                yield item, answer
    finally:
        for worker in (*idle, *(worker for worker, _ in busy.values())):
            worker.close()


def _module_of(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return function.__module__


def _is_of_script(function: object) -> bool:
    """Whether a function, or something that is bound to it, is of the script that is run."""
    if isinstance(function, partial):
        parts = (function.func, *function.args, *function.keywords.values())
        return any(_is_of_script(part) for part in parts)
    return getattr(function, "__module__", None) == "__main__"


@contextlib.contextmanager
def _without_script() -> Iterator[None]:
    """Keeps children that are started within from running the user's script once more.

    They do that, by what multiprocessing finds in `sys.modules`, for the sake of what the script
    defines; one that does not guard its work would begin it anew in each of them.
    """
    with _starting:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script


def _serve(line: Connection, function: Callable[[Any], Any]) -> None:
    """What a child does until its parent has nothing more to ask."""
    global _tell_alive  # noqa: PLW0603 (of the whole process, as decoders know no one to tell)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _write_no_core_dump()
    Thread(target=_end_with_parent, daemon=True).start()
    _tell_alive = _SignsOfLife(line)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        line.send((_READY, None))
        while True:
            request = line.recv()
            line.send(_called(function, request))


def _called(function: Callable[[Any], Any], request: Any) -> tuple[int, Any]:
    try:
        return _DONE, function(request)
    except Exception as error:  # noqa: BLE001 (raised where the answer is awaited)
        error.add_note(traceback.format_exc())
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 (its own)
        except Exception:  # noqa: BLE001 (some cannot be made from what they say)
            return _FAILED, RuntimeError(traceback.format_exc())
        return _FAILED, error


class _SignsOfLife:
    def __init__(self, line: Connection) -> None:
        self._line = line
        self._last = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._last >= _SIGN_EVERY:
            self._last = now
            self._line.send((_ALIVE, None))


def _end_with_parent() -> None:
    """Ends this process in the midst of its work, when its parent is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_no_core_dump() -> None:
    try:
        import resource  # noqa: PLC0415 (not on Windows)
    except ModuleNotFoundError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
