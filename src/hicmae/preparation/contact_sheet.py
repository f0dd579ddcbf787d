"""A picture of random clips as a model sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hicmae.data.batches import Batch
from hicmae.data.collation import collate
from hicmae.data.datamodules import AudioVisualDataModule
from hicmae.data.dataset import ClipDataset
from hicmae.media.normalisation import denormalised

_COLUMNS = 3
_FRAMES = 4


def contact_sheet(data: AudioVisualDataModule, rows: np.ndarray) -> Figure:
    """Draws four frames and the spectrogram of some clips, after decoding, cropping and resizing.

    Args:
        data: Where the clips come from, with the options of a run.
        rows: Positions of the clips in its table.

    Returns:
        The figure; a clip that cannot be read shows why.
    """
    options = replace(data.clip_options, on_error="skip")
    dataset = ClipDataset(data.table.iloc[rows], options, views=1)
    height = -(-len(rows) // _COLUMNS)
    figure = Figure(figsize=(4.2 * _COLUMNS, 2.3 * height), layout="constrained")
    boxes = figure.subfigures(height, _COLUMNS, squeeze=False).ravel()
    for place, row in enumerate(rows):
        table = data.table.iloc[row]
        label = [str(table[name]) for name in data.labelling.columns]
        boxes[place].suptitle(
            "  ".join([_end(str(table["id"])), *label]), fontsize=8, parse_math=False
        )
        batch = collate([dataset[place]])
        if batch["skipped"]:
            message = _end(batch["skipped"][0][1], 110)
            boxes[place].text(0.5, 0.5, message, ha="center", fontsize=6, parse_math=False)
        else:
            _draw(boxes[place], data.preprocessor(batch))
    return figure


def _draw(box: Any, batch: Batch) -> None:
    """A clip: `video` (1, 1, 3, T, S, S) above `audio` (1, 1, 1, F, M)."""
    video, audio = batch["video"][0, 0], batch["audio"][0, 0, 0]
    pixels = denormalised(video).permute(1, 2, 3, 0).numpy()  # (T, S, S, 3)
    chosen = np.linspace(0, len(pixels) - 1, _FRAMES).round().astype(int)
    above, below = box.subplots(2, 1, height_ratios=[2.2, 1])
    above.imshow(np.concatenate(pixels[chosen], axis=1))
    below.imshow(audio.T.numpy(), aspect="auto", origin="lower", cmap="magma")
    for axes in (above, below):
        axes.set_axis_off()


def _end(text: str, most: int = 40) -> str:
    return text if len(text) <= most else "…" + text[-most:]
