"""Tiny models with random weights, as they are and in folders as they are shared."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tiny import CLASSES, tiny_architecture

from hicmae.checkpoints import InputSettings, ModelDescription
from hicmae.models import Modality, RecognitionModel


def tiny_model(
    kind: str = "classification",
    modality: Modality = "audio_visual",
    *,
    seed: int = 0,
    spread: float = 1.0,
    **fields: Any,
) -> tuple[RecognitionModel, ModelDescription]:
    """A model and what describes it, with fields of the description changed.

    The weights of its head are spread as widely as those of a trained one: fresh ones answer nearly
    alike to everything.
    """
    given = {
        "outputs": () if kind == "pretraining" else tuple(CLASSES),
        "architecture": tiny_architecture(audio_frames=64),
        "inputs": InputSettings(stride=4, frame_size=40),
    }
    description = ModelDescription(kind, modality=modality, **given | fields)  # type: ignore[arg-type]
    torch.manual_seed(seed)
    model = description.model()
    if description.outputs:
        torch.nn.init.normal_(model.head.weight, std=spread)
    return model, description


def write_model(
    folder: Path,
    kind: str = "classification",
    modality: Modality = "audio_visual",
    seed: int = 0,
    **fields: Any,
) -> Path:
    """Writes the folder of a model, and gives it; see `tiny_model`."""
    model, description = tiny_model(kind, modality, seed=seed, **fields)
    folder.mkdir()
    (folder / "config.json").write_text(description.as_json())
    save_file(model.state_dict(), folder / "model.safetensors")
    return folder
