import dataclasses

import pytest
import torch
from tiny import tiny_architecture
from torch import nn

from hicmae.errors import ConfigError
from hicmae.models import SIZES, Architecture, ArchitectureChanges, HiCMAE, RecognitionModel
from hicmae.models.encoders import FusionEncoder, audio_encoder, video_encoder
from hicmae.models.layers import (
    CrossAttention,
    CrossAttentionBlock,
    SelfAttention,
    audio_patches,
    gather_tokens,
    sinusoidal_positions,
    video_patches,
)
from hicmae.objectives.masking import random_mask, tube_mask

MICRO = tiny_architecture(decoder_width=8, audio_frames=64)


def clip(shape, batch=2, seed=0):
    rng = torch.Generator().manual_seed(seed)
    side = shape.image_size
    return (
        torch.randn(batch, 3, shape.num_frames, side, side, generator=rng),
        torch.randn(batch, 1, shape.audio_frames, shape.mel_bins, generator=rng),
    )


def masks(shape, batch=2, ratio=0.75, seed=0):
    rng = torch.Generator().manual_seed(seed)
    rows, columns = shape.audio_grid
    return (
        tube_mask(batch, shape.video_grid, ratio, rng),
        random_mask(batch, rows * columns, ratio, rng),
    )


def millions(model):
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6


class TestSizes:
    @pytest.mark.parametrize(
        ("size", "published"), [("tiny", 20.5), ("small", 45.7), ("base", 80.8)]
    )
    def test_recogniser_has_the_published_parameters(self, size, published):
        with torch.device("meta"):
            model = RecognitionModel(Architecture.of_size(size), num_outputs=8)
        assert round(millions(model), 1) == published

    @pytest.mark.parametrize(("size", "published"), [("tiny", 8), ("small", 18), ("base", 32)])
    @pytest.mark.parametrize("modality", ["audio", "video"])
    def test_one_modality_has_the_published_parameters(self, size, published, modality):
        """They are published for audio; video differs in the patch embedding alone."""
        with torch.device("meta"):
            model = RecognitionModel(Architecture.of_size(size), 8, modality=modality)
        embedding = model.get_submodule(f"{modality}_encoder.embedding")
        assert round(millions(model) - millions(embedding)) == published
        if modality == "audio":
            assert round(millions(model)) == published

    def test_base_pretraining_model_has_the_published_parameters(self):
        with torch.device("meta"):
            model = HiCMAE(Architecture.of_size("base"))
        assert round(millions(model), 1) == 99.6

    def test_default_architecture_is_base(self):
        assert Architecture() == SIZES["base"]
        assert Architecture.of_size("base", width=384, heads=6).depth == 10

    def test_token_grids_of_the_paper(self):
        shape = Architecture.of_size("base")
        assert shape.video_grid == (8, 10, 10)
        assert shape.audio_grid == (16, 8)


class TestArchitectureErrors:
    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"width": 30, "heads": 4}, ("width", "heads")),
            ({"heads": 0}, ("width", "heads")),
            ({"decoder_width": 100, "decoder_heads": 6}, ("decoder_width", "decoder_heads")),
            ({"num_frames": 15}, ("num_frames", "tubelet_size")),
            ({"image_size": 150}, ("image_size", "patch_size")),
            ({"audio_frames": 250}, ("audio_frames", "patch_size")),
            ({"mel_bins": 100}, ("mel_bins", "patch_size")),
        ],
        ids=str,
    )
    def test_extents_that_do_not_divide_are_named(self, changes, named):
        with pytest.raises(ConfigError) as caught:
            Architecture.of_size("base", **changes)
        for name in named:
            assert name in str(caught.value)

    def test_unknown_size_lists_the_sizes(self):
        with pytest.raises(ConfigError, match="'huge': choose tiny, small, base"):
            Architecture.of_size("huge")

    def test_changes_know_every_field_and_leave_the_rest(self):
        names = [field.name for field in dataclasses.fields(Architecture)]
        assert [field.name for field in dataclasses.fields(ArchitectureChanges)] == names
        assert Architecture.of_size("tiny", ArchitectureChanges()) == SIZES["tiny"]
        changes = ArchitectureChanges(depth=3, skip_layers=(3,), fusion_depth=1)
        shape = Architecture.of_size("tiny", changes, fusion_depth=0, heads=None)
        assert shape == dataclasses.replace(
            SIZES["tiny"], depth=3, skip_layers=(3,), fusion_depth=0
        )
        assert Architecture.of_size("tiny", dataclasses.asdict(changes), fusion_depth=0) == shape

    def test_unknown_field_lists_the_fields(self):
        with pytest.raises(ConfigError, match=r"no field 'widht'.*width"):
            Architecture.of_size("base", widht=3)

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"depth": 0}, "depth is 0; give 1 or more"),
            ({"fusion_depth": -1}, "fusion_depth is -1; give 0 or more"),
            ({"fusion_order": "sideways"}, "'sideways': choose cross_then_self or self_then_cross"),
        ],
        ids=str,
    )
    def test_impossible_fusion_is_refused(self, changes, said):
        with pytest.raises(ConfigError, match=said):
            Architecture.of_size("tiny", **changes)

    def test_layer_contrasted_twice_is_refused(self):
        shape = Architecture.of_size("tiny", contrast_layers=[10, -1])
        with pytest.raises(ConfigError, match=r"contrast_layers \[10, 10\] names a layer twice"):
            HiCMAE(shape)

    def test_unknown_modality_lists_the_modalities(self):
        with pytest.raises(ConfigError, match="'text': choose audio_visual, audio, video"):
            RecognitionModel(MICRO, 3, modality="text")

    def test_layers_are_counted_from_the_end_too(self):
        shape = Architecture.of_size("base", skip_layers=[-1, -1, 4], contrast_layers=[-10, -1])
        assert shape.skip_layers == (4, 10, 10)
        assert shape.contrast_layers == (1, 10)

    @pytest.mark.parametrize("option", ["skip_layers", "contrast_layers"])
    @pytest.mark.parametrize("layer", [0, 11, -11])
    def test_taps_outside_the_encoder_are_refused(self, option, layer):
        shape = Architecture.of_size("tiny", **{option: [layer]})
        with pytest.raises(ConfigError, match=rf"{option} \[{max(layer, 0)}\].*1 to 10"):
            HiCMAE(shape)

    def test_decoder_needs_a_layer_more_than_skips(self):
        with pytest.raises(ConfigError, match=r"decoder_depth 3 .* at least 4"):
            HiCMAE(Architecture.of_size("tiny", decoder_depth=3))

    def test_recogniser_does_not_mind_settings_of_pretraining(self):
        shape = dataclasses.replace(MICRO, skip_layers=(9,), contrast_layers=(9,))
        assert RecognitionModel(shape, 3)(*clip(shape)).shape == (2, 3)


class TestPatches:
    def test_video_tube_holds_its_pixels_channel_first(self):
        video = torch.arange(3 * 4 * 8 * 8.0).reshape(1, 3, 4, 8, 8)
        patches = video_patches(video, tubelet_size=2, patch_size=4)
        assert patches.shape == (1, 2 * 2 * 2, 3 * 2 * 4 * 4)
        # The token of time slice 1, row 0, column 1.
        expected = video[0, :, 2:4, 0:4, 4:8].flatten()
        assert torch.equal(patches[0, 4 + 0 + 1], expected)

    def test_audio_patch_holds_its_rows_time_first(self):
        audio = torch.arange(8 * 12.0).reshape(1, 1, 8, 12)
        patches = audio_patches(audio, patch_size=4)
        assert torch.equal(patches[0, 3 + 2], audio[0, 0, 4:8, 8:12].flatten())

    @pytest.mark.parametrize("modality", ["video", "audio"])
    def test_embedding_visible_patches_equals_embedding_all_and_picking(self, modality):
        torch.manual_seed(0)
        encoder = video_encoder(MICRO) if modality == "video" else audio_encoder(MICRO)
        inputs = clip(MICRO)[modality == "audio"]
        visible = masks(MICRO)[modality == "audio"].visible
        everything = encoder.embedding(inputs)
        alone = encoder.embedding(inputs, visible)
        torch.testing.assert_close(alone, gather_tokens(everything, visible))

    def test_input_of_another_size_is_refused_with_both_sizes(self):
        model = RecognitionModel(MICRO, 3)
        video, audio = clip(MICRO)
        with pytest.raises(ConfigError, match=r"Video is \(3, 4, 48, 48\).*takes \(3, 4, 32, 32\)"):
            model(torch.zeros(2, 3, 4, 48, 48), audio)
        with pytest.raises(ConfigError, match=r"Audio is \(1, 32, 64\).*takes \(1, 64, 32\)"):
            model(video, audio.transpose(2, 3))


def test_positions_are_sines_and_cosines_of_the_flattened_index():
    positions = sinusoidal_positions(7, 6)
    assert positions.shape == (1, 7, 6)
    angle = torch.tensor(5 / 10000 ** (2 / 6), dtype=torch.float64)
    torch.testing.assert_close(positions[0, 5, 2].double(), angle.sin(), rtol=1e-6, atol=0)
    torch.testing.assert_close(positions[0, 5, 3].double(), angle.cos(), rtol=1e-6, atol=0)


def test_keys_have_no_bias():
    """Queries and values have one; a bias of the key would be without effect in the softmax."""
    for attention in (SelfAttention(8, 2), CrossAttention(8, 2)):
        biases = {name for name, _ in attention.named_parameters() if "bias" in name}
        assert biases == {"query_bias", "value_bias", "projection.bias"}


class TestPretrainingModel:
    def test_output_shapes(self):
        torch.manual_seed(0)
        model = HiCMAE(MICRO)
        video_mask, audio_mask = masks(MICRO)
        output = model(*clip(MICRO), video_mask, audio_mask)
        assert output.video.shape == (2, 6, 2 * 16 * 16 * 3)
        assert output.audio.shape == (2, 6, 16 * 16)
        assert set(output.video_layers) == set(output.audio_layers) == {1, 2}
        assert output.video_layers[1].shape == output.audio_layers[2].shape == (2, 16)

    def test_masked_pixels_and_sounds_are_never_seen(self):
        torch.manual_seed(0)
        model = HiCMAE(MICRO)
        video, audio = clip(MICRO, batch=1)
        video_mask, audio_mask = masks(MICRO, batch=1)
        video_noise, audio_noise = clip(MICRO, batch=1, seed=9)
        output = model(video, audio, video_mask, audio_mask)
        patches = video_patches(torch.ones_like(video), 2, 16)
        patches.scatter_(1, video_mask.masked[..., None].expand(-1, -1, patches.shape[-1]), 0.0)
        # Back from tubes to pixels: 1 where visible.
        seen = (
            patches.reshape(1, 2, 2, 2, 3, 2, 16, 16)
            .permute(0, 4, 1, 5, 2, 6, 3, 7)
            .reshape(video.shape)
        )
        heard = torch.zeros(1, 8).scatter_(1, audio_mask.visible, 1.0)
        heard = heard.reshape(1, 1, 4, 1, 2, 1).expand(-1, -1, -1, 16, -1, 16).reshape(audio.shape)
        other = model(
            torch.where(seen > 0, video, video_noise),
            torch.where(heard > 0, audio, audio_noise),
            video_mask,
            audio_mask,
        )
        assert torch.equal(output.video, other.video)
        assert torch.equal(output.audio, other.audio)

    def test_order_of_skip_layers_in_a_config_does_not_matter(self):
        shape = dataclasses.replace(MICRO, decoder_depth=3)
        built = []
        for layers in ((1, 2), (2, 1)):
            torch.manual_seed(0)
            model = HiCMAE(dataclasses.replace(shape, skip_layers=layers))
            built.append(model(*clip(shape), *masks(shape)).video)
        assert torch.equal(*built)

    @pytest.mark.parametrize(
        "changes",
        [
            {"skip_layers": (), "decoder_depth": 1},
            {"contrast_layers": ()},
            {"skip_layers": (), "contrast_layers": ()},
            {"depth": 3, "skip_layers": (1, 3), "decoder_depth": 4},
            {"mlp_ratio": 2.5},
            {"skip_layers": (-1, -1), "decoder_depth": 3},
            {"contrast_layers": (-1,)},
            {"fusion_depth": 3},
            {"fusion_depth": 0},
            {"fusion_order": "self_then_cross"},
            {"tubelet_size": 4},
            {"tubelet_size": 1},
            {"patch_size": 8, "image_size": 24},
            {"audio_frames": 96, "mel_bins": 16},
            {"audio_frames": 16, "mel_bins": 128},
        ],
        ids=str,
    )
    def test_other_settings_learn(self, changes):
        shape = dataclasses.replace(MICRO, **changes)
        torch.manual_seed(0)
        model = HiCMAE(shape)
        video_mask, audio_mask = masks(shape)
        output = model(*clip(shape), video_mask, audio_mask)
        assert output.video.shape[1:] == (
            video_mask.masked.shape[1],
            3 * shape.tubelet_size * shape.patch_size**2,
        )
        assert output.audio.shape[1:] == (audio_mask.masked.shape[1], shape.patch_size**2)
        loss = output.video.square().mean() + output.audio.square().mean()
        for layer in shape.contrast_layers:
            loss = loss + (output.video_layers[layer] * output.audio_layers[layer]).sum()
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        assert RecognitionModel(shape, 5)(*clip(shape)).shape == (2, 5)


class TestFusion:
    def test_both_streams_read_the_previous_layer(self):
        """The pair is updated together: swapping modalities and weights swaps the result."""
        torch.manual_seed(0)
        fusion = FusionEncoder(dataclasses.replace(MICRO, fusion_depth=2))
        swapped = FusionEncoder(dataclasses.replace(MICRO, fusion_depth=2))
        for part in ("blocks", "norm"):
            for ours, theirs in (("video", "audio"), ("audio", "video")):
                getattr(swapped, f"{ours}_{part}").load_state_dict(
                    getattr(fusion, f"{theirs}_{part}").state_dict()
                )
        video, audio = torch.randn(2, 5, 16), torch.randn(2, 3, 16)
        fused_video, fused_audio = fusion(video, audio)
        other_video, other_audio = swapped(audio, video)
        assert torch.equal(fused_video, other_audio)
        assert torch.equal(fused_audio, other_video)

    def test_order_within_a_layer(self):
        """Without the part that comes second, a layer is the other part alone."""
        torch.manual_seed(0)
        tokens, context = torch.randn(2, 5, 16), torch.randn(2, 3, 16)
        for self_first in (False, True):
            block = CrossAttentionBlock(16, 2, 4.0, self_first=self_first)
            attended = tokens + block.attention(block.attention_norm(tokens))
            start = attended if self_first else tokens
            read = block.cross_attention(block.query_norm(start), block.context_norm(context))
            crossed = start + read
            end = crossed
            if not self_first:
                end = crossed + block.attention(block.attention_norm(crossed))
            expected = end + block.mlp(block.mlp_norm(end))
            torch.testing.assert_close(block(tokens, context), expected)

    def test_both_orders_have_the_same_parameters_and_different_results(self):
        models = []
        for order in ("cross_then_self", "self_then_cross"):
            torch.manual_seed(0)
            models.append(FusionEncoder(dataclasses.replace(MICRO, fusion_order=order)))
        models[1].load_state_dict(models[0].state_dict())
        video, audio = torch.randn(2, 5, 16), torch.randn(2, 3, 16)
        assert not torch.allclose(models[0](video, audio)[0], models[1](video, audio)[0])

    def test_without_layers_no_modality_sees_the_other(self):
        fusion = FusionEncoder(dataclasses.replace(MICRO, fusion_depth=0))
        video, audio = torch.randn(2, 5, 16), torch.randn(2, 3, 16)
        alone, _ = fusion(video, audio)
        assert torch.equal(alone, fusion(video, torch.randn(2, 3, 16))[0])
        torch.testing.assert_close(alone.mean(-1), torch.zeros(2, 5), atol=1e-5, rtol=0)


@pytest.mark.parametrize("layers", [(), (-1,)], ids=["none", "last"])
def test_what_decoders_see_of_the_encoders(layers):
    """Without skips all goes through the fusion encoder; with one on the last layer, past it."""
    torch.manual_seed(0)
    model = HiCMAE(dataclasses.replace(MICRO, skip_layers=layers))
    nn.init.zeros_(model.fusion_encoder.video_norm.weight)  # the stream of fusion is cut
    video, audio = clip(MICRO, batch=1)
    other, _ = clip(MICRO, batch=1, seed=9)
    ours, theirs = (model(v, audio, *masks(MICRO, batch=1)).video for v in (video, other))
    assert torch.equal(ours, theirs) is (layers == ())


class TestRecogniser:
    def test_features_are_normalised_and_four_widths_long(self):
        torch.manual_seed(0)
        features = RecognitionModel(MICRO, 3).features(*clip(MICRO))
        assert features.shape == (2, 4 * MICRO.width)
        torch.testing.assert_close(features.mean(1), torch.zeros(2), atol=1e-5, rtol=0)

    def test_layer_weights_start_equal_and_learn(self):
        torch.manual_seed(0)
        model = RecognitionModel(MICRO, 3)
        assert torch.equal(model.video_layer_weights, torch.full((2,), 0.5))
        model(*clip(MICRO))[:, 0].sum().backward()
        for weights in (model.video_layer_weights, model.audio_layer_weights):
            assert weights.grad.abs().max() > 0

    @pytest.mark.parametrize("modality", ["audio", "video"])
    def test_one_modality_is_its_encoder_with_feature_fusion(self, modality):
        torch.manual_seed(0)
        model = RecognitionModel(MICRO, 3, modality=modality)
        inputs, noise = clip(MICRO), clip(MICRO, seed=9)
        features = model.features(*inputs)
        assert features.shape == (2, MICRO.width)
        assert {name.split(".")[0] for name, _ in model.named_parameters()} == {
            f"{modality}_encoder",
            f"{modality}_layer_weights",
            "head_norm",
            "head",
        }
        # The layers weigh the same at the start.
        read = inputs[modality == "audio"]
        _, taps = model.get_submodule(f"{modality}_encoder")(read, None, (1, 2))
        mean = (taps[1].mean(1) + taps[2].mean(1)) / 2
        torch.testing.assert_close(features, model.head_norm(mean))
        swapped = (inputs[0], noise[1]) if modality == "video" else (noise[0], inputs[1])
        assert torch.equal(model.features(*swapped), features)
        model(*inputs).sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())

    @pytest.mark.parametrize("modality", ["audio_visual", "audio", "video"])
    def test_without_feature_fusion_the_last_layer_counts_alone(self, modality):
        torch.manual_seed(0)
        model = RecognitionModel(MICRO, 3, modality=modality, feature_fusion=False)
        assert not any("layer_weights" in name for name, _ in model.named_parameters())
        inputs = clip(MICRO)
        expected, tokens = [], []
        for name, read in zip(("video", "audio"), inputs, strict=True):
            if modality in {name, "audio_visual"}:
                tokens.append(model.get_submodule(f"{name}_encoder")(read, None, ())[0])
                expected.append(tokens[-1].mean(1))
        if modality == "audio_visual":
            expected += [fused.mean(1) for fused in model.fusion_encoder(*tokens)]
        torch.testing.assert_close(
            model.features(*inputs), model.head_norm(torch.cat(expected, dim=1))
        )

    @pytest.mark.parametrize("feature_fusion", [True, False])
    @pytest.mark.parametrize("modality", ["audio_visual", "audio", "video"])
    def test_statistics_are_means_and_deviations_over_time(self, modality, feature_fusion):
        torch.manual_seed(0)
        model = RecognitionModel(
            MICRO, 3, modality=modality, feature_fusion=feature_fusion, pooling="statistics"
        )
        assert model.fusion_encoder is None
        inputs = clip(MICRO)
        grids = {"video": MICRO.video_grid, "audio": MICRO.audio_grid}
        layers = range(1, MICRO.depth + 1) if feature_fusion else [MICRO.depth]
        expected = []
        for (name, (steps, *_)), read in zip(grids.items(), inputs, strict=True):
            if modality in {name, "audio_visual"}:
                _, taps = model.get_submodule(f"{name}_encoder")(read, None, layers)
                tokens = torch.stack([taps[layer] for layer in layers])  # (L, B, N, C)
                places = tokens.unflatten(2, (steps, -1))
                deviations = places.var(2, correction=0).add(1e-6).sqrt().mean(2)
                expected += [tokens.mean((0, 2)), deviations.mean(0)]
        features = model.features(*inputs)
        torch.testing.assert_close(features, model.head_norm(torch.cat(expected, dim=1)))
        model(*inputs).sum().backward()
        assert all(parameter.grad is not None for parameter in model.parameters())

    def test_statistics_of_a_still_clip_have_gradients(self):
        torch.manual_seed(0)
        model = RecognitionModel(MICRO, 3, pooling="statistics")
        with torch.no_grad():  # all tokens alike, whatever the positions
            for encoder in (model.video_encoder, model.audio_encoder):
                encoder.norm.weight.zero_()
        model(*clip(MICRO)).sum().backward()
        assert all(parameter.grad.isfinite().all() for parameter in model.parameters())

    def test_mean_tokens_of_layers_do_not_depend_on_the_pooling(self):
        models = []
        for pooling in ("mean", "statistics"):
            torch.manual_seed(0)
            models.append(RecognitionModel(MICRO, 3, pooling=pooling))
        models[1].load_state_dict(
            {name: tensor for name, tensor in models[0].state_dict().items() if "encoder" in name}
            | {n: t for n, t in models[1].state_dict().items() if "encoder" not in n},
            strict=False,
        )
        ours, theirs = (model.all_features(*clip(MICRO)) for model in models)
        assert torch.equal(ours.video_layers, theirs.video_layers)
        assert torch.equal(ours.audio_layers, theirs.audio_layers)

    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"pooling": "max"}, "no pooling 'max': choose mean, statistics"),
            ({"pooling": "statistics", "stand_ins": True}, "nothing can stand in"),
        ],
    )
    def test_poolings_that_cannot_be_are_refused(self, options, told):
        with pytest.raises(ConfigError, match=told):
            RecognitionModel(MICRO, 3, **options)

    @pytest.mark.parametrize("modality", ["audio_visual", "audio", "video"])
    def test_frozen_encoders_stay_in_evaluation_mode_without_gradients(self, modality):
        torch.manual_seed(0)
        model = RecognitionModel(MICRO, 3, drop_path=0.9, modality=modality)
        model.freeze_encoders()
        model.eval().train()
        assert model.training
        inputs = clip(MICRO)
        assert torch.equal(model(*inputs), model(*inputs))
        model(*inputs)[:, 0].sum().backward()
        for name, parameter in model.named_parameters():
            assert (parameter.grad is None) is ("encoder" in name), name

    def test_clips_of_a_batch_do_not_see_each_other(self):
        torch.manual_seed(0)
        model = RecognitionModel(MICRO, 3).eval()
        video, audio = clip(MICRO, batch=3)
        whole = model(video, audio)
        torch.testing.assert_close(model(video[1:2], audio[1:2]), whole[1:2], rtol=1e-5, atol=1e-6)

    def test_drop_path_is_random_in_training_alone(self):
        torch.manual_seed(0)
        model = RecognitionModel(MICRO, 3, drop_path=0.9)
        inputs = clip(MICRO, batch=4)
        assert not torch.equal(model(*inputs), model(*inputs))
        model.eval()
        assert torch.equal(model(*inputs), model(*inputs))

    def test_drop_path_grows_with_depth_from_nothing(self):
        model = RecognitionModel(dataclasses.replace(MICRO, depth=3), 3, drop_path=0.2)
        rates = [getattr(block.drop_path, "drop_prob", 0.0) for block in model.video_encoder.blocks]
        assert rates == pytest.approx([0.0, 0.1, 0.2])


@pytest.mark.slow
class TestCompiles:
    """`fullgraph` refuses every graph break."""

    @pytest.fixture(autouse=True)
    def fresh_compiler(self):
        torch._dynamo.reset()
        yield
        torch._dynamo.reset()

    def test_pretraining_model_in_one_graph(self):
        torch.manual_seed(0)
        model = HiCMAE(MICRO)
        arguments = (*clip(MICRO), *masks(MICRO))
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(*arguments).video, model(*arguments).video)

    def test_recogniser_in_one_graph(self):
        torch.manual_seed(0)
        model = RecognitionModel(MICRO, 3, drop_path=0.1).eval()
        compiled = torch.compile(model, fullgraph=True, backend="eager")
        torch.testing.assert_close(compiled(*clip(MICRO)), model(*clip(MICRO)))


def test_initialisation_leaves_patch_embeddings_alone():
    torch.manual_seed(0)
    shape = dataclasses.replace(MICRO, width=64)
    for model in (RecognitionModel(shape, 3), HiCMAE(shape)):
        layer = model.video_encoder.blocks[0].mlp.fc1
        xavier = (2 / (64 + 256)) ** 0.5
        assert layer.weight.std().item() == pytest.approx(xavier, rel=0.1)
        assert not layer.bias.any()
        embedding = model.video_encoder.embedding.projection
        default = nn.Linear(embedding.in_features, embedding.out_features)
        assert embedding.weight.std().item() == pytest.approx(default.weight.std().item(), rel=0.1)
        assert embedding.bias.any()
