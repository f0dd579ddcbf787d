"""Calibration, selection and familiarity, against plain arithmetic and on made numbers."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tiny import CLASSES, tiny_architecture

from hicmae.answers import Familiarity, Reliability, RiskCoverage, threshold_of
from hicmae.answers.calibration import fit_temperature, with_temperature
from hicmae.answers.selection import area_under_risk
from hicmae.errors import CheckpointError, ConfigError
from hicmae.weights.description import ModelDescription


def overconfident(count=4000, sharpness=3.0):
    """Answers that are right as often as they say, and the same made surer."""
    rng = torch.Generator().manual_seed(0)
    logits = 1.5 * torch.randn(count, 4, generator=rng)
    targets = torch.multinomial(logits.softmax(-1), 1, generator=rng)[:, 0]
    return logits.softmax(-1), (sharpness * logits).softmax(-1), targets


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=8).filter(lambda row: sum(row) > 1e-3),
    st.floats(0.2, 5),
)
def test_a_temperature_keeps_the_order_of_classes_and_shares_sum_to_1(row, temperature):
    given_ = torch.tensor([row], dtype=torch.float32)
    given_ /= given_.sum()
    told = with_temperature(given_, temperature)
    assert told.sum().item() == pytest.approx(1, abs=1e-5)
    ordered = told[0, given_[0].argsort(stable=True)]
    assert (ordered.diff() >= 0).all()


def test_the_temperature_undoes_what_made_answers_too_sure():
    true, surer, targets = overconfident()
    assert fit_temperature(surer, targets) == pytest.approx(3, rel=0.05)
    assert fit_temperature(true, targets) == pytest.approx(1, rel=0.05)
    torch.testing.assert_close(with_temperature(surer, 3), true, atol=1e-4, rtol=1e-3)


def test_a_temperature_is_fitted_to_shares_as_to_classes():
    true, surer, _ = overconfident(400)
    assert fit_temperature(surer, true) == pytest.approx(3, rel=1e-3)


def test_a_temperature_is_that_of_logits():
    logits = torch.tensor([[2.0, 0.5, -1.0]])
    told = with_temperature(logits.softmax(-1), 1.7)
    torch.testing.assert_close(told, (logits / 1.7).softmax(-1))


@pytest.mark.parametrize(("right", "bound"), [(True, 0.2), (False, 5.0)])
def test_clips_that_are_all_right_or_wrong_stay_within_bounds(right, bound):
    probabilities = torch.tensor([[0.7, 0.3]] * 3)
    targets = torch.full((3,), 0 if right else 1)
    assert fit_temperature(probabilities, targets) == pytest.approx(bound, rel=1e-3)


def test_risk_and_coverage_are_those_of_plain_counting():
    rng = np.random.default_rng(0)
    probabilities = torch.from_numpy(rng.dirichlet(np.ones(3), 40))
    targets = torch.from_numpy(rng.integers(0, 3, 40))
    best, answers = probabilities.max(1)
    wrong = [int(answers[n] != targets[n]) for n in sorted(range(40), key=lambda n: -best[n])]
    risks = [sum(wrong[:n]) / n for n in range(1, 41)]
    assert area_under_risk(probabilities, targets) == pytest.approx(sum(risks) / 40)
    curve = RiskCoverage.of(probabilities, targets)
    assert curve.error == pytest.approx(risks, abs=1e-6)
    assert curve.coverage == pytest.approx([n / 40 for n in range(1, 41)])


def test_the_threshold_answers_as_often_as_the_wanted_error_allows():
    probabilities = torch.tensor([[p, 1 - p] for p in (0.9, 0.8, 0.8, 0.7, 0.6)])
    curve = RiskCoverage.of(probabilities, torch.tensor([0, 0, 1, 0, 1]))
    assert curve.confidence == pytest.approx((0.9, 0.8, 0.7, 0.6))  # equally sure ones together
    assert curve.threshold(0.25) == pytest.approx(0.7)
    assert curve.threshold(0.0) == pytest.approx(0.9)
    always_wrong = RiskCoverage.of(probabilities, torch.ones(5, dtype=torch.long))
    assert always_wrong.threshold(0.5) is None


def test_curves_in_files_stay_small():
    _, surer, targets = overconfident()
    curve = RiskCoverage.of(surer, targets)
    assert len(curve.error) == 64
    assert (curve.coverage[-1], curve.confidence) == (1, tuple(sorted(curve.confidence)[::-1]))


def test_distance_is_that_of_the_shrunk_covariance():
    rng = torch.Generator().manual_seed(1)
    scales = torch.tensor([9.0, 5.0, 3.0, 2.5, 2.2, 2.0, 1.8, 1.6] + [0.3] * 12)
    learnt = torch.randn(300, 20, generator=rng) * scales + 2
    seen = torch.randn(80, 20, generator=rng) * scales + 2
    known = Familiarity.of(learnt, seen)
    values, vectors = np.linalg.eigh(np.cov(learnt.double().numpy().T, bias=True))
    shrunk = np.concatenate([np.full(12, values[:12].mean()), values[12:]])
    inverse = vectors @ np.diag(1 / shrunk) @ vectors.T
    off = seen.double().numpy() - learnt.double().numpy().mean(0)
    plain = np.sqrt(np.einsum("nd,de,ne->n", off, inverse, off) / 20)
    told = known.unfamiliarity(seen.numpy())
    np.testing.assert_allclose(told, plain / known.limit, rtol=0.02)
    assert (told > 1).mean() == pytest.approx(0.05, abs=0.02)
    assert (known.unfamiliarity(100 + seen.numpy()) > 5).all()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_training_clips_give_finite_distances(count):
    clips = torch.randn(count, 6)
    known = Familiarity.of(clips, clips[:1])
    assert known.fits(6)
    assert np.isfinite(known.unfamiliarity(np.ones((2, 6)))).all()


@pytest.fixture
def description():
    _, surer, targets = overconfident(200)
    shape = tiny_architecture()
    features = torch.randn(30, 4 * shape.width)
    known = Reliability.of_classes(
        surer[:, :3], targets.clamp(max=2), Familiarity.of(features, features)
    )
    return ModelDescription("classification", tuple(CLASSES), shape, reliability=known)


def test_reliability_goes_with_the_description_and_is_small(description):
    text = description.as_json()
    assert ModelDescription.from_json(text, Path("there")) == description
    assert len(text) < 12_000


@pytest.mark.parametrize(
    ("option", "value"), [("stand_ins", True), ("target_kind", "labels"), ("activation", "tanh")]
)
def test_what_is_new_is_told_only_where_older_versions_need_it(description, option, value):
    """Those refuse what they do not know."""
    known_to_0_2 = {
        *("format", "kind", "outputs", "architecture", "modality", "feature_fusion"),
        *("activation", "inputs", "training"),
    }
    plain = replace(description, reliability=None)
    assert set(plain.as_plain()) == known_to_0_2
    changed = replace(plain, **{option: value})
    assert changed.as_plain()[option] == value
    for told in (plain, changed):
        assert ModelDescription.from_json(told.as_json(), Path("there")) == told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"temperature": -1.0}, "its temperature is -1.0"),
        ({"temperature": math.inf}, "temperature"),
        ({"clips": 0}, "of 0 clips"),
        ({"spread": [0.1]}, "1 spreads are told of 3 outputs"),
        ({"familiarity": {"variances": [], "rest": 1.0, "values": "AAAA", "limit": 1.0}}, "64"),
        ({"familiarity": {"variances": [1], "rest": 1.0, "values": "?", "limit": 1.0}}, "64"),
        ({"risk_coverage": {"confidence": [0.5], "coverage": [], "error": []}}, "lacks points"),
        ({"risk_coverage": {"confidence": [], "coverage": [], "error": []}}, "lacks points"),
        ({"risk_coverage": {"confidence": [0.5], "coverage": [1], "error": [1.5]}}, "no shares"),
        ({"risk_coverage": {"confidence": [-1], "coverage": [1], "error": [0]}}, "no shares"),
        ({"spread": [0.1, -0.1, 0.1]}, "spreads are"),
        ({"spread": [0.1, math.nan, 0.1]}, "spread"),
        ({"more": 1}, "more"),
    ],
)
def test_reliability_that_cannot_be_is_refused(description, change, told):
    content = description.as_plain()
    content["reliability"] = asdict(description.reliability) | change
    with pytest.raises(CheckpointError, match=told):
        ModelDescription.from_plain(content, Path("there"))


def test_values_are_told_with_their_spread():
    values = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
    known = Reliability.of_values(
        values, torch.tensor([[1.0, 1.0], [3.0, 3.0]]), Familiarity.of(values, values)
    )
    assert known.spread == pytest.approx((1.0, math.sqrt(2)))
    assert known.calibrated(values) is values
    assert TypeAdapter(Reliability).validate_json(json.dumps(asdict(known))) == known


def test_the_error_that_is_told_to_be_had_can_be_had():
    curve = RiskCoverage((0.9, 0.5), (0.75, 1.0), (0.333333, 0.5))
    known = Reliability(clips=4, risk_coverage=curve)
    with pytest.raises(ConfigError, match=r"give 0\.34 or more"):
        threshold_of(known, 0.33)
    assert threshold_of(known, 0.34) == 0.9
