"""The fine-tuning recipe from the command line: mixing, averaged weights, optimisers by name."""

import json
import math
from pathlib import Path

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint
from timm.data.mixup import mixup_target
from timm.loss import SoftTargetCrossEntropy
from tiny import CLASSES, keep
from tiny_tasks import Batches, make_batch, tiny_task, tiny_trainer
from torch.utils.data import DataLoader

from hicmae.cli import main
from hicmae.configs import config_folder, config_names
from hicmae.data.mixing import MixedTarget
from hicmae.errors import ConfigError
from hicmae.training.averaging import MovingAverage
from hicmae.training.commands import run

pytestmark = pytest.mark.usefixtures("as_command")
MIXING = (
    "--data.augmentation=FinetuningAugmentation",
    "--data.augmentation.rand_augment_layers=0",
    "--data.augmentation.mixup=0.8",
    "--data.augmentation.cutmix=1.0",
)


@pytest.fixture(scope="module")
def config(write_config):
    """A short run of classification: two epochs of two steps."""
    callbacks = [
        keep(filename="best", monitor="val/WAR", mode="max"),
        keep(filename="{epoch}", save_top_k=-1),
        {"class_path": "lightning.pytorch.callbacks.LearningRateMonitor"},
    ]
    trainer = {"callbacks": callbacks, "enable_progress_bar": False}
    return write_config("classify", model={"learning_rate": 0.1}, trainer=trainer)


def fit(config, root, *options):
    return run(["fit", f"--config={config}", *options, f"--trainer.default_root_dir={root}"])


def checkpoint_of(done, name="epoch=1.ckpt"):
    return Path(done.trainer.log_dir) / "checkpoints" / name


def load(path):
    return torch.load(path, weights_only=True)


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(tensor, ours[name]), name


def made_up_batch(clips=4, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return {
        "video": torch.randn(clips, 1, 3, 4, 32, 32, generator=rng),
        "audio": torch.randn(clips, 1, 1, 32, 32, generator=rng),
        "target": torch.arange(clips) % len(CLASSES),
        "id": [str(index) for index in range(clips)],
        "index": torch.arange(clips),
        "skipped": [],
    }


class MadeUp(pl.LightningDataModule):
    """Three batches to train on, one to validate on."""

    batch_size = 4

    def steps_per_epoch(self, world_size=1):
        return 3

    def train_dataloader(self):
        return DataLoader([made_up_batch(seed=seed) for seed in range(3)], batch_size=None)

    def val_dataloader(self):
        return DataLoader([made_up_batch(seed=9)], batch_size=None)


def weights_of(task):
    return {name: weight.detach().clone() for name, weight in task.named_parameters()}


class TestMixing:
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_loss_is_that_of_timm_with_labels_smoothed_once(self, smoothing, monkeypatch):
        task = tiny_task("classify", label_smoothing=smoothing)
        monkeypatch.setattr(task, "log", lambda *_, **__: None)
        batch = made_up_batch()
        own = torch.eye(4)
        mixed = MixedTarget(batch["target"], 0.7 * own + 0.3 * own.flip(0))
        loss = task.training_step(batch | {"target": mixed}, 0)
        expected = SoftTargetCrossEntropy()(
            task.view_outputs(batch)[:, 0], mixup_target(batch["target"], 3, 0.7, smoothing)
        )
        torch.testing.assert_close(loss, expected)

    def test_runs_and_repeats(self, config, tmp_path):
        done, again, other = (
            fit(config, tmp_path / name, *MIXING, "--test_after_fit=false", *options)
            for name, options in (
                ("done", ()),
                ("again", ()),
                ("other", ("--data.augmentation.mix=video",)),
            )
        )
        first = load(checkpoint_of(done))["state_dict"]
        assert_same(load(checkpoint_of(again))["state_dict"], first)
        changed = load(checkpoint_of(other))["state_dict"]
        assert not torch.equal(changed["model.head.weight"], first["model.head.weight"])
        table = pd.read_csv(Path(done.trainer.log_dir) / "metrics.csv")
        assert "val/WAR" in table  # validated on whole clips and single classes
        assert "train/WAR" not in table  # which mixed clips do not have

    def test_numbers_are_refused_in_a_sentence(self, write_config, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["fit", f"--config={write_config('regress')}", *MIXING])
        assert caught.value.code == 2
        assert "numbers to regress: set mixup and cutmix" in capsys.readouterr().err

    @pytest.mark.parametrize("name", [n for n in config_names() if n.startswith("finetune/")])
    def test_shipped_recipe(self, name):
        content = yaml.safe_load((config_folder() / name).read_text(encoding="utf-8"))
        options = content["data"]["init_args"]["augmentation"].get("init_args", {})
        if "Classification" in content["model"]["class_path"]:
            assert (options["mixup"], options["cutmix"], options["mix"]) == (0.8, 1.0, "both")
            assert content["model"]["init_args"]["label_smoothing"] == 0.1
        else:
            assert not {"mixup", "cutmix"} & set(options)


class Witness(pl.Callback):
    """Keeps the weights after every step and those that are validated."""

    def __init__(self):
        self.trained, self.validated = [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.trained.append(weights_of(pl_module))

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.validated.append(weights_of(pl_module))


class TestMovingAverage:
    OVERLAY = ("--config=trainer/ema.yaml", "--trainer.callbacks.decay=0.5")

    def test_average_of_all_steps_is_validated_and_left(self, tmp_path):
        witness = Witness()
        task = tiny_task("classify", learning_rate=1.0)
        tiny_trainer(None, witness, MovingAverage(decay=0.75), max_epochs=2).fit(
            task, datamodule=MadeUp()
        )
        expected, validated = witness.trained[0], []
        for step, weights in enumerate(witness.trained):
            if step:
                expected = {n: 0.75 * w + 0.25 * weights[n] for n, w in expected.items()}
            if step % 3 == 2:
                validated.append(expected)
        for ours, theirs in zip(
            [*witness.validated, weights_of(task)], [*validated, validated[-1]], strict=True
        ):
            for name, weight in theirs.items():
                torch.testing.assert_close(ours[name], weight, atol=1e-6, rtol=1e-5)
        last = witness.trained[-1]
        assert any(not torch.allclose(last[name], weight) for name, weight in expected.items())

    def test_thresholds_of_blends_are_those_of_the_averaged_weights(self, tmp_path):
        """Also in checkpoints of epochs without validation, over which they stay as they are."""
        blends = {"target_kind": "distribution", "blends": CLASSES}
        val = make_batch(24, label="soft", seed=1)
        parts = torch.tensor([[0.7, 0.3, 0], [0.5, 0, 0.5], [1, 0, 0], [0, 0.7, 0.3]])
        val["target"] = parts.repeat(6, 1)
        data = Batches([make_batch(label="soft", seed=n) for n in range(3)], [val])
        every = ModelCheckpoint(
            tmp_path, save_top_k=-1, filename="{epoch}", save_on_train_epoch_end=True
        )
        task = tiny_task("classify", learning_rate=0.3, **blends)
        options = {"max_epochs": 4, "check_val_every_n_epoch": 2}
        tiny_trainer(None, MovingAverage(decay=0.75), every, **options).fit(task, datamodule=data)
        kept, fitted = [], []
        for epoch in range(4):
            saved = load(tmp_path / f"epoch={epoch}.ckpt")
            weights = saved["state_dict"]
            kept.append(weights["blend_rule.thresholds"])
            told = saved["description"]["blends"]["thresholds"]
            torch.testing.assert_close(torch.tensor(told), kept[-1])
            task.load_state_dict(weights)
            with torch.no_grad():
                task.blend_rule.fit(task.eval()(val), val["target"])
            fitted.append(task.blend_rule.thresholds.clone())
        torch.testing.assert_close(kept[1::2], fitted[1::2])
        torch.testing.assert_close(kept[2], kept[1])
        assert (kept[3] > kept[1]).all()

    def test_overlay_keeps_and_tests_averaged_weights(self, config, tmp_path):
        done = fit(config, tmp_path / "whole", *self.OVERLAY)
        kinds = [type(callback).__name__ for callback in done.trainer.callbacks]
        assert {"MovingAverage", "ModelCheckpoint", "LearningRateMonitor"} <= set(kinds)
        best = load(checkpoint_of(done, "best.ckpt"))
        name = "model.head.weight"
        assert not torch.equal(best["state_dict"][name], best["current_model_state"][name])
        assert torch.equal(done.model.state_dict()[name], best["state_dict"][name])

        # Another process knows nothing of the run but its checkpoint.
        again = run(
            [
                "test",
                f"--ckpt_path={checkpoint_of(done, 'best.ckpt')}",
                f"--trainer.default_root_dir={tmp_path / 'test'}",
            ]
        )
        scores = [
            json.loads((Path(one.trainer.log_dir) / "test_metrics.json").read_text())
            for one in (again, done)
        ]
        assert scores[0] == scores[1]

    def test_resumed_run_equals_an_uninterrupted_one(self, config, tmp_path):
        quick = (*self.OVERLAY, "--test_after_fit=false")
        whole = fit(config, tmp_path / "whole", *quick)
        half = checkpoint_of(whole, "epoch=0.ckpt")
        resumed = fit(config, tmp_path / "resumed", *quick, f"--ckpt_path={half}")
        for part in "state_dict", "current_model_state":
            assert_same(load(checkpoint_of(resumed))[part], load(checkpoint_of(whole))[part])

    def test_starts_from_pretrained_weights(self, config, tmp_path):
        done = fit(config, tmp_path / "first", "--test_after_fit=false")
        started = fit(
            config,
            tmp_path / "second",
            *self.OVERLAY,
            "--test_after_fit=false",
            f"--model.pretrained={checkpoint_of(done)}",
            "--trainer.max_epochs=1",
            "--trainer.max_steps=1",
            "--model.warmup_epochs=9",  # a first step of rate 0
        )
        before = load(checkpoint_of(done))["state_dict"]
        after = load(checkpoint_of(started, "epoch=0.ckpt"))["state_dict"]
        for name in ("model.video_encoder.norm.weight", "model.audio_encoder.norm.bias"):
            assert torch.equal(before[name], after[name])

    def test_sharded_weights_are_refused(self):
        class Sharding:
            restore_checkpoint_after_setup = True

        class Elsewhere:
            strategy = Sharding()

        with pytest.raises(ConfigError, match="Sharding"):
            MovingAverage().setup(Elsewhere(), tiny_task("classify"), "fit")


class TestOptimisersByName:
    def rates(self, done):
        table = pd.read_csv(Path(done.trainer.log_dir) / "metrics.csv")
        (column,) = (name for name in table if name.startswith("lr-"))
        return table[column].dropna().tolist()

    def test_of_torch(self, config, tmp_path):
        done = fit(
            config,
            tmp_path,
            "--optimizer=torch.optim.SGD",
            "--optimizer.lr=0.2",
            "--lr_scheduler=torch.optim.lr_scheduler.ExponentialLR",
            "--lr_scheduler.gamma=0.5",
        )
        assert isinstance(done.trainer.optimizers[0], torch.optim.SGD)
        assert self.rates(done) == pytest.approx([0.2, 0.1])  # epoch by epoch
        assert (Path(done.trainer.log_dir) / "test_metrics.json").is_file()

    def test_of_bolts(self, config, tmp_path):
        pytest.importorskip("pl_bolts", reason="needs the extra bolts: pip install hicmae[bolts]")
        done = fit(
            config,
            tmp_path,
            "--trainer.max_epochs=4",
            "--optimizer=pl_bolts.optimizers.lars.LARS",
            "--optimizer.lr=0.4",
            "--optimizer.momentum=0.9",
            "--lr_scheduler=pl_bolts.optimizers.lr_scheduler.LinearWarmupCosineAnnealingLR",
            "--lr_scheduler.warmup_epochs=2",
            "--lr_scheduler.max_epochs=4",
        )
        assert type(done.trainer.optimizers[0]).__name__ == "LARS"
        assert self.rates(done) == pytest.approx([0.0, 0.4, 0.4, 0.2 * (1 + math.cos(math.pi / 2))])
        first, last = (load(checkpoint_of(done, f"epoch={epoch}.ckpt")) for epoch in (0, 3))
        assert last["lr_schedulers"][0]["last_epoch"] == 4
        name = "model.video_encoder.blocks.0.mlp.fc1.weight"
        assert not torch.equal(first["state_dict"][name], last["state_dict"][name])
