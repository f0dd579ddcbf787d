"""Cutting and resizing, clip by clip and together, as bytes and as floats."""

import pytest
import torch

from hicmae.data.augmentation import FinetuningAugmentation
from hicmae.data.cropping import Crops, MultiScaleCrop, RandomResizedCrop, cut, cut_together
from hicmae.errors import ConfigError
from hicmae.media.colour import converted_together, rgb_from_planes, rgb_matrix

SIDE = 48
# Enlarged and made smaller, at odd and even places, whole, and a single pixel wide.
BOXES = [(0, 0, 48, 48), (7, 3, 31, 42), (1, 16, 46, 31), (16, 0, 24, 24), (5, 9, 2, 1)]
MIRRORED = [False, True, False, True, False]
SIZES = [32, 48, 64]


def clips():
    noise = torch.Generator().manual_seed(0)
    return torch.randint(256, (5, 2, SIDE, SIDE, 3), generator=noise, dtype=torch.uint8)


def planes():
    noise = torch.Generator().manual_seed(1)
    size = (len(BOXES), 2, SIDE * 3 // 2, SIDE)
    matrices = [rgb_matrix(space, full_range=space == 5) for space in (1, 5, 9, 2, 7)]
    return (
        torch.randint(256, size, generator=noise, dtype=torch.uint8),
        torch.stack([torch.from_numpy(matrix) for matrix in matrices]),
    )


@pytest.mark.parametrize("size", SIZES)
def test_bytes_lie_within_a_level_of_floats(size):
    floats = cut(clips(), None, Crops(BOXES, MIRRORED, "floats"), size)
    resized = cut(clips(), None, Crops(BOXES, MIRRORED, "bytes"), size)
    assert resized.dtype == torch.uint8
    assert ((floats * 255).round() - resized).abs().max() <= 1
    assert torch.equal(cut(clips(), None, Crops(BOXES, MIRRORED), size), resized)


@pytest.mark.parametrize("size", SIZES)
def test_together_is_clip_by_clip(size):
    floats = cut(clips(), None, Crops(BOXES, MIRRORED, "floats"), size)
    together = cut_together(clips(), Crops(BOXES, MIRRORED), size, bytewise=False)
    torch.testing.assert_close(together, floats, atol=2e-6, rtol=0)
    rounded = cut_together(clips(), Crops(BOXES, MIRRORED), size, bytewise=True)
    assert (rounded.int() - (floats * 255).round()).abs().max() <= 1


def test_planes_are_cut_as_the_pictures_they_become():
    frames, matrices = planes()
    pictures = rgb_from_planes(frames, matrices).movedim(2, -1)
    crops = Crops(BOXES, MIRRORED, "bytes")
    assert torch.equal(cut(frames, matrices, crops, 32), cut(pictures, None, crops, 32))


def test_planes_become_pictures_together_as_clip_by_clip():
    frames, matrices = planes()
    together = converted_together(frames, matrices)
    assert (rgb_from_planes(frames, matrices).int() - together.int()).abs().max() <= 1


@pytest.mark.parametrize("drawer", [MultiScaleCrop(), RandomResizedCrop((0.08, 1.0), (0.75, 1.33))])
def test_boxes_lie_within_the_frame(drawer):
    torch.manual_seed(0)
    boxes = drawer.draw(50, 40, 64)
    assert len(set(boxes)) > 10
    for top, left, tall, wide in boxes:
        assert min(top, left) >= 0
        assert min(tall, wide) > 0
        assert top + tall <= 40
        assert left + wide <= 64


def test_unknown_resizing_is_told():
    with pytest.raises(ConfigError, match="resizing is 'byte'; choose auto, bytes, floats"):
        FinetuningAugmentation(resizing="byte")
