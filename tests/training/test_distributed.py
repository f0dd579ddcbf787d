"""The published pre-training config on two real processes, started by the command."""

import sys

import pandas as pd
import pytest
import torch
import yaml
from fakes.voxceleb2 import write_voxceleb2
from shell import run_to_the_end
from tiny import ARCHITECTURE, INPUTS, TRAINER, tiny_architecture

from hicmae.checkpoints import load_pretrained
from hicmae.models import RecognitionModel
from hicmae.training.commands import run

# What turns the published config into one of seconds.
TINY = {
    "model": {
        "class_path": "hicmae.tasks.PretrainingTask",
        "init_args": {
            "architecture": ARCHITECTURE,
            "video_mask_ratio": 0.75,
            "audio_mask_ratio": 0.75,
        },
    },
    "data": {
        "class_path": "hicmae.data.datamodules.VoxCeleb2DataModule",
        "init_args": INPUTS | {"batch_size": 2, "val_speakers": 1},
    },
    "trainer": TRAINER | {"devices": 2, "precision": "32-true", "max_epochs": 1},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voxceleb2")
    write_voxceleb2(folder, speakers=4)
    return folder


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A config, in a folder of its own, that comes last."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    return tmp_path / "tiny.yaml"


@pytest.mark.slow
class TestPretraining:
    @pytest.mark.parametrize("overlay", ["ddp", "fsdp"])
    def test_runs_and_leaves_one_checkpoint_that_fits(self, overlay, root, tiny, tmp_path):
        said = run_to_the_end(
            sys.executable,
            "-m",
            "hicmae.cli",
            "fit",
            "--config=pretrain.yaml",
            f"--config=trainer/{overlay}.yaml",
            f"--config={tiny}",
            f"--data.root={root}",
            f"--trainer.default_root_dir={tmp_path}",
            "--trainer.accumulate_grad_batches=2",
            "--trainer.gradient_clip_val=1",
            timeout=240,
        )
        assert "Starting with 2 processes" in said
        assert "8 clips per step (2 per batch × 2 processes × 2 accumulated)" in said
        folder = tmp_path / "version_0"
        table = pd.read_csv(folder / "metrics.csv")
        assert table["train/loss_epoch"].notna().any()
        assert table["val/audio_to_video_set_2"].notna().any()
        path = folder / "checkpoints" / "last.ckpt"
        assert torch.load(path, weights_only=True)["global_step"] == 1
        report = load_pretrained(RecognitionModel(tiny_architecture(), 3), path)
        assert {name.split(".")[0] for name in report.fresh} == {
            "video_layer_weights",
            "audio_layer_weights",
            "head_norm",
            "head",
        }


def norm_of_gradients(root, tiny, *options):
    """The norm of the gradients of the last step."""
    done = run(
        [
            "fit",
            "--config=pretrain.yaml",
            f"--config={tiny}",
            f"--data.root={root}",
            "--trainer.devices=1",
            "--trainer.max_steps=1",
            f"--trainer.default_root_dir={root.parent}",
            *options,
        ]
    )
    gradients = [p.grad for p in done.model.model.parameters()]
    return torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients])).item()


@pytest.mark.slow
def test_gradients_are_clipped_on_demand(root, tiny, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["hicmae"])
    free = norm_of_gradients(root, tiny)
    assert free > 0.1
    clipped = norm_of_gradients(root, tiny, f"--trainer.gradient_clip_val={free / 2}")
    assert clipped == pytest.approx(free / 2, rel=1e-4)
