import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hicmae.tasks.metrics import ClassificationMetrics, RegressionMetrics


def one_hot(classes, count):
    return torch.nn.functional.one_hot(torch.tensor(classes), count).float()


def classification(predictions, targets, count):
    metrics = ClassificationMetrics(count)
    metrics.update(one_hot(predictions, count), torch.tensor(targets))
    scores, matrix = metrics.compute()
    return {name: score.item() for name, score in scores.items()}, matrix


class TestClassification:
    def test_against_hand_computed_values(self):
        predictions, targets = [0, 0, 1, 1, 2, 0], [0, 0, 0, 1, 1, 2]
        scores, matrix = classification(predictions, targets, 3)
        assert matrix.tolist() == [[2, 1, 0], [0, 1, 1], [1, 0, 0]]
        # Recalls 2/3, 1/2, 0; precisions 2/3, 1/2, 0; so F1 are 2/3, 1/2, 0.
        assert scores["UAR"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
        assert scores["WAR"] == pytest.approx(3 / 6)
        assert scores["F1_macro"] == pytest.approx((2 / 3 + 1 / 2) / 3)
        assert scores["F1_weighted"] == pytest.approx((3 * 2 / 3 + 2 / 2 + 0) / 6)

    def test_uar_is_over_the_classes_that_occur_among_the_targets(self):
        """A class that is predicted and never true has no recall; it must not count as 0."""
        scores, matrix = classification([0, 1, 3], [0, 1, 1], 5)
        assert scores["UAR"] == pytest.approx((1 + 1 / 2) / 2)
        assert scores["WAR"] == pytest.approx(2 / 3)
        assert matrix.shape == (5, 5)

    def test_uar_does_not_weigh_classes_by_their_size(self):
        scores, _ = classification([0] * 10, [0] * 9 + [1], 2)
        assert scores["WAR"] == pytest.approx(0.9)
        assert scores["UAR"] == pytest.approx(0.5)

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
    def test_batches_do_not_matter(self, pairs):
        predictions, targets = (list(side) for side in zip(*pairs, strict=True))
        whole, matrix = classification(predictions, targets, 4)
        metrics = ClassificationMetrics(4)
        for prediction, target in pairs:
            metrics.update(one_hot([prediction], 4), torch.tensor([target]))
        scores, other = metrics.compute()
        assert torch.equal(matrix, other)
        assert {name: score.item() for name, score in scores.items()} == pytest.approx(whole)

    def test_reset_forgets(self):
        metrics = ClassificationMetrics(2)
        metrics.update(one_hot([0], 2), torch.tensor([1]))
        metrics.compute()
        metrics.reset()
        metrics.update(one_hot([1], 2), torch.tensor([1]))
        scores, matrix = metrics.compute()
        assert scores["UAR"] == scores["WAR"] == 1
        assert matrix.sum() == 1


def regression(prediction, target):
    metrics = RegressionMetrics(target.shape[1])
    for rows in zip(prediction.split(7), target.split(7), strict=True):
        metrics.update(*rows)
    return metrics.compute()


def test_regression_metrics_match_reference(reference_file):
    numbers = json.loads(reference_file("regression_metrics.json").read_text())
    scores = regression(torch.tensor(numbers["prediction"]), torch.tensor(numbers["target"]))
    theirs = {name.upper(): entry for name, entry in numbers["metrics"].items() if name != "acc"}
    assert scores.keys() == theirs.keys()
    for name, entry in theirs.items():
        assert scores[name].tolist() == pytest.approx(entry["per_dimension"], rel=1e-5), name
        assert scores[name].mean().item() == pytest.approx(entry["mean"], rel=1e-5), name


class TestRegression:
    def test_a_single_target(self):
        target = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
        scores = regression(target + 1, target)
        assert {name: value.shape for name, value in scores.items()} == dict.fromkeys(scores, (1,))
        assert scores["PCC"].item() == pytest.approx(1.0)
        assert scores["MSE"].item() == scores["RMSE"].item() == scores["MAE"].item() == 1
        # Variances 5/3 (unbiased), covariance 5/3, gap 1: (10/3) / (10/3 + 1).
        assert scores["CCC"].item() == pytest.approx(10 / 13)

    def test_targets_are_kept_apart(self):
        target = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
        prediction = torch.stack([target[:, 0], -target[:, 1]], dim=1)
        scores = regression(prediction, target)
        assert scores["PCC"].tolist() == pytest.approx([1.0, -1.0])
        assert scores["MAE"][0] == 0
        assert scores["MAE"][1] > 0

    def test_reset_forgets(self):
        metrics = RegressionMetrics(1)
        target = torch.tensor([[0.0], [1.0], [2.0]])
        metrics.update(target, target + 1)
        metrics.compute()
        metrics.reset()
        metrics.update(target, target + 2)
        assert metrics.compute()["MAE"].item() == 2

    @pytest.mark.filterwarnings("ignore:The variance of predictions")
    def test_one_clip_does_not_stop_a_run(self):
        metrics = RegressionMetrics(2)
        metrics.update(torch.zeros(1, 2), torch.ones(1, 2))
        scores = metrics.compute()
        assert scores["MAE"].tolist() == [1, 1]
        assert all(not math.isinf(value) for value in scores["CCC"].tolist())
