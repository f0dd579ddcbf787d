"""Several windows of one decoded clip in a batch."""

from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from media_factory import picture_number, write_clip
from tiny import keep
from tiny_tasks import tiny_trainer

from hicmae.data import dataset as dataset_module
from hicmae.data.augmentation import FinetuningAugmentation, PretrainingAugmentation
from hicmae.data.cache import ClipCache
from hicmae.data.collation import collate, collate_repeats
from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import complete_manifest
from hicmae.data.options import ClipOptions
from hicmae.errors import ConfigError
from hicmae.media import VideoReader
from hicmae.training.commands import run

SMALL = {"num_frames": 4, "stride": 2, "frame_size": 24}
OPTIONS = SMALL | {
    "image_size": 16,
    "audio_frames": 16,
    "mel_bins": 16,
    "batch_size": 2,
    "num_workers": 0,
}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Clips of 50 and 40 frames, one shorter than a window, one cut off."""
    folder = tmp_path_factory.mktemp("clips")
    long = write_clip(folder / "long.mp4", seconds=2.0, size=(32, 32))
    write_clip(folder / "other.mp4", seconds=1.6, size=(32, 32), seed=1)
    write_clip(folder / "short.mp4", seconds=0.2, size=(32, 32), seed=2)
    (folder / "broken.mp4").write_bytes(long.read_bytes()[:400])
    return folder


@pytest.fixture
def openings(monkeypatch):
    """Every video that a dataset of this process opens."""
    opened = []

    class Counted(VideoReader):
        def __init__(self, path, **options):
            opened.append(str(path))
            super().__init__(path, **options)

    monkeypatch.setattr(dataset_module, "VideoReader", Counted)
    return opened


def table(folder, *names, **columns):
    return complete_manifest(
        pd.DataFrame({"id": list(names), "video": [str(folder / n) for n in names], **columns})
    )


def starts(frames):
    return [picture_number(view[0]) for view in frames]


class TestDataset:
    def test_windows_differ_and_the_first_is_that_of_one(self, clips, openings):
        rows = table(clips, "long.mp4", "other.mp4")
        one = ClipDataset(rows, ClipOptions(seed=3, **SMALL))
        many = ClipDataset(rows, ClipOptions(seed=3, **SMALL), repeats=3)
        differing = 0
        for epoch in range(4):
            for index in (0, 1):
                expected = one[index, epoch]
                openings.clear()
                item = many[index, epoch]
                assert len(openings) == 1
                assert item["frames"].shape == (3, 4, 24, 24, 3)
                assert len(item["waveform"]) == 3
                np.testing.assert_array_equal(item["frames"][:1], expected["frames"])
                np.testing.assert_array_equal(item["waveform"][0], expected["waveform"][0])
                differing += len(set(starts(item["frames"]))) > 1
        assert differing > 6

    def test_sound_is_that_of_its_window(self, clips):
        """A window is the same, picture and sound, however many are drawn with it."""
        rows = table(clips, "long.mp4")
        three = ClipDataset(rows, ClipOptions(**SMALL), repeats=3)[0, 1]
        two = ClipDataset(rows, ClipOptions(**SMALL), repeats=2)[0, 1]
        np.testing.assert_array_equal(three["frames"][:2], two["frames"])
        for one, other in zip(three["waveform"], two["waveform"], strict=False):
            np.testing.assert_array_equal(one, other)
        sounds = dict(zip(starts(three["frames"]), three["waveform"], strict=True))
        assert len(sounds) == 3
        first, *others = sounds.values()
        for other in others:
            size = min(len(first), len(other))
            assert not np.array_equal(first[:size], other[:size])

    def test_evaluated_views_stay(self, clips):
        rows = table(clips, "long.mp4")
        expected = ClipDataset(rows, ClipOptions(**SMALL), views=2)[0]
        item = ClipDataset(rows, ClipOptions(**SMALL), views=2, repeats=3)[0]
        np.testing.assert_array_equal(item["frames"], expected["frames"])

    def test_cache_changes_nothing(self, clips, tmp_path):
        rows = table(clips, "long.mp4", "short.mp4")
        plain = ClipDataset(rows, ClipOptions(**SMALL), repeats=2)
        cached = ClipDataset(rows, ClipOptions(**SMALL), repeats=2, cache=ClipCache(tmp_path, 24))
        for _ in range(2):
            for key in ((0, 2), (1, 0)):
                left, right = plain[key], cached[key]
                np.testing.assert_array_equal(left["frames"], right["frames"])
                for one, other in zip(left["waveform"], right["waveform"], strict=True):
                    np.testing.assert_array_equal(one, other)


class TestCollation:
    def test_every_window_is_a_sample(self, clips):
        rows = table(clips, "long.mp4", "other.mp4", group=["a", None])
        targets = np.array([[0.5, 1], [2, 3]], np.float32)
        data = ClipDataset(rows, ClipOptions(**SMALL), repeats=3, targets=targets)
        items = [data[0, 1], data[1, 1]]
        batch = collate_repeats(items)
        assert batch["frames"].shape == (6, 1, 4, 24, 24, 3)
        assert batch["waveform"].shape[:2] == batch["waveform_length"].shape == (6, 1)
        assert batch["id"] == ["long.mp4", "other.mp4"] * 3
        assert batch["group"] == ["a", None] * 3
        assert batch["index"].tolist() == [0, 1] * 3
        assert batch["target"].tolist() == targets.tolist() * 3
        for place in range(6):
            item, repeat = items[place % 2], place // 2
            np.testing.assert_array_equal(batch["frames"][place, 0], item["frames"][repeat])
            sound = item["waveform"][repeat]
            assert batch["waveform_length"][place, 0] == len(sound)
            np.testing.assert_array_equal(batch["waveform"][place, 0, : len(sound)], sound)

    def test_one_window_is_collated_as_ever(self, clips):
        rows = table(clips, "broken.mp4", "long.mp4", "short.mp4")
        data = ClipDataset(rows, ClipOptions(on_error="skip", **SMALL), targets=np.array([0, 1, 2]))
        items = [data[index, 0] for index in range(3)]
        ours, expected = collate_repeats(items), collate(items)
        assert ours.keys() == expected.keys()
        for name, value in expected.items():
            same = torch.equal if isinstance(value, torch.Tensor) else lambda a, b: a == b
            assert same(ours[name], value), name

    def test_skipped_clips_are_told_once(self, clips):
        rows = table(clips, "broken.mp4", "long.mp4")
        data = ClipDataset(
            rows, ClipOptions(on_error="skip", **SMALL), targets=np.array([4, 5]), repeats=2
        )
        batch = collate_repeats([data[0, 0], data[1, 0]])
        assert batch["id"] == ["long.mp4"] * 2
        assert batch["target"].tolist() == [5, 5]
        assert [name for name, _ in batch["skipped"]] == ["broken.mp4"]
        nothing = collate_repeats([data[0, 0]])
        assert nothing["frames"].shape == (0, 1, 4, 24, 24, 3)
        assert nothing["waveform"].shape == (0, 1, 0)
        assert nothing["target"].shape == (0,)
        assert [name for name, _ in nothing["skipped"]] == ["broken.mp4"]


class Recorder(pl.LightningModule):
    """Keeps the batches it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {"train": [], "val": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch)
        return self.weight * batch["video"].sum()

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def seen(folder, corpus, **options):
    """The batches of a run of one epoch."""
    task = Recorder()
    data = ManifestDataModule(str(corpus / "manifest.csv"), **OPTIONS | options)
    tiny_trainer(default_root_dir=folder).fit(task, datamodule=data)
    return task.seen


class TestDataModule:
    def test_below_one_is_told(self):
        with pytest.raises(ConfigError, match=r"data\.repeats is 0; give 1 or more"):
            ManifestDataModule("clips.csv", repeats=0)

    def test_training_batches_grow_and_others_stay(self, corpus, tmp_path, openings):
        batches = seen(tmp_path, corpus, label="emotion", repeats=3)
        assert len(batches["train"]) == 4
        names = [name for batch in batches["train"] for name in batch["id"]]
        assert sorted(names) == sorted([f"c{index:02d}" for index in range(8)] * 3)
        for batch in batches["train"]:
            assert batch["video"].shape == (6, 1, 3, 4, 16, 16)
            assert batch["audio"].shape == (6, 1, 1, 16, 16)
            assert batch["target"].tolist() == [index % 3 for index in batch["index"].tolist()]
        assert sum(len(batch["id"]) for batch in batches["val"]) == 3
        assert batches["val"][0]["video"].shape[1] == 2
        assert len(openings) == 8 + 3

    def test_unlabelled_validation_sees_one_window(self, corpus, tmp_path):
        batches = seen(tmp_path, corpus, repeats=2)
        assert batches["train"][0]["video"].shape[:2] == (4, 1)
        assert [len(batch["id"]) for batch in batches["val"]] == [2, 1]
        assert batches["val"][0]["video"].shape[:2] == (2, 1)

    def test_workers_and_other_windows_change_nothing(self, corpus, tmp_path):
        options = {"repeats": 2, "augmentation": PretrainingAugmentation(flip=0.5)}
        one = seen(tmp_path, corpus, **options)["train"]
        two = seen(tmp_path, corpus, num_workers=2, **options)["train"]
        for left, right in zip(one, two, strict=True):
            assert left["id"] == right["id"]
            assert torch.equal(left["video"], right["video"])
            assert torch.equal(left["audio"], right["audio"])
        plain = seen(tmp_path, corpus)["train"]
        repeated = seen(tmp_path, corpus, repeats=2)["train"]
        for left, right in zip(plain, repeated, strict=True):
            assert torch.equal(left["video"], right["video"][:2])
            # On larger batches sums are added up in another order.
            torch.testing.assert_close(left["audio"], right["audio"][:2])

    @pytest.mark.parametrize(
        "augmentation",
        [PretrainingAugmentation, lambda: FinetuningAugmentation(mixup=0.0, cutmix=0.0)],
    )
    def test_each_window_has_its_own_augmentation(self, corpus, tmp_path, augmentation):
        """Windows as long as the clip coincide, so that only the augmentation can differ."""
        options = {"label": "emotion", "repeats": 2, "stride": 5}
        for batch in seen(tmp_path, corpus, **options)["train"]:
            assert torch.equal(batch["video"][:2], batch["video"][2:])
        differing = {"video": 0, "audio": 0}
        for batch in seen(tmp_path, corpus, augmentation=augmentation(), **options)["train"]:
            for name in differing:
                for one, other in zip(batch[name][:2], batch[name][2:], strict=True):
                    differing[name] += not torch.equal(one, other)
        assert differing["audio"] == 8
        assert differing["video"] > 4  # few kinds of crops are drawn from in pre-training

    def test_clips_mix_with_other_clips(self, corpus, tmp_path):
        augmentation = FinetuningAugmentation(mixup=0.8, cutmix=0.0)
        options = {"label": "emotion", "repeats": 3, "augmentation": augmentation}
        for batch in seen(tmp_path, corpus, **options)["train"]:
            shares = batch["target"].shares
            assert shares.shape == (6, 6)
            index = batch["index"]
            partners = (shares > 0) & ~torch.eye(6, dtype=torch.bool)
            own = index[:, None] == index
            assert not (partners & own).any()


@pytest.mark.slow
@pytest.mark.usefixtures("as_command")
class TestRuns:
    @pytest.fixture
    def fit(self, write_config):
        """`fit(kind, options, data, *arguments)` runs the command line."""

        def fit(kind, options, data, *arguments):
            every_step = keep(every_n_train_steps=1, save_top_k=-1, filename="{step}")
            trainer = {"default_root_dir": "runs", "callbacks": [every_step]}
            path = write_config(
                kind,
                model={"learning_rate": 0.05} | options,
                data={"batch_size": 2} | data,
                trainer=trainer | {"enable_progress_bar": False},
                test_after_fit=False,
            )
            return run(["fit", "--config", str(path), *arguments]).trainer

        return fit

    @staticmethod
    def checkpoint(trainer, step):
        path = Path(trainer.log_dir) / "checkpoints" / f"step={step}.ckpt"
        return path, torch.load(path, weights_only=True)

    def test_learning_rate_counts_samples_and_an_epoch_keeps_its_steps(self, fit):
        """The rate of a step of 256 clips is for as many samples, whoever they are of."""
        one, three = (
            fit("pretrain", {}, {"repeats": repeats}, "--trainer.max_epochs=1")
            for repeats in (1, 3)
        )
        assert one.lr_scheduler_configs[0].scheduler.base_lrs[0] == pytest.approx(0.05 * 2 / 256)
        assert three.lr_scheduler_configs[0].scheduler.base_lrs[0] == pytest.approx(0.05 * 6 / 256)
        assert one.global_step == three.global_step == 4
        assert three.callback_metrics["train/loss_epoch"].isfinite()

    @pytest.mark.parametrize(
        ("kind", "options", "data"),
        [
            ("pretrain", {}, {"augmentation": {"class_path": "PretrainingAugmentation"}}),
            (
                "classify",
                {"drop_path": 0.3, "label_smoothing": 0.1},
                {
                    "augmentation": {
                        "class_path": "FinetuningAugmentation",
                        "init_args": {"mixup": 0.8, "cutmix": 1.0},
                    },
                },
            ),
        ],
    )
    def test_goes_on_exactly_within_an_epoch(self, fit, kind, options, data):
        data = data | {"repeats": 2}
        whole = fit(kind, options, data)
        middle, _ = self.checkpoint(whole, 2)
        _, expected = self.checkpoint(whole, 8)
        resumed = fit(kind, options, data, f"--ckpt_path={middle}")
        _, ours = self.checkpoint(resumed, 8)
        assert whole.log_dir != resumed.log_dir
        for name, value in expected["state_dict"].items():
            assert torch.equal(ours["state_dict"][name], value), name
