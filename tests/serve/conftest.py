"""A small recogniser for the page."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny import tiny_architecture

from hicmae.checkpoints import InputSettings, ModelDescription
from hicmae.inference.recognizer import EmotionRecognizer

CLASSES = ("anger", "calm", "joy")


@pytest.fixture(scope="session")
def recognizer_of() -> Callable[..., EmotionRecognizer]:
    """`recognizer_of(**fields of the description)`: a tiny random model without face finding."""

    def build(*, faces: str = "none", **changes: object) -> EmotionRecognizer:
        fields: dict[str, object] = {
            "kind": "classification",
            "outputs": CLASSES,
            "architecture": tiny_architecture(),
            "inputs": InputSettings(frame_size=40, crop_pct=0.8),
        }
        description = ModelDescription(**(fields | changes))  # type: ignore[arg-type]
        torch.manual_seed(3)
        model = description.model()
        # A fresh head answers nearly alike to everything.
        if description.outputs:
            torch.nn.init.normal_(model.head.weight, std=0.2)
        return EmotionRecognizer(model, description, faces=faces, batch_size=2)  # type: ignore[arg-type]

    return build


@pytest.fixture(scope="session")
def clip(clip_factory: Callable[..., Path]) -> Path:
    """Two seconds with sound."""
    return clip_factory("talk.mp4", seconds=2.0)
