"""Attention roll-out."""

import pytest
import torch
from tiny import tiny_architecture
from torch import Tensor

from hicmae.models import RecognitionModel
from hicmae.models.attention import attention_rollout
from hicmae.models.encoders import Encoder

SHAPE = tiny_architecture(depth=3)


def build(**options: object) -> RecognitionModel:
    torch.manual_seed(0)
    model = RecognitionModel(SHAPE, 3, **options)  # type: ignore[arg-type]
    # Attention of a fresh model is nearly uniform; sharper, mistakes in it show.
    for name, parameter in model.named_parameters():
        if "attention.qkv" in name or "query_bias" in name:
            parameter.data = torch.randn_like(parameter)
        if "layer_weights" in name:
            parameter.data = torch.tensor([0.3, -1.0, 1.5])
    return model.eval()


def clips(count: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(count, 3, 4, 32, 32, generator=generator),
        torch.randn(count, 1, 32, 32, generator=generator),
    )


def plain(encoder: Encoder, inputs: Tensor, weights: list[float]) -> Tensor:
    """The definition, token by token and head by head, with full matrices of every layer."""
    results = []
    for clip in inputs:
        tokens = encoder.embedding(clip[None])[0] + encoder.positions[0]  # (N, C)
        count, width = tokens.shape
        rolled = torch.eye(count)
        result = torch.zeros(count)
        for block, weight in zip(encoder.blocks, weights, strict=True):
            layer = block.attention
            normed = block.attention_norm(tokens)
            no_bias = torch.zeros(width)
            bias = torch.cat([layer.query_bias, no_bias, layer.value_bias])
            query, key, _ = (normed @ layer.qkv.weight.T + bias).split(width, dim=1)
            mean = torch.zeros(count, count)
            size = width // layer.heads
            for head in range(layer.heads):
                part = slice(head * size, (head + 1) * size)
                for row in range(count):
                    products = key[:, part] @ query[row, part] / size**0.5
                    mean[row] += torch.exp(products) / torch.exp(products).sum() / layer.heads
            step = mean + torch.eye(count)
            rolled = (step / step.sum(1, keepdim=True)) @ rolled
            result += weight * rolled.mean(0)
            tokens = block(tokens[None])[0]
        results.append(result)
    return torch.stack(results)


@torch.no_grad()
@pytest.mark.parametrize("feature_fusion", [True, False])
def test_equals_the_definition(feature_fusion: bool) -> None:
    model = build(feature_fusion=feature_fusion)
    video, audio = clips()
    weights = [0.0, 0.0, 1.0]
    if feature_fusion:
        weights = torch.tensor([0.3, -1.0, 1.5]).softmax(0).tolist()

    rollout = attention_rollout(model, video, audio)

    assert rollout.video.shape == (2, *SHAPE.video_grid)
    assert rollout.audio.shape == (2, *SHAPE.audio_grid)
    expected = plain(model.video_encoder, video, weights)
    torch.testing.assert_close(rollout.video.flatten(1), expected, atol=1e-6, rtol=1e-5)
    expected = plain(model.audio_encoder, audio, weights)
    torch.testing.assert_close(rollout.audio.flatten(1), expected, atol=1e-6, rtol=1e-5)
    assert expected.std() > 0.01  # not uniform, where all mistakes look alike


def test_each_clip_sums_to_one_and_nothing_is_negative() -> None:
    for weights in attention_rollout(build(), *clips(3)):
        assert (weights >= 0).all()
        torch.testing.assert_close(weights.flatten(1).sum(1), torch.ones(3))


def test_tokens_that_heed_only_themselves_count_alike() -> None:
    # Layers that pass tokens on as they are; tokens are then their positions, and with large, equal
    # projections for queries and keys each of them matches itself alone.
    model = build()
    width = SHAPE.width
    for encoder in (model.video_encoder, model.audio_encoder):
        torch.nn.init.zeros_(encoder.embedding.projection.weight)
        torch.nn.init.zeros_(encoder.embedding.projection.bias)
        encoder.positions.copy_(
            torch.nn.functional.one_hot(torch.arange(encoder.positions.shape[1]) % width, width)
        )
        assert encoder.positions.shape[1] <= width  # else two tokens would be alike
        for block in encoder.blocks:
            block.attention.qkv.weight.data[: 2 * width] = 10 * torch.eye(width).repeat(2, 1)
            block.attention.query_bias.data.zero_()
            block.attention.projection.weight.data.zero_()
            block.mlp.fc2.weight.data.zero_()

    for weights in attention_rollout(model, *clips()):
        flat = weights.flatten(1)
        torch.testing.assert_close(flat, torch.full_like(flat, 1 / flat.shape[1]))


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_a_model_of_one_modality_has_one_map(modality: str) -> None:
    rollout = attention_rollout(build(modality=modality), *clips())
    assert (rollout.video is None) == (modality == "audio")
    assert (rollout.audio is None) == (modality == "video")


def test_leaves_the_model_as_it_was() -> None:
    model = build(drop_path=0.5)
    before = model(*clips())
    attention_rollout(model, *clips())
    torch.testing.assert_close(model(*clips()), before, atol=0, rtol=0)
    assert not any(module._forward_pre_hooks for module in model.modules())
    model.train()
    rollouts = [attention_rollout(model, *clips()).video for _ in range(2)]
    torch.testing.assert_close(*rollouts, atol=0, rtol=0)  # without stochastic depth
    assert model.training


def test_removes_its_hooks_after_an_error() -> None:
    model = build()
    video, audio = clips()
    with pytest.raises(Exception, match="num_frames"):
        attention_rollout(model, video[:, :, :2], audio)
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert not model.training


def test_no_clips_give_no_maps() -> None:
    video, audio = clips()
    rollout = attention_rollout(build(), video[:0], audio[:0])
    assert rollout.video.shape == (0, *SHAPE.video_grid)
    assert rollout.audio.shape == (0, *SHAPE.audio_grid)
