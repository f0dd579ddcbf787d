"""Recognition from sound or picture alone, and what it takes of a pre-trained model."""

import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from safetensors.torch import save_file
from tiny import ARCHITECTURE, CLASSES, tiny_architecture
from tiny_tasks import MAKERS, Batches, classification, make_batch, tiny_trainer

from hicmae.checkpoints import load_pretrained
from hicmae.errors import CheckpointError, ConfigError
from hicmae.models import HiCMAE, RecognitionModel

SHAPE = tiny_architecture()
ONE = pytest.mark.parametrize("modality", ["audio", "video"])


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A pre-training model and a file of its weights."""
    torch.manual_seed(0)
    model = HiCMAE(SHAPE)
    path = tmp_path_factory.mktemp("weights") / "pretrained.safetensors"
    save_file(model.state_dict(), path)
    return model, path


class TestLoading:
    @ONE
    def test_one_encoder_is_taken_and_the_rest_reported(self, pretrained, modality):
        source, path = pretrained
        model = RecognitionModel(SHAPE, 3, modality=modality)
        report = load_pretrained(model, path)
        other = "video" if modality == "audio" else "audio"
        assert {name.split(".")[0] for name in report.loaded} == {f"{modality}_encoder"}
        assert {name.split(".")[0] for name in report.fresh} == {
            f"{modality}_layer_weights",
            "head",
            "head_norm",
        }
        dropped = {name.split(".")[0] for name in report.dropped}
        assert dropped == {f"{other}_encoder", "fusion_encoder", "audio_decoder", "video_decoder"}
        assert len(report.loaded) + len(report.dropped) == len(source.state_dict())
        ours = model.get_submodule(f"{modality}_encoder").state_dict()
        for name, tensor in source.get_submodule(f"{modality}_encoder").state_dict().items():
            assert torch.equal(tensor, ours[name]), name

    @ONE
    def test_fine_tuned_model_of_both_starts_one_of_one(self, tmp_path, modality):
        path = tmp_path / "both.safetensors"
        save_file(RecognitionModel(SHAPE, 3).state_dict(), path)
        report = load_pretrained(RecognitionModel(SHAPE, 3, modality=modality), path)
        assert f"{modality}_layer_weights" in report.loaded
        assert {"head.weight", "head_norm.weight"} <= set(report.fresh)

    def test_file_of_the_other_modality_is_refused(self, tmp_path):
        path = tmp_path / "video.safetensors"
        save_file(RecognitionModel(SHAPE, 3, modality="video").state_dict(), path)
        with pytest.raises(CheckpointError, match="no weights of this model"):
            load_pretrained(RecognitionModel(SHAPE, 3, modality="audio"), path)

    def test_encoder_of_another_depth_is_still_refused(self, pretrained):
        model = RecognitionModel(tiny_architecture(depth=3), 3, modality="audio")
        with pytest.raises(
            CheckpointError, match=r"audio_encoder\.blocks\.2\..* in the model alone"
        ):
            load_pretrained(model, pretrained[1])


@pytest.mark.parametrize("kind", ["classification", "regression"])
@ONE
def test_fit_test_and_predict(tmp_path, pretrained, kind, modality):
    make, label = MAKERS[kind]
    batch = make_batch(label=label, views=1)
    data = Batches(train=[batch] * 2, val=[batch], test=[make_batch(label=label, views=2)])
    keep = ModelCheckpoint(tmp_path, filename="end")
    task = make(modality=modality, pretrained=str(pretrained[1]), layer_decay=0.75, drop_path=0.1)
    run = tiny_trainer(tmp_path, keep, max_epochs=2)
    run.fit(task, datamodule=data)
    run.test(task, datamodule=data, verbose=False)
    assert {"test/loss", "test/WAR" if kind == "classification" else "test/CCC"} <= set(
        run.callback_metrics
    )
    table = pd.read_csv(tmp_path / "version_0" / "test_predictions.csv")
    assert len(table) == 4
    again = type(task).load_from_checkpoint(tmp_path / "end.ckpt", weights_only=True)
    assert again.model.modality == modality
    rows = tiny_trainer().predict(again, datamodule=data)[0]
    outputs = table.columns[-len(task.outputs) :]
    assert [row[outputs[0]] for row in rows] == pytest.approx(table[outputs[0]].tolist(), rel=1e-4)


@ONE
@pytest.mark.parametrize("option", [{"fusion_depth": 1}, {"fusion_order": "self_then_cross"}])
def test_option_of_a_part_that_is_not_there_is_refused(option, modality):
    with pytest.raises(ConfigError, match=rf"{next(iter(option))} is .*modality {modality}"):
        classification(modality=modality, **option)


def test_named_options_come_before_the_architecture():
    task = classification(fusion_depth=0, fusion_order="self_then_cross")
    assert ARCHITECTURE["fusion_depth"] == 1
    assert task.architecture.fusion_depth == 0
    assert task.architecture.fusion_order == "self_then_cross"
    assert classification(fusion_depth=None).architecture.fusion_depth == 1
    assert len(task.outputs) == len(CLASSES)
