"""Tables of predictions: what they tell beside an answer, and their files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from hicmae.answers import Reliability, threshold_of
from hicmae.choices import use_of
from hicmae.files import whole_file


def columns_beside(
    known: Reliability | None,
    outputs: Tensor,
    wanted_error: float | None,
    features: Tensor | None = None,
    senses: Tensor | None = None,
) -> dict[str, list[Any]]:
    """What is told of answers, by column, as far as it is known or wanted.

    Args:
        known: What is known of the model's answers.
        outputs: As the model gives them (B, O).
        wanted_error: Share of wrong answers that is borne among the sure ones; None for none.
        features: Joint features of the same clips (B, D).
        senses: Whether each clip was seen and whether it was heard, bool (B, 2); None where all
            were as those in training.

    Returns:
        `used`, where clips may lack a sense; `sure`, where an error is wanted; `unfamiliarity`,
        which is nan of clips that lack a sense.

    Raises:
        ConfigError: The error cannot be wanted of this model.
    """
    columns: dict[str, list[Any]] = {}
    if senses is not None:
        columns["used"] = [use_of(*used) for used in senses.tolist()]
    threshold = None if wanted_error is None else threshold_of(known, wanted_error)
    if known is None:
        return columns
    if threshold is not None:
        columns["sure"] = (known.calibrated(outputs).amax(1) >= threshold).tolist()
    if known.familiarity is not None and features is not None:
        distances = known.familiarity.unfamiliarity(features.cpu().numpy())
        if senses is not None:
            distances[~senses.all(1).cpu().numpy()] = np.nan
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


def as_floats(values: Tensor) -> list[list[float]]:
    """Rows of plain numbers."""
    return torch.as_tensor(values).detach().cpu().double().tolist()
