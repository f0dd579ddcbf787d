"""Importing large libraries in less time, or later."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module


@contextmanager
def quick_imports() -> Iterator[None]:
    """Spares Python's garbage collector what is imported within.

    The large libraries make half a million objects that live as long as the process. While they
    are made, the collector walks through them again and again, then once more in every later full
    collection and at the end: about 1.5 s of a command, and nothing is ever found.
    """
    known, enabled = len(sys.modules), gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
    # Where nothing was imported, garbage of the program itself would be kept for good.
    if len(sys.modules) > known:
        gc.freeze()


def lazily(places: Mapping[str, str]) -> Callable[[str], object]:
    """A `__getattr__` of a package that imports what it offers once it is asked for.

    Whoever imports one module of the package does not then wait for the libraries of all.

    Args:
        places: The module of each name.
    """

    def find(name: str) -> object:
        if name not in places:
            raise AttributeError(f"there is no {name} in this package")
        return getattr(import_module(places[name]), name)

    return find
