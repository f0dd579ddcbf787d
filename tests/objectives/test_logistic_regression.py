"""Logistic regression against scikit-learn's."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from hicmae.objectives.logistic_regression import logistic_regression


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 1000),
    clips=st.integers(6, 60),
    width=st.integers(1, 40),
    classes=st.integers(3, 5),  # of two, scikit-learn has one column of weights
    penalty=st.sampled_from([0.01, 0.3, 3.0]),
)
def test_equals_scikit_learn(seed, clips, width, classes, penalty):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(clips, width)) * rng.uniform(0.01, 100, width) + rng.normal(
        size=width
    )
    targets = np.arange(clips) % classes
    weight, bias = logistic_regression(
        torch.tensor(features, dtype=torch.float32), torch.tensor(targets), classes, penalty
    )
    ours = features @ weight.double().numpy().T + bias.double().numpy()
    features = features.astype(np.float32).astype(np.float64)
    standard = (features - features.mean(0)) / features.std(0)
    theirs = LogisticRegression(C=1 / (penalty * clips), tol=1e-10, max_iter=5000)
    theirs.fit(standard, targets)
    scores = theirs.predict_log_proba(standard)
    ours = torch.tensor(ours).log_softmax(1).numpy()
    np.testing.assert_allclose(ours, scores, atol=2e-3)


def test_a_feature_that_is_the_same_of_all_clips_is_not_read():
    features = torch.tensor([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [4.0, 5.0]])
    weight, bias = logistic_regression(features, torch.tensor([0, 0, 1, 1]), 2, 0.1)
    assert weight[:, 1].abs().max() == 0
    assert torch.equal((features @ weight.T + bias).argmax(1), torch.tensor([0, 0, 1, 1]))


def test_a_class_without_clips_is_never_likely():
    features = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    weight, bias = logistic_regression(features, torch.arange(12) % 2, 3, 0.1)
    assert (features @ weight.T + bias).softmax(1)[:, 2].max() < 0.01
