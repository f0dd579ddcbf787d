"""Pictures of what a model does, for the run folder and the loggers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from einops import rearrange
from lightning.pytorch import LightningModule
from lightning.pytorch.loggers import TensorBoardLogger, WandbLogger
from matplotlib.figure import Figure
from torch import Tensor

from hicmae.media.normalisation import denormalised
from hicmae.models import Architecture, Mask, PretrainingOutput
from hicmae.models.layers import audio_patches, gather_tokens, video_patches
from hicmae.objectives.reconstruction import EPSILON

GREY = 0.5
INCHES_PER_CELL = 1.1
AUDIO_CELLS = 2


def reconstruction_figure(
    batch: tuple[Tensor, Tensor],
    masks: tuple[Mask, Mask],
    output: PretrainingOutput,
    architecture: Architecture,
    *,
    frame_difference: bool,
    normalised: bool = True,
    clips: int = 2,
    frames: int = 4,
    names: Sequence[str] | None = None,
) -> Figure:
    """Original, masked and reconstructed frames and spectrograms, side by side.

    Normalised predictions are in units of each patch's own mean and deviation; these are taken
    from the original, as is usual for such pictures: a patch's brightness and contrast are not
    predicted.

    Args:
        batch: Normalised frames (B, 3, T, H, W) and spectrograms (B, 1, T', F).
        masks: Their masks.
        output: What the model gave for them.
        architecture: Shape of the model.
        frame_difference: Whether later frames of a tube were predicted as differences.
        normalised: Whether patches were predicted normalised.
        clips: Clips shown at most.
        frames: Frames shown of each clip.
        names: What to write above each clip.
    """
    (video, audio), (video_mask, audio_mask) = batch, masks
    clips = min(clips, len(video))
    pixels = denormalised(video[:clips])
    originals = {
        "video": _frames(pixels, frames),
        "audio": audio[:clips, 0].float().cpu().numpy(),
    }
    video_cut = video_patches(pixels, architecture.tubelet_size, architecture.patch_size)
    audio_cut = audio_patches(audio[:clips].float(), architecture.patch_size)
    tubes = _undo_video_target(
        output.video[:clips].float(),
        gather_tokens(video_cut, video_mask.masked[:clips]),
        architecture.tubelet_size,
        frame_difference=frame_difference,
        normalised=normalised,
    )
    patches = output.audio[:clips].float()
    if normalised:
        patches = _undo_normalisation(patches, gather_tokens(audio_cut, audio_mask.masked[:clips]))
    floor = float(audio[:clips].min())
    variants = {
        "original": originals,
        "masked": {
            "video": _frames(
                _fill_video(video_cut, video_mask, torch.full_like(tubes, GREY), architecture),
                frames,
            ),
            "audio": _fill_audio(
                audio_cut, audio_mask, torch.full_like(patches, floor), architecture
            ),
        },
        "reconstructed": {
            "video": _frames(_fill_video(video_cut, video_mask, tubes, architecture), frames),
            "audio": _fill_audio(audio_cut, audio_mask, patches, architecture),
        },
    }
    return _draw(variants, frames, names or [""] * clips)


def _undo_video_target(
    prediction: Tensor,
    original: Tensor,
    tubelet_size: int,
    *,
    frame_difference: bool,
    normalised: bool,
) -> Tensor:
    """Predicted tubes (B, K, t · s · 3) as pixels, in the layout (B, K, 3 · t · s) of patches."""
    tubes = rearrange(prediction, "b k (t s c) -> b k c t s", t=tubelet_size, c=3)
    if frame_difference:
        tubes = torch.cat([tubes[..., :1, :], tubes[..., 1:, :] + tubes[..., :1, :]], dim=-2)
    if not normalised:
        return tubes.flatten(2)
    channels = rearrange(original, "b k (c v) -> b k c v", c=3)
    return _undo_normalisation(tubes.flatten(-2), channels).flatten(2)


def _undo_normalisation(values: Tensor, original: Tensor) -> Tensor:
    mean = original.mean(-1, keepdim=True)
    std = original.var(-1, unbiased=True, keepdim=True).sqrt() + EPSILON
    return values * std + mean


def _fill(patches: Tensor, mask: Mask, values: Tensor) -> Tensor:
    index = mask.masked[: len(patches)].unsqueeze(-1).expand_as(values)
    return patches.scatter(1, index, values)


def _fill_video(patches: Tensor, mask: Mask, values: Tensor, shape: Architecture) -> Tensor:
    slices, rows, columns = shape.video_grid
    return rearrange(
        _fill(patches, mask, values),
        "b (nt nh nw) (c t p q) -> b c (nt t) (nh p) (nw q)",
        nt=slices,
        nh=rows,
        nw=columns,
        c=3,
        t=shape.tubelet_size,
        p=shape.patch_size,
    ).clamp(0, 1)


def _fill_audio(
    patches: Tensor, mask: Mask, values: Tensor, shape: Architecture
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    rows, columns = shape.audio_grid
    filled = rearrange(
        _fill(patches, mask, values),
        "b (nt nf) (p q) -> b (nt p) (nf q)",
        nt=rows,
        nf=columns,
        p=shape.patch_size,
    )
    return filled.cpu().numpy()


def _frames(pixels: Tensor, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Evenly spread frames of pixels (B, 3, T, H, W) as (B, count, H, W, 3)."""
    index = torch.linspace(0, pixels.shape[2] - 1, count).round().long().to(pixels.device)
    return rearrange(pixels[:, :, index], "b c t h w -> b t h w c").cpu().numpy()


def _draw(
    variants: dict[str, dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]],
    frames: int,
    names: Sequence[str],
) -> Figure:
    columns = frames + AUDIO_CELLS
    # Room for the words at the left and, where there are names, above.
    height = len(variants) + (0.3 if any(names) else 0)
    figure = Figure(
        figsize=(INCHES_PER_CELL * (columns + 0.4), INCHES_PER_CELL * height * len(names)),
        layout="constrained",
    )
    audio = variants["original"]["audio"]
    low, high = float(audio.min()), float(audio.max())
    parts = figure.subfigures(len(names), 1, squeeze=False)[:, 0]
    for clip, (part, clip_name) in enumerate(zip(parts, names, strict=True)):
        if clip_name:
            part.suptitle(clip_name, fontsize=9, parse_math=False)
        grid = part.add_gridspec(len(variants), columns)
        for row, (name, content) in enumerate(variants.items()):
            for column in range(frames):
                axes = part.add_subplot(grid[row, column])
                axes.imshow(content["video"][clip, column])
                axes.set(xticks=[], yticks=[])
                if column == 0:
                    axes.set_ylabel(name)
            axes = part.add_subplot(grid[row, frames:])
            axes.imshow(
                content["audio"][clip].T, origin="lower", aspect="auto", vmin=low, vmax=high
            )
            axes.set(xticks=[], yticks=[])
    return figure


def confusion_figure(matrix: Tensor, class_names: list[str], *, title: str | None = None) -> Figure:
    """A confusion matrix as row percentages, with counts written into the cells.

    Args:
        matrix: Counts (K, K); rows are the true classes.
        class_names: Names of the K classes.
        title: What to write above it.
    """
    counts = matrix.cpu().double()
    share = (counts / counts.sum(1, keepdim=True).clamp(min=1)).numpy()
    side = max(4.0, 0.62 * len(class_names) + 1.8)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=45, ha="right")
    axes.set_yticks(ticks, class_names)
    axes.set(xlabel="predicted", ylabel="true")
    if title:
        axes.set_title(title, fontsize=10)
    for row in ticks:
        for column in ticks:
            count = int(counts[row, column])
            if count:
                colour = "white" if share[row, column] > GREY else "black"
                axes.text(column, row, str(count), ha="center", va="center", color=colour)
    return figure


def log_figure(task: LightningModule, name: str, figure: Figure) -> None:
    """Keeps a figure: a PNG in the run folder, and in TensorBoard or Weights & Biases if used."""
    folder = task.trainer.log_dir
    if not task.trainer.is_global_zero:
        return
    step = task.global_step
    if folder is not None:
        pictures = Path(folder) / "pictures"
        pictures.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"savefig.dpi": 110}):
            figure.savefig(pictures / f"{name}-step{step}.png")
    for logger in task.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_figure(name, figure, step)
        elif isinstance(logger, WandbLogger):
            logger.log_image(name, [figure], step)
