"""Layers against those of timm, which the public implementation has."""

import torch
from timm import layers as timm_layers

from hicmae.models.layers import DropPath, Mlp, draw_normal


def test_mlp():
    torch.manual_seed(0)
    ours = Mlp(6, 10)
    torch.manual_seed(0)
    theirs = timm_layers.Mlp(6, 10)
    tokens = torch.randn(2, 3, 6)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert torch.equal(ours(tokens), theirs(tokens))


def test_stochastic_depth():
    ours, theirs = DropPath(0.4), timm_layers.DropPath(0.4)
    tokens = torch.randn(20, 3, 6)
    torch.manual_seed(0)
    dropped = ours(tokens)
    torch.manual_seed(0)
    assert torch.equal(dropped, theirs(tokens))
    assert 0 < (dropped == 0).all(-1).all(-1).sum() < 20
    assert torch.equal(ours.eval()(tokens), tokens)


def test_normal_draws():
    ours, theirs = torch.empty(1, 1, 50), torch.empty(1, 1, 50)
    torch.manual_seed(0)
    draw_normal(ours, 0.02)
    torch.manual_seed(0)
    assert torch.equal(ours, timm_layers.trunc_normal_(theirs, std=0.02))
