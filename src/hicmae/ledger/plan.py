"""Where clips are worked on, and which of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from hicmae.errors import ConfigError
from hicmae.machine import processors
from hicmae.workers import PATIENCE

Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Plan:
    """How and where clips are worked on.

    Attributes:
        jobs: Processes on this machine; 0 is one for each processor that may be used.
        patience: Seconds for which a clip may give no sign of life, such as a decoded frame, before
            its process is ended and it counts as broken; without Dask.
        shard: "i/n" works on every n-th clip from the i-th on, for job arrays.
        dask: Works on a Dask cluster instead: the address of its scheduler, or "local" for a
            cluster of this machine. The machines need this package and the same paths.
        dry_run: Tells what would be done and does nothing.
    """

    jobs: int = 0
    patience: float = PATIENCE
    shard: str = "1/1"
    dask: str | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 0:
            raise ConfigError(f"jobs is {self.jobs}; give a number of processes, or 0 for all.")
        if not self.patience > 0:
            raise ConfigError(f"patience is {self.patience}; give a positive number of seconds.")
        self.shard_numbers()

    @property
    def processes(self) -> int:
        """Number of processes, at least 1."""
        return self.jobs or processors()

    @property
    def is_whole(self) -> bool:
        """Whether this run works on all clips rather than on a share of them."""
        return self.shard_numbers() == (1, 1)

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

    def share(self, items: Sequence[Piece]) -> list[Piece]:
        """The shard's items of all."""
        index, count = self.shard_numbers()
        return list(items[index - 1 :: count])
