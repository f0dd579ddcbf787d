"""What a run learns from validation clips after training, and where it keeps out of it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import CLASSES, TARGETS, keep

from hicmae.answers.calibration import fit_temperature, with_temperature
from hicmae.evaluation.scores import outputs_of
from hicmae.training.commands import run
from hicmae.weights.description import reliability_of
from hicmae.weights.reading import read_torch

CHOOSE = [keep(filename="best", monitor="val/loss")]


def fit(write_config, folder, kind="classify", options=(), **data):
    trainer = {"default_root_dir": str(folder), "callbacks": CHOOSE, "max_epochs": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["hicmae"])
        run(["fit", f"--config={write_config(kind, trainer=trainer, data=data)}", *options])
    return Path(folder) / "version_0"


def kept(path):
    return reliability_of(read_torch(path)["description"])


def predictions(path):
    return pd.read_csv(path, index_col="id")


@pytest.fixture(scope="module")
def classified(write_config, tmp_path_factory):
    return fit(write_config, tmp_path_factory.mktemp("classified"))


def again(folder, command, output, *options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["hicmae"])
        where = f"--trainer.default_root_dir={output}"
        best = f"--ckpt_path={folder / 'checkpoints' / 'best.ckpt'}"
        run([command, f"--config={folder / 'config.yaml'}", where, best, *options])
    return output / "version_0"


def test_the_tested_checkpoint_keeps_what_validation_showed(classified):
    known = kept(classified / "checkpoints" / "best.ckpt")
    assert known.clips == 3
    assert known.risk_coverage.coverage[-1] == 1
    assert known.familiarity.fits(64)
    assert kept(classified / "checkpoints" / "last.ckpt") is None
    pictures = {path.name.partition("-step")[0] for path in (classified / "pictures").iterdir()}
    assert pictures == {"confusion", "reliability", "risk-coverage"}


def test_raw_answers_are_there_to_be_had_and_the_others_are_their_calibration(classified, tmp_path):
    known = kept(classified / "checkpoints" / "best.ckpt")
    calibrated = predictions(classified / "test_predictions.csv")
    wanted = min(known.risk_coverage.error)
    options = ("--calibrated=false", f"--wanted_error={wanted}")
    raw = predictions(again(classified, "predict", tmp_path, *options) / "predictions.csv")
    confidence = calibrated[CLASSES].max(axis=1)
    sure = confidence >= known.risk_coverage.threshold(wanted)
    assert list(raw["sure"]) == list(sure)
    assert "sure" not in calibrated
    assert list(raw["prediction"]) == list(calibrated["prediction"])
    told = with_temperature(torch.tensor(raw[CLASSES].to_numpy()), known.temperature)
    np.testing.assert_allclose(calibrated[CLASSES], told, atol=1e-5)
    np.testing.assert_allclose(calibrated[CLASSES].sum(axis=1), 1, atol=1e-5)
    scores = json.loads((classified / "test_metrics.json").read_text())
    names = ("ECE", "Brier", "NLL", "AURC")
    assert {f"test/{name}{end}" for name in names for end in ("", "_raw")} <= scores.keys()
    likelihood = -np.log([row[row["target"]] for _, row in calibrated.iterrows()]).mean()
    assert scores["test/NLL"] == pytest.approx(likelihood, rel=1e-4)
    assert scores["test/NLL_raw"] == pytest.approx(scores["test/loss"], rel=1e-4)


def test_the_temperature_is_that_of_the_validation_clips(classified, tmp_path, corpus):
    known = kept(classified / "checkpoints" / "best.ckpt")
    table = pd.read_csv(corpus / "manifest.csv")
    table = table[table["split"] == "val"].assign(
        split="test", video=[str(corpus / name) for name in table["video"][table["split"] == "val"]]
    )
    table.to_csv(tmp_path / "val.csv", index=False)
    options = (f"--data.manifest={tmp_path / 'val.csv'}", "--calibrated=false")
    raw = predictions(again(classified, "test", tmp_path, *options) / "test_predictions.csv")
    targets = torch.tensor([CLASSES.index(name) for name in raw["target"]])
    fitted = fit_temperature(torch.tensor(raw[CLASSES].to_numpy()), targets)
    assert known.temperature == pytest.approx(fitted, rel=1e-2)
    # The warning begins at the farthest of so few.
    assert raw["unfamiliarity"].max() == pytest.approx(1, rel=1e-3)
    assert outputs_of(raw.reset_index()) == ("classification", CLASSES)


def test_values_get_their_spread(write_config, tmp_path):
    folder = fit(write_config, tmp_path, "regress")
    known = kept(folder / "checkpoints" / "best.ckpt")
    assert (known.temperature, len(known.spread), known.clips) == (None, len(TARGETS), 3)
    assert "test/NLL" in json.loads((folder / "test_metrics.json").read_text())


def test_nothing_is_fitted_on_test_clips(write_config, tmp_path, caplog):
    with caplog.at_level("INFO"):
        options = ["--wanted_error=0.2"]
        folder = fit(write_config, tmp_path, options=options, val_split="same_as_test")
    assert kept(folder / "checkpoints" / "best.ckpt") is None
    assert "not calibrated: validation uses test clips" in caplog.text
    assert "No answer is called sure or not sure: wanted_error is 0.2" in caplog.text
    assert not {"sure", "unfamiliarity"} & set(predictions(folder / "test_predictions.csv"))
    scores = json.loads((folder / "test_metrics.json").read_text())
    assert "test/ECE" in scores
    assert "test/ECE_raw" not in scores


def test_without_validation_it_is_said_and_nothing_known_of_other_weights_stays(
    classified, tmp_path, corpus, caplog
):
    table = pd.read_csv(corpus / "manifest.csv").replace({"split": {"val": "train"}})
    table["video"] = [str(corpus / name) for name in table["video"]]
    table.to_csv(tmp_path / "clips.csv", index=False)
    data = [f"--data.manifest={tmp_path / 'clips.csv'}", "--data.val_fraction=0"]
    with caplog.at_level("INFO"):
        folder = again(classified, "fit", tmp_path, *data, "--trainer.max_epochs=2")
    assert "not calibrated: there are no validation clips" in caplog.text
    assert kept(folder / "checkpoints" / "last.ckpt") is None
