import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from media_factory import SWEEP_HERTZ, numbered_picture, picture_number, write_clip, write_image

from hicmae.data.cache import ClipCache
from hicmae.data.collation import collate
from hicmae.data.dataset import ClipDataset, ClipSampler
from hicmae.data.manifest import complete_manifest
from hicmae.data.options import ClipOptions
from hicmae.errors import DataError

SMALL = {"num_frames": 4, "stride": 3, "frame_size": 32}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A clip of 50 frames and 2 s, one of 10 frames, one cut off, one silent."""
    folder = tmp_path_factory.mktemp("clips")
    # Uncompressed sound, so that lengths are exact.
    sound = {"audio_codec": "pcm_s16le", "sample_rate": 16_000}
    long = write_clip(folder / "long.mkv", seconds=2.0, **sound)
    write_clip(folder / "short.mkv", seconds=0.4, **sound)
    (folder / "broken.mkv").write_bytes(long.read_bytes()[:500])
    write_clip(folder / "silent.mp4", seconds=0.4, sound=False)
    write_clip(folder / "sound.wav", seconds=1.0)
    return folder


def table(folder, *names, **columns):
    return complete_manifest(
        pd.DataFrame({"id": list(names), "video": [str(folder / n) for n in names], **columns})
    )


def numbers(frames):
    return [[picture_number(picture) for picture in view] for view in frames]


def test_training_view_is_drawn_by_epoch_and_clip(clips):
    rows = table(clips, "long.mkv", "short.mkv", targets=["a", "b"])
    dataset = ClipDataset(rows, ClipOptions(seed=1, **SMALL))
    starts = set()
    for epoch in range(6):
        item = dataset[0, epoch]
        assert item["frames"].shape == (1, 4, 32, 32, 3)
        assert item["frames"].dtype == np.uint8
        (view,) = numbers(item["frames"])
        assert view == list(range(view[0], view[0] + 12, 3))
        again = ClipDataset(rows, ClipOptions(seed=1, **SMALL))[0, epoch]
        np.testing.assert_array_equal(item["frames"], again["frames"])
        np.testing.assert_array_equal(item["waveform"][0], again["waveform"][0])
        starts.add(view[0])
        expected = min((view[-1] + 3) / 49, 1) - view[0] / 49
        assert len(item["waveform"][0]) == pytest.approx(expected * 32_000, abs=1)
    assert len(starts) > 2
    (short,) = numbers(dataset[1, 0]["frames"])
    assert short == [0, 3, 6, 9]
    assert "target" not in item


def test_evaluation_views_are_spread(clips):
    rows = table(clips, "long.mkv")
    dataset = ClipDataset(rows, ClipOptions(**SMALL), views=2, targets=np.array([7]))
    item = dataset[0, 3]
    assert numbers(item["frames"]) == [[0, 3, 6, 9], [39, 42, 45, 48]]
    assert [len(waveform) for waveform in item["waveform"]] == pytest.approx(
        [32_000 * 12 / 49, 32_000 * 10 / 49], abs=1
    )
    assert (item["id"], item["index"], item["target"]) == ("long.mkv", 0, 7)
    assert dataset[0]["index"] == 0


def test_segments_cut_picture_and_sound(clips):
    rows = table(clips, "long.mkv", start=[1.0], end=[1.4])
    item = ClipDataset(rows, ClipOptions(**SMALL), views=1)[0]
    assert numbers(item["frames"]) == [[25, 28, 31, 34]]
    assert len(item["waveform"][0]) == pytest.approx(6_400, abs=1)


def test_sound_file_and_its_own_segment(clips):
    sound = {"audio": [str(clips / "sound.wav")]}
    rows = table(clips, "silent.mp4", **sound)
    assert len(ClipDataset(rows, ClipOptions(**SMALL), views=1)[0]["waveform"][0]) == 16_000
    rows = table(clips, "long.mkv", start=[1.0], end=[1.4], **sound)
    with pytest.raises(DataError, match=r"sound\.wav"):
        ClipDataset(rows, ClipOptions(**SMALL), views=1)[0]
    nothing = {"audio_start": [None], "audio_end": [None]}
    rows = table(clips, "long.mkv", start=[1.0], end=[1.4], **sound, **nothing)
    assert len(ClipDataset(rows, ClipOptions(**SMALL), views=1)[0]["waveform"][0]) == 16_000


def test_sound_by_time(clips):
    rows = table(clips, "long.mkv", audio=[str(clips / "sound.wav")])
    dataset = ClipDataset(rows, ClipOptions(seed=1, audio_by="time", **SMALL))
    seen = 0
    for epoch in range(12):
        try:
            item = dataset[0, epoch]
        except DataError as error:
            assert "its sound ends before the picture" in str(error)  # noqa: PT017
            continue
        (view,) = numbers(item["frames"])
        expected = min((view[-1] + 3) / 25, 1.0) - view[0] / 25
        assert len(item["waveform"][0]) == pytest.approx(expected * 16_000, abs=1)
        seen += 1
    assert 0 < seen < 12


def test_lengths_that_differ_are_refused(clips):
    rows = table(clips, "long.mkv", audio=[str(clips / "sound.wav")])
    strict = ClipDataset(rows, ClipOptions(max_length_difference=0.1, **SMALL), views=1)
    with pytest.raises(DataError, match=r"picture \(2.00 s\) and sound \(1.00 s\) differ"):
        strict[0]
    lenient = ClipOptions(max_length_difference=1.5, **SMALL)
    assert ClipDataset(rows, lenient, views=1)[0]["id"] == "long.mkv"
    rows = table(clips, "long.mkv")
    assert ClipDataset(rows, strict.options, views=1)[0]["id"] == "long.mkv"


def test_frame_folders(clips, tmp_path):
    for index in range(12):
        write_image(tmp_path / f"{index}.png", numbered_picture(index))
    rows = complete_manifest(
        pd.DataFrame({"id": ["x"], "video": [str(tmp_path)], "audio": [str(clips / "sound.wav")]})
    )
    item = ClipDataset(rows, ClipOptions(**SMALL), views=1)[0]
    assert numbers(item["frames"]) == [[0, 3, 6, 9]]


@pytest.mark.parametrize("views", [None, 2])
def test_cache_changes_nothing(clips, tmp_path, views):
    rows = table(clips, "long.mkv", "short.mkv")
    cache = ClipCache(tmp_path, 32)
    options = ClipOptions(region=(0, 10, 64, 64), **SMALL)
    plain = ClipDataset(rows, options, views=views)
    for _ in range(2):
        cached = ClipDataset(rows, options, views=views, cache=cache)
        for key in ((0, 4), (1, 0)):
            left, right = plain[key], cached[key]
            np.testing.assert_array_equal(left["frames"], right["frames"])
            assert len(left["waveform"]) == len(right["waveform"])
            for one, other in zip(left["waveform"], right["waveform"], strict=True):
                np.testing.assert_array_equal(one, other)
    assert collate([cached[0, 0], cached[1, 0]])["frames"].shape[0] == 2


def test_unreadable_clip_stops_or_is_reported(clips):
    rows = table(clips, "broken.mkv", "silent.mp4", "short.mkv")
    with pytest.raises(DataError, match=r"broken\.mkv"):
        ClipDataset(rows, ClipOptions(**SMALL))[0, 0]
    dataset = ClipDataset(
        rows, ClipOptions(on_error="skip", **SMALL), targets=np.array([1, 2, 3]), views=2
    )
    batch = collate([dataset[i, 0] for i in range(3)])
    assert batch["id"] == ["short.mkv"]
    assert batch["target"].tolist() == [3]
    assert [name for name, _ in batch["skipped"]] == ["broken.mkv", "silent.mp4"]
    assert "no audio stream" in batch["skipped"][1][1]
    empty = collate([dataset[i, 0] for i in range(2)])
    assert empty["frames"].shape == (0, 2, 4, 32, 32, 3)
    assert empty["frames"].dtype == torch.uint8
    assert empty["waveform"].shape == (0, 2, 0)
    assert empty["waveform_length"].shape == (0, 2)
    assert empty["target"].shape == (0,)
    assert empty["index"].shape == (0,)


def test_collate_pads_sound(clips):
    rows = table(clips, "long.mkv", "short.mkv")
    targets = np.array([[0.5, 1], [2, 3]], np.float32)
    dataset = ClipDataset(rows, ClipOptions(**SMALL), views=2, targets=targets)
    items = [dataset[0], dataset[1]]
    batch = collate(items)
    assert batch["frames"].shape == (2, 2, 4, 32, 32, 3)
    assert batch["waveform"].dtype == torch.float32
    assert batch["waveform_length"].tolist() == [[len(w) for w in i["waveform"]] for i in items]
    assert batch["waveform"].shape[2] == batch["waveform_length"].max()
    length = batch["waveform_length"][1, 0]
    np.testing.assert_array_equal(batch["waveform"][1, 0, :length], items[1]["waveform"][0])
    assert not batch["waveform"][1, 0, length:].any()
    assert batch["target"].tolist() == targets.tolist()
    assert batch["target"].dtype == torch.float32
    assert batch["index"].tolist() == [0, 1]
    assert batch["skipped"] == []


def test_dataset_travels_to_spawned_workers(clips):
    dataset = ClipDataset(table(clips, "short.mkv"), ClipOptions(**SMALL))
    copy = pickle.loads(pickle.dumps(dataset))  # noqa: S301
    np.testing.assert_array_equal(dataset[0, 0]["frames"], copy[0, 0]["frames"])


@pytest.mark.parametrize("audio_by", ["proportion", "time"])
def test_sound_is_that_of_the_frames(clips, audio_by):
    dataset = ClipDataset(table(clips, "long.mkv"), ClipOptions(seed=2, audio_by=audio_by, **SMALL))
    start, rise = SWEEP_HERTZ
    for epoch in range(4):
        item = dataset[0, epoch]
        ((first, *_),) = numbers(item["frames"])
        (waveform,) = item["waveform"]
        spectrum = np.abs(np.fft.rfft(waveform[:3200] * np.hanning(3200)))
        pitch = spectrum.argmax() * 16_000 / 3200
        assert pitch == pytest.approx(start + rise * (first / 25 + 0.1), abs=12)


@given(
    clips=st.integers(0, 50),
    world=st.integers(1, 5),
    epoch=st.integers(0, 3),
    seed=st.integers(0, 3),
)
def test_processes_share_the_clips(clips, world, epoch, seed):
    def parts(shuffle):
        samplers = [
            ClipSampler(clips, num_replicas=world, rank=rank, shuffle=shuffle, seed=seed)
            for rank in range(world)
        ]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        lists = [list(sampler) for sampler in samplers]
        assert [len(part) for part in lists] == [len(sampler) for sampler in samplers]
        assert {key.epoch for part in lists for key in part} <= {epoch if shuffle else 0}
        assert all([key.place for key in part] == list(range(len(part))) for part in lists)
        return [[key.clip for key in part] for part in lists]

    evaluated = parts(shuffle=False)
    assert sorted(index for part in evaluated for index in part) == list(range(clips))
    assert all(part == sorted(part) for part in evaluated)
    trained = parts(shuffle=True)
    assert {len(part) for part in trained} == {clips // world}
    seen = [index for part in trained for index in part]
    assert len(set(seen)) == len(seen)
    assert trained == parts(shuffle=True)


def test_order_differs_between_epochs():
    sampler = ClipSampler(30, num_replicas=1, rank=0, shuffle=True)
    orders = set()
    for epoch in range(4):
        sampler.set_epoch(epoch)
        orders.add(tuple(key.clip for key in sampler))
    assert len(orders) == 4


@pytest.mark.parametrize("rank", [0, 1])
def test_resumed_sampler_goes_on_within_its_epoch(rank):
    options = {"num_replicas": 2, "rank": rank, "shuffle": True}
    whole = ClipSampler(21, **options)
    resumed = ClipSampler(21, **options, done=(3, 4))
    whole.set_epoch(3)
    assert list(resumed) == list(whole)[4:]
    assert len(resumed) == len(whole)
    for sampler in (whole, resumed):
        sampler.set_epoch(4)
    assert list(resumed) == list(whole)


@pytest.mark.parametrize("cached", [False, True])
def test_side_of_a_clip_is_the_half_that_is_seen(tmp_path, cached):
    """Two people side by side: frames of 96 x 48 whose left half is dark and right half light."""
    for index in range(3):
        picture = np.full((48, 96, 3), 20, np.uint8)
        picture[:, 48:] = 230
        (tmp_path / "pair").mkdir(exist_ok=True)
        write_image(tmp_path / "pair" / f"{index}.png", picture)
    write_clip(tmp_path / "sound.wav", seconds=0.2)
    rows = complete_manifest(
        pd.DataFrame(
            {
                "id": ["l", "r", "both"],
                "video": str(tmp_path / "pair"),
                "audio": str(tmp_path / "sound.wav"),
                "side": ["left", "right", None],
            }
        )
    )
    cache = ClipCache(tmp_path / "cache", 32) if cached else None
    dataset = ClipDataset(rows, ClipOptions(**SMALL), views=1, cache=cache)
    left, right, both = (dataset[index]["frames"].astype(int) for index in range(3))
    assert left.max() < 40
    assert right.min() > 210
    assert both.min() < 40
    assert both.max() > 210
    region = ClipDataset(rows, ClipOptions(region=(0, 60, 30, 30), **SMALL), views=1, cache=cache)
    assert region[0]["frames"].min() > 210  # an option that names pixels wins
