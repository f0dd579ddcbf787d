"""`hicmae visualize ...` writes its pictures and tells mistakes."""

from pathlib import Path

import numpy as np
import pytest
from jsonargparse import ArgumentError
from made_runs import pretraining, save_predictions, save_task
from media_factory import write_clip
from tiny_tasks import classification

from hicmae.cli import dispatch
from hicmae.errors import CheckpointError, ConfigError
from hicmae.inference.feature_store import FeatureStore
from hicmae.inference.results import Embedding


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_task(folder / "pretrained.ckpt", pretraining())
    save_task(folder / "finetuned.ckpt", classification())
    save_predictions(folder / "test_predictions.csv", [("anger", "anger"), ("joy", "calm")])
    (folder / "metrics.csv").write_text("epoch,step,train/loss_epoch,val/UAR\n0,1,2,0.5\n")
    clips = [write_clip(folder / f"clip{index}.mp4", seconds=0.4) for index in range(6)]
    rows = [f"{clip.name},{'ab'[index % 2]},s{index}" for index, clip in enumerate(clips)]
    (folder / "labels.csv").write_text("video,emotion,subject\n" + "\n".join(rows) + "\n")
    for suffix in ("npz", "safetensors", "parquet"):
        store = FeatureStore(folder / f"features.{suffix}", {})
        rows = []
        for index, clip in enumerate(clips):
            joint = np.random.default_rng(index).normal(size=(2, 4)).astype(np.float32)
            times = np.array([[0, 1], [1, 2]], np.float32)
            embedding = Embedding(str(clip), 1, times, joint, None, None, np.ones((2, 2), bool))
            rows.append(store.add(str(clip), [embedding]))
        store.write_out(rows, [clip.name for clip in clips])
    return folder


@pytest.fixture(autouse=True)
def surroundings(run, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        "reconstruction {run}/clip0.mp4 {run}/clip1.mp4 --checkpoint {run}/pretrained.ckpt "
        "--frames 2 --video_mask_ratio 0.5",
        "embeddings {run}/features.npz --labels {run}/labels.csv --method pca",
        "embeddings {run}/features.parquet --labels {run}/labels.csv --method pca --colour emotion",
        "embeddings {run}/features.safetensors --labels {run}/labels.csv --method tsne --seed 1",
        "layer-weights {run}/finetuned.ckpt",
        "confusion {run}",
        "curves {run} {run} --metrics loss --metrics UAR",
    ],
)
def test_pictures(run, command, capsys):
    dispatch(["visualize", *command.format(run=run).split()])
    name = f"{command.split()[0]}.png"
    assert capsys.readouterr().out == f"Wrote {name}.\n"
    assert Path(name).read_bytes().startswith(b"\x89PNG")


def test_output(run, capsys):
    dispatch(["visualize", "confusion", str(run), "--output", "deep/here.svg"])
    assert "Wrote deep/here.svg." in capsys.readouterr().out
    with pytest.raises(ConfigError, match=r"--output here\.gif must end in"):
        dispatch(["visualize", "confusion", str(run), "--output", "here.gif"])


def test_mistakes(run):
    checkpoint = str(run / "finetuned.ckpt")
    with pytest.raises(CheckpointError, match="give a checkpoint of pre-training"):
        dispatch(["visualize", "reconstruction", str(run), "--checkpoint", checkpoint])
    with pytest.raises(ArgumentError, match="checkpoint"):
        dispatch(["visualize", "reconstruction", str(run)])
    with pytest.raises(ArgumentError, match="histogram"):
        dispatch(["visualize", "histogram"])


@pytest.mark.parametrize(
    "picture", ["reconstruction", "embeddings", "layer-weights", "confusion", "curves"]
)
def test_help_shows_an_example(picture, capsys):
    with pytest.raises(SystemExit):
        dispatch(["visualize", picture, "--help"])
    assert f"\n  hicmae visualize {picture} " in capsys.readouterr().out
    with pytest.raises(SystemExit):
        dispatch(["visualize"])
    assert f"  hicmae visualize {picture} " in capsys.readouterr().out
