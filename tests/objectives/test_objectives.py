import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hicmae.errors import ConfigError
from hicmae.media.normalisation import IMAGENET_MEAN, IMAGENET_STD
from hicmae.models.layers import audio_patches, gather_tokens, video_patches
from hicmae.objectives.contrast import (
    contrastive_logits,
    contrastive_loss,
    info_nce,
    retrieval_at_1,
)
from hicmae.objectives.masking import random_mask, tube_mask
from hicmae.objectives.reconstruction import (
    audio_target,
    reconstruction_loss,
    video_target,
)
from hicmae.objectives.regression import REGRESSION_LOSSES, ccc_loss, pcc_loss

SEEDS = st.integers(0, 2**32)
RATIOS = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def assert_parts(mask, tokens, num_masked):
    """Visible and masked indices ascend and are together every token, once."""
    for part in mask:
        assert part.dtype == torch.int64
        assert (part.diff(dim=1) > 0).all()
    assert mask.masked.shape[1] == num_masked
    together = torch.cat(mask, dim=1).sort(1).values
    assert torch.equal(together, torch.arange(tokens).expand_as(together))


class TestMasks:
    @given(st.integers(1, 5), st.integers(1, 200), RATIOS, SEEDS)
    def test_random_mask_parts_all_tokens(self, batch, tokens, ratio, seed):
        num_masked = int(ratio * tokens)
        if not 0 < num_masked < tokens:
            with pytest.raises(ConfigError, match=f"{num_masked} of {tokens}"):
                random_mask(batch, tokens, ratio, generator(seed))
            return
        mask = random_mask(batch, tokens, ratio, generator(seed))
        assert mask.visible.shape == (batch, tokens - num_masked)
        assert_parts(mask, tokens, num_masked)

    @given(
        st.integers(1, 4),
        st.tuples(st.integers(1, 8), st.integers(2, 6), st.integers(1, 6)),
        RATIOS,
        SEEDS,
    )
    def test_tube_mask_is_the_same_in_every_time_slice(self, batch, grid, ratio, seed):
        slices, rows, columns = grid
        positions = rows * columns
        num_masked = int(ratio * positions)
        if not 0 < num_masked < positions:
            with pytest.raises(ConfigError, match=f"{num_masked} of {positions}"):
                tube_mask(batch, grid, ratio, generator(seed))
            return
        mask = tube_mask(batch, grid, ratio, generator(seed))
        assert_parts(mask, slices * positions, slices * num_masked)
        flags = torch.zeros(batch, slices * positions, dtype=torch.bool)
        flags.scatter_(1, mask.masked, 1)
        by_slice = flags.unflatten(1, (slices, positions))
        assert (by_slice == by_slice[:, :1]).all()

    def test_counts_of_the_paper(self):
        video = tube_mask(2, (8, 10, 10), 0.9, generator())
        assert video.visible.shape == (2, 8 * 10)
        audio = random_mask(2, 128, 0.8, generator())
        assert audio.masked.shape == (2, 102)  # int(0.8 * 128)

    @given(SEEDS)
    def test_mask_comes_from_the_generator_alone(self, seed):
        first = tube_mask(3, (2, 4, 4), 0.75, generator(seed))
        torch.rand(1)
        again = tube_mask(3, (2, 4, 4), 0.75, generator(seed))
        assert torch.equal(first.visible, again.visible)
        before = torch.get_rng_state()
        random_mask(3, 16, 0.75, generator(seed))
        assert torch.equal(before, torch.get_rng_state())

    def test_clips_and_draws_differ(self):
        rng = generator()
        first, second = (random_mask(8, 64, 0.8, rng).visible for _ in range(2))
        assert not torch.equal(first, second)
        assert len(first.unique(dim=0)) == 8

    def test_every_token_is_masked_equally_often(self):
        mask = random_mask(20_000, 10, 0.8, generator())
        share = torch.bincount(mask.masked.flatten(), minlength=10) / 20_000
        assert share.tolist() == pytest.approx([0.8] * 10, abs=0.02)


class TestContrast:
    def test_logits_are_cosines_over_the_temperature(self):
        video = torch.tensor([[3.0, 0.0], [0.0, 0.5]])
        audio = torch.tensor([[2.0, 0.0], [1.0, 1.0]])
        expected = torch.tensor([[1.0, math.sqrt(0.5)], [0.0, math.sqrt(0.5)]]) / 0.07
        torch.testing.assert_close(contrastive_logits(video, audio, 0.07), expected)

    def test_mixed_precision_does_not_round_the_logits(self):
        video, audio = torch.randn(2, 6, 32, generator=generator())
        exact = contrastive_logits(video, audio, 0.07)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(contrastive_logits(video, audio, 0.07), exact)

    @pytest.mark.parametrize("counts", [None, [6]])
    def test_one_process_has_its_own_clips_alone(self, counts):
        """tests/tasks/test_parallel.py measures the loss of two processes."""
        video, audio = torch.randn(2, 6, 32, generator=generator())
        expected = info_nce(contrastive_logits(video, audio, 0.07))
        assert torch.equal(contrastive_loss(video, audio, 0.07, counts), expected)

    def test_loss_of_indistinguishable_clips_is_the_logarithm_of_their_number(self):
        same = torch.ones(6, 4)
        loss = info_nce(contrastive_logits(same, same, 0.07))
        assert loss.item() == pytest.approx(math.log(6), rel=1e-6)

    def test_loss_of_perfectly_matched_clips_vanishes(self):
        apart = torch.eye(6)
        assert info_nce(contrastive_logits(apart, apart, 0.07)).item() < 1e-5

    def test_loss_of_swapped_pairs_is_the_gap_over_the_temperature(self):
        apart = torch.eye(2)
        loss = info_nce(contrastive_logits(apart, apart.flip(0), 0.1))
        assert loss.item() == pytest.approx(10.0, rel=1e-3)

    @given(SEEDS)
    def test_loss_does_not_care_which_modality_comes_first(self, seed):
        rng = generator(seed)
        video, audio = torch.randn(2, 5, 8, generator=rng)
        forth = info_nce(contrastive_logits(video, audio, 0.07))
        back = info_nce(contrastive_logits(audio, video, 0.07))
        torch.testing.assert_close(forth, back)

    def test_one_clip_cannot_be_contrasted_but_does_no_harm(self):
        one = torch.randn(1, 8, generator=generator(), requires_grad=True)
        loss = info_nce(contrastive_logits(one, one, 0.07))
        loss.backward()
        assert loss.item() == 0
        assert one.grad.isfinite().all()


class TestRetrieval:
    def test_share_of_queries_that_find_their_own(self):
        candidates = torch.eye(4)
        queries = candidates[[0, 1, 3, 2]] * 5
        assert retrieval_at_1(queries, candidates).item() == 0.5
        assert retrieval_at_1(candidates, candidates).item() == 1.0

    def test_similarity_is_the_cosine_and_not_the_product(self):
        queries = torch.tensor([[1.0, 0.1], [0.1, 1.0]])
        candidates = torch.tensor([[1.0, 0.0], [90.0, 100.0]])
        assert retrieval_at_1(queries, candidates).item() == 1.0

    def test_directions_may_differ(self):
        video = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        audio = torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]])
        assert retrieval_at_1(video, audio).item() == 1.0
        assert retrieval_at_1(audio, video).item() == pytest.approx(2 / 3)

    def test_more_clips_than_one_slice_of_the_matrix(self):
        count = 2500
        features = torch.randn(count, 32, generator=generator())
        assert retrieval_at_1(features, features).item() == 1.0
        shifted = features.clone()
        shifted[2000:] = features[2000:].roll(1, 0)
        assert retrieval_at_1(shifted, features).item() == pytest.approx(0.8)


class TestReconstruction:
    def video(self):
        return torch.randn(2, 3, 4, 32, 32, generator=generator())

    def test_plain_target_is_normalised_in_each_tube_and_channel(self):
        masked = torch.tensor([[0, 3, 5], [1, 2, 7]])
        target = video_target(
            self.video(), masked, tubelet_size=2, patch_size=16, frame_difference=False
        )
        assert target.shape == (2, 3, 2 * 16 * 16 * 3)
        channels = target.unflatten(2, (-1, 3))
        torch.testing.assert_close(channels.mean(2), torch.zeros(2, 3, 3), atol=1e-5, rtol=0)
        torch.testing.assert_close(channels.std(2), torch.ones(2, 3, 3), atol=1e-4, rtol=0)

    def test_values_are_ordered_time_height_width_channel(self):
        video, masked = self.video(), torch.tensor([[6], [6]])
        target = video_target(video, masked, tubelet_size=2, patch_size=16, frame_difference=False)
        target = target.view(2, 2, 16, 16, 3)
        # Tube 6 of 2 x 2 x 2: second time slice, second row, first column.
        mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
        pixels = video[:, :, 2:4, 16:, :16] * std + mean
        normalised = (pixels - pixels.mean((2, 3, 4), keepdim=True)) / pixels.std(
            (2, 3, 4), keepdim=True
        )
        torch.testing.assert_close(target, normalised.permute(0, 2, 3, 4, 1), atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("tubelet_size", [1, 2, 4])
    def test_later_frames_become_differences_from_the_first(self, tubelet_size):
        masked = torch.tensor([[0, 1], [2, 3]])
        cut = {"tubelet_size": tubelet_size, "patch_size": 16}
        plain = video_target(self.video(), masked, **cut, frame_difference=False)
        moving = video_target(self.video(), masked, **cut)
        plain, moving = (values.unflatten(2, (tubelet_size, -1)) for values in (plain, moving))
        assert torch.equal(moving[:, :, 0], plain[:, :, 0])
        torch.testing.assert_close(moving[:, :, 1:], plain[:, :, 1:] - plain[:, :, :1])

    def test_a_still_and_uniform_clip_has_a_finite_target(self):
        target = video_target(
            torch.zeros(1, 3, 2, 16, 16), torch.tensor([[0]]), tubelet_size=2, patch_size=16
        )
        assert target.isfinite().all()
        assert target.abs().max() < 0.5

    def test_audio_target_is_normalised_in_each_patch(self):
        audio = torch.randn(2, 1, 32, 32, generator=generator()) * 7 + 3
        masked = torch.tensor([[0, 3], [1, 2]])
        target = audio_target(audio, masked, patch_size=16)
        patches = gather_tokens(audio_patches(audio, 16), masked)
        expected = (patches - patches.mean(2, keepdim=True)) / patches.std(2, keepdim=True)
        torch.testing.assert_close(target, expected, atol=1e-5, rtol=1e-5)

    def test_loss_is_the_mean_over_all_values(self):
        patches = video_patches(self.video(), 2, 16)
        assert reconstruction_loss(patches + 2, patches).item() == pytest.approx(4.0)


class TestRegressionLosses:
    def pair(self, seed=0):
        prediction, target = torch.randn(2, 20, 3, generator=generator(seed)).double()
        return prediction, 0.7 * prediction + target

    @pytest.mark.parametrize("name", ["mse", "l1", "smooth_l1", "ccc", "pcc"])
    def test_a_perfect_prediction_loses_nothing(self, name):
        _, target = self.pair()
        assert REGRESSION_LOSSES[name](target, target).item() == pytest.approx(0, abs=1e-5)

    @pytest.mark.parametrize("name", ["mse", "l1", "smooth_l1", "ccc", "pcc"])
    def test_a_step_along_the_gradient_helps(self, name):
        prediction, target = self.pair()
        prediction.requires_grad_()
        loss = REGRESSION_LOSSES[name](prediction, target)
        loss.backward()
        better = REGRESSION_LOSSES[name](prediction - 1e-3 * prediction.grad, target)
        assert better < loss

    def test_against_hand_computed_values(self):
        prediction, target = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [4.0]])
        assert REGRESSION_LOSSES["mse"](prediction, target).item() == pytest.approx(2.5)
        assert REGRESSION_LOSSES["l1"](prediction, target).item() == pytest.approx(1.5)
        assert REGRESSION_LOSSES["smooth_l1"](prediction, target).item() == pytest.approx(1.0)
        # Means 1 and 2.5, variances 1 and 2.25, covariance 1.5: 1 - 3 / (3.25 + 2.25).
        assert ccc_loss(prediction, target).item() == pytest.approx(1 - 3 / 5.5)
        assert pcc_loss(prediction, target).item() == pytest.approx(0, abs=1e-5)

    @given(st.floats(0.1, 10), st.floats(-5, 5))
    def test_correlation_ignores_scale_and_shift_and_concordance_does_not(self, scale, shift):
        prediction, target = self.pair()
        moved = prediction * scale + shift
        plain = pcc_loss(prediction, target).item()
        assert pcc_loss(moved, target).item() == pytest.approx(plain, abs=1e-4)
        assert ccc_loss(moved, target).item() >= plain - 1e-4

    @pytest.mark.parametrize("loss", [ccc_loss, pcc_loss])
    def test_constant_predictions_give_one_and_finite_gradients(self, loss):
        prediction = torch.zeros(4, 2, requires_grad=True)
        value = loss(prediction, torch.randn(4, 2, generator=generator()))
        value.backward()
        assert value.item() == pytest.approx(1.0)
        assert prediction.grad.isfinite().all()
