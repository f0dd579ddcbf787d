"""Tokens that stand in for the picture or the sound that a clip lacks."""

import pytest
import torch
from tiny import tiny_architecture

from hicmae.errors import ConfigError
from hicmae.models import RecognitionModel

SHAPE = tiny_architecture()
FUSION = pytest.mark.parametrize("feature_fusion", [True, False])
BOTH, SEEN, HEARD = (True, True), (True, False), (False, True)


def model_of(feature_fusion=True, stand_ins=True):
    torch.manual_seed(0)
    return RecognitionModel(SHAPE, 3, feature_fusion=feature_fusion, stand_ins=stand_ins).eval()


def clips(count=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, 3, 4, 32, 32, generator=rng),
        torch.randn(count, 1, 32, 32, generator=rng),
    )


@FUSION
def test_clips_with_both_are_answered_bit_for_bit_as_without_stand_ins(feature_fusion):
    plain, able = model_of(feature_fusion, stand_ins=False), model_of(feature_fusion)
    more = able.state_dict().keys() - plain.state_dict().keys()
    assert more == {"video_stand_ins", "audio_stand_ins"}
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, able.state_dict()[name]), name
    video, audio = clips()
    expected = plain(video, audio)
    assert torch.equal(able(video, audio), expected)
    assert torch.equal(able(video, audio, torch.tensor([BOTH] * 3)), expected)
    for ours, theirs in zip(
        able.all_features(video, audio), plain.all_features(video, audio), strict=True
    ):
        assert torch.equal(ours, theirs)


@FUSION
def test_what_a_clip_lacks_is_not_read_whatever_the_others_have(feature_fusion):
    model = model_of(feature_fusion)
    (video, audio), (other_video, other_audio) = clips(), clips(seed=1)
    senses = torch.tensor([BOTH, SEEN, HEARD])
    answers = model(video, audio, senses)
    audio[1], video[2] = other_audio[1], other_video[2]
    assert torch.equal(model(video, audio, senses), answers)
    for place in range(3):
        row = slice(place, place + 1)
        alone = model(video[row], audio[row], senses[row])
        torch.testing.assert_close(alone, answers[row])
    audio[2], video[1] = other_audio[2], other_video[1]
    assert not torch.isclose(model(video, audio, senses)[1:], answers[1:]).any()


@FUSION
def test_stand_ins_are_features_of_every_layer(feature_fusion):
    model = model_of(feature_fusion)
    features = model.all_features(*clips(), torch.tensor([BOTH, SEEN, HEARD]))
    for layers, stand_ins, place in (
        (features.video_layers, model.video_stand_ins, 2),
        (features.audio_layers, model.audio_stand_ins, 1),
    ):
        assert layers.shape == (3, 2, 16)
        assert torch.equal(layers[place], stand_ins.expand(2, -1))


def test_what_stands_in_learns_in_place_of_the_encoder():
    model = model_of()
    model(*clips(1), torch.tensor([HEARD])).sum().backward()
    assert model.video_stand_ins.grad.abs().min() > 0
    assert not any(p.grad.any() for p in model.video_encoder.parameters())
    assert model.audio_encoder.blocks[0].mlp.fc1.weight.grad.any()
    assert not model.audio_stand_ins.grad.any()  # but they have one, for which others may wait


def test_model_without_stand_ins_refuses_clips_that_might_lack_something():
    with pytest.raises(ConfigError, match="modality_dropout"):
        model_of(stand_ins=False)(*clips(1), torch.tensor([SEEN]))
    with pytest.raises(ConfigError, match="audio alone"):
        RecognitionModel(SHAPE, 3, modality="audio", stand_ins=True)
