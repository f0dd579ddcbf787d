"""What a run tells on its way, and which checkpoints it leaves."""

import json
import sys

import pandas as pd
import pytest
import torch
import yaml
from media_factory import write_clip
from tiny import ARCHITECTURE

from hicmae.cli import main
from hicmae.errors import CheckpointError, ConfigError

SHAPE = ARCHITECTURE | {"num_frames": 4, "audio_frames": 32}


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hicmae"])
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for index in range(10):
        write_clip(folder / f"{index}.mp4", seconds=0.5, size=(48, 48), seed=index)
    return folder


def table(clips, name, **columns):
    """A table of the ten clips: six to train on, then to validate and to test."""
    split = columns.pop("split", ["train"] * 6 + ["val"] * 2 + ["test"] * 2)
    rows = {"video": [f"{index}.mp4" for index in range(10)], "split": split, **columns}
    pd.DataFrame(rows).to_csv(clips / name, index=False)
    return str(clips / name)


def config(folder, task, labels, *callbacks):
    content = {
        "model": {
            "class_path": f"hicmae.tasks.{task}",
            "init_args": {"architecture": SHAPE, "learning_rate": 0.01, "drop_path": 0.0},
        },
        "data": {
            "class_path": "hicmae.data.datamodules.ManifestDataModule",
            "init_args": {
                "manifest": "none.csv",
                "batch_size": 2,
                "num_workers": 0,
                "num_frames": 4,
                "frame_size": 32,
                "image_size": 32,
                "audio_frames": 32,
                "mel_bins": 32,
                **labels,
            },
        },
        "trainer": {
            "max_epochs": 2,
            "accelerator": "cpu",
            "devices": 1,
            "num_sanity_val_steps": 0,
            "logger": False,
            "callbacks": [
                {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": options}
                for options in callbacks
            ],
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return str(folder / "config.yaml")


EMOTIONS = ["angry", "happy", "sad"] * 3 + ["angry"]


def test_without_a_terminal_there_is_a_line_for_each_epoch(clips, tmp_path, capsys):
    path = config(tmp_path, "ClassificationTask", {"label": "emotion"})
    data = f"--data.manifest={table(clips, 'all.csv', emotion=EMOTIONS)}"
    main(["fit", "--config", path, data, "--test_after_fit=false"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2: ")
    for told in ("loss ", "val/WAR ", " clips/s", " s"):
        assert told in lines[1]


def test_one_last_checkpoint_beside_the_best(clips, tmp_path):
    best = {"filename": "best", "monitor": "val/WAR", "mode": "max"}
    path = config(tmp_path, "ClassificationTask", {"label": "emotion"}, best)
    data = f"--data.manifest={table(clips, 'all.csv', emotion=EMOTIONS)}"
    main(["fit", "--config", path, data, "--trainer.logger=true", "--test_after_fit=false"])
    left = sorted(file.name for file in tmp_path.rglob("*.ckpt"))
    assert left == ["best.ckpt", "last.ckpt"]


def test_a_score_that_is_no_number_chooses_the_last(clips, tmp_path, caplog):
    """The correlation of one clip is no number."""
    numbers = [0.1, 0.5, 0.9, 0.3, 0.2, 0.7, 0.4, 0.6, 0.8, 0.5]
    split = ["train"] * 7 + ["val"] + ["test"] * 2
    path = config(
        tmp_path,
        "RegressionTask",
        {"targets": ["arousal"]},
        {"filename": "best", "monitor": "val/PCC", "mode": "max"},
    )
    data = f"--data.manifest={table(clips, 'one.csv', arousal=numbers, split=split)}"
    main(["fit", "--config", path, data, "--trainer.logger=true"])
    assert "val/PCC was never a number" in caplog.text
    (best,) = tmp_path.rglob("best.ckpt")
    assert torch.load(best, weights_only=True)["epoch"] == 1
    (scores,) = tmp_path.rglob("test_metrics.json")
    json.loads(scores.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


class TestOtherClasses:
    """A checkpoint of three classes and tables that name others."""

    @pytest.fixture
    def trained(self, clips, tmp_path):
        path = config(tmp_path, "ClassificationTask", {"label": "emotion"})
        data = f"--data.manifest={table(clips, 'all.csv', emotion=EMOTIONS)}"
        main(["fit", "--config", path, data, "--test_after_fit=false", "--trainer.max_epochs=1"])
        (last,) = tmp_path.rglob("last.ckpt")
        return ["--config", path, "--ckpt_path", str(last)]

    @pytest.mark.parametrize("command", ["test", "predict", "validate", "fit"])
    def test_other_names_are_refused(self, clips, trained, command, capsys):
        other = [name.replace("angry", "surprised") for name in EMOTIONS]
        manifest = table(clips, f"other-{command}.csv", emotion=other)
        with pytest.raises(SystemExit):
            main([command, *trained, f"--data.manifest={manifest}"])
        said = " ".join(capsys.readouterr().err.split())
        assert "surprised" in said
        assert "angry, happy, sad" in said

    def test_fewer_classes_keep_their_places(self, clips, trained, tmp_path, capsys):
        fewer = ["happy", "sad"] * 5
        manifest = table(clips, "fewer.csv", emotion=fewer)
        main(["test", *trained, f"--data.manifest={manifest}", "--trainer.logger=true"])
        (predictions,) = tmp_path.rglob("test_predictions.csv")
        assert {"angry", "happy", "sad"} <= set(pd.read_csv(predictions).columns)

    def test_classes_in_another_order_are_refused(self, clips, trained, capsys):
        manifest = table(clips, "again.csv", emotion=EMOTIONS)
        classes = "--data.classes=[sad,happy,angry]"
        with pytest.raises(SystemExit):
            main(["test", *trained, f"--data.manifest={manifest}", classes])
        assert "leave data.classes out" in " ".join(capsys.readouterr().err.split())


def test_fewer_clips_than_processes_are_told(clips):
    from hicmae.data.datamodules import ManifestDataModule  # noqa: PLC0415

    data = ManifestDataModule(table(clips, "all.csv", emotion=EMOTIONS), label="emotion")

    class Elsewhere:
        world_size, global_rank = 3, 0

    data.setup("fit")
    data.trainer = Elsewhere()
    with pytest.raises(ConfigError, match=r"has 2 val clips for 3 processes.*devices 2"):
        data.val_dataloader()


def test_weights_of_other_classes_are_refused_in_python():
    from hicmae.tasks import ClassificationTask  # noqa: PLC0415

    task = ClassificationTask(["happy", "sad"], architecture=SHAPE, learning_rate=0.1)
    with pytest.raises(CheckpointError, match=r"angry, sad, but the data has happy, sad"):
        task.on_load_checkpoint({"hyper_parameters": {"class_names": ["angry", "sad"]}})
