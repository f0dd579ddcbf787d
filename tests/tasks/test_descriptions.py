"""What a task says of its model in every checkpoint, and what it asks of the data for it."""

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny import ARCHITECTURE, INPUTS, tiny_architecture
from tiny_tasks import tiny_trainer
from torch.utils.data import DataLoader

from hicmae.checkpoints import InputSettings, load_recognition_model
from hicmae.data.datamodules import IEMOCAPDataModule, MAFWDataModule, ManifestDataModule
from hicmae.errors import CheckpointError, ConfigError
from hicmae.models import ArchitectureChanges
from hicmae.tasks import ClassificationTask, NearestNeighbourTask, PretrainingTask, RegressionTask

TASKS = {
    "pretraining": lambda: PretrainingTask(
        video_mask_ratio=0.75,
        audio_mask_ratio=0.5,
        contrast_weight=0.05,
        temperature=0.07,
        learning_rate=0.01,
        figure_every_n_epochs=0,
        architecture=ARCHITECTURE,
    ),
    "classification": lambda: ClassificationTask(
        ["anger", "calm", "joy"], learning_rate=0.01, architecture=ARCHITECTURE, modality="audio"
    ),
    "regression": lambda: RegressionTask(
        ["arousal", "valence"],
        learning_rate=0.01,
        architecture=ARCHITECTURE,
        activation="tanh",
        feature_fusion=False,
    ),
}
LABELS = {
    "pretraining": {},
    "classification": {"label": "emotion"},
    "regression": {"targets": ["arousal", "valence"]},
}


def trained(task, data, path):
    keep = ModelCheckpoint(path.parent, filename=path.stem)
    trainer = tiny_trainer(None, keep, limit_train_batches=1, limit_val_batches=0)
    trainer.fit(task, datamodule=data)
    return torch.load(path, weights_only=True)


def clips(corpus, **options):
    inputs = INPUTS | {"frame_size": 40, "stride": 2, "crop_pct": 0.8}
    return ManifestDataModule(str(corpus / "manifest.csv"), **inputs, **options)


class OwnData(pl.LightningDataModule):
    """What a user may write who knows nothing of descriptions and repeats."""

    def __init__(self):
        super().__init__()
        self.batch_size = 2

    def steps_per_epoch(self, world_size=1):
        return 1

    def train_dataloader(self):
        batch = {
            "video": torch.zeros(2, 1, 3, 4, 32, 32),
            "audio": torch.zeros(2, 1, 1, 32, 32),
            "target": torch.zeros(2, dtype=torch.int64),
            "id": ["a", "b"],
        }
        return DataLoader([batch], batch_size=None)


@pytest.mark.parametrize("kind", TASKS)
def test_a_checkpoint_describes_its_model_by_itself(kind, corpus, tmp_path):
    task, path = TASKS[kind](), tmp_path / "run.ckpt"
    checkpoint = trained(task, clips(corpus, **LABELS[kind]), path)
    for name in ("hyper_parameters", "datamodule_hyper_parameters"):
        del checkpoint[name]
    torch.save(checkpoint, path)
    model, described = load_recognition_model(path)
    assert described.kind == kind
    assert described.outputs == tuple(getattr(task, "outputs", ()))
    assert described.architecture == tiny_architecture()
    assert described.modality == ("audio" if kind == "classification" else "audio_visual")
    assert described.feature_fusion == (kind != "regression")
    assert described.activation == ("tanh" if kind == "regression" else "none")
    assert described.inputs == InputSettings(stride=2, frame_size=40, crop_pct=0.8)
    facts = described.training
    assert (facts["task"], facts["epochs"], facts["steps"]) == (type(task).__name__, 1, 1)
    assert facts["options"]["learning_rate"] == 0.01
    assert "architecture" not in facts["options"]
    assert facts["data"]["manifest"] == "manifest.csv"
    assert LABELS[kind].items() <= facts["data"].items()
    for name, tensor in model.state_dict().items():
        if name in task.model.state_dict():
            assert torch.equal(tensor, task.model.state_dict()[name])


def test_changes_given_as_a_class_are_kept_as_plain_values(corpus, tmp_path):
    fields = {n: tuple(v) if isinstance(v, list) else v for n, v in ARCHITECTURE.items()}
    task = ClassificationTask(
        ["anger", "calm", "joy"], learning_rate=0.01, architecture=ArchitectureChanges(**fields)
    )
    checkpoint = trained(task, clips(corpus, label="emotion"), tmp_path / "run.ckpt")
    assert checkpoint["hyper_parameters"]["architecture"]["width"] == ARCHITECTURE["width"]
    again = ClassificationTask.load_from_checkpoint(tmp_path / "run.ckpt", weights_only=True)
    assert again.architecture == tiny_architecture()


def test_a_path_of_the_machine_is_not_told(corpus, tmp_path):
    source = tmp_path / "secret" / "pretrained.ckpt"
    source.parent.mkdir()
    task = TASKS["classification"]()
    torch.save({"model": task.model.state_dict()}, source)
    task.pretrained = str(source)
    checkpoint = trained(task, clips(corpus, label="emotion"), tmp_path / "run.ckpt")
    assert checkpoint["description"]["training"]["pretrained"] == "pretrained.ckpt"
    assert "secret" not in str(checkpoint["description"])


def test_neighbours_are_no_model_to_be_used_alone(corpus, tmp_path):
    task = NearestNeighbourTask(
        ["anger", "calm", "joy"], neighbours=1, temperature=0.07, architecture=ARCHITECTURE
    )
    trained(task, clips(corpus, label="emotion"), tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match=r"last\.ckpt is of a task that trains no model"):
        load_recognition_model(tmp_path / "last.ckpt")


def test_data_of_ones_own_need_not_describe_itself(tmp_path):
    task = ClassificationTask(["a", "b"], architecture=ARCHITECTURE, learning_rate=0.01)
    trained(task, OwnData(), tmp_path / "run.ckpt")
    _, described = load_recognition_model(tmp_path / "run.ckpt")
    assert described.inputs == InputSettings(frame_size=32)
    assert "data" not in described.training


def test_data_without_steps_is_refused_in_a_sentence(tmp_path):
    data = OwnData()
    del data.batch_size
    task = ClassificationTask(["a", "b"], architecture=ARCHITECTURE, learning_rate=0.01)
    with pytest.raises(ConfigError, match="OwnData has not both"):
        trained(task, data, tmp_path / "run.ckpt")


def test_a_corpus_tells_its_name_and_its_variant(tmp_path):
    told = MAFWDataModule(str(tmp_path), fold=2, classes=43).describe_training()
    assert told["corpus"] == "MAFW"
    assert (told["module"], told["classes"], told["fold"]) == ("MAFWDataModule", 43, 2)
    told = IEMOCAPDataModule(str(tmp_path), left_actor="female").describe_training()
    assert told["left_actor"] == "female"
    assert str(tmp_path) not in str(told)
