"""Mixup and cutmix: one share for pictures, sound and classes."""

import pytest
import torch
from timm.data.mixup import mixup_target

from hicmae.data.augmentation import FinetuningAugmentation
from hicmae.data.mixing import MixedTarget, Mixing
from hicmae.errors import ConfigError


def batch_of(clips=6, views=1, classes=3):
    """Clips whose every value is their place in the batch."""
    place = torch.arange(float(clips))
    return {
        "video": place.view(-1, 1, 1, 1, 1, 1).expand(-1, views, 3, 4, 16, 16).contiguous(),
        "audio": place.view(-1, 1, 1, 1, 1).expand(-1, views, 1, 8, 5).contiguous(),
        "target": torch.arange(clips) % classes,
        "id": [str(index) for index in range(clips)],
    }


def mixed(seed=0, batch=None, **options):
    torch.manual_seed(seed)
    batch = batch_of() if batch is None else batch
    return Mixing(**{"mixup": 0.8, "cutmix": 1.0} | options)(batch)


@pytest.mark.parametrize("clips", [2, 5, 6])
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("kind", [{"mixup": 0}, {"cutmix": 0}])
def test_pictures_sound_and_classes_have_the_same_share(kind, views, clips):
    found = []
    for seed in range(20):
        raw = batch_of(clips, views)
        out = mixed(seed, batch_of(clips, views), **kind)
        shares = out["target"].shares
        torch.testing.assert_close(shares.sum(1), torch.ones(clips))
        assert ((shares > 0).sum(1) <= 2).all()
        place = shares @ torch.arange(float(clips))
        torch.testing.assert_close(out["video"].mean((1, 2, 3, 4, 5)), place)
        torch.testing.assert_close(out["audio"].mean((1, 2, 3, 4)), place)
        assert (out["audio"] == out["audio"][..., :1, :1]).all()
        assert out["video"].shape == raw["video"].shape
        assert out["audio"].shape == raw["audio"].shape
        assert type(out["video"]) is torch.Tensor
        assert torch.equal(out["target"].classes, raw["target"])
        assert out["id"] == raw["id"]
        found.append(shares[0, 0].item())
    assert len(set(found)) > 10
    assert 0.2 < sum(found) / len(found) < 0.8


def test_cutmix_puts_one_box_into_all_frames():
    out = mixed(3, mixup=0)["video"][:, 0]  # (B, 3, T, S, S)
    assert (out == out[:, :1, :1]).all()
    own = torch.arange(6.0).view(-1, 1, 1)
    foreign = out[:, 0, 0] != own
    assert (foreign == foreign[:1]).all()  # the same place in all clips
    rows, columns = foreign[0].any(1), foreign[0].any(0)
    assert torch.equal(foreign[0], rows[:, None] & columns)
    assert 0 < foreign[0].sum() < foreign[0].numel()
    for lines in rows, columns:
        assert lines.int().diff().abs().sum() <= 2


def test_mixup_adds_whole_pictures_up():
    out = mixed(3, cutmix=0)["video"]
    assert (out == out[..., :1, :1]).all()


def test_video_alone_leaves_the_sound_and_mixes_the_classes():
    both, video = (mixed(1, mix=mix) for mix in ("both", "video"))
    assert torch.equal(both["video"], video["video"])
    assert torch.equal(both["target"].shares, video["target"].shares)
    assert not torch.equal(both["target"].shares, torch.eye(6))
    assert torch.equal(video["audio"], batch_of()["audio"])
    assert not torch.equal(both["audio"], video["audio"])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_soft_targets_are_those_of_timm(share, smoothing):
    classes = torch.tensor([2, 0, 1, 1])
    own = torch.eye(4)
    target = MixedTarget(classes, share * own + (1 - share) * own.flip(0))
    soft = target.probabilities(5)
    expected = mixup_target(classes, 5, share, smoothing)
    torch.testing.assert_close((1 - smoothing) * soft + smoothing / 5, expected)


def test_soft_targets_are_exact_under_autocast():
    shares = torch.tensor([[0.70001, 0.29999], [0.29999, 0.70001]])
    with torch.autocast("cpu", torch.bfloat16):
        soft = MixedTarget(torch.tensor([1, 0]), shares).probabilities(2)
    assert torch.equal(soft, shares.flip(1))


def test_draws_follow_the_seed():
    first, again = mixed(1), mixed(1)
    assert torch.equal(first["video"], again["video"])
    assert torch.equal(first["audio"], again["audio"])
    assert len({mixed(seed)["target"].shares[0, 0].item() for seed in range(10)}) > 7


def test_switch_and_probability():
    def kinds(count=60, **options):
        found = []
        for seed in range(count):
            raw = batch_of()
            out = mixed(seed, raw, **options)
            if out is raw:
                found.append("none")
                continue
            whole = torch.equal(out["video"], out["video"][..., :1, :1].expand_as(out["video"]))
            found.append("mixup" if whole else "cutmix")
        return found

    assert set(kinds(10, switch=0.0)) == {"mixup"}
    half = kinds()
    assert 18 < half.count("cutmix") < 42
    assert set(kinds(10, probability=0.0)) == {"none"}
    assert 15 < kinds(probability=0.5).count("none") < 45


@pytest.mark.parametrize("clips", [0, 1])
def test_too_few_clips_stay(clips):
    raw = batch_of(clips)
    assert mixed(0, raw) is raw


def test_labels_are_needed():
    batch = batch_of()
    del batch["target"]
    with pytest.raises(ConfigError, match="no labels: set mixup and cutmix"):
        mixed(batch=batch)


def test_shares_are_mixed_as_their_classes_would_be():
    raw = batch_of()
    of_classes = mixed(2)["target"].probabilities(3)
    shares = torch.nn.functional.one_hot(raw["target"], 3).float()
    of_shares = mixed(2, raw | {"target": shares})["target"].probabilities(3)
    torch.testing.assert_close(of_shares, of_classes)
    assert not torch.equal(of_shares, shares)


@pytest.mark.parametrize(
    "options",
    [
        {"mixup": -1},
        {"mixup": 0, "cutmix": 0},
        {"switch": 2},
        {"probability": -1},
        {"mix": "audio"},
    ],
)
def test_impossible_settings(options):
    with pytest.raises(ConfigError):
        mixed(**options)


def test_recipe_mixes_only_if_asked():
    raw = batch_of()
    assert FinetuningAugmentation().mixed(raw) is raw
    mixing = FinetuningAugmentation(cutmix=1.0, mix="video").mixed(raw)
    assert isinstance(mixing["target"], MixedTarget)
    assert torch.equal(mixing["audio"], raw["audio"])
