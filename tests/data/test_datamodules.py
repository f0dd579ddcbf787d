import logging

import lightning.pytorch as pl
import pytest
import torch
from fakes.ravdess import write_ravdess
from fakes.voxceleb2 import BROKEN, write_voxceleb2
from lightning.pytorch.cli import LightningCLI
from media_factory import write_clip
from tiny_tasks import tiny_trainer

from hicmae.data.augmentation import PretrainingAugmentation
from hicmae.data.datamodules import (
    AudioVisualDataModule,
    ManifestDataModule,
    RAVDESSDataModule,
    VoxCeleb2DataModule,
)
from hicmae.errors import ConfigError, DataError

SMALL = {
    "num_frames": 4,
    "stride": 2,
    "frame_size": 24,
    "image_size": 16,
    "audio_frames": 16,
    "mel_bins": 16,
    "batch_size": 2,
    "num_workers": 0,
}


class Recorder(pl.LightningModule):
    """Keeps the batches it is given, and learns one number, so that a run can be resumed."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = {"train": [], "val": [], "test": [], "predict": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"].append(batch)
        return self.weight * batch["video"].sum() if len(batch["video"]) else None

    def validation_step(self, batch, batch_idx):
        self.seen["val"].append(batch)

    def test_step(self, batch, batch_idx):
        self.seen["test"].append(batch)

    def predict_step(self, batch, batch_idx):
        self.seen["predict"].append(batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def trainer(folder, **options):
    return tiny_trainer(default_root_dir=folder, **options)


def clips_of(batches):
    return [name for batch in batches for name in batch["id"]]


@pytest.fixture(scope="module")
def ravdess(tmp_path_factory):
    root = tmp_path_factory.mktemp("ravdess")
    write_ravdess(root, actors=(1, 5, 9, 24))
    return str(root)


@pytest.fixture(scope="module")
def voxceleb2(tmp_path_factory):
    root = tmp_path_factory.mktemp("voxceleb2")
    write_voxceleb2(root)
    return str(root)


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Eight clips, clip0.mp4 to clip7.mp4, and one that is cut off."""
    folder = tmp_path_factory.mktemp("media")
    for index in range(8):
        write_clip(folder / f"clip{index}.mp4", seconds=0.8, size=(32, 32), seed=index)
    (folder / "broken.mp4").write_bytes((folder / "clip0.mp4").read_bytes()[:400])
    return folder


@pytest.fixture
def write_table(media, tmp_path):
    def write(lines, clips=range(8)):
        rows = [f"clip{i}.mp4,{line}" for i, line in zip(clips, lines[1:], strict=True)]
        path = tmp_path / "clips.csv"
        path.write_text("\n".join([f"video,{lines[0]}", *rows]) + "\n")
        return {"manifest": str(path), "root": str(media)}

    return write


WORDS = ["emotion,split", *["sad,train", "glad,train"] * 2, *["glad,val"] * 2, *["sad,test"] * 2]


class TestEveryDataModule:
    """What tasks rely on, whatever the corpus."""

    @pytest.fixture(params=["ravdess", "voxceleb2", "classes", "targets", "unlabelled"])
    def data(self, request, write_table):
        if request.param == "ravdess":
            return RAVDESSDataModule(request.getfixturevalue("ravdess"), **SMALL)
        if request.param == "voxceleb2":
            options = SMALL | {"frame_size": 32, "on_error": "skip"}
            root = request.getfixturevalue("voxceleb2")
            return VoxCeleb2DataModule(root, val_speakers=1, **options)
        if request.param == "classes":
            return ManifestDataModule(**write_table(WORDS), label="emotion", **SMALL)
        if request.param == "targets":
            lines = ["arousal,valence,split", *[f"{i},-{i},train" for i in range(6)]]
            lines += ["0.5,1,test"] * 2
            table = write_table(lines)
            return ManifestDataModule(**table, targets=["valence", "arousal"], **SMALL)
        return ManifestDataModule(**write_table(["subject", *"aabbccdd"]), **SMALL)

    def test_fit_test_predict(self, data, tmp_path):
        assert isinstance(data, AudioVisualDataModule)
        assert data.num_outputs == len(data.class_names or data.target_names or [])
        steps = data.steps_per_epoch(1)
        assert data.trainer is None
        task = Recorder()
        trainer(tmp_path).fit(task, datamodule=data)
        assert len(task.seen["train"]) == steps
        assert task.seen["val"]
        views = 2 if data.num_outputs else 1
        for name, batches in task.seen.items():
            for batch in batches:
                count = len(batch["id"])
                v = 1 if name == "train" else views
                assert batch["video"].shape == (count, v, 3, 4, 16, 16)
                assert batch["audio"].shape == (count, v, 1, 16, 16)
                assert batch["video"].dtype == batch["audio"].dtype == torch.float32
                assert batch["video"].isfinite().all()
                assert batch["audio"].isfinite().all()
                assert batch["index"].shape == (count,)
                if data.class_names:
                    assert batch["target"].dtype == torch.int64
                    assert batch["target"].max() < data.num_outputs
                elif data.target_names:
                    assert batch["target"].shape == (count, data.num_outputs)
                else:
                    assert "target" not in batch
        if not data.num_outputs:
            with pytest.raises(DataError, match="no test rows"):
                trainer(tmp_path).test(task, datamodule=data)
            return
        trainer(tmp_path).test(task, datamodule=data)
        trainer(tmp_path).predict(task, datamodule=data)
        tested = clips_of(task.seen["test"])
        assert tested == clips_of(task.seen["predict"])
        assert len(set(tested)) == len(tested)
        assert not set(tested) & set(clips_of(task.seen["train"]))


def test_class_names_come_from_the_table_or_the_option(write_table):
    table = write_table(WORDS)
    data = ManifestDataModule(**table, label="emotion", **SMALL)
    assert data.class_names == ["glad", "sad"]
    data.setup("fit")
    targets = [data._datasets["train"]._targets.tolist()]
    assert targets == [[1, 0, 1, 0]]
    data = ManifestDataModule(**table, label="emotion", classes=["sad", "glad", "mad"], **SMALL)
    assert data.num_outputs == 3
    numbers = write_table(["level", *["10", "9", "2", "2", "9", "10", "2", "2"]])
    assert ManifestDataModule(**numbers, label="level").class_names == ["2", "9", "10"]


def test_regression_targets_keep_the_order_of_the_option(write_table):
    lines = ["arousal,valence,split", *["0.25,-1,train"] * 7, "1.5,2,val"]
    data = ManifestDataModule(**write_table(lines), targets=["valence", "arousal"], **SMALL)
    data.setup("fit")
    (batch,) = list(data.val_dataloader())
    assert batch["target"].tolist() == [[2.0, 1.5]]
    assert data.target_names == ["valence", "arousal"]
    assert data.class_names is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"label": "emotion", "targets": ["emotion"]}, "exclude each other"),
        ({"label": "a", "distribution": ["b", "c"]}, r"data\.label and data\.distribution exclude"),
        ({"labels": ["a", "b"], "targets": ["c"]}, r"data\.targets and data\.labels exclude"),
        ({"classes": ["a"]}, r"give it with data\.label"),
        ({"labels": ["a", "b"], "classes": ["a", "b"]}, r"give it with data\.label"),
        ({"distribution": ["a", "b", "a"]}, "names a class twice"),
        ({"label": "emotion", "classes": ["a", "a"]}, "names a class twice"),
        ({"batch_size": 0}, r"data\.batch_size is 0"),
        ({"fold": 0}, r"data\.fold is 0"),
        ({"val_fraction": 1.0}, r"data\.val_fraction is 1\.0"),
        ({"train_fraction": 0.0}, r"data\.train_fraction is 0\.0"),
    ],
)
def test_options_that_cannot_work_are_told(options, words):
    with pytest.raises(ConfigError, match=words):
        ManifestDataModule("clips.csv", **SMALL | options)


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (WORDS, {"label": "mood"}, "no label column mood; it has emotion"),
        (WORDS, {"label": "split"}, "no label column split"),
        (WORDS, {"label": "emotion", "classes": ["glad"]}, r"row 1 .*'sad', .*classes glad"),
        (WORDS, {"targets": ["emotion"]}, r"row 1 .*emotion is 'sad', which is not a number"),
        (
            ["emotion,split", *["a,train", "b,train"] * 3, "a,train", ",val"],
            {"label": "emotion"},
            r"row 8 .* is empty",
        ),
        (["split", *["test"] * 8], {}, "no train rows"),
        (["split", *["train"] * 8], {"val_split": "same_as_test"}, "no val rows"),
        (["fold", *["1"] * 8], {"fold": 2}, r"no fold 2, only \[1\]"),
    ],
)
def test_tables_that_do_not_fit_are_told(write_table, lines, options, words):
    data = ManifestDataModule(**write_table(lines), **SMALL | options)
    with pytest.raises(DataError, match=words) as error:
        data.setup("fit")
    assert "clips.csv" in str(error.value)


def test_missing_things_are_told(write_table, tmp_path):
    table = write_table(WORDS)
    with pytest.raises(DataError, match=r"Manifest .*none\.csv does not exist"):
        ManifestDataModule(str(tmp_path / "none.csv")).setup("fit")
    with pytest.raises(DataError, match=r"data\.root .*none does not exist"):
        ManifestDataModule(table["manifest"], root=str(tmp_path / "none")).setup("fit")
    with pytest.raises(DataError, match=r"row 1 \(clip clip0\): .* does not exist"):
        ManifestDataModule(table["manifest"]).setup("fit")
    with pytest.raises(ConfigError, match="RAVDESS has folds 1 to 6"):
        RAVDESSDataModule("anywhere", fold=7)
    with pytest.raises(ConfigError, match="VoxCeleb2 has one split"):
        VoxCeleb2DataModule("anywhere", fold=2)
    with pytest.raises(DataError, match="expected Actor_01"):
        RAVDESSDataModule(str(tmp_path / "none")).setup("test")
    with pytest.raises(DataError, match="expected dev/mp4"):
        VoxCeleb2DataModule(str(tmp_path)).setup("fit")


def test_training_without_validation(write_table, tmp_path):
    data = ManifestDataModule(**write_table(["x", *"12345678"]), val_fraction=0.0, **SMALL)
    task = Recorder()
    trainer(tmp_path).fit(task, datamodule=data)
    assert len(task.seen["train"]) == data.steps_per_epoch(1) == 4
    assert not task.seen["val"]


@pytest.mark.parametrize(
    ("batch_size", "world_size", "steps"),
    [(1, 1, 8), (3, 1, 2), (8, 1, 1), (50, 1, 1), (3, 2, 1), (1, 8, 1), (1, 9, 0)],
)
def test_steps_per_epoch(write_table, batch_size, world_size, steps):
    options = SMALL | {"batch_size": batch_size, "val_fraction": 0.0}
    data = ManifestDataModule(**write_table(["x", *"12345678"]), **options)
    assert data.steps_per_epoch(world_size) == steps
    if world_size == 1:
        data.setup("fit")
        assert len(data.train_dataloader()) == steps


def test_folds_and_policies_are_logged(ravdess, caplog):
    with caplog.at_level(logging.INFO):
        data = RAVDESSDataModule(ravdess, fold=2, val_fraction=0.34, **SMALL)
        with pytest.warns(UserWarning, match="16 clips were found, where .* has 1440"):
            data.setup("fit")
    assert "fold 2 is for testing" in caplog.text
    assert "validation holds out 1 of 3 training subjects" in caplog.text
    assert set(data.splits.test["subject"]) == {"05"}
    data = RAVDESSDataModule(ravdess, fold=2, val_split="same_as_test", **SMALL)
    assert data.splits.val["id"].tolist() == data.splits.test["id"].tolist()


def test_a_few_real_clips_can_be_tested(shared_dir, tmp_path):
    data = RAVDESSDataModule(str(shared_dir / "clips" / "ravdess"), fold=1, **SMALL)
    task = Recorder()
    trainer(tmp_path).test(task, datamodule=data)
    assert torch.cat([batch["target"] for batch in task.seen["test"]]).tolist() == [0, 0, 4, 5]
    with pytest.raises(DataError, match="no train rows"):
        trainer(tmp_path).fit(task, datamodule=data)


def test_speakers_are_held_out(voxceleb2, caplog):
    data = VoxCeleb2DataModule(voxceleb2, val_speakers=1, **SMALL)
    train, val = set(data.splits.train["subject"]), set(data.splits.val["subject"])
    assert len(train) == 2
    assert len(val) == 1
    assert not train & val
    same = VoxCeleb2DataModule(voxceleb2, val_speakers=1, **SMALL)
    assert set(same.splits.val["subject"]) == val
    everything = VoxCeleb2DataModule(voxceleb2, **SMALL)
    assert len(everything.splits.train) == 8
    few = VoxCeleb2DataModule(voxceleb2, val_speakers=50, **SMALL)
    with caplog.at_level(logging.INFO):
        assert set(few.splits.val["subject"]) == val
    assert "has 3 speakers, of whom 1 instead of 50 (data.val_speakers) are held" in caplog.text


def test_broken_clips_are_skipped_counted_and_told_once(voxceleb2, tmp_path, caplog):
    data = VoxCeleb2DataModule(voxceleb2, on_error="skip", **SMALL | {"batch_size": 1})
    task = Recorder()
    trainer(tmp_path, max_epochs=2).fit(task, datamodule=data)
    assert set(data.skipped_clips) == set(BROKEN)
    for clip, words in BROKEN.items():
        assert words in data.skipped_clips[clip]
        assert caplog.text.count(f"Clip {clip} is skipped") == 1
    assert ": 2 clips were skipped." in caplog.text
    empty = [batch for batch in task.seen["train"] if not batch["id"]]
    assert len(empty) == 4
    assert empty[0]["video"].shape == (0, 1, 3, 4, 16, 16)
    with pytest.raises(DataError):
        trainer(tmp_path).fit(task, datamodule=VoxCeleb2DataModule(voxceleb2, **SMALL))


def train(folder, table, *, epochs, workers=0, checkpoint=None, augment=True, draws=0):
    """Batches of a run, with other random numbers drawn in between."""

    class Drawing(Recorder):
        def training_step(self, batch, batch_idx):
            torch.rand(draws)
            self.noise = torch.rand(1)
            return super().training_step(batch, batch_idx)

    data = ManifestDataModule(
        **table,
        val_fraction=0.0,
        augmentation=PretrainingAugmentation(flip=0.5) if augment else None,
        **SMALL | {"num_workers": workers},
    )
    torch.manual_seed(0)
    task = Drawing()
    run = trainer(folder, max_epochs=epochs)
    run.fit(task, datamodule=data, ckpt_path=checkpoint)
    run.save_checkpoint(folder / "last.ckpt", weights_only=False)
    return task


def test_runs_repeat_and_resume_whatever_the_workers(write_table, tmp_path):
    table = write_table(["x", *"12345678"])
    whole = train(tmp_path, table, epochs=2)
    again = train(tmp_path, table, epochs=2, workers=2, draws=5)
    train(tmp_path, table, epochs=1)
    resumed = train(tmp_path, table, epochs=2, checkpoint=tmp_path / "last.ckpt")
    for other, start in ((again, 0), (resumed, 4)):
        expected = whole.seen["train"][start:]
        assert len(other.seen["train"]) == len(expected)
        for one, two in zip(expected, other.seen["train"], strict=True):
            assert one["id"] == two["id"]
            assert torch.equal(one["video"], two["video"])
            assert torch.equal(one["audio"], two["audio"])
    first, second = whole.seen["train"][:4], whole.seen["train"][4:]
    assert clips_of(first) != clips_of(second)
    assert sorted(clips_of(first)) == sorted(clips_of(second))


def test_augmentation_leaves_the_generator_of_the_model_alone(write_table, tmp_path):
    table = write_table(["x", *"12345678"])
    plain = train(tmp_path, table, epochs=1, augment=False)
    augmented = train(tmp_path, table, epochs=1)
    assert torch.equal(plain.noise, augmented.noise)
    assert not torch.equal(plain.seen["train"][0]["video"], augmented.seen["train"][0]["video"])


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_precisions(write_table, tmp_path, precision):
    data = ManifestDataModule(**write_table(WORDS), label="emotion", **SMALL)
    task = Recorder()
    trainer(tmp_path, precision=precision, limit_train_batches=1).fit(task, datamodule=data)
    expected = {"bf16-mixed": torch.float32, "bf16-true": torch.bfloat16, "64-true": torch.float64}
    assert task.seen["train"][0]["video"].dtype == expected[precision]
    assert task.seen["train"][0]["target"].dtype == torch.int64


def test_overfitting_a_few_batches(write_table, tmp_path):
    data = ManifestDataModule(**write_table(WORDS), label="emotion", **SMALL)
    task = Recorder()
    trainer(tmp_path, overfit_batches=1, max_epochs=2).fit(task, datamodule=data)
    assert len(set(clips_of(task.seen["train"]))) == 2


def test_command_line(write_table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["hicmae"])
    table = write_table(WORDS)
    arguments = [
        "fit",
        "--data=ManifestDataModule",
        f"--data.manifest={table['manifest']}",
        f"--data.root={table['root']}",
        "--data.label=emotion",
        "--data.augmentation=PretrainingAugmentation",
        "--data.augmentation.flip=0.5",
        *[f"--data.{name}={value}" for name, value in SMALL.items()],
        "--trainer.accelerator=cpu",
        "--trainer.logger=false",
        "--trainer.max_epochs=1",
        "--trainer.enable_progress_bar=false",
    ]
    cli = LightningCLI(Recorder, AudioVisualDataModule, subclass_mode_data=True, args=arguments)
    assert isinstance(cli.datamodule, ManifestDataModule)
    assert cli.datamodule.preprocessor.augmentation.flip == 0.5
    (path,) = tmp_path.glob("**/*.ckpt")
    saved = torch.load(path, weights_only=True)["datamodule_hyper_parameters"]
    assert saved["label"] == "emotion"
    assert saved["num_frames"] == 4
    assert "augmentation" not in saved
    for name, option in (
        ("VoxCeleb2DataModule", "--data.val_speakers"),
        ("RAVDESSDataModule", "--data.val_split {from_train,same_as_test,own}"),
    ):
        with pytest.raises(SystemExit):
            LightningCLI(
                Recorder,
                AudioVisualDataModule,
                subclass_mode_data=True,
                args=["fit", f"--data.help={name}"],
            )
        text = capsys.readouterr().out
        assert option in text
        assert "--data.on_error {raise,skip}" in text
        assert "--data.corpus" not in text


def test_unlabelled_validation_sees_one_random_window_per_clip_and_keeps_it(corpus):
    data = ManifestDataModule(
        str(corpus / "manifest.csv"), num_frames=4, stride=2, frame_size=16, num_workers=0
    )
    data.setup("fit")
    loader = data.val_dataloader()
    passes = []
    for epoch in (0, 5):
        loader.sampler.set_epoch(epoch)
        passes.append(next(iter(loader))["frames"])
    assert torch.equal(*passes)
    data = ManifestDataModule(
        str(corpus / "manifest.csv"), num_frames=4, stride=2, frame_size=16, num_workers=0, seed=1
    )
    data.setup("fit")
    assert not torch.equal(next(iter(data.val_dataloader()))["frames"], passes[0])
