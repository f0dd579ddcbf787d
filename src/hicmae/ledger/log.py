"""A row for all that was worked on, such as clips, which outlives a killed run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from hicmae.ledger.settings import (
    OTHER_FOLDER,
    refuse_other_settings,
    settings_path,
    write_settings,
)

Row: TypeAlias = dict[str, Any]
"""Result for a clip or fold: `id`, `status`, `message` and further plain values."""

DONE = "ok"
FAILED = "error"


class ResultLog:
    """The results so far of a task in a folder, one JSON line per clip.

    Each shard writes a file of its own; all are read. A later line of a clip replaces an earlier.

    Args:
        folder: Where the log lies; made when the first row is added.
        name: Name of the task.
        settings: Options that the results depend on.
        way_out: What the user can do about other settings, in words.

    Raises:
        ConfigError: The folder holds results made with other options.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        settings: Mapping[str, Any],
        *,
        way_out: str = OTHER_FOLDER,
    ) -> None:
        self.folder = folder
        self.name = name
        self._settings_path = settings_path(folder, name)
        # As they are read again: tuples as lists, paths as text.
        self._settings = json.loads(json.dumps(settings, default=str))
        if self.exists:
            before = json.loads(self._settings_path.read_text(encoding="utf-8"))
            refuse_other_settings(folder, before, self._settings, way_out=way_out)

    @property
    def exists(self) -> bool:
        """Whether an earlier run has begun the log."""
        return self._settings_path.is_file()

    def rows(self) -> dict[str, Row]:
        """The last result of every clip, by its id."""
        return read_rows(self.folder, self.name)

    @contextmanager
    def appending(self, shard: tuple[int, int] = (1, 1)) -> Iterator[Callable[[Row], None]]:
        """Opens the file of a shard; gives the function that adds a row to it."""
        write_settings(self.folder, self.name, self._settings)
        index, count = shard
        suffix = "" if count == 1 else f"-{index}-of-{count}"
        path = self.folder / f"{self.name}{suffix}.jsonl"
        _drop_half_a_line(path)
        with path.open("a", encoding="utf-8") as file:

            def append(row: Row) -> None:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()

            yield append


def read_rows(folder: Path, name: str) -> dict[str, Row]:
    """The rows of a log, whatever it was made with: the last of every clip, by its id."""
    rows: dict[str, Row] = {}
    for path in sorted(folder.glob(f"{name}*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                # A line without its end is what a killed run left.
                if line.endswith("\n"):
                    row = json.loads(line)
                    rows[row["id"]] = row
    return rows


def _drop_half_a_line(path: Path) -> None:
    if not path.is_file():
        return
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
