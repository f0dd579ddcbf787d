"""Tiny models with random weights, in folders as they are shared."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny import CLASSES, tiny_architecture

from hicmae.checkpoints import InputSettings, ModelDescription
from hicmae.models import Modality, RecognitionModel


def write_model(
    folder: Path,
    kind: str = "classification",
    modality: Modality = "audio_visual",
    seed: int = 0,
) -> Path:
    """Writes the folder of a model, and gives it."""
    torch.manual_seed(seed)
    outputs = () if kind == "pretraining" else tuple(CLASSES)
    shape = tiny_architecture(audio_frames=64)
    model = RecognitionModel(shape, len(outputs), modality=modality)
    if outputs:
        torch.nn.init.normal_(model.head.weight)  # as large as a trained one's
    inputs = InputSettings(stride=4, frame_size=40)
    description = ModelDescription(kind, outputs, shape, modality=modality, inputs=inputs)
    folder.mkdir()
    (folder / "config.json").write_text(description.as_json())
    save_file(model.state_dict(), folder / "model.safetensors")
    return folder
