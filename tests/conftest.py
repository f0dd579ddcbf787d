"""Fixtures that the whole test suite shares."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

# Before torch is imported: on tensors as small as here, threads wait for each other longer than
# they compute. Processes that tests start inherit it, so that their sums are the same.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from media_factory import write_clip
from tiny import tiny_config

from hicmae import workers

# Child processes begin with everything imported, which takes longer than their work.
workers.preload(
    "hicmae.cli",
    "hicmae.training.commands",
    "hicmae.data.datamodules",
    "hicmae.tasks",
    "hicmae.preparation.preparing",
)

# How long an example takes, a busy machine decides.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

REPO_ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder of real clips and reference numbers (HICMAE_SHARED_DIR)."""
    folder = Path(os.environ.get("HICMAE_SHARED_DIR", REPO_ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared material at {folder}; set HICMAE_SHARED_DIR to its folder")
    return folder


@pytest.fixture(scope="session")
def reference_file() -> Callable[[str], Path]:
    """Finds a file of the public implementation's numbers (HICMAE_REFERENCE_DIR) or skips."""
    shared = os.environ.get("HICMAE_SHARED_DIR", REPO_ROOT.parent / "shared")
    folder = Path(os.environ.get("HICMAE_REFERENCE_DIR", Path(shared) / "reference"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.is_file():
            pytest.skip(f"{path} is not there: set HICMAE_REFERENCE_DIR to the reference numbers")
        return path

    return find


@pytest.fixture(scope="session")
def clip_factory(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`clip_factory("name.mp4", **options of write_clip)` writes a clip once per session."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str, **options: object) -> Path:
        path = folder / name
        return path if path.exists() else write_clip(path, **options)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 14 short clips and a manifest.csv with splits, `emotion` and two numbers."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = []
    for index in range(14):
        video = f"clip{index:02d}.mp4"
        write_clip(folder / video, seconds=0.8, size=(48, 48), seed=index)
        rows.append(
            {
                "id": f"c{index:02d}",
                "video": video,
                "split": "train" if index < 8 else "val" if index < 11 else "test",
                "emotion": ("anger", "calm", "joy")[index % 3],
                "arousal": index / 14,
                "valence": (index % 5) / 5,
            }
        )
    pd.DataFrame(rows).to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def write_config(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`write_config(kind, **changes)` writes what `tiny.tiny_config` gives, for the tiny corpus."""

    def write(kind: str, *, data: dict[str, object] | None = None, **changes: object) -> Path:
        data = {"manifest": str(corpus / "manifest.csv")} | (data or {})
        content = tiny_config(kind, data=data, **changes)  # type: ignore[arg-type]
        path = tmp_path_factory.mktemp("config") / f"{kind}.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


@pytest.fixture
def as_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, a wide terminal, and no arguments of pytest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hicmae"])
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("HICMAE_TRACEBACK", raising=False)
