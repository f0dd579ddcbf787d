import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_architecture
from torch import nn

from hicmae.errors import ConfigError
from hicmae.models import HiCMAE, RecognitionModel
from hicmae.tasks.optimisation import LearningRate, layer_index, parameter_groups, warmup_cosine

MICRO = tiny_architecture(depth=3, fusion_depth=2, skip_layers=[3], contrast_layers=[3])


def groups_of(model, **options):
    defaults = {"learning_rate": 1.0, "weight_decay": 0.05, "depth": 3, "fusion_depth": 2}
    return parameter_groups(model, **defaults | options)


@pytest.fixture(params=["recogniser", "pretraining"])
def model(request):
    recogniser = RecognitionModel(MICRO, 3, stand_ins=True)
    return recogniser if request.param == "recogniser" else HiCMAE(MICRO)


class TestParameterGroups:
    @pytest.mark.parametrize("layer_decay", [1.0, 0.75])
    def test_every_parameter_is_in_one_group(self, model, layer_decay):
        groups = groups_of(model, layer_decay=layer_decay)
        names = [name for group in groups for name in group["names"]]
        assert sorted(names) == sorted(name for name, _ in model.named_parameters())
        by_name = dict(model.named_parameters())
        for group in groups:
            assert all(
                by_name[name] is parameter
                for name, parameter in zip(group["names"], group["params"], strict=True)
            )

    def test_without_layer_decay_there_are_two_groups(self, model):
        groups = groups_of(model)
        assert {(group["lr"], group["weight_decay"]) for group in groups} == {(1, 0.05), (1, 0)}

    def test_biases_norms_and_learnt_tokens_do_not_decay(self, model):
        for group in groups_of(model):
            for name, parameter in zip(group["names"], group["params"], strict=True):
                spared = parameter.ndim == 1 or name.endswith(("mask_token", "stand_ins"))
                assert group["weight_decay"] == (0.0 if spared else 0.05), name

    def test_rates_fall_from_head_to_patch_embedding(self):
        rates = {
            name: group["lr"]
            for group in groups_of(RecognitionModel(MICRO, 3), learning_rate=2.0, layer_decay=0.5)
            for name in group["names"]
        }
        assert rates["head.weight"] == 2.0
        assert rates["video_layer_weights"] == 2.0
        assert rates["audio_encoder.norm.weight"] == 2.0
        assert rates["fusion_encoder.video_norm.weight"] == 2.0
        assert rates["fusion_encoder.audio_blocks.1.mlp.fc1.weight"] == 2.0 / 2
        assert rates["fusion_encoder.video_blocks.0.mlp.fc1.bias"] == 2.0 / 4
        assert rates["video_encoder.blocks.2.attention.qkv.weight"] == 2.0 / 8
        assert rates["audio_encoder.blocks.0.attention.qkv.weight"] == 2.0 / 32
        assert rates["video_encoder.embedding.projection.bias"] == 2.0 / 64

    def test_frozen_parameters_are_left_out(self):
        model = RecognitionModel(MICRO, 3)
        model.video_encoder.requires_grad_(False)
        names = [name for group in groups_of(model) for name in group["names"]]
        assert not any(name.startswith("video_encoder") for name in names)

    def test_groups_suit_an_optimiser(self, model):
        optimiser = torch.optim.AdamW(groups_of(model, layer_decay=0.75))
        trained = sum(
            parameter.numel() for group in optimiser.param_groups for parameter in group["params"]
        )
        assert trained == sum(parameter.numel() for parameter in model.parameters())

    def test_double_digit_layers_are_read_whole(self):
        assert layer_index("video_encoder.blocks.11.mlp.fc1.weight", 12, 2) == 12
        assert layer_index("fusion_encoder.audio_blocks.10.mlp.fc1.weight", 12, 11) == 23


class TestSchedule:
    def test_shape(self):
        factors = [
            warmup_cosine(step, warmup_steps=5, total_steps=25, floor=0.1) for step in range(26)
        ]
        assert factors[0] == 0
        assert factors[4] == factors[5] == 1  # the last step of the warm-up reaches the peak
        assert factors[15] == pytest.approx(0.55)  # half-way down
        assert factors[25] == pytest.approx(0.1)
        assert all(later < earlier for earlier, later in pairwise(factors[5:]))

    @given(st.integers(0, 50), st.integers(1, 200), st.floats(0, 1), st.integers(0, 400))
    def test_factor_stays_between_its_ends(self, warmup, total, floor, step):
        factor = warmup_cosine(step, warmup_steps=warmup, total_steps=total, floor=floor)
        assert math.isfinite(factor)
        assert -1e-12 <= factor <= 1 + 1e-12
        if step >= total > warmup:
            assert factor == pytest.approx(floor)

    def test_no_warmup_starts_at_the_peak(self):
        assert warmup_cosine(0, warmup_steps=0, total_steps=10) == 1

    def test_steps_torch_takes(self):
        weight = nn.Parameter(torch.zeros(1))
        optimiser = torch.optim.SGD([{"params": [weight], "lr": 0.5}])
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: warmup_cosine(step, warmup_steps=2, total_steps=4)
        )
        rates = []
        for _ in range(5):
            rates.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            scheduler.step()
        assert rates == pytest.approx([0.0, 0.5, 0.5, 0.25, 0.0])


class TestLearningRate:
    def test_published_run(self):
        """Four devices of 40 clips; the rate is stated for 256 clips."""
        rate = LearningRate(3e-4, clips_per_batch=40, processes=4, accumulated=1)
        assert rate.clips_per_step == 160
        assert rate.peak == pytest.approx(3e-4 * 160 / 256)

    def test_how_a_step_gets_its_clips_does_not_matter(self):
        shares = [(256, 1, 1), (64, 4, 1), (64, 1, 4), (8, 16, 2)]
        assert {LearningRate(1e-3, *share).peak for share in shares} == {1e-3}

    @pytest.mark.parametrize("stated", [0.0, -1e-3, math.nan, math.inf])
    def test_a_rate_that_nothing_is_learnt_with_is_refused(self, stated):
        with pytest.raises(ConfigError, match=r"learning_rate is .*; give a number above 0\."):
            LearningRate(stated, clips_per_batch=8, processes=1, accumulated=1)

    def test_log_tells_every_factor(self):
        rate = LearningRate(1e-3, clips_per_batch=8, processes=16, accumulated=4)
        assert str(rate) == (
            "Peak learning rate 0.002: 0.001 for 256 clips, at 512 clips per step "
            "(8 per batch × 16 processes × 4 accumulated)"
        )
