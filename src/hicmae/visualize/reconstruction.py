"""What a pre-trained model makes of the part of clips that it does not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from hicmae.checkpoints.models import described_weights
from hicmae.data.collation import collate
from hicmae.data.dataset import ClipDataset
from hicmae.data.folder import list_folder
from hicmae.data.manifest import check_files, complete_manifest, read_manifest
from hicmae.data.options import ClipOptions
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.errors import CheckpointError, ConfigError, DataError, check_at_least
from hicmae.media.listing import TABLE_SUFFIXES
from hicmae.models import HiCMAE
from hicmae.objectives.masking import random_mask, tube_mask
from hicmae.tasks.figures import reconstruction_figure
from hicmae.weights.reading import is_safetensors, read_torch
from hicmae.weights.runs import checkpoint_of

_VIEWS = 3  # at the start, in the middle, at the end of a clip
# Where clips are cut and how fast folders of pictures run is known of a training run alone.
_DATA_OPTIONS = ("region", "audio_by", "folder_fps")


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A pre-trained model and how it was trained.

    Attributes:
        model: The model, in evaluation mode.
        clips: How its clips are read.
        crop_pct: Central part of a frame's side which is kept, in (0, 1].
        video_mask_ratio: Share of frame positions masked.
        audio_mask_ratio: Share of spectrogram patches masked.
        frame_difference: Whether it predicts later frames of a tube as differences.
        normalised: Whether it predicts patches normalised.
    """

    model: HiCMAE
    clips: ClipOptions
    crop_pct: float
    video_mask_ratio: float
    audio_mask_ratio: float
    frame_difference: bool
    normalised: bool


def load_pretrained_model(path: str | Path) -> Pretrained:
    """Reads a pre-trained model with its decoders.

    Args:
        path: A Lightning checkpoint of `PretrainingTask`, or the folder of a shared model. Where
            it does not say how it was masked, the published ratios, 0.9 of the frames and 0.8 of
            the spectrogram, and frame differences are taken (paper section 4.2).

    Raises:
        CheckpointError: It is no pre-trained model, or its decoders are not in the file.
    """
    path = checkpoint_of(Path(path))
    data: dict[str, Any] = {}
    content = None
    if not path.is_dir() and not is_safetensors(path):
        content = read_torch(path)
        if not isinstance(content, dict):
            raise CheckpointError(f"{path} is no checkpoint of a run: give one of pre-training.")
        data = content.get("datamodule_hyper_parameters") or {}
    description, weights = described_weights(path, content)
    task = description.training.get("options", {})
    if description.kind != "pretraining":
        raise CheckpointError(
            f"{path} is a model of {description.kind}, which has no decoders: give a checkpoint of "
            "pre-training."
        )
    model = HiCMAE(description.architecture)
    own = model.state_dict()
    for name, tensor in own.items():
        if name not in weights or weights[name].shape != tensor.shape:
            raise CheckpointError(
                f"{path} lacks the tensor {name} {tuple(tensor.shape)} of a model with decoders: "
                "give a checkpoint of pre-training as `hicmae fit` wrote it."
            )
    model.load_state_dict({name: weights[name] for name in own})
    return Pretrained(
        model=model.eval(),
        clips=ClipOptions(
            num_frames=description.architecture.num_frames,
            stride=description.inputs.stride,
            frame_size=description.inputs.frame_size,
            **{name: data[name] for name in _DATA_OPTIONS if name in data},
        ),
        crop_pct=description.inputs.crop_pct,
        video_mask_ratio=task.get("video_mask_ratio", 0.9),
        audio_mask_ratio=task.get("audio_mask_ratio", 0.8),
        frame_difference=task.get("frame_difference", True),
        normalised=task.get("normalise_targets", True),
    )


def clip_table(sources: Sequence[str | Path]) -> pd.DataFrame:
    """Lists clips.

    Args:
        sources: Media files or folders of face images, or one folder of media files, or one
            manifest.

    Returns:
        A complete manifest.

    Raises:
        DataError: A file does not exist, or there is no clip.
    """
    paths = [Path(source).expanduser() for source in sources]
    if len(paths) == 1 and paths[0].suffix.lower() in TABLE_SUFFIXES:
        return read_manifest(paths[0])
    if len(paths) == 1 and paths[0].is_dir():
        return list_folder(paths[0])
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist: give media files, a folder or a manifest.")
        if path.suffix.lower() in TABLE_SUFFIXES:
            raise DataError(f"{path} is a manifest: give it alone, without further clips.")
    names = [path.name for path in paths]
    ids = names if len(set(names)) == len(names) else [str(path) for path in paths]
    if len(set(ids)) < len(ids):
        raise DataError(f"{max(ids, key=ids.count)} is given twice; give every clip once.")
    return complete_manifest(pd.DataFrame({"id": ids, "video": [str(path) for path in paths]}))


def reconstruct(
    checkpoint: str | Path,
    sources: Sequence[str | Path],
    *,
    clips: int = 3,
    frames: int = 4,
    seed: int = 0,
    video_mask_ratio: float | None = None,
    audio_mask_ratio: float | None = None,
) -> Figure:
    """Draws original, masked and reconstructed frames and spectrograms of clips.

    The middle of each clip is shown, decoded as in training without augmentation.

    Args:
        checkpoint: See `load_pretrained_model`.
        sources: See `clip_table`.
        clips: Clips shown at most; of more, as many are drawn by lot.
        frames: Frames shown of each clip.
        seed: Draws the clips and the masks.
        video_mask_ratio: Share of frame positions masked, in (0, 1); None is that of the training.
        audio_mask_ratio: Share of spectrogram patches masked, likewise.

    Raises:
        CheckpointError: The checkpoint is no pre-trained model.
        DataError: A clip is missing or cannot be read.
        ConfigError: A number is out of range.
    """
    check_at_least(1, "--", clips=clips, frames=frames)
    for option, ratio in (
        ("video_mask_ratio", video_mask_ratio),
        ("audio_mask_ratio", audio_mask_ratio),
    ):
        if ratio is not None and not 0 < ratio < 1:
            raise ConfigError(f"--{option} is {ratio}; give a number between 0 and 1.")
    pretrained = load_pretrained_model(checkpoint)
    shape = pretrained.model.architecture
    if frames > shape.num_frames:
        raise ConfigError(f"--frames is {frames}, but the model sees {shape.num_frames} frames.")
    table = clip_table(sources)
    if len(table) > clips:
        chosen = np.random.default_rng(seed).choice(len(table), clips, replace=False)
        table = table.iloc[np.sort(chosen)]
    check_files(table, "The list of clips")

    dataset = ClipDataset(table, pretrained.clips, views=_VIEWS)
    preprocess = BatchPreprocessor(
        image_size=shape.image_size,
        audio_frames=shape.audio_frames,
        mel_bins=shape.mel_bins,
        crop_pct=pretrained.crop_pct,
    )
    batch = preprocess(collate([dataset[index] for index in range(len(dataset))]))
    middle = _VIEWS // 2
    video, audio = batch["video"][:, middle], batch["audio"][:, middle]
    generator = torch.Generator().manual_seed(seed)
    rows, columns = shape.audio_grid
    masks = (
        tube_mask(
            len(video),
            shape.video_grid,
            pretrained.video_mask_ratio if video_mask_ratio is None else video_mask_ratio,
            generator,
        ),
        random_mask(
            len(video),
            rows * columns,
            pretrained.audio_mask_ratio if audio_mask_ratio is None else audio_mask_ratio,
            generator,
        ),
    )
    with torch.inference_mode():
        output = pretrained.model(video, audio, *masks)
    return reconstruction_figure(
        (video, audio),
        masks,
        output,
        shape,
        frame_difference=pretrained.frame_difference,
        normalised=pretrained.normalised,
        clips=len(video),
        frames=frames,
        names=batch["id"],
    )
