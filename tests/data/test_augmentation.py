import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from media_factory import numbered_picture

from hicmae.data.augmentation import (
    CircularShift,
    FinetuningAugmentation,
    PretrainingAugmentation,
    SpectrogramMasking,
    WaveformGain,
)
from hicmae.data.cropping import Crops, MultiScaleCrop, cut, draw_mirrored
from hicmae.data.erasing import erase_each, erase_together
from hicmae.errors import ConfigError


def same_frames(count=3, frames=4, height=48, width=48):
    """Clips of random pixels that stand still: (N, T, 3, H, W)."""
    pictures = torch.randint(256, (count, 1, 3, height, width), dtype=torch.uint8)
    return pictures.expand(-1, frames, -1, -1, -1).contiguous()


def position_clip(height, width):
    """A clip whose first channel is the row and second the column of each pixel."""
    rows = torch.arange(height).view(-1, 1).expand(-1, width)
    columns = torch.arange(width).expand(height, -1)
    return torch.stack([rows, columns, rows]).to(torch.uint8)[None, None]


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_crop_is_a_corner_or_the_centre_at_a_scale(seed):
    torch.manual_seed(seed)
    side = 160
    crops = Crops(MultiScaleCrop().draw(1, side, side), [False])
    seen = cut(position_clip(side, side).movedim(2, -1), None, crops, size=160)[0, 0]
    edges = [(line.min().item(), line.max().item() + 1) for line in (seen[0, :, 80], seen[1, 80])]
    sides = [round(high - low) for low, high in edges]
    scales = [160, 140, 120, 105]
    nearest = [min(range(4), key=lambda k, s=s: abs(scales[k] - s)) for s in sides]
    assert all(abs(scales[k] - s) <= 1 for k, s in zip(nearest, sides, strict=True))
    assert abs(nearest[0] - nearest[1]) <= 1
    at = []
    for (low, high), k in zip(edges, nearest, strict=True):
        room = side - scales[k]
        at.append(
            {
                name
                for name, value in (("low", 0), ("mid", room // 2), ("high", room))
                if abs(low - value) <= 1
            }
        )
        assert at[-1], (low, high)
    assert "mid" in at[0] & at[1] or (at[0] - {"mid"} and at[1] - {"mid"})


def test_crop_needs_scales_within_the_frame():
    with pytest.raises(ConfigError, match="scales"):
        MultiScaleCrop(scales=[1.2])


def test_mirrored_clips_are_drawn_one_by_one():
    clips = same_frames(count=64, frames=2, height=8, width=8)
    torch.manual_seed(0)
    crops = Crops([(0, 0, 8, 8)] * 64, draw_mirrored(64, 0.5))
    assert 10 < sum(crops.mirrored) < 54
    seen = cut(clips.movedim(2, -1), None, crops, 8)
    for clip, result, mirrored in zip(clips, seen, crops.mirrored, strict=True):
        assert torch.equal(result, clip.flip(-1) if mirrored else clip)


def test_gain_has_the_published_spread():
    torch.manual_seed(0)
    loud = WaveformGain()(torch.ones(4000, 3))
    assert torch.equal(loud[:, 0], loud[:, 2])
    assert loud.min() >= 0.5
    assert loud.max() <= 1.5
    assert loud.mean() == pytest.approx(1.0, abs=0.01)
    # The deviation of Beta(10, 10) is sqrt(1 / 84).
    assert loud[:, 0].std() == pytest.approx(0.109, abs=0.005)


def test_shift_turns_the_valid_samples_round():
    torch.manual_seed(0)
    lengths = torch.tensor([5, 8, 0] * 20)
    waveform = torch.arange(1.0, 9.0).expand(60, 8).contiguous()
    moved = CircularShift(1.0)(waveform, lengths)
    starts = set()
    for row, length in zip(moved.tolist(), lengths.tolist(), strict=True):
        valid, rest = row[:length], row[length:]
        assert rest == waveform[0, length:].tolist()
        if length:
            start = valid.index(1.0)
            assert valid[start:] + valid[:start] == waveform[0, :length].tolist()
            starts.add((length, start))
    assert len(starts) == 5 + 8  # every shift there is


def test_shift_has_a_largest():
    torch.manual_seed(0)
    waveform = torch.eye(10)[:1].expand(50, 10)
    moved = CircularShift(0.3)(waveform, torch.full((50,), 10))
    assert set(moved.argmax(1).tolist()) == {0, 1, 2}
    with pytest.raises(ConfigError, match="shift is 2"):
        CircularShift(2)


def test_masks_blank_a_span_and_a_band_of_each_spectrogram():
    torch.manual_seed(0)
    blank = SpectrogramMasking(time=12, frequency=6)(torch.ones(40, 1, 64, 32)) == 0
    spans, bands = blank.all(dim=3).sum(dim=2), blank.all(dim=2).sum(dim=2)
    assert 8 < spans.max() < 12
    assert 4 <= bands.max() < 6
    assert len(set(spans.flatten().tolist())) > 4
    for lines in blank.all(dim=3)[:, 0], blank.all(dim=2)[:, 0]:  # what is blank lies together
        assert (lines.int().diff(dim=1).abs().sum(dim=1) <= 2).all()
    only_time = SpectrogramMasking(time=12, frequency=0)(torch.ones(9, 1, 64, 32))
    assert (only_time == only_time[..., :1]).all()
    with pytest.raises(ConfigError, match="time_mask is -1"):
        SpectrogramMasking(time=-1, frequency=0)


def test_sound_is_neither_moved_nor_masked_unless_asked_for():
    torch.manual_seed(0)
    waveform, lengths = torch.rand(8, 50), torch.full((8,), 50)
    spectrogram = torch.rand(8, 1, 20, 10)
    published = FinetuningAugmentation(gain=None)
    assert torch.equal(published.waveform(waveform, lengths), waveform)
    assert torch.equal(published.spectrogram(spectrogram), spectrogram)
    other = FinetuningAugmentation(gain=None, shift=1.0, time_mask=10, frequency_mask=5)
    moved = other.waveform(waveform, lengths)
    assert not torch.equal(moved, waveform)
    assert torch.equal(moved.sort(dim=1).values, waveform.sort(dim=1).values)
    assert (other.spectrogram(spectrogram) == 0).any()


@pytest.mark.parametrize("augmentation", [PretrainingAugmentation(), FinetuningAugmentation()])
def test_all_frames_of_a_clip_are_treated_alike(augmentation):
    torch.manual_seed(3)
    clips = same_frames(count=12)
    out = augmentation.frames(clips, 32)
    assert out.shape == (12, 4, 3, 32, 32)
    assert out.dtype == torch.uint8
    out = out / 255
    torch.testing.assert_close(out, out[:, :1].expand_as(out))
    assert clips.float().var(dim=1).max() == 0
    out = augmentation.normalised(out.clone())
    torch.testing.assert_close(out, out[:, :1].expand_as(out))


@pytest.mark.parametrize("kind", [PretrainingAugmentation, FinetuningAugmentation])
def test_draws_follow_the_seed_and_differ_between_clips(kind):
    augmentation = kind()
    clips = same_frames(count=1).expand(6, -1, -1, -1, -1)
    waveform, lengths = torch.ones(6, 5), torch.full((6,), 5)
    runs = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        frames = augmentation.frames(clips, 24) / 255
        erased = augmentation.normalised(frames.clone())
        runs.append((frames, erased, augmentation.waveform(waveform, lengths)))
    assert all(torch.equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(runs[0], runs[2], strict=True))
    assert len({tuple(clip.flatten().tolist()) for clip in runs[0][0]}) > 3
    assert len(set(runs[0][2][:, 0].tolist())) == 6


@pytest.mark.parametrize("kind", [PretrainingAugmentation, FinetuningAugmentation])
def test_no_clips(kind):
    augmentation = kind()
    empty = augmentation.frames(torch.empty(0, 4, 3, 48, 48, dtype=torch.uint8), 32)
    assert augmentation.normalised(empty.float()).shape == (0, 4, 3, 32, 32)


def test_switched_off_leaves_the_picture():
    augmentation = FinetuningAugmentation(
        rand_augment_layers=0, crop_scale=None, flip=0, erasing=0, gain=None
    )
    picture = torch.from_numpy(numbered_picture(5, (32, 32))).permute(2, 0, 1)[None, None]
    frames = augmentation.frames(picture, 32)
    assert torch.equal(frames, picture)
    assert torch.equal(augmentation.normalised(frames / 255), frames / 255)
    waveform = torch.rand(1, 7)
    assert torch.equal(augmentation.waveform(waveform, torch.tensor([7])), waveform)
    batch = {"video": frames}
    assert augmentation.mixed(batch) is batch


@pytest.mark.parametrize("noisy", [False, True])
def test_clips_are_erased_together_as_one_by_one(noisy):
    boxes = [(2, 3, 7, 5), (0, 0, 0, 0), (0, 0, 12, 1), (5, 11, 3, 4)]
    frames = torch.full((4, 2, 3, 12, 15), 9.0)
    each = erase_each(frames.clone(), boxes, noisy=noisy)
    together = erase_together(frames, boxes, noisy=noisy)
    assert torch.equal(each == 9, together == 9)
    assert [clip.ne(9).sum().item() for clip in together] == [6 * 35, 0, 6 * 12, 6 * 12]
    torch.testing.assert_close(together, together[:, :1].expand_as(together))


def test_erasing_fills_with_noise_or_the_mean():
    torch.manual_seed(0)
    frames = torch.full((4, 2, 3, 40, 40), 9.0)
    noisy = FinetuningAugmentation(rand_augment_layers=0, erasing=1.0).normalised(frames.clone())
    erased = noisy != 9
    share = erased.float().mean(dim=(1, 2, 3, 4))
    assert (share > 0.01).all()
    assert (share < 0.34).all()
    assert noisy[erased].std() == pytest.approx(1, abs=0.1)
    blank = FinetuningAugmentation(rand_augment_layers=0, erasing=1.0, erasing_value="zero")
    assert set(blank.normalised(frames.clone()).unique().tolist()) == {0.0, 9.0}
