"""Clips without sound, without picture, and those of which one is hidden."""

import numpy as np
import pandas as pd
import pytest
import torch
from media_factory import numbered_picture, write_clip, write_image

from hicmae.data.augmentation import FinetuningAugmentation
from hicmae.data.cache import ClipCache
from hicmae.data.collation import collate, collate_repeats
from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import complete_manifest, read_manifest
from hicmae.data.mixing import Mixing
from hicmae.data.options import ClipOptions
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.errors import DataError, PicturesMissingError, SoundMissingError

WHOLE, SILENT, SOUND, IMAGES = range(4)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A clip with both, a silent one, a sound of one second and a folder of images."""
    folder = tmp_path_factory.mktemp("clips")
    paths = [
        write_clip(folder / "whole.mkv", seconds=1.0, size=(48, 48)),
        write_clip(folder / "silent.mp4", seconds=0.4, sound=False, size=(48, 48)),
        write_clip(folder / "sound.wav", seconds=1.0),
        folder / "images",
    ]
    (folder / "images").mkdir()
    for place in range(4):
        write_image(folder / "images" / f"{place}.png", numbered_picture(place, (48, 48)))
    rows = {"id": [path.name for path in paths], "video": list(map(str, paths))}
    return complete_manifest(pd.DataFrame(rows))


def dataset(table, senses, *, cache=None, **options):
    settings = {"num_frames": 4, "stride": 3, "frame_size": 32, "senses": senses}
    return ClipDataset(table, ClipOptions(**settings), cache=cache, **options)


@pytest.mark.parametrize("kind", ["rgb", "yuv420", "cache"])
def test_clips_that_lack_a_sense_are_read_and_say_so(table, kind, tmp_path):
    cache = ClipCache(tmp_path, 32) if kind == "cache" else None
    pixels = "yuv420" if kind == "yuv420" else "rgb"
    options = ClipOptions(num_frames=4, stride=3, frame_size=32, senses="any", pixels=pixels)
    clips = ClipDataset(table, options, views=2, cache=cache)
    items = [clips[place] for place in range(4)]
    assert [item["senses"] for item in items] == [
        (True, True),
        (True, False),
        (False, True),
        (True, False),
    ]
    assert [[len(sound) > 0 for sound in item["waveform"]] for item in items] == [
        [heard, heard] for _, heard in (item["senses"] for item in items)
    ]
    # 12 of 25 frames, which a second of sound has.
    assert len(items[SOUND]["waveform"][0]) == pytest.approx(16_000 * 12 / 24, abs=1)
    preprocess = BatchPreprocessor(image_size=32, audio_frames=32, mel_bins=32)
    batch = preprocess(collate(items))
    assert batch["senses"].tolist() == [list(item["senses"]) for item in items]
    assert batch["video"].isfinite().all()
    assert batch["audio"].isfinite().all()
    assert batch["video"][SOUND].abs().max() < 0.5  # about the mean picture
    for place, other in ((SILENT, IMAGES), (SOUND, SOUND)):
        alone = preprocess(collate([items[place], items[other]]))
        assert alone["audio"].isfinite().all()
        assert torch.equal(alone["video"][0], batch["video"][place])


def test_augmented_repeats_keep_what_each_clip_lacks(table):
    clips = dataset(table, "any", repeats=2, targets=np.arange(4))
    augmentation = FinetuningAugmentation(shift=0.5, time_mask=4, mixup=0.8)
    preprocess = BatchPreprocessor(
        image_size=32, audio_frames=32, mel_bins=32, augmentation=augmentation
    )
    batch = preprocess(collate_repeats([clips[SILENT], clips[SOUND]]), augment=True)
    assert batch["senses"].tolist() == [[True, True]] * 4  # each is mixed with the other
    assert batch["video"].isfinite().all()
    assert batch["audio"].isfinite().all()


def test_what_is_hidden_moves_no_window(table):
    expected = dataset(table, "both")[WHOLE, 3]
    assert "senses" not in expected
    for senses, told in (("audio", (False, True)), ("video", (True, False)), ("any", (True, True))):
        item = dataset(table, senses)[WHOLE, 3]
        assert item["senses"] == told
        np.testing.assert_array_equal(item["frames"], expected["frames"])
        if senses != "video":
            np.testing.assert_array_equal(item["waveform"][0], expected["waveform"][0])


@pytest.mark.parametrize(
    ("senses", "place", "error"),
    [
        ("both", SILENT, SoundMissingError),
        ("both", IMAGES, SoundMissingError),
        ("both", SOUND, PicturesMissingError),
        ("audio", SILENT, SoundMissingError),
        ("video", SOUND, PicturesMissingError),
    ],
)
def test_clip_that_lacks_what_is_asked_for_is_refused(table, senses, place, error):
    with pytest.raises(error, match=table["id"][place].split(".")[0]):
        dataset(table, senses)[place]


def test_row_of_a_sound_alone(tmp_path):
    path = tmp_path / "clips.csv"
    path.write_text("video,audio,emotion\na.mp4,,joy\n,b.wav,calm\n,,joy\n")
    with pytest.raises(DataError, match="row 2: the video cell is empty"):
        read_manifest(path)
    with pytest.raises(DataError, match="row 3: the video cell is empty"):
        read_manifest(path, sounds_alone=True)
    path.write_text("video,audio,emotion\na.mp4,,joy\n,b.wav,calm\n")
    table = read_manifest(path, sounds_alone=True)
    assert table["id"].tolist() == ["a", "b"]
    assert table["video"].tolist() == [str(tmp_path / name) for name in ("a.mp4", "b.wav")]


@pytest.mark.parametrize(("mix", "heard"), [("both", [1, 1, 1]), ("video", [1, 0, 1])])
def test_mixed_clip_is_seen_or_heard_if_one_of_the_two_is(mix, heard):
    batch = {
        "video": torch.zeros(3, 1, 3, 4, 8, 8),
        "audio": torch.zeros(3, 1, 1, 8, 8),
        "target": torch.arange(3),
        "senses": torch.tensor([[True, True], [True, False], [False, True]]),
    }
    out = Mixing(mixup=0.8, cutmix=0, mix=mix)(batch)
    assert out["senses"].tolist() == [[True, bool(sense)] for sense in heard]
