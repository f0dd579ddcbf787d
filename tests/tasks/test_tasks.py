"""The tasks on batches made up here, without media; tests/test_cli.py runs them on clips."""

import math

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from timm.layers import DropPath
from tiny import ARCHITECTURE, CLASSES, CONFIDENCE, SCORES, TARGETS
from tiny_tasks import (
    MAKERS,
    Batches,
    classification,
    make_batch,
    pretraining,
    regression,
    tiny_trainer,
)

from hicmae.errors import CheckpointError, ConfigError
from hicmae.objectives.contrast import retrieval_at_1
from hicmae.tasks import PretrainingTask


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    """Runs without a logger write into the current folder."""
    monkeypatch.chdir(tmp_path)


class History(pl.Callback):
    """Keeps what is logged, and whether stochastic depth was on."""

    def __init__(self):
        self.train, self.val, self.modes = [], [], {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        step = {n.removesuffix("_step"): float(v) for n, v in trainer.logged_metrics.items()}
        self.train.append(step)
        self._note("train", pl_module)

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self._note("val", pl_module)

    def on_test_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self._note("test", pl_module)

    def on_validation_epoch_end(self, trainer, pl_module):
        self.val.append({name: float(v) for name, v in trainer.callback_metrics.items()})

    def _note(self, stage, task):
        drops = [module for module in task.modules() if isinstance(module, DropPath)]
        self.modes.setdefault(stage, set()).update(module.training for module in drops)


@pytest.fixture(params=MAKERS)
def kind(request):
    """A maker of tasks, and the labels they learn."""
    return MAKERS[request.param]


def assert_same_weights(ours, theirs):
    theirs = theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs[name]), name


def weights_differ(ours, theirs):
    theirs = theirs.state_dict()
    return any(not torch.equal(tensor, theirs[name]) for name, tensor in ours.state_dict().items())


@pytest.mark.filterwarnings("ignore:Checkpoint directory")
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
class TestEveryTask:
    def test_loss_falls_on_a_fixed_batch(self, kind):
        make, label = kind
        history = History()
        data = Batches(train=[make_batch(label=label)])
        tiny_trainer(None, history, max_epochs=40).fit(make(), datamodule=data)
        losses = [step["train/loss"] for step in history.train]
        assert len(losses) == 40
        assert sum(losses[-5:]) < 0.9 * sum(losses[:5])

    @pytest.mark.parametrize("accumulate", [1, 2])
    def test_run_depends_on_the_seed_alone(self, kind, accumulate):
        make, label = kind
        tasks = []
        for seed, disturbance in ((1, 1), (1, 2), (2, 1)):
            task = make(seed=seed, **({} if label is None else {"drop_path": 0.5}))
            torch.manual_seed(disturbance)  # whatever the process drew before must not matter
            data = Batches(train=[make_batch(label=label, seed=s) for s in range(4)])
            tiny_trainer(max_epochs=2, accumulate_grad_batches=accumulate).fit(
                task, datamodule=data
            )
            tasks.append(task)
        assert_same_weights(tasks[0].model, tasks[1].model)
        assert weights_differ(tasks[0].model, tasks[2].model)

    def test_resumed_run_equals_an_uninterrupted_one(self, kind, tmp_path):
        make, label = kind
        options = {} if label is None else {"drop_path": 0.5}
        data = Batches(train=[make_batch(label=label, seed=s) for s in range(3)])
        keep = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
        whole, resumed = make(**options), make(**options)
        tiny_trainer(tmp_path / "whole", keep, max_epochs=4).fit(whole, datamodule=data)
        resuming = tiny_trainer(tmp_path / "resumed", max_epochs=4)
        resuming.fit(resumed, datamodule=data, ckpt_path=tmp_path / "epoch=1.ckpt")
        assert resuming.global_step == 12
        assert_same_weights(whole.model, resumed.model)

    def test_optimiser_holds_every_parameter_once(self, kind):
        make, label = kind
        task = make(layer_decay=0.75, weight_decay=0.05)
        run = tiny_trainer(fast_dev_run=True)
        run.fit(task, datamodule=Batches(train=[make_batch(label=label)]))
        held = [id(p) for group in run.optimizers[0].param_groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in task.model.parameters())
        scales = {group["lr_scale"] for group in run.optimizers[0].param_groups}
        assert scales == {0.75**exponent for exponent in range(5)}

    def test_rate_grows_with_the_batch_and_follows_the_schedule(self, kind):
        make, label = kind
        task = make(learning_rate=0.02, min_learning_rate=0.002, warmup_epochs=2)
        data = Batches(train=[make_batch(label=label)] * 4, batch_size=64)
        rates = []

        class Rates(pl.Callback):
            def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
                rates.append(trainer.optimizers[0].param_groups[0]["lr"])

        tiny_trainer(None, Rates(), max_epochs=5, accumulate_grad_batches=2).fit(
            task, datamodule=data
        )
        peak = 0.02 * (64 * 2) / 256
        # Two optimiser steps an epoch: four of warm-up, six down to the floor.
        assert rates[::2] == rates[1::2]
        assert rates[:8:2] == pytest.approx([0, peak / 3, 2 * peak / 3, peak])
        assert rates[8] == pytest.approx(peak)
        assert rates[14] == pytest.approx(peak * (0.1 + 0.9 / 2))
        assert rates[-1] > peak * 0.1

    def test_max_steps_shortens_the_schedule(self, kind):
        make, label = kind
        task = make()
        data = Batches(train=[make_batch(label=label)] * 4)
        run = tiny_trainer(max_epochs=-1, max_steps=6)
        run.fit(task, datamodule=data)
        assert run.global_step == 6
        assert run.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)

    def test_schedule_without_an_end_is_refused(self, kind):
        make, label = kind
        with pytest.raises(ConfigError, match=r"--trainer\.max_epochs or"):
            tiny_trainer(max_epochs=-1).fit(
                make(), datamodule=Batches(train=[make_batch(label=label)])
            )

    def test_batches_of_skipped_clips_do_no_harm(self, kind, tmp_path):
        make, label = kind
        empty, full = make_batch(0, label=label), make_batch(label=label)
        task, plain = make(), make()
        run = tiny_trainer(tmp_path, History())
        run.fit(task, datamodule=Batches(train=[empty, full], val=[empty, full]))
        assert math.isfinite(run.callback_metrics["val/loss"])
        tiny_trainer().fit(plain, datamodule=Batches(train=[full, empty], val=[full]))
        run.test(task, datamodule=Batches(test=[empty, full]), verbose=False)
        assert math.isfinite(next(iter(run.callback_metrics.values())))

    @pytest.mark.filterwarnings("ignore:The ``compute`` method of metric")
    @pytest.mark.filterwarnings("ignore:No positive samples")
    def test_nothing_but_skipped_clips_does_not_crash(self, kind, tmp_path):
        make, label = kind
        empty = make_batch(0, label=label)
        task = make()
        before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
        run = tiny_trainer(tmp_path)
        run.fit(task, datamodule=Batches(train=[empty] * 2, val=[empty]))
        run.test(task, datamodule=Batches(test=[empty]), verbose=False)
        for name, tensor in task.model.state_dict().items():
            assert torch.equal(tensor, before[name]), name

    def test_hyperparameters_are_plain_and_rebuild_the_task(self, kind, tmp_path):
        """Lightning loads checkpoints as weights only, which refuses other objects."""
        make, label = kind
        task = make()
        keep = ModelCheckpoint(tmp_path, filename="end")
        tiny_trainer(tmp_path, keep).fit(task, datamodule=Batches(train=[make_batch(label=label)]))
        again = type(task).load_from_checkpoint(tmp_path / "end.ckpt", weights_only=True)
        assert_same_weights(task, again)

    def test_wrong_field_of_the_architecture_is_named(self, kind):
        make, _ = kind
        with pytest.raises(ConfigError, match="no field 'deepth'"):
            type(make())(**(dict(make().hparams) | {"architecture": {"deepth": 3}}))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A pre-trained task and the file that holds its weights."""
    folder = tmp_path_factory.mktemp("pretrained")
    task = pretraining()
    keep = ModelCheckpoint(folder, filename="last")
    tiny_trainer(folder, keep).fit(task, datamodule=Batches(train=[make_batch(label=None)]))
    return task, str(folder / "last.ckpt")


class TestPretrained:
    def test_weights_start_a_new_run(self, checkpoint):
        source, path = checkpoint
        task = classification(pretrained=path)
        # With a warm-up the first step has a rate of 0 and leaves the weights as they were.
        task.warmup_epochs = 5
        tiny_trainer().fit(task, datamodule=Batches(train=[make_batch()]))
        assert_same_weights(task.model.video_encoder, source.model.video_encoder)
        assert_same_weights(task.model.fusion_encoder, source.model.fusion_encoder)

    def test_resumed_run_and_test_leave_the_file_alone(self, checkpoint, tmp_path):
        _, path = checkpoint
        data = Batches(train=[make_batch()], test=[make_batch()])
        task = classification(pretrained=path)
        keep = ModelCheckpoint(tmp_path, filename="own")
        tiny_trainer(tmp_path, keep, max_epochs=2).fit(task, datamodule=data)
        gone = classification(pretrained=str(tmp_path / "gone.ckpt"))
        tiny_trainer(max_epochs=2).fit(gone, datamodule=data, ckpt_path=tmp_path / "own.ckpt")
        assert_same_weights(task.model, gone.model)
        tiny_trainer().test(gone, datamodule=data, verbose=False)

    def test_missing_file_is_told_before_training(self, tmp_path):
        task = classification(pretrained=str(tmp_path / "gone.ckpt"))
        with pytest.raises(CheckpointError, match=r"gone\.ckpt"):
            tiny_trainer().fit(task, datamodule=Batches(train=[make_batch()]))


class TestPretraining:
    LOSSES = frozenset({"loss", "video", "audio", "contrast_1", "contrast_2"})
    IN_BATCH = frozenset({"audio_to_video_batch", "video_to_audio_batch"})

    def test_names_of_what_is_logged(self):
        history = History()
        data = Batches(train=[make_batch(label=None)], val=[make_batch(label=None)])
        run = tiny_trainer(None, history)
        run.fit(pretraining(), datamodule=data)
        in_training = {name.removeprefix("train/") for name in history.train[0]}
        assert in_training >= self.LOSSES | self.IN_BATCH
        over_the_set = {
            f"val/{direction}_set_{layer}"
            for direction in ("audio_to_video", "video_to_audio")
            for layer in (1, 2)
        }
        logged = {name for name in run.callback_metrics if name.startswith("val/")}
        assert logged == {f"val/{name}" for name in self.LOSSES | self.IN_BATCH} | over_the_set

    @pytest.mark.parametrize("weight", [0.0, 0.5])
    def test_total_weighs_the_contrast(self, weight):
        history = History()
        run = tiny_trainer(None, history)
        data = Batches(train=[make_batch(label=None)])
        run.fit(pretraining(contrast_weight=weight), datamodule=data)
        step = history.train[0]
        contrast = step["train/contrast_1"] + step["train/contrast_2"]
        total = step["train/video"] + step["train/audio"] + weight * contrast
        assert step["train/loss"] == pytest.approx(total, rel=1e-5)

    def test_retrieval_is_within_the_batch_and_over_the_set(self):
        """Alone in its batch a clip finds itself; among all clips an untrained model does not."""
        data = Batches(val=[make_batch(1, label=None, seed=seed) for seed in range(12)])
        run = tiny_trainer()
        run.validate(pretraining(), datamodule=data, verbose=False)
        assert run.callback_metrics["val/audio_to_video_batch"] == 1
        assert run.callback_metrics["val/video_to_audio_batch"] == 1
        assert run.callback_metrics["val/audio_to_video_set_2"] < 0.75

    def test_retrieval_over_the_set_is_of_whole_clips(self):
        """So it does not depend on the masking ratio, which moves all that is under masks."""
        batches = [make_batch(label=None, seed=seed) for seed in range(6)]
        measured = []
        for ratio in (0.5, 0.75):
            task = pretraining(video_mask_ratio=ratio, audio_mask_ratio=ratio)
            run = tiny_trainer()
            run.validate(task, datamodule=Batches(val=batches), verbose=False)
            measured.append(run.callback_metrics)
        assert measured[0]["val/contrast_2"] != measured[1]["val/contrast_2"]
        features = [
            task.model.eval().features(batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1))
            for batch in batches
        ]
        for layer in (1, 2):
            video = torch.cat([videos[layer] for videos, _ in features])
            audio = torch.cat([audios[layer] for _, audios in features])
            for figures in measured:
                assert figures[f"val/audio_to_video_set_{layer}"] == retrieval_at_1(audio, video)
                assert figures[f"val/video_to_audio_set_{layer}"] == retrieval_at_1(video, audio)

    def test_batches_of_a_set_do_not_matter_to_its_retrieval(self):
        """A set that is measured twice is not accumulated."""
        data = Batches(val=[make_batch(label=None)])
        task, run = pretraining(), tiny_trainer()
        first = run.validate(task, datamodule=data, verbose=False)[0]
        again = run.validate(task, datamodule=data, verbose=False)[0]
        assert first == again

    @pytest.mark.parametrize(("every", "pictures"), [(0, 0), (1, 3), (2, 2), (10, 2)])
    def test_figures_of_the_epochs_asked_for(self, tmp_path, every, pictures):
        data = Batches(
            train=[make_batch(label=None)],
            val=[make_batch(label=None), make_batch(label=None, seed=1)],
        )
        task = pretraining(figure_every_n_epochs=every)
        run = tiny_trainer(tmp_path, max_epochs=3, num_sanity_val_steps=1)
        run.fit(task, datamodule=data)
        written = sorted((tmp_path / "version_0").glob("pictures/*.png"))
        assert len(written) == pictures
        assert all(picture.read_bytes()[:4] == b"\x89PNG" for picture in written)

    @pytest.mark.parametrize("frame_difference", [True, False])
    def test_figure_needs_no_logger_and_knows_both_targets(self, frame_difference):
        task = pretraining(figure_every_n_epochs=1, frame_difference=frame_difference)
        data = Batches(train=[make_batch(label=None)], val=[make_batch(1, label=None)])
        tiny_trainer().fit(task, datamodule=data)

    def test_testing_measures_like_validation(self):
        batches = [make_batch(label=None)]
        data = Batches(val=batches, test=batches)
        task = pretraining()
        validated = tiny_trainer().validate(task, datamodule=data, verbose=False)[0]
        tested = tiny_trainer().test(task, datamodule=data, verbose=False)[0]
        assert tested == {name.replace("val/", "test/"): v for name, v in validated.items()}

    def test_views_of_a_clip_are_clips_of_their_own(self):
        task = pretraining()
        tiny_trainer().validate(
            task, datamodule=Batches(val=[make_batch(2, views=3, label=None)]), verbose=False
        )

    def test_without_contrast_layers(self):
        task = PretrainingTask(
            video_mask_ratio=0.75,
            audio_mask_ratio=0.75,
            contrast_weight=0.1,
            temperature=0.07,
            learning_rate=0.01,
            figure_every_n_epochs=0,
            architecture=ARCHITECTURE | {"contrast_layers": []},
        )
        batches = [make_batch(label=None)]
        run = tiny_trainer()
        run.fit(task, datamodule=Batches(train=batches, val=batches))
        assert "val/contrast_1" not in run.callback_metrics

    def test_ratio_that_masks_nothing_is_named(self):
        task = pretraining(audio_mask_ratio=0.1)
        with pytest.raises(ConfigError, match=r"mask ratio of 0\.1 masks 0 of 4"):
            tiny_trainer().fit(task, datamodule=Batches(train=[make_batch(label=None)]))


class TestClassification:
    def test_views_are_averaged_after_the_softmax(self):
        task = classification().eval()
        batch = make_batch(3, views=2)
        with torch.no_grad():
            probabilities = task(batch)
            by_view = [
                task.model(batch["video"][:, view], batch["audio"][:, view]).softmax(1)
                for view in range(2)
            ]
        torch.testing.assert_close(probabilities, sum(by_view) / 2)
        torch.testing.assert_close(probabilities.sum(1), torch.ones(3))

    def test_names_of_what_is_logged(self):
        history = History()
        run = tiny_trainer(None, history)
        task = classification()
        run.fit(task, datamodule=Batches(train=[make_batch()], val=[make_batch(views=2)]))
        logged = {name for name in run.callback_metrics if name.startswith("val/")}
        assert logged == {f"val/{name}" for name in SCORES}
        assert 0 <= run.callback_metrics["train/WAR"] <= 1
        run.test(task, datamodule=Batches(test=[make_batch(views=2)]), verbose=False)
        logged = {name for name in run.callback_metrics if name.startswith("test/")}
        assert logged == {f"test/{name}" for name in SCORES | CONFIDENCE}

    def test_a_fixed_batch_is_learned_by_heart(self):
        task, run = classification(), tiny_trainer(max_epochs=60)
        batch = make_batch(6)
        run.fit(task, datamodule=Batches(train=[batch]))
        scores = run.validate(task, datamodule=Batches(val=[batch]), verbose=False)[0]
        assert scores["val/WAR"] == scores["val/UAR"] == 1.0

    def test_scores_are_over_the_set_and_not_means_of_batches(self):
        task = classification()
        batches = [make_batch(clips, seed=clips) for clips in (1, 2, 5)]
        run = tiny_trainer()
        scores = run.validate(task, datamodule=Batches(val=batches), verbose=False)[0]
        with torch.no_grad():
            found = torch.cat([task.eval()(batch).argmax(1) for batch in batches])
        true = torch.cat([batch["target"] for batch in batches])
        assert scores["val/WAR"] == pytest.approx((found == true).float().mean().item())
        recalls = [(found[true == k] == k).float().mean().item() for k in true.unique()]
        assert scores["val/UAR"] == pytest.approx(sum(recalls) / len(recalls))

    def test_soft_labels_train(self):
        history = History()
        data = Batches(train=[make_batch(label="soft")])
        tiny_trainer(None, history).fit(classification(label_smoothing=0.1), datamodule=data)
        assert math.isfinite(history.train[0]["train/loss"])

    def test_label_smoothing_is_for_training_alone(self):
        data = Batches(train=[make_batch()], val=[make_batch()])
        scores = [
            tiny_trainer().validate(task, datamodule=data, verbose=False)[0]["val/loss"]
            for task in (classification(), classification(label_smoothing=0.5))
        ]
        assert scores[0] == scores[1]

    def test_drop_path_is_for_training_alone(self, tmp_path):
        history = History()
        run = tiny_trainer(tmp_path, history)
        batches = [make_batch()]
        data = Batches(train=batches, val=batches, test=batches)
        task = classification(drop_path=0.2)
        run.fit(task, datamodule=data)
        run.test(task, datamodule=data, verbose=False)
        assert history.modes == {"train": {True}, "val": {False}, "test": {False}}

    def test_testing_writes_predictions_and_a_confusion_matrix(self, tmp_path):
        task, run = classification(), tiny_trainer(tmp_path)
        batches = [make_batch(3, views=2, seed=1), make_batch(2, views=2, seed=2)]
        run.test(task, datamodule=Batches(test=batches), verbose=False)
        table = pd.read_csv(tmp_path / "version_0" / "test_predictions.csv")
        assert list(table.columns) == ["id", "target", "prediction", *CLASSES]
        assert table["id"].tolist() == [*batches[0]["id"], *batches[1]["id"]]
        assert table["target"].tolist() == ["anger", "calm", "joy", "anger", "calm"]
        assert table[CLASSES].sum(axis=1).tolist() == pytest.approx([1.0] * 5, abs=1e-5)
        assert table["prediction"].tolist() == table[CLASSES].idxmax(axis=1).tolist()
        pictures = list((tmp_path / "version_0").glob("pictures/confusion-*.png"))
        assert len(pictures) == 1
        assert pictures[0].read_bytes()[:4] == b"\x89PNG"

    def test_predicting_needs_no_labels(self, tmp_path):
        task, run = classification(), tiny_trainer(tmp_path)
        data = Batches(test=[make_batch(2, label=None), make_batch(0, label=None)])
        rows = run.predict(task, datamodule=data)
        assert [len(batch) for batch in rows] == [2, 0]
        table = pd.read_csv(tmp_path / "version_0" / "predictions.csv")
        assert list(table.columns) == ["id", "prediction", *CLASSES]
        assert len(table) == 2

    @pytest.mark.parametrize("stage", ["fit", "validate", "test"])
    def test_data_without_labels_is_refused_with_the_option(self, stage):
        batches = [make_batch(label=None)]
        data = Batches(train=batches, val=batches, test=batches)
        with pytest.raises(ConfigError, match=r"no labels .* --data\.label"):
            getattr(tiny_trainer(), stage)(classification(), datamodule=data)


class TestRegression:
    def test_views_are_averaged(self):
        task = regression(activation="sigmoid").eval()
        batch = make_batch(3, views=2, label="values")
        with torch.no_grad():
            values = task(batch)
            by_view = [
                task.model(batch["video"][:, view], batch["audio"][:, view]).sigmoid()
                for view in range(2)
            ]
        torch.testing.assert_close(values, sum(by_view) / 2)

    def test_names_of_what_is_logged(self):
        run = tiny_trainer()
        batches = [make_batch(label="values")]
        run.fit(regression(), datamodule=Batches(train=batches, val=batches))
        logged = {name for name in run.callback_metrics if name.startswith("val/")}
        assert logged == {"val/loss"} | {
            f"val/{metric}{target}"
            for metric in ("PCC", "CCC", "MSE", "RMSE", "MAE")
            for target in ("", "_arousal", "_valence")
        }
        mean = (
            run.callback_metrics["val/CCC_arousal"] + run.callback_metrics["val/CCC_valence"]
        ) / 2
        assert run.callback_metrics["val/CCC"] == pytest.approx(mean.item())

    @pytest.mark.parametrize("loss", ["mse", "l1", "smooth_l1", "ccc", "pcc"])
    def test_every_loss_falls(self, loss):
        history = History()
        data = Batches(train=[make_batch(6, label="values")])
        tiny_trainer(None, history, max_epochs=25).fit(regression(loss=loss), datamodule=data)
        losses = [step["train/loss"] for step in history.train]
        assert sum(losses[-3:]) < sum(losses[:3])

    @pytest.mark.parametrize(
        ("activation", "low", "high"),
        [("sigmoid", 0, 1), ("relu", 0, math.inf), ("tanh", -1, 1), ("none", -math.inf, math.inf)],
    )
    def test_activation_bounds_the_values(self, activation, low, high):
        task = regression(activation=activation).eval()
        with torch.no_grad():
            task.model.head.bias.copy_(torch.tensor([-50.0, 50.0]))
            values = task(make_batch(label="values"))
        assert values.min() >= low
        assert values.max() <= high
        if activation == "none":
            assert values.min() < -1
            assert values.max() > 1

    def test_a_single_target(self, tmp_path):
        batch = make_batch(label="values")
        batch["target"] = batch["target"][:, :1]
        run = tiny_trainer(tmp_path)
        data = Batches(train=[batch], val=[batch], test=[batch])
        task = regression(["arousal"])
        run.fit(task, datamodule=data)
        run.test(task, datamodule=data, verbose=False)
        assert run.callback_metrics["test/CCC"] == run.callback_metrics["test/CCC_arousal"]

    def test_testing_writes_predictions(self, tmp_path):
        task, run = regression(), tiny_trainer(tmp_path)
        batch = make_batch(3, label="values")
        run.test(task, datamodule=Batches(test=[batch]), verbose=False)
        table = pd.read_csv(tmp_path / "version_0" / "test_predictions.csv")
        assert list(table.columns) == ["id", "arousal_target", "valence_target", *TARGETS]
        targets = torch.tensor(table[["arousal_target", "valence_target"]].to_numpy())
        torch.testing.assert_close(targets.float(), batch["target"])
        with torch.no_grad():
            values = task.eval()(batch)
        torch.testing.assert_close(torch.tensor(table[TARGETS].to_numpy()).float(), values)

    def test_predicting_needs_no_labels(self, tmp_path):
        run = tiny_trainer(tmp_path)
        run.predict(regression(), datamodule=Batches(test=[make_batch(2, label=None)]))
        table = pd.read_csv(tmp_path / "version_0" / "predictions.csv")
        assert list(table.columns) == ["id", *TARGETS]


@pytest.mark.parametrize("clip", [None, 0.5], ids=["unclipped", "clipped"])
def test_a_step_is_fused_unless_fp16_gradients_are_clipped(kind, tmp_path, clip):
    """A fused step unscales by itself, so that a trainer cannot clip before it."""
    maker, label = kind
    task = maker()
    scaled = pl.plugins.MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    run = tiny_trainer(tmp_path, plugins=[scaled], gradient_clip_val=clip)
    run.fit(task, datamodule=Batches(train=[make_batch(label=label)] * 2))
    assert run.optimizers[0].defaults["fused"] == (clip is None)
    assert all(weight.isfinite().all() for weight in task.parameters())
