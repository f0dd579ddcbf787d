"""Layers against those of timm, which the public implementation has."""

import torch
from timm import layers as timm_layers
from torch import nn

from hicmae.models.layers import Mlp, stochastic_depth


def test_mlp():
    torch.manual_seed(0)
    ours = Mlp(6, 10)
    torch.manual_seed(0)
    theirs = timm_layers.Mlp(6, 10)
    tokens = torch.randn(2, 3, 6)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert torch.equal(ours(tokens), theirs(tokens))


def test_stochastic_depth_drops_whole_clips_in_training():
    layer = stochastic_depth(0.4)
    tokens = torch.randn(20, 3, 6)
    torch.manual_seed(0)
    dropped = (layer(tokens) == 0).flatten(1)
    assert torch.equal(dropped.all(1), dropped.any(1))
    assert 0 < dropped.all(1).sum() < 20
    assert torch.equal(layer.eval()(tokens), tokens)
    assert isinstance(stochastic_depth(0), nn.Identity)
