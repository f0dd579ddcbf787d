"""Every ablation's config through the command line, and that its switch does what it says."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from tiny import ARCHITECTURE, MODEL, tiny_architecture
from tiny_tasks import tiny_task

from hicmae.configs import config_folder, config_names
from hicmae.errors import ConfigError
from hicmae.media.normalisation import IMAGENET_MEAN, IMAGENET_STD
from hicmae.models import PretrainingOutput
from hicmae.models.layers import audio_patches, gather_tokens, video_patches
from hicmae.objectives.masking import random_mask, tube_mask
from hicmae.objectives.reconstruction import (
    audio_target,
    video_target,
)
from hicmae.tasks import PretrainingTask
from hicmae.tasks.figures import reconstruction_figure
from hicmae.training.commands import run

BASES = {"pretrain.yaml": "pretrain", "finetune/mafw.yaml": "classify"}
# Every cross block of last-layer-skip.yaml needs a place.
SHAPE = ARCHITECTURE | {"decoder_depth": 4}
COMMAND = re.compile(r"^# hicmae fit --config (\S+) --config (\S+)$", re.M)
pytestmark = pytest.mark.usefixtures("as_command")


def commands():
    """The commands that the ablations' configs name: base and overlay."""
    return [
        (base, overlay)
        for name in config_names()
        if name.startswith("ablations/")
        for base, overlay in COMMAND.findall((config_folder() / name).read_text(encoding="utf-8"))
    ]


@pytest.fixture(scope="module")
def bases(write_config):
    """Tiny configs in place of those that the overlays stack behind."""
    changes = {"model": {"architecture": SHAPE}, "trainer": {"max_epochs": 1}}
    return {base: write_config(kind, **changes) for base, kind in BASES.items()}


def test_every_ablation_names_its_command_and_what_is_published():
    for name in (name for name in config_names() if name.startswith("ablations/")):
        text = (config_folder() / name).read_text(encoding="utf-8")
        named = [overlay for _, overlay in COMMAND.findall(text)]
        assert named, name
        assert set(named) == {name}
        assert ("published: Sun et al." in text) != ("no published number known here" in text), name


@pytest.mark.parametrize(("base", "overlay"), commands())
def test_runs_and_changes_what_it_says_alone(bases, tmp_path, base, overlay):
    done = run(
        [
            "fit",
            f"--config={bases[base]}",
            f"--config={overlay}",
            f"--trainer.default_root_dir={tmp_path}",
        ]
    )
    assert done.trainer.global_step == 2
    table = pd.read_csv(tmp_path / "version_0" / "metrics.csv")
    for name in ("train/loss_step", "val/loss"):
        losses = table[name].dropna()
        assert len(losses)
        assert np.isfinite(losses).all()
    # The model is the small one of the config before, but for the switch.
    changes = yaml.safe_load((config_folder() / overlay).read_text())["model"]["init_args"]
    shape = done.model.architecture
    for name, value in SHAPE.items():
        if name not in changes:
            assert getattr(shape, name) == (tuple(value) if isinstance(value, list) else value)
    for name, value in changes.items():
        assert done.config["fit"]["model"]["init_args"][name] == value
    if base != "pretrain.yaml":
        assert (tmp_path / "version_0" / "test_metrics.json").is_file()


def test_overlays_stack(bases, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "hicmae.training.commands.HicmaeCLI._run_subcommand", lambda self, command: None
    )
    built = run(
        [
            "fit",
            f"--config={bases['pretrain.yaml']}",
            "--config=ablations/no-skip.yaml",
            "--config=ablations/fusion-depth-0.yaml",
            "--config=ablations/last-layer-contrast.yaml",
            f"--trainer.default_root_dir={tmp_path}",
        ]
    )
    shape = built.model.architecture
    assert (shape.skip_layers, shape.fusion_depth, shape.contrast_layers) == ((), 0, (2,))


class TestSwitches:
    def test_published_switches_are_the_default(self):
        task = PretrainingTask(**MODEL["pretrain"], size="tiny")
        assert task.architecture.skip_layers == task.architecture.contrast_layers == (4, 7, 10)
        assert task.architecture.fusion_order == "cross_then_self"
        assert task.frame_difference
        assert task.normalise_targets

    def test_no_room_for_skips_is_refused(self):
        with pytest.raises(ConfigError, match="decoder_depth 4 leaves no room for 4 skip_layers"):
            tiny_task("pretrain", architecture=SHAPE, skip_layers=[1, 2, -1, -1])

    def test_decoders_without_skips_have_self_attention_alone(self):
        task = tiny_task("pretrain", architecture=SHAPE, skip_layers=[])
        names = [name for name, _ in task.model.video_decoder.named_parameters()]
        assert not any("cross_attention" in name for name in names)
        assert len(task.model.video_decoder.blocks) == 4

    @pytest.mark.parametrize("normalise", [True, False])
    @pytest.mark.parametrize("frame_difference", [True, False])
    def test_picture_of_a_perfect_prediction_is_the_original(self, frame_difference, normalise):
        rng = torch.Generator().manual_seed(0)
        shape = tiny_architecture()
        pixels = torch.rand(1, 3, 4, 32, 32, generator=rng)
        mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        video, audio = (pixels - mean) / std, torch.randn(1, 1, 32, 32, generator=rng)
        masks = tube_mask(1, shape.video_grid, 0.5, rng), random_mask(1, 4, 0.5, rng)
        tubes = video_target(
            video,
            masks[0].masked,
            tubelet_size=2,
            patch_size=16,
            frame_difference=frame_difference,
            normalise=normalise,
        )
        patches = audio_target(audio, masks[1].masked, patch_size=16, normalise=normalise)
        figure = reconstruction_figure(
            (video, audio),
            masks,
            PretrainingOutput(tubes, patches, {}, {}),
            shape,
            frame_difference=frame_difference,
            normalised=normalise,
        )
        images = [axes.images[0].get_array() for axes in figure.axes]
        assert len(images) == 3 * 5  # original, masked, reconstructed: four frames and the sound
        for original, reconstructed in zip(images[:5], images[-5:], strict=True):
            np.testing.assert_allclose(reconstructed, original, atol=1e-3)

    @pytest.mark.parametrize("frame_difference", [True, False])
    def test_targets_that_are_not_normalised(self, frame_difference):
        rng = torch.Generator().manual_seed(0)
        pixels = torch.rand(2, 3, 4, 32, 32, generator=rng)
        mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        masked = torch.tensor([[1, 4], [0, 7]])
        target = video_target(
            (pixels - mean) / std,
            masked,
            tubelet_size=2,
            patch_size=16,
            frame_difference=frame_difference,
            normalise=False,
        )
        tubes = gather_tokens(video_patches(pixels, 2, 16), masked)
        tubes = tubes.unflatten(2, (3, 2, 256)).permute(0, 1, 3, 4, 2)  # (B, K, t, s, c)
        if frame_difference:
            tubes = torch.stack([tubes[:, :, 0], tubes[:, :, 1] - tubes[:, :, 0]], dim=2)
        torch.testing.assert_close(target, tubes.flatten(2), rtol=1e-5, atol=1e-6)

        audio = torch.randn(2, 1, 32, 64, generator=rng)
        plain = audio_target(audio, masked, patch_size=16, normalise=False)
        assert torch.equal(plain, gather_tokens(audio_patches(audio, 16), masked))
