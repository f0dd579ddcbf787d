"""Brightness and colour to RGB."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hicmae.media.colour import rgb_from_planes, rgb_matrix

SPACES = (1, 2, 4, 5, 6, 7, 9)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(
    ("full_range", "black", "white"), [(False, 16, 235), (True, 0, 255)], ids=["limited", "full"]
)
def test_grey_stays_grey_from_black_to_white(
    space: int, full_range: bool, black: int, white: int
) -> None:
    matrix = rgb_matrix(space, full_range=full_range)
    for luma, level in ((black, 0), (white, 255), ((black + white) / 2, 127.5)):
        np.testing.assert_allclose(matrix @ [luma, 128, 128, 1], [level] * 3, atol=1e-3)


@given(
    rgb=st.tuples(*[st.integers(0, 255)] * 3),
    space=st.sampled_from((1, 5)),
    full_range=st.booleans(),
)
def test_the_matrix_undoes_the_definition_of_brightness_and_colour(
    rgb: tuple[int, int, int], space: int, full_range: bool
) -> None:
    red_weight, blue_weight = {1: (0.2126, 0.0722), 5: (0.299, 0.114)}[space]
    red, green, blue = (value / 255 for value in rgb)
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    blue_difference = (blue - luma) / (2 * (1 - blue_weight))
    red_difference = (red - luma) / (2 * (1 - red_weight))
    scales = (255, 255, 255, 0) if full_range else (219, 224, 224, 16)
    planes = [
        scales[3] + scales[0] * luma,
        128 + scales[1] * blue_difference,
        128 + scales[2] * red_difference,
        1,
    ]
    matrix = rgb_matrix(space, full_range=full_range)
    np.testing.assert_allclose(matrix @ planes, rgb, atol=1e-3)


def test_unknown_spaces_are_taken_for_bt601() -> None:
    expected = rgb_matrix(5, full_range=False)
    for space in (0, 2, 8, 14):
        np.testing.assert_array_equal(rgb_matrix(space, full_range=False), expected)


def test_planes_become_pictures_clip_by_clip() -> None:
    planes = torch.randint(0, 256, (3, 2, 12, 8), dtype=torch.uint8)
    matrices = torch.tensor(
        np.stack([rgb_matrix(space, full_range=space == 5) for space in (1, 5, 9)])
    )
    pictures = rgb_from_planes(planes, matrices)
    assert pictures.shape == (3, 2, 3, 8, 8)
    assert pictures.dtype == torch.uint8
    for clip in range(3):
        for frame in range(2):
            flat = planes[clip, frame].flatten().numpy()
            luma, blue, red = np.split(flat, [64, 80])
            for row in range(8):
                for column in range(8):
                    place = row // 2 * 4 + column // 2
                    values = [luma[row * 8 + column], blue[place], red[place], 1]
                    expected = np.clip(np.round(matrices[clip].numpy() @ values), 0, 255)
                    got = pictures[clip, frame, :, row, column].numpy()
                    np.testing.assert_allclose(got, expected, atol=1)


def test_no_clips_give_no_pictures() -> None:
    planes = torch.zeros((0, 4, 12, 8), dtype=torch.uint8)
    assert rgb_from_planes(planes, torch.zeros(0, 3, 4)).shape == (0, 4, 3, 8, 8)
