"""Answers that are calibrated and doubted, in Python, on the command line and on the page."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import shell
import torch
from media_factory import write_clip
from tiny import CLASSES, tiny_architecture
from tiny_models import write_model

from hicmae.answers import Familiarity, Reliability, RiskCoverage
from hicmae.errors import ConfigError
from hicmae.inference.judging import Judge
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.analysis import UploadLimits, analyse
from hicmae.serve.panels import about_html, answer_html
from hicmae.weights.description import ModelDescription

OPTIONS = ("--faces=none", "--device=cpu")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "one.mp4", seconds=1.2, size=(48, 40))


@pytest.fixture(scope="module")
def model(tmp_path_factory, clip):
    """A model that finds the clip usual; its validation: right above 90 %, else wrong."""
    folder = write_model(tmp_path_factory.mktemp("models") / "model")
    (found,) = EmotionRecognizer.from_pretrained(folder, faces="none").embed([clip])
    features = torch.from_numpy(found.joint.mean(0, keepdims=True))
    features = features + 0.1 * torch.randn(40, features.shape[1])
    known = Reliability(
        clips=40,
        temperature=3.0,
        risk_coverage=RiskCoverage((0.9, 0.3), (0.5, 1.0), (0.1, 0.4)),
        familiarity=Familiarity.of(features, features + 0.1 * torch.randn(features.shape)),
    )
    path = folder / "config.json"
    description = ModelDescription.from_json(path.read_text(), path)
    path.write_text(replace(description, reliability=known).as_json())
    return folder


def strange(model):
    """The same model, which has learnt from other clips."""
    recognizer = EmotionRecognizer.from_pretrained(model, faces="none")
    known = recognizer.description.reliability
    familiarity = replace(known.familiarity, limit=1e-3 * known.familiarity.limit)
    description = replace(
        recognizer.description, reliability=replace(known, familiarity=familiarity)
    )
    return EmotionRecognizer(recognizer.model, description, faces="none", wanted_error=0.2)


def test_scores_are_calibrated_after_windows_are_averaged(model, clip):
    raw, told = (
        EmotionRecognizer.from_pretrained(model, faces="none", calibrated=calibrated)
        .recognize([clip])[0]
        .people[0]
        for calibrated in (False, True)
    )
    np.testing.assert_allclose(raw.scores, raw.window_scores.mean(0), atol=1e-6)
    wanted = raw.scores ** (1 / 3)
    np.testing.assert_allclose(told.scores, wanted / wanted.sum(), atol=1e-5)
    np.testing.assert_allclose(told.window_scores.sum(1), 1, atol=1e-5)
    assert list(told.scores.argsort()) == list(raw.scores.argsort())
    assert told.sure is None
    assert told.unfamiliarity == raw.unfamiliarity < 1


def test_doubt_is_told_in_tables_and_files(model, clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    outputs = ("--json=r.json", "--csv=r.csv")
    status = shell.tell(
        "recognize", clip, "--checkpoint", model, *OPTIONS, "--wanted_error=0.2", *outputs
    )
    assert status == 0
    assert "not sure" in capsys.readouterr().out
    ((person,),) = (r["people"] for r in json.loads((tmp_path / "r.json").read_text()))
    assert person["sure"] is False
    table = pd.read_csv(tmp_path / "r.csv")
    assert list(table)[5:] == ["sure", "unfamiliarity", *CLASSES]
    assert table["unfamiliarity"].to_numpy() == pytest.approx(person["unfamiliarity"])
    assert shell.tell("recognize", clip, "--checkpoint", model, *OPTIONS) == 0
    assert "not sure" not in capsys.readouterr().out


def test_parts_of_what_a_model_reads_are_not_called_strange(model, clip):
    recognizer = EmotionRecognizer.from_pretrained(model, faces="none")
    assert recognizer.recognize([clip], use="audio")[0].people[0].unfamiliarity is None


def test_the_page_tells_the_same(model, clip):
    ours = strange(model)
    answer = analyse(ours, clip, UploadLimits())
    (person,), (expected,) = answer.people, ours.recognize([clip])[0].people
    np.testing.assert_allclose(person.scores, expected.scores, atol=1e-5)
    assert person.doubts == ("not sure", "unlike anything this model has learnt")
    html = answer_html(answer)
    assert all(doubt in html for doubt in person.doubts)
    assert "40 clips that it did not learn from: 60% of its answers" in about_html(ours.judge)


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("classification", Reliability(37)),  # of labels and blends
        ("classification", Reliability(37, temperature=2.0)),
        ("regression", Reliability(37, spread=(0.125, 0.25, 0.5))),
    ],
)
def test_the_page_claims_no_calibration_that_did_not_take_place(kind, known, calibrated):
    description = ModelDescription(kind, tuple(CLASSES), tiny_architecture(), reliability=known)
    about = about_html(Judge.of(description, calibrated=calibrated, wanted_error=None))
    is_fitted = calibrated and known.temperature is not None
    is_spread = calibrated and bool(known.spread)
    assert ("fitted on 37 clips" in about) == is_fitted
    assert (f"{CLASSES[0]} ± 0.125, " in about) == is_spread
    assert ("not calibrated" in about) == (not is_fitted and not is_spread)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [(0.05, "give 0.10 or more"), (1.0, r"a share in \[0, 1\)"), (-0.1, "share")],
)
def test_an_error_that_cannot_be_had_is_told(model, wanted, told):
    with pytest.raises(ConfigError, match=told):
        EmotionRecognizer.from_pretrained(model, wanted_error=wanted)


def test_a_model_of_which_nothing_is_known_has_no_wanted_error(tmp_path):
    path = write_model(tmp_path / "model")
    with pytest.raises(ConfigError, match="fine-tune a classifier with validation clips"):
        EmotionRecognizer.from_pretrained(path, wanted_error=0.2)


def test_values_come_with_how_far_they_are_off(tmp_path, clip, capsys):
    path = write_model(tmp_path / "model", kind="regression") / "config.json"
    description = ModelDescription.from_json(path.read_text(), path)
    known = Reliability(clips=9, spread=(0.125, 0.25, 0.5))
    path.write_text(replace(description, reliability=known).as_json())
    arguments = ("recognize", clip, "--checkpoint", path.parent, *OPTIONS)
    assert shell.tell(*arguments, f"--json={tmp_path / 'r.json'}") == 0
    assert "± 0.125" in capsys.readouterr().out
    (found,) = json.loads((tmp_path / "r.json").read_text())
    assert found["spread"] == dict(zip(CLASSES, known.spread, strict=True))
    assert shell.tell(*arguments, "--calibrated=false") == 0
    assert "±" not in capsys.readouterr().out
