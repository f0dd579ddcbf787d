"""A small recogniser for the page."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import tiny_architecture
from tiny_models import tiny_model

from hicmae.checkpoints import InputSettings
from hicmae.demo.corpus import CorpusSettings, make_clip
from hicmae.inference.recognizer import EmotionRecognizer

CLASSES = ("anger", "calm", "joy")


@pytest.fixture(scope="session")
def recognizer_of() -> Callable[..., EmotionRecognizer]:
    """`recognizer_of(**fields of the description)`: a tiny random model without face finding."""

    def build(*, faces: str = "none", **changes: object) -> EmotionRecognizer:
        fields = {
            "architecture": tiny_architecture(),
            "inputs": InputSettings(frame_size=40, crop_pct=0.8),
        }
        model, description = tiny_model(seed=3, spread=0.2, **fields | changes)
        return EmotionRecognizer(model, description, faces=faces, batch_size=2)  # type: ignore[arg-type]

    return build


@pytest.fixture(scope="session")
def clip(clip_factory: Callable[..., Path]) -> Path:
    """Two seconds with sound."""
    return clip_factory("talk.mp4", seconds=2.0)


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Folder for pictures of the page (HICMAE_SCREENSHOTS)."""
    folder = Path(os.environ.get("HICMAE_SCREENSHOTS", tmp_path / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def talking_face(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real clip where there are some, else a drawn face that talks."""
    try:
        real = sorted((request.getfixturevalue("shared_dir") / "clips" / "ravdess").rglob("*.mp4"))
    except pytest.skip.Exception:
        real = []
    if real:
        return real[0]
    path = tmp_path_factory.mktemp("drawn") / "talking.mp4"
    settings = CorpusSettings(speakers=3, clips_per_emotion=1, seed=0, size=112, seconds=2.0)
    make_clip(path, settings, settings.clips()[0])
    return path
