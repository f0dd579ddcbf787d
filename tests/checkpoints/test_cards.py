"""The card beside shared weights: true, whole, and without paths of a machine."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
import yaml
from tiny import ARCHITECTURE, tiny_architecture

from hicmae.answers.blends import Blends
from hicmae.checkpoints import load_recognition_model
from hicmae.checkpoints.card import model_card
from hicmae.cli import dispatch
from hicmae.errors import CheckpointError
from hicmae.models import HiCMAE, RecognitionModel
from hicmae.weights.description import ModelDescription

CLASSES = ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]
SCORES = {"test/WAR": 0.75, "test/UAR": 0.7}


@pytest.fixture
def run_folder(tmp_path):
    """A run on RAVDESS as `hicmae fit` leaves it: best.ckpt was tested, last.ckpt was not."""
    folder = tmp_path / "runs" / "version_0"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "test_metrics.json").write_text(json.dumps(SCORES))
    torch.manual_seed(0)
    state = RecognitionModel(tiny_architecture(), len(CLASSES)).state_dict()
    best = f"{folder}/checkpoints/best.ckpt"
    for name in ("best.ckpt", "last.ckpt"):
        torch.save(
            {
                "state_dict": {f"model.{key}": tensor for key, tensor in state.items()},
                "epoch": 11,
                "global_step": 240,
                "hyper_parameters": {
                    "_class_path": "hicmae.tasks.ClassificationTask",
                    "class_names": CLASSES,
                    "architecture": ARCHITECTURE,
                    "learning_rate": 0.002,
                    "pretrained": f"{tmp_path}/secret-project/pretrained.ckpt",
                },
                "datamodule_hyper_parameters": {
                    "_class_path": "hicmae.data.datamodules.RAVDESSDataModule",
                    "root": f"{tmp_path}/secret-project/RAVDESS",
                    "cache_dir": f"{tmp_path}/secret-project/cache",
                    "manifest": f"{tmp_path}/secret-project/faces.csv",
                    "fold": 3,
                    "stride": 2,
                    "frame_size": 48,
                },
                "callbacks": {
                    "best": {
                        "monitor": "val/WAR",
                        "best_model_score": torch.tensor(0.8),
                        "best_model_path": best,
                    },
                    "last": {
                        "monitor": None,
                        "best_model_score": None,
                        "best_model_path": f"{folder}/checkpoints/last.ckpt",
                    },
                    "bar": {"refresh": 1},
                },
            },
            folder / "checkpoints" / name,
        )
    return folder


def converted(run_folder, name="best.ckpt", *options):
    target = run_folder.parent / f"model-of-{name.split('.')[0]}"
    dispatch(["convert", str(run_folder / "checkpoints" / name), str(target), *options])
    return target


def test_what_the_card_says(run_folder):
    folder = converted(run_folder, "best.ckpt", "--license", "cc-by-nc-4.0")
    card = (folder / "README.md").read_text()
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    state = RecognitionModel(tiny_architecture(), len(CLASSES)).state_dict()
    parameters = sum(tensor.numel() for tensor in state.values())
    for said in (
        "RAVDESS",
        "Zenodo record 1188976",  # where the licence of the corpus is found
        "Livingstone",
        "fold 3",
        "12 epochs, 240 steps",
        "learning_rate 0.002",
        "pre-trained weights: pretrained.ckpt",
        ", ".join(CLASSES),
        "4 frames, each 2 frames after",
        "decoded to 48 × 48",
        "| width, heads | 16, 2 |",
        f"| all | {parameters:,} |",
        "| WAR (test) | 0.7500 |",
        "| WAR (validation, chose the checkpoint) | 0.8000 |",
        "The weights: cc-by-nc-4.0",
        "Intended use",
        "hiring",
        "Article 5(1)(f)",
        "agreed to be analysed",
        "between groups of people",
        'EmotionRecognizer.from_pretrained("MODEL")',
        "hicmae recognize clip.mp4 --checkpoint MODEL",
        digest,
        "Information Fusion",
    ):
        assert said in card, said
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "cc-by-nc-4.0"
    assert front["library_name"] == "hicmae"
    assert front["pipeline_tag"] == "video-classification"
    assert "emotion-recognition" in front["tags"]


def test_scores_belong_to_the_checkpoint_that_was_tested(run_folder, tmp_path):
    best = load_recognition_model(converted(run_folder))[1].training
    assert best["test"] == {"WAR": 0.75, "UAR": 0.7}
    assert best["validation"] == {"WAR": pytest.approx(0.8)}
    last = load_recognition_model(converted(run_folder, "last.ckpt"))[1].training
    assert "test" not in last
    assert "validation" not in last
    (tmp_path / "scores.json").write_text('{"test/WAR": 0.5}')
    options = ("--overwrite", "--metrics", str(tmp_path / "scores.json"))
    named = converted(run_folder, "last.ckpt", *options)
    assert load_recognition_model(named)[1].training["test"] == {"WAR": 0.5}


@pytest.mark.parametrize("text", ["", "[1]", '{"test/WAR": "high"}', "{'a': 1}"])
def test_metrics_that_are_none(text, run_folder, tmp_path):
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"scores\.json holds no scores"):
        converted(run_folder, "best.ckpt", "--metrics", str(tmp_path / "scores.json"))


def test_no_path_of_the_machine_is_told(run_folder):
    folder = converted(run_folder)
    for name in ("README.md", "config.json"):
        text = (folder / name).read_text()
        assert "secret-project" not in text
        assert str(run_folder.parent) not in text


def test_facts_outlive_further_conversions(run_folder):
    folder = converted(run_folder)
    run, again = folder.with_name("again.ckpt"), folder.with_name("again")
    dispatch(["convert", str(folder), str(run)])
    dispatch(["convert", str(run), str(again)])
    for name in ("README.md", "config.json", "model.safetensors"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()


def test_pretrained_model_without_known_data():
    description = ModelDescription("pretraining", (), tiny_architecture())
    weights = HiCMAE(tiny_architecture()).state_dict()
    card = model_card(description, weights, "0" * 64)
    assert "not recorded" in card
    assert "No licence is stated" in card
    assert "| video decoder |" in card
    assert "| layers contrasted | 1, 2 |" in card
    assert "hicmae embed" in card
    assert "Scores" not in card
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "other"


def test_blends_are_told_with_their_thresholds():
    description = ModelDescription(
        "classification",
        ("neutral", "anger", "fear"),
        tiny_architecture(),
        target_kind="distribution",
        blends=Blends(("anger", "fear"), (0.15, 0.2)),
    )
    weights = RecognitionModel(tiny_architecture(), 3).state_dict()
    card = model_card(description, weights, "0" * 64)
    assert "Of anger, fear, two may be named as a blend" in card
    assert "the second largest share is 0.15 or more" in card
    assert "in equal parts if the two differ by 0.2 or less, else as 70 and 30 percent." in card
    alone = model_card(replace(description, blends=None), weights, "0" * 64)
    assert "named as a blend" not in alone
