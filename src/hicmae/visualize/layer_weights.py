"""How much each encoder layer counts in the hierarchical feature fusion."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from hicmae.checkpoints.models import described_weights
from hicmae.errors import CheckpointError, ConfigError
from hicmae.visualize.style import COLOURS, short_names
from hicmae.weights.runs import checkpoint_of

_BARS = 0.8  # of the room of a layer


def layer_weights(checkpoint: str | Path) -> pd.DataFrame:
    """The learnt weights of the feature fusion (paper section 3.3, equation of the HFF).

    Args:
        checkpoint: A fine-tuned model: Lightning checkpoint or folder of a shared model.

    Returns:
        A row per layer, from 1: `layer`, and `video` and `audio` as far as the model has them. Each
        column adds up to 1.

    Raises:
        CheckpointError: The model has no such weights.
    """
    path = checkpoint_of(Path(checkpoint))
    description, weights = described_weights(path)
    if description.kind == "pretraining":
        raise CheckpointError(
            f"{path} is only pre-trained, which learns no weights of layers: give a checkpoint of "
            "fine-tuning."
        )
    columns = {
        modality: weights[f"{modality}_layer_weights"].float().softmax(0).numpy()
        for modality in ("video", "audio")
        if f"{modality}_layer_weights" in weights
    }
    if not columns:
        raise CheckpointError(
            f"{path} was trained without feature fusion and has no weights of layers: give a "
            "checkpoint of a run with model.feature_fusion."
        )
    depth = len(next(iter(columns.values())))
    return pd.DataFrame({"layer": np.arange(1, depth + 1), **columns})


def layer_weights_figure(checkpoints: Sequence[str | Path]) -> Figure:
    """Draws the weights of all layers as bars, several models side by side.

    The weights stay near to each other, so the bars begin at an even share and not at 0.

    Args:
        checkpoints: Fine-tuned models, at most seven.

    Raises:
        CheckpointError: A model has no such weights.
        ConfigError: There are more models than colours.
    """
    if len(checkpoints) > len(COLOURS):
        raise ConfigError(
            f"{len(checkpoints)} checkpoints are too many for one picture; give at most "
            f"{len(COLOURS)}."
        )
    tables = [layer_weights(checkpoint) for checkpoint in checkpoints]
    names = short_names(checkpoints)
    modalities = [name for name in ("video", "audio") if any(name in table for table in tables)]
    depth = max(len(table) for table in tables)
    width = max(4.0, 0.35 * depth * max(2, len(tables)) / 2 + 1.2)
    figure = Figure(figsize=(width * len(modalities), 3.6), layout="constrained")
    panels = figure.subplots(1, len(modalities), sharey=True, squeeze=False)[0]
    for axes, modality in zip(panels, modalities, strict=True):
        bar = _BARS / len(tables)
        for place, (table, name) in enumerate(zip(tables, names, strict=True)):
            if modality not in table:
                continue
            even = 1 / len(table)
            axes.bar(
                table["layer"] + (place - (len(tables) - 1) / 2) * bar,
                table[modality] - even,
                bar,
                bottom=even,
                color=COLOURS[place],
                label=name,
            )
        for layers in {len(table) for table in tables if modality in table}:
            axes.axhline(1 / layers, color="grey", linestyle="--", linewidth=1, zorder=3)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        axes.set_xticks(range(1, depth + 1))
        axes.set(title=f"{modality} encoder", xlabel="layer of the encoder")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("weight in the feature")
    handles = dict(
        reversed(pair)
        for axes in panels
        for pair in zip(*axes.get_legend_handles_labels(), strict=True)
    )
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside upper center",
        ncols=len(modalities) * 2,
        frameon=False,
    )
    figure.supxlabel(
        "Bars begin where all layers weigh alike (dashed), as they do before training.", fontsize=8
    )
    return figure
