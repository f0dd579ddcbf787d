"""One thing to measure, and the folder of what was measured."""

from __future__ import annotations

import json
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from measure import machine

Result = dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Where and how thoroughly things are measured.

    Attributes:
        device: The card, or the processor in a dry run.
        dry: Whether all is as small as can be, to see that it works.
    """

    device: torch.device
    dry: bool

    @property
    def rounds(self) -> int:
        """How often a work is timed."""
        return 1 if self.dry else 10


@dataclass(frozen=True)
class Measurement:
    """One thing to measure.

    Attributes:
        name: Of it within its part.
        work: Measures; gives plain values by name.
        takes: Seconds that it may take; it is not begun with less time left.
    """

    name: str
    work: Callable[[], Result]
    takes: float = 30.0


class Results:
    """A folder with a JSON file for every measurement that was finished.

    Beside it, a text file tells of one that failed, or that was begun and not finished.

    Args:
        folder: Where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, part: str, name: str) -> Result | None:
        """What was measured, if it was."""
        path = self._path(part, name)
        return json.loads(path.read_text())["result"] if path.is_file() else None

    def was_begun(self, part: str, name: str) -> bool:
        """Whether a measurement failed before or did not come to its end."""
        return self._failure(part, name).is_file()

    def take(self, part: str, measurement: Measurement) -> bool:
        """Measures, and keeps what came of it; gives whether it did not fail."""
        path, failure = (at(part, measurement.name) for at in (self._path, self._failure))
        path.parent.mkdir(parents=True, exist_ok=True)
        failure.write_text("This was begun and did not come to its end.\n")
        begin = time.perf_counter()
        try:
            result = measurement.work()
        except Exception:  # noqa: BLE001 (time on a card is dear: the others are measured all the same)
            failure.write_text(traceback.format_exc())
            return False
        content = {
            "part": part,
            "name": measurement.name,
            "machine": machine(),
            "seconds": round(time.perf_counter() - begin, 1),
            "result": result,
        }
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
        failure.unlink()
        return True

    def _path(self, part: str, name: str) -> Path:
        return self.folder / part / (re.sub(r"\W+", "-", name) + ".json")

    def _failure(self, part: str, name: str) -> Path:
        return self._path(part, name).with_suffix(".failed.txt")
