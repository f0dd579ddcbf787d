"""RandAugment on clips against timm's on pictures."""

import random

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import auto_augment as timm_set

from hicmae.data.batched_operations import OPERATIONS
from hicmae.data.rand_augment import SETS, RandAugment, follow_each, follow_together
from hicmae.errors import ConfigError

GEOMETRY = {"Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"}


def clip(frames=2, side=48, seed=0):
    """Smooth pictures, uint8 (T, 3, H, W)."""
    rng = torch.Generator().manual_seed(seed)
    coarse = torch.rand(frames, 3, 8, 8, generator=rng)
    fine = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return (fine.clamp(0, 1) * 255).to(torch.uint8)


def name_in_timm(name, operations):
    if name.startswith("Translate"):
        return f"{name}Rel"
    other = f"{name}Increasing"
    return other if operations == "increasing" and other in timm_set.NAME_TO_OP else name


@pytest.mark.parametrize("operations", SETS)
def test_sets_are_those_of_timm(operations):
    increasing = "-inc1" if operations == "increasing" else ""
    theirs = timm_set.rand_augment_transform(f"rand-m7-n4-mstd0.5{increasing}", {})
    assert {name_in_timm(name, operations) for name in SETS[operations]} == {
        operation.name for operation in theirs.ops
    }


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("level", [0.0, 2.5, 7.0, 9.9])
@pytest.mark.parametrize(
    ("operations", "name"), [(kind, name) for kind, names in SETS.items() for name in names]
)
def test_operations_are_those_of_timm(operations, name, level, negative, monkeypatch):
    ours, theirs = SETS[operations][name], timm_set.LEVEL_TO_ARG[name_in_timm(name, operations)]
    with monkeypatch.context() as patch:  # both toss a coin for the sign
        patch.setattr(random, "random", lambda: float(negative))
        patch.setattr(torch, "rand", lambda *_: torch.tensor(1.0 - negative))
        argument = ours(level, None) if ours else ()
        expected = theirs(level, {}) if theirs else ()
    assert argument == pytest.approx(expected)
    changed = OPERATIONS[name](clip()[None], torch.tensor([*argument, 0.0])[:1])[0]
    if name == "Posterize" and argument == (0,):  # which a current Pillow refuses
        assert not changed.any()
        return
    for before, after in zip(clip(), changed, strict=True):
        wanted = timm_set.NAME_TO_OP[name_in_timm(name, operations)](
            Image.fromarray(before.permute(1, 2, 0).numpy()),
            *expected,
            fillcolor=(128, 128, 128),
            resample=Image.Resampling.BILINEAR,
        )
        distance = np.abs(after.permute(1, 2, 0).numpy().astype(int) - np.asarray(wanted))
        if name in GEOMETRY:  # at the border we blend with the filling
            assert np.quantile(distance, 0.9) <= 1
        else:
            assert distance.max() <= 1


def test_all_frames_share_the_draw_and_seeds_decide_it():
    still = clip(frames=1).expand(1, 3, -1, -1, -1).contiguous()
    augment = RandAugment(probability=1.0)
    seen = []
    for seed in (*range(12), 0):
        torch.manual_seed(seed)
        changed = augment(still)
        assert changed.dtype == torch.uint8
        assert torch.equal(changed, changed[:, :1].expand_as(changed))
        seen.append(changed)
    assert torch.equal(seen[0], seen[-1])
    assert len({tuple(changed.flatten().tolist()) for changed in seen}) == 12
    assert torch.equal(still, clip(frames=1).expand_as(still))


def test_together_is_clip_by_clip():
    clips = torch.stack([clip(seed=seed) for seed in range(9)])
    torch.manual_seed(2)
    draw = RandAugment(probability=0.6).draw
    plans = [[], *(draw([]) for _ in clips[1:])]
    assert len({name for plan in plans for name, _ in plan}) > 8
    each, together = follow_each(clips, plans), follow_together(clips, plans)
    assert torch.equal(each, together)
    assert torch.equal(each[0], clips[0])


def test_sizes_of_change():
    still = clip()[None]
    torch.manual_seed(0)
    assert torch.equal(RandAugment(probability=0.0)(still), still)
    sizes = {}
    for kind in SETS:
        for magnitude in (1, 9):
            augment = RandAugment(kind, magnitude=magnitude, std=0.0, layers=1, probability=1.0)
            torch.manual_seed(0)
            changes = [augment(still).float() - still.float() for _ in range(150)]
            sizes[kind, magnitude] = torch.stack(changes).abs().mean().item()
    assert sizes["increasing", 9] > 1.5 * sizes["increasing", 1]
    assert sizes["plain", 1] > 1.5 * sizes["increasing", 1]


@pytest.mark.parametrize(
    ("options", "name"),
    [({"layers": 16}, "rand_augment_layers"), ({"operations": "inc"}, "rand_augment_set")],
)
def test_impossible_settings(options, name):
    with pytest.raises(ConfigError, match=name):
        RandAugment(**options)
