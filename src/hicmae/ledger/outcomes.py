"""What became of the clips, once each has a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hicmae.consoles import plain_console
from hicmae.files import whole_file
from hicmae.ledger.log import DONE, Row
from hicmae.ledger.processing import Item

if TYPE_CHECKING:
    import pandas as pd


def all_there(items: Sequence[Item], rows: Mapping[str, Row]) -> bool:
    """Whether every clip has a row; tells of the shards that are to come where not."""
    missing = sum(item.id not in rows for item in items)
    if missing:
        plain_console().print(
            f"{missing} clips are left to other shards; when they are done, give the command "
            "once more without --shard.",
        )
    return not missing


def in_order(items: Sequence[Item], rows: Mapping[str, Row]) -> pd.DataFrame:
    """The rows of clips, each of which has one, as a table in the order of the clips."""
    import pandas as pd  # noqa: PLC0415 (takes time, for tables alone)

    return pd.DataFrame([rows[item.id] for item in items])


def save_problems(results: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Writes the rows of the clips that are not well; gives them."""
    problems = results[results["status"] != DONE]
    with whole_file(path) as part:
        problems.to_csv(part, index=False)
    return problems
