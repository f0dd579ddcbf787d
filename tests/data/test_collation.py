"""Batches that are prepared where clips are read, beside those that are prepared on the device."""

import pickle

import pytest
import torch
from test_repeats import OPTIONS, seen

from hicmae.data.augmentation import FinetuningAugmentation, PretrainingAugmentation
from hicmae.data.collation import PreparingCollation, collate_repeats
from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.errors import ConfigError


def finetuning():
    return FinetuningAugmentation(mixup=0.8, erasing=1.0, shift=0.5, time_mask=4)


@pytest.mark.parametrize(
    ("pixels", "augmentation"),
    [("yuv420", lambda: PretrainingAugmentation(flip=0.5)), ("rgb", finetuning)],
)
def test_workers_prepare_what_the_device_would(corpus, tmp_path, augmentation, pixels):
    options = {"repeats": 2, "label": "emotion", "pixels": pixels}
    runs = [
        seen(tmp_path, corpus, augmentation=augmentation(), prepare_on=where, **options)
        for where in ("device", "workers")
    ]
    runs.append(seen(tmp_path, corpus, augmentation=augmentation(), num_workers=2, **options))
    device, *others = runs
    for other in others:
        for split, expected in device.items():
            assert len(other[split]) == len(expected)
            for ours, theirs in zip(other[split], expected, strict=True):
                assert ours["id"] == theirs["id"]
                assert torch.equal(ours["video"], theirs["video"])
                assert torch.equal(ours["audio"], theirs["audio"])
                for one, two in zip([*ours["target"]], [*theirs["target"]], strict=True):
                    assert torch.equal(one, two)


def loaded(corpus, **options):
    data = ManifestDataModule(str(corpus / "manifest.csv"), **OPTIONS | options)
    data.setup("fit")
    return data, data.train_dataloader()


def test_bytes_are_handed_over(corpus):
    _, loader = loaded(corpus, prepare_on="workers", augmentation=PretrainingAugmentation())
    batch = next(iter(loader))
    assert batch["pictures"].dtype == torch.uint8
    assert batch["pictures"].shape == (2, 1, 4, 3, 16, 16)
    assert batch["audio"].shape == (2, 1, 1, 16, 16)
    assert not {"frames", "waveform", "waveform_length"} & set(batch)
    _, loader = loaded(corpus, prepare_on="auto", num_workers=2)  # nobody knows where the model is
    assert "frames" in next(iter(loader))


def test_workers_have_a_preprocessor_of_their_own(corpus):
    """That of the device moves, and would take theirs along."""
    data, loader = loaded(corpus, prepare_on="workers", augmentation=PretrainingAugmentation())
    data.preprocessor.to("meta")
    assert next(iter(loader))["audio"].device.type == "cpu"


def test_what_workers_are_given_can_be_sent_to_them():
    """As processes that are not forked need."""
    preprocessor = BatchPreprocessor(augmentation=finetuning())
    sent = PreparingCollation(collate_repeats, preprocessor, True, 2, 0, 0)
    assert pickle.loads(pickle.dumps(sent)).batch_size == 2  # noqa: S301 (its own)


def test_clips_that_nobody_counted_are_left_to_the_device(corpus):
    data, loader = loaded(corpus, prepare_on="workers", augmentation=PretrainingAugmentation())
    dataset = data._datasets["train"]
    assert "frames" in loader.collate_fn([dataset[0], dataset[1]])


def test_unknown_places_are_told():
    with pytest.raises(ConfigError, match=r"data\.prepare_on is 'gpu'; choose auto, device, work"):
        ManifestDataModule("clips.csv", prepare_on="gpu")
