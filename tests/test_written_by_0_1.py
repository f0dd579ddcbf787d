"""What version 0.1 wrote is read: checkpoints, runs, converted folders, tables and features."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from media_factory import write_clip

from hicmae.checkpoints import load_recognition_model
from hicmae.cli import main
from hicmae.data.manifest import read_manifest
from hicmae.inference.features import read_features

WRITTEN = Path(__file__).parent / "written_by_0_1"
KINDS = ("pretraining", "classification", "regression")


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """The folder in which the runs lay, with clips of the names that they had."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hicmae"])
    monkeypatch.setenv("COLUMNS", "200")
    rows = []
    for index in range(12):
        write_clip(Path("clips", f"clip{index:02d}.mp4"), seconds=0.8, size=(48, 48), seed=index)
        rows.append(
            {
                "id": f"c{index:02d}",
                "video": f"clip{index:02d}.mp4",
                "subject": f"s{index % 4}",
                "split": "train" if index < 6 else "val" if index < 9 else "test",
                "emotion": ("anger", "calm", "joy")[index % 3],
                "arousal": index / 12,
                "valence": (index % 5) / 5,
            }
        )
    pd.DataFrame(rows).to_csv("clips/manifest.csv", index=False)
    return tmp_path / "clips"


def outputs(path):
    model, description = load_recognition_model(path)
    video = torch.linspace(-1, 1, 3 * 4 * 32 * 32).view(1, 3, 4, 32, 32)
    audio = torch.linspace(-1, 1, 32 * 32).view(1, 1, 32, 32)
    with torch.no_grad():
        given = model(video, audio)
    return given.flatten().tolist(), description


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_gives_the_model_that_it_held(kind):
    expected = json.loads((WRITTEN / "expected.json").read_text())[kind]
    given, description = outputs(WRITTEN / f"{kind}.ckpt")
    assert given == pytest.approx(expected, abs=1e-5)
    assert description.kind == kind
    assert description.architecture.width == 8
    assert description.inputs.frame_size == 32


def test_a_converted_folder_gives_the_model_that_it_held():
    expected = json.loads((WRITTEN / "expected.json").read_text())["classification"]
    given, description = outputs(WRITTEN / "converted")
    assert given == pytest.approx(expected, abs=1e-5)
    assert description.outputs == ("anger", "calm", "joy")
    assert description.training["data"]["label"] == "emotion"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_is_read(suffix):
    table = read_manifest(WRITTEN / f"manifest.{suffix}")
    assert table["id"].tolist() == ["c00", "c01", "c02", "c03"]
    assert Path(table["video"][0]) == WRITTEN / "clip00.mp4"
    assert table["video"][3] == f"{WRITTEN / 'shard.tar'}#512+1000"
    assert table.loc[1, ["start", "end"]].tolist() == [0.1, 0.5]
    assert table.loc[2, "side"] == "left"
    assert table.loc[1, "group"] == "g"
    assert table["valence"].astype(float).tolist() == [0.0, 0.2, 0.4, 0.6]


def test_features_are_read():
    features = read_features(WRITTEN / "features.npz")
    assert features.joint.shape == (24, 32)
    assert len(features.table) == 24
    assert np.isfinite(features.joint).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on(kind, clips):
    """The config that the run kept, its optimiser and its place are taken up again."""
    checkpoint = WRITTEN / f"{kind}.ckpt"
    config = WRITTEN / f"{kind}.yaml"
    main(["fit", "--config", str(config), "--ckpt_path", str(checkpoint), "--trainer.max_epochs=3"])
    saved = torch.load(f"runs/{kind}/checkpoints/last.ckpt", weights_only=True)
    assert saved["epoch"] == 2
    before = torch.load(checkpoint, weights_only=True)
    assert saved["global_step"] == before["global_step"] * 3 // 2


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_run_that_had_ended_learns_what_its_answers_are_worth(kind, clips):
    """Nothing is trained any more; the checkpoint, which described nothing, then does."""
    checkpoint = Path("runs", kind, "checkpoints", "best.ckpt")  # where the run had it
    checkpoint.parent.mkdir(parents=True)
    shutil.copy(WRITTEN / f"{kind}.ckpt", checkpoint)
    before, described = outputs(checkpoint)
    main(["fit", "--config", str(WRITTEN / f"{kind}.yaml"), "--ckpt_path", str(checkpoint)])
    after, description = outputs(checkpoint)
    assert after == before
    known = description.reliability
    assert known.clips == 3
    assert (known.temperature is not None) == (kind == "classification")
    assert len(known.spread) == (2 if kind == "regression" else 0)
    assert known.familiarity.fits(4 * 8)
    for name in ("kind", "outputs", "architecture", "activation", "inputs", "modality"):
        assert getattr(description, name) == getattr(described, name), name
    for name in ("task", "epochs", "steps"):
        assert description.training[name] == described.training[name]
    assert description.training["data"].items() >= described.training["data"].items()


def test_a_run_is_tested(clips, capsys):
    config, checkpoint = WRITTEN / "classification.yaml", WRITTEN / "classification.ckpt"
    main(["test", "--config", str(config), "--ckpt_path", str(checkpoint)])
    assert "test/WAR" in capsys.readouterr().out


def test_a_clip_is_recognised(clips, capsys):
    checkpoint = WRITTEN / "classification.ckpt"
    main(["recognize", "clips/clip00.mp4", "--checkpoint", str(checkpoint), "--faces", "none"])
    assert "anger" in capsys.readouterr().out
