from contextlib import nullcontext

import pytest
import torch

from hicmae.data.augmentation import (
    Augmentation,
    FinetuningAugmentation,
    PretrainingAugmentation,
)
from hicmae.data.preprocessing import BatchPreprocessor


def raw_batch(clips=2, views=2, side=32):
    generator = torch.Generator().manual_seed(0)
    return {
        "frames": torch.randint(
            256, (clips, views, 4, side, side, 3), generator=generator, dtype=torch.uint8
        ),
        "waveform": torch.randn(clips, views, 16_000, generator=generator) * 0.1,
        "waveform_length": torch.full((clips, views), 16_000),
        "target": torch.arange(clips),
        "id": [str(i) for i in range(clips)],
        "skipped": [],
    }


@pytest.fixture(scope="module")
def preprocessor():
    return BatchPreprocessor(image_size=32, audio_frames=64, mel_bins=32)


def test_frames_are_normalised_and_ordered(preprocessor):
    raw = raw_batch()
    batch = preprocessor(raw)
    assert "frames" in raw
    assert set(batch) == {"video", "audio", "target", "id", "skipped"}
    assert batch["video"].shape == (2, 2, 3, 4, 32, 32)
    assert batch["video"].is_contiguous()
    assert batch["video"].data_ptr() % 64 == 0  # sums of the model's depend on it
    assert batch["audio"].shape == (2, 2, 1, 64, 32)
    pixel = raw["frames"][1, 0, 3, 7, 9] / 255
    expected = (pixel - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    torch.testing.assert_close(batch["video"][1, 0, :, 3, 7, 9], expected)


def test_views_keep_their_own_sound(preprocessor):
    raw = raw_batch()
    batch = preprocessor(raw)
    single = preprocessor.filter_bank(raw["waveform"][1, 1:], raw["waveform_length"][1, 1:])
    torch.testing.assert_close(batch["audio"][1, 1], single[0])


def test_other_frame_sizes_are_resized(preprocessor):
    raw = raw_batch(side=48)
    raw["frames"][:] = 255
    video = preprocessor(raw)["video"]
    assert video.shape == (2, 2, 3, 4, 32, 32)
    torch.testing.assert_close(video[0, 0, 0], torch.full((4, 32, 32), (1 - 0.485) / 0.229))


@pytest.mark.parametrize("side", [32, 48])
@pytest.mark.parametrize("augment", [False, True])
def test_every_clip_skipped(side, augment):
    preprocessor = BatchPreprocessor(
        image_size=32, audio_frames=64, mel_bins=32, augmentation=PretrainingAugmentation()
    )
    raw = raw_batch(clips=0, side=side) | {"waveform": torch.empty(0, 2, 0)}
    batch = preprocessor(raw, augment=augment)
    assert batch["video"].shape == (0, 2, 3, 4, 32, 32)
    assert batch["audio"].shape == (0, 2, 1, 64, 32)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_true_precision_reaches_the_model(preprocessor, dtype):
    raw = raw_batch()
    plain = preprocessor(raw)
    batch = preprocessor(raw | {"waveform": raw["waveform"].to(dtype)})
    assert batch["video"].dtype == batch["audio"].dtype == dtype
    torch.testing.assert_close(batch["video"].float(), plain["video"], atol=0.02, rtol=0.02)
    torch.testing.assert_close(batch["audio"].float(), plain["audio"], atol=0.1, rtol=0.1)


class Recorder(Augmentation):
    """Marks what went through each step."""

    def frames(self, frames, size):
        assert frames.shape[1:3] == (4, 3)
        assert size == 32
        return torch.ones(*frames.shape[:3], size, size)

    def normalised(self, frames):
        return frames + 100

    def waveform(self, waveform, lengths):
        assert lengths.tolist() == [16_000] * len(waveform)
        return waveform * 2

    def spectrogram(self, spectrogram):
        assert spectrogram.shape[1:] == (1, 64, 32)
        return spectrogram + 100

    def mixed(self, batch):
        assert batch["video"].shape[:3] == (2, 2, 3)
        assert batch["audio"].shape[:3] == (2, 2, 1)
        return batch | {"target": "mixed"}


def test_augmentation_is_for_training_alone():
    preprocessor = BatchPreprocessor(
        image_size=32, audio_frames=64, mel_bins=32, augmentation=Recorder()
    )
    plain = BatchPreprocessor(image_size=32, audio_frames=64, mel_bins=32)(raw_batch())
    evaluated = preprocessor(raw_batch())
    assert all(torch.equal(plain[name], evaluated[name]) for name in ("video", "audio"))
    trained = preprocessor(raw_batch(), augment=True)
    assert trained["video"][:, :, 0].unique().item() == pytest.approx(100 + (1 - 0.485) / 0.229)
    # Twice the amplitude adds log 4 to a log power, and the spectrogram is divided by two
    # deviations.
    step = (trained["audio"] - 100 - plain["audio"]).median().item()
    assert step == pytest.approx(1.3863 / (2 * 4.5689974), rel=0.01)
    assert trained["target"] == "mixed"
    assert torch.equal(evaluated["target"], plain["target"])


def test_clips_are_mixed_after_all_else():
    gentle = {"rand_augment_layers": 0, "crop_scale": None, "flip": 0, "erasing": 0, "gain": None}
    plain = BatchPreprocessor(image_size=32, audio_frames=64, mel_bins=32)(raw_batch())
    preprocessor = BatchPreprocessor(
        image_size=32,
        audio_frames=64,
        mel_bins=32,
        augmentation=FinetuningAugmentation(mixup=1.0, **gentle),
    )
    torch.manual_seed(0)
    raw = raw_batch()
    mixed = preprocessor(raw | {"waveform": raw["waveform"].half()}, augment=True)
    shares = mixed["target"].probabilities(2)
    assert 0 < shares[0, 1] < 1
    for name, tolerance in ("video", 2e-3), ("audio", 0.05):
        assert mixed[name].dtype == torch.float16
        expected = torch.einsum("ij,j...->i...", shares, plain[name])
        torch.testing.assert_close(mixed[name].float(), expected, atol=tolerance, rtol=2e-3)


@pytest.mark.parametrize("pixels", ["rgb", "planes"])
@pytest.mark.parametrize(
    "augmentation",
    [PretrainingAugmentation(flip=0.5), FinetuningAugmentation(mixup=1.0, shift=0.5, time_mask=4)],
)
def test_nothing_waits_for_a_device(augmentation, pixels, monkeypatch):
    """Tensors without values, as nobody can look at them, take the way of an accelerator."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # it knows them not
    preprocessor = BatchPreprocessor(
        image_size=24, audio_frames=64, mel_bins=32, augmentation=augmentation
    ).to("meta")
    raw = raw_batch(clips=6, views=1)
    if pixels == "planes":
        planes = torch.zeros(6, 1, 4, 48, 32, dtype=torch.uint8)
        raw |= {"frames": planes, "rgb_matrix": torch.ones(6, 3, 4)}
    batch = {
        name: value.to("meta") if isinstance(value, torch.Tensor) else value
        for name, value in raw.items()
    }
    torch.manual_seed(0)
    for _ in range(4):
        ready = preprocessor(batch, augment=True)
        assert ready["video"].shape == (6, 1, 3, 4, 24, 24)
        assert ready["audio"].shape == (6, 1, 1, 64, 32)
