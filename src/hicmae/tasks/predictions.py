"""Tables of predictions: what they tell beside an answer, and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from hicmae.answers import Reliability, threshold_of
from hicmae.files import whole_file


def doubt_columns(
    known: Reliability | None,
    outputs: Tensor,
    wanted_error: float | None,
    features: Tensor | None = None,
    whole: Tensor | None = None,
) -> dict[str, list[Any]]:
    """`sure` where an error is wanted, and `unfamiliarity` where features and training are known.

    Args:
        known: What is known of the model's answers.
        outputs: As the model gives them (B, O).
        wanted_error: Share of wrong answers that is borne among the sure ones; None for none.
        features: Joint features of the same clips (B, D).
        whole: Whether a clip has what training clips had, bool (B,), without which there is no
            distance from them; None for all.

    Raises:
        ConfigError: The error cannot be wanted of this model.
    """
    threshold = None if wanted_error is None else threshold_of(known, wanted_error)
    if known is None:
        return {}
    columns: dict[str, list[Any]] = {}
    if threshold is not None:
        columns["sure"] = (known.calibrated(outputs).amax(1) >= threshold).tolist()
    if known.familiarity is not None and features is not None:
        distances = known.familiarity.unfamiliarity(features.cpu().numpy())
        if whole is not None:
            distances[~whole.cpu().numpy()] = np.nan
        columns["unfamiliarity"] = distances.tolist()
    return columns


def with_columns(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, Sequence[Any]]
) -> list[dict[str, Any]]:
    """Rows with further cells behind the `id`; what tells classes apart stays at the end."""
    cells = zip(*columns.values(), strict=True) if columns else [()] * len(rows)
    return [
        {"id": row["id"], **dict(zip(columns, told, strict=True)), **row}
        for row, told in zip(rows, cells, strict=True)
    ]


def write_rows(trainer: Trainer, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the rows of this process as a table into the folder of the run, where it has one."""
    folder = trainer.log_dir
    if folder is None or not rows:
        return
    suffix = f"-{trainer.global_rank}" if trainer.world_size > 1 else ""
    path = Path(folder) / f"{name}{suffix}.csv"
    with whole_file(path) as part:
        pd.DataFrame(rows).to_csv(part, index=False)
    rank_zero_info(f"Wrote {len(rows)} rows to {path}.")
