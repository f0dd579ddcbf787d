"""What tables of predictions tell beside an answer."""

import math

import torch

from hicmae.answers import Familiarity, Reliability
from hicmae.tasks.predictions import columns_beside


def test_a_clip_that_lacks_a_sense_has_no_distance():
    features = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    known = Reliability(6, familiarity=Familiarity.of(features[:4], features[4:]))
    senses = torch.tensor([[True, True], [False, True]])
    told = columns_beside(known, torch.zeros(2, 3), None, features[4:], senses)
    assert told["used"] == ["both", "audio"]
    assert 0 < told["unfamiliarity"][0] <= 1
    assert math.isnan(told["unfamiliarity"][1])
