"""How runs are described: their model, and how their checkpoint was chosen."""

import pandas as pd
import pytest

from hicmae.data.manifest import complete_manifest
from hicmae.data.splits import make_splits
from hicmae.evaluation import setup
from hicmae.evaluation.setup import (
    modality_label,
    model_label,
    selection_of,
    selection_of_config,
)

CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"
TINY = {"size": "tiny", "architecture": None}


def config(val_split="from_train", monitor="val/WAR", **model):
    return {
        "model": {"class_path": "hicmae.tasks.ClassificationTask", "init_args": TINY | model},
        "data": {"class_path": "M", "init_args": {"val_split": val_split}},
        "trainer": {"callbacks": [{"class_path": CHECKPOINT, "init_args": {"monitor": monitor}}]},
    }


def splits(val_split, column="fold", **options):
    content = {
        "video": [f"{index}.mp4" for index in range(12)],
        "fold": [1 + index % 3 for index in range(12)],
        "split": (["train"] * 2 + ["val", "test"]) * 3,
    }
    table = complete_manifest(pd.DataFrame({name: content[name] for name in ("video", column)}))
    return make_splits(table, source="here", fold=2, val_split=val_split, **options)


@pytest.mark.parametrize(
    ("val_split", "column", "expected"),
    [
        ("from_train", "fold", setup.HELD_OUT),
        ("same_as_test", "fold", setup.ON_TEST_FOLD),
        ("from_train", "split", setup.OWN_VALIDATION),
        ("own", "split", setup.OWN_VALIDATION),
        ("same_as_test", "split", setup.ON_TEST_FOLD),
    ],
)
def test_selection_follows_from_the_rows(val_split, column, expected):
    assert selection_of(config(val_split), splits(val_split, column)) == expected


def test_without_a_watched_figure_nothing_is_selected():
    assert selection_of(config(monitor=None), splits("same_as_test")) == setup.LAST_EPOCH
    assert selection_of(config(), splits("from_train", val_fraction=0)) == setup.LAST_EPOCH
    assert selection_of_config(config("same_as_test", monitor=None)) == setup.LAST_EPOCH


def test_stopping_early_on_the_test_rows_is_a_selection():
    stopping = config("same_as_test", monitor=None)
    stopping["trainer"]["callbacks"].append({"init_args": {"monitor": "val/loss"}})
    assert selection_of(stopping, splits("same_as_test")) == setup.ON_TEST_FOLD
    assert selection_of_config(stopping) == setup.ON_TEST_FOLD


def test_only_a_published_model_has_a_published_name():
    assert model_label(config()) == "HiCMAE-T"
    assert model_label(config(size="base", architecture={"width": None})) == "HiCMAE-B"
    for change in (
        {"architecture": {"width": 96}},
        {"architecture": {"mlp_ratio": 2.0}},
        {"feature_fusion": False},
        {"fusion_depth": 1},
        {"freeze": "encoders"},
    ):
        assert model_label(config(**change)).startswith("HiCMAE-T changed: ")
    assert model_label(config(size=None, architecture={"width": 96})) == "None changed: width 96"


@pytest.mark.parametrize(
    ("option", "label"),
    [("audio_visual", "audio + video"), ("audio", "audio"), ("video", "video")],
)
def test_modality(option, label):
    assert modality_label(config(modality=option)) == label
    given = config()
    given["data"]["init_args"]["senses"] = "both" if option == "audio_visual" else option
    assert modality_label(given) == label
