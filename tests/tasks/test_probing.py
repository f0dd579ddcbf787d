"""Watching pre-trained weights cheaply: a linear probe and nearest neighbours."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from tiny import ARCHITECTURE, CLASSES, keep
from tiny_tasks import Batches, classification, make_batch, tiny_trainer

from hicmae.errors import ConfigError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.tasks import ClassificationTask, LogisticRegressionTask, NearestNeighbourTask
from hicmae.tasks.frozen import FeatureCollection, LabelledFeatures
from hicmae.tasks.neighbours import vote
from hicmae.training.commands import run

pytestmark = pytest.mark.usefixtures("as_command")


@pytest.fixture(scope="module")
def config(write_config):
    """A fine-tuning config that probes stack behind."""
    return write_config(
        "classify",
        model={"drop_path": 0.5, "label_smoothing": 0.1, "layer_decay": 0.75},
        data={"augmentation": {"class_path": "hicmae.data.augmentation.FinetuningAugmentation"}},
        trainer={
            "callbacks": [
                keep(filename="best", monitor="val/WAR", save_last=True),
                {"class_path": "lightning.pytorch.callbacks.LearningRateMonitor"},
            ]
        },
    )


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """Weights to judge."""
    path = tmp_path_factory.mktemp("weights") / "pretrained.ckpt"
    torch.manual_seed(7)
    task = ClassificationTask(CLASSES, architecture=ARCHITECTURE, learning_rate=0.01)
    state = {f"model.{name}": tensor for name, tensor in task.model.state_dict().items()}
    torch.save({"state_dict": {n: t for n, t in state.items() if "encoder" in n}}, path)
    return path


class TestLinearProbe:
    @pytest.mark.parametrize("modality", ["audio_visual", "audio"])
    def test_only_what_is_no_encoder_learns(self, modality):
        task = classification(freeze="encoders", modality=modality, drop_path=0.5, layer_decay=0.5)
        before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
        run = tiny_trainer(max_epochs=3)
        run.fit(task, datamodule=Batches(train=[make_batch()], val=[make_batch()]))
        for name, tensor in task.model.state_dict().items():
            assert torch.equal(tensor, before[name]) is ("encoder" in name), name
        # The rate of all that learns is the whole one.
        assert {group["lr_scale"] for group in run.optimizers[0].param_groups} == {1.0}

    def test_shipped_config_probes_a_file(self, config, weights_file, tmp_path):
        done = run(
            [
                "fit",
                f"--config={config}",
                "--config=probe/linear.yaml",
                f"--model.pretrained={weights_file}",
                "--trainer.max_epochs=2",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        assert (tmp_path / "version_0" / "test_metrics.json").is_file()
        source = torch.load(weights_file, weights_only=True)["state_dict"]
        ours = done.model.state_dict()
        for name, tensor in source.items():
            assert torch.equal(tensor, ours[name]), name
        assert done.datamodule.preprocessor.augmentation is None


class TestVotes:
    def test_nearest_clips_decide_by_their_similarity(self):
        known = LabelledFeatures(
            F.normalize(torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, 0.0]]), dim=1),
            torch.tensor([0, 1, 1, 2]),
        )
        shares = vote(known, torch.tensor([[5.0, 0.0]]), classes=3, neighbours=3, temperature=0.5)
        weights = torch.tensor([1.0, 0.5**0.5, 0.0]).div(0.5).exp()
        weights = weights / weights.sum()
        expected = torch.stack([weights[0], weights[1] + weights[2], torch.tensor(0.0)])
        torch.testing.assert_close(shares, expected[None])

    def test_one_neighbour_has_all_votes(self):
        known = LabelledFeatures(torch.eye(3), torch.tensor([2, 0, 1]))
        shares = vote(known, torch.eye(3), classes=4, neighbours=1, temperature=0.07)
        assert shares.argmax(1).tolist() == [2, 0, 1]
        assert shares.max(1).values.tolist() == [1.0, 1.0, 1.0]

    def test_features_of_a_clip_are_averaged(self):
        collection = FeatureCollection()
        collection.add(["a", "b"], torch.tensor([[2.0, 0.0], [0.0, 3.0]]), torch.tensor([1, 0]))
        collection.add(["a"], torch.tensor([[0.0, 2.0]]), torch.tensor([1]))
        known = collection.merge()
        torch.testing.assert_close(known.features, torch.tensor([[1.0, 1.0], [0.0, 3.0]]))
        assert known.targets.tolist() == [1, 0]


def neighbours(**options):
    torch.manual_seed(0)
    defaults = {"neighbours": 1, "temperature": 0.07, "architecture": ARCHITECTURE}
    return NearestNeighbourTask(CLASSES, **defaults | options)


class TestNearestNeighbours:
    @pytest.mark.parametrize("modality", ["audio_visual", "audio", "video"])
    def test_training_clips_find_themselves(self, modality):
        batches = [make_batch(seed=seed) for seed in range(3)]
        task = neighbours(modality=modality)
        before = {name: tensor.clone() for name, tensor in task.state_dict().items()}
        data = Batches(train=batches, val=batches, test=batches)
        fitting = tiny_trainer(num_sanity_val_steps=2, max_epochs=2)
        fitting.fit(task, datamodule=data)
        assert fitting.callback_metrics["val/WAR"] == 1
        fitting.test(task, datamodule=data, verbose=False)
        assert fitting.callback_metrics["test/UAR"] == 1
        for name, tensor in task.model.state_dict().items():
            assert torch.equal(tensor, before[f"model.{name}"]), name

    def test_a_dry_run_leaves_nothing(self, config, weights_file, tmp_path):
        run(
            [
                "fit",
                f"--config={config}",
                "--config=probe/nearest.yaml",
                f"--model.pretrained={weights_file}",
                "--model.neighbours=1",
                "--trainer.fast_dev_run=true",
                f"--trainer.default_root_dir={tmp_path / 'runs'}",
            ]
        )
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_more_votes_than_clips_are_refused(self):
        data = Batches(train=[make_batch()], test=[make_batch()])
        task = neighbours(neighbours=5)
        fitting = tiny_trainer()
        fitting.fit(task, datamodule=data)
        with pytest.raises(ConfigError, match=r"4 training clips.*5 neighbours.*model\.neighbours"):
            fitting.test(task, datamodule=data, verbose=False)

    def test_test_without_a_fit_is_refused(self):
        with pytest.raises(ConfigError, match=r"0 training clips.*a fit of this task"):
            tiny_trainer().test(
                neighbours(), datamodule=Batches(test=[make_batch()]), verbose=False
            )

    def test_mixed_clips_are_refused(self):
        with pytest.raises(ConfigError, match="turn off mixing"):
            tiny_trainer().fit(neighbours(), datamodule=Batches(train=[make_batch(label="soft")]))

    @pytest.mark.parametrize("option", ["neighbours", "temperature"])
    def test_options_are_positive(self, option):
        with pytest.raises(ConfigError, match=f"{option} is 0"):
            neighbours(**{option: 0})

    def test_shipped_config_from_fit_to_predict(self, config, weights_file, tmp_path):
        done = run(
            [
                "fit",
                f"--config={config}",
                "--config=probe/nearest.yaml",
                "--model.neighbours=3",
                f"--model.pretrained={weights_file}",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        assert isinstance(done.model, NearestNeighbourTask)
        assert done.model.architecture.width == ARCHITECTURE["width"]
        assert done.trainer.global_step == 0
        folder = Path(done.trainer.log_dir)
        scores = json.loads((folder / "test_metrics.json").read_text())
        of_answers = ("UAR", "WAR", "F1_weighted", "F1_macro")
        of_claims = ("ECE", "Brier", "NLL", "AURC")
        assert set(scores) == {f"test/{name}" for name in (*of_answers, *of_claims)}
        table = pd.read_csv(folder / "test_predictions.csv")
        assert list(table.columns) == ["id", "target", "prediction", "anger", "calm", "joy"]
        assert table[["anger", "calm", "joy"]].sum(axis=1).tolist() == pytest.approx([1, 1, 1])

        # A new command reads the weights and the neighbours from the run.
        checkpoint = folder / "checkpoints" / "last.ckpt"
        root = f"--trainer.default_root_dir={tmp_path / 'again'}"
        again = run(["test", f"--ckpt_path={checkpoint}", root])
        assert json.loads((Path(again.trainer.log_dir) / "test_metrics.json").read_text()) == scores
        run(["predict", f"--ckpt_path={checkpoint}", root])
        predicted = pd.read_csv(tmp_path / "again" / "version_1" / "predictions.csv")
        columns = ["id", "prediction", "anger", "calm", "joy"]
        pd.testing.assert_frame_equal(predicted[columns], table[columns])


def logistic(**options):
    torch.manual_seed(0)
    defaults = {"penalty": 0.01, "architecture": ARCHITECTURE, "pooling": "statistics"}
    return LogisticRegressionTask(CLASSES, **defaults | options)


class TestLogisticRegression:
    @pytest.mark.parametrize("modality", ["audio_visual", "audio", "video"])
    def test_training_clips_are_told_apart_by_the_head_alone(self, modality):
        batches = [make_batch(seed=seed) for seed in range(3)]
        task = logistic(modality=modality)
        before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
        data = Batches(train=batches, val=batches, test=batches)
        fitting = tiny_trainer(num_sanity_val_steps=2, max_epochs=2)
        fitting.fit(task, datamodule=data)
        assert fitting.callback_metrics["val/WAR"] == 1
        fitting.test(task, datamodule=data, verbose=False)
        assert fitting.callback_metrics["test/UAR"] == 1
        for name, tensor in task.model.state_dict().items():
            assert torch.equal(tensor, before[name]) is not name.startswith("head."), name

    def test_neither_order_nor_repetition_of_clips_matter(self):
        batches = [make_batch(seed=seed) for seed in range(3)]
        tasks = []
        for order, epochs in ((batches, 1), (batches[::-1], 3)):
            tasks.append(logistic())
            tiny_trainer(max_epochs=epochs).fit(tasks[-1], datamodule=Batches(train=order))
        torch.testing.assert_close(*(task.model.head.weight for task in tasks))

    def test_mixed_clips_are_refused(self):
        with pytest.raises(ConfigError, match=r"turn off mixing with --config probe/logistic"):
            tiny_trainer().fit(logistic(), datamodule=Batches(train=[make_batch(label="soft")]))

    @pytest.mark.parametrize("penalty", [0, -1, float("nan")])
    def test_a_penalty_is_above_nothing(self, penalty):
        with pytest.raises(ConfigError, match="penalty is"):
            logistic(penalty=penalty)

    def test_shipped_config_from_fit_to_recognition(self, config, weights_file, tmp_path, corpus):
        done = run(
            [
                "fit",
                f"--config={config}",
                "--config=probe/logistic.yaml",
                f"--model.pretrained={weights_file}",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        assert isinstance(done.model, LogisticRegressionTask)
        assert done.trainer.global_step == 0
        folder = Path(done.trainer.log_dir)
        source = torch.load(weights_file, weights_only=True)["state_dict"]
        ours = done.model.state_dict()
        for name in source.keys() & ours.keys():
            assert torch.equal(source[name], ours[name]), name
        # Nothing but the checkpoint is needed to test and to recognise.
        checkpoint = folder / "checkpoints" / "last.ckpt"
        root = f"--trainer.default_root_dir={tmp_path / 'again'}"
        again = run(["test", f"--ckpt_path={checkpoint}", root])
        name = "test_predictions.csv"
        table, anew = (pd.read_csv(place / name) for place in (folder, Path(again.trainer.log_dir)))
        pd.testing.assert_frame_equal(table, anew)
        recognizer = EmotionRecognizer.from_pretrained(checkpoint, faces="none")
        assert recognizer.description.pooling == "statistics"
        assert recognizer.description.kind == "classification"
        assert recognizer.description.training["epochs"] == 4
        assert recognizer.description.training["steps"] == 0
        assert recognizer.recognize(corpus / "clip11.mp4")


@pytest.mark.parametrize("make", [neighbours, logistic])
def test_empty_batches_do_no_harm_to_frozen_features(make):
    task = make()
    data = Batches(train=[make_batch(0), make_batch()], test=[make_batch(0), make_batch()])
    fitting = tiny_trainer()
    fitting.fit(task, datamodule=data)
    fitting.test(task, datamodule=data, verbose=False)
    assert fitting.callback_metrics["test/WAR"] == 1
