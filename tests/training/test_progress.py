"""What a run tells on its way, and which checkpoints it leaves."""

import json

import pandas as pd
import pytest
import torch
from media_factory import write_clip
from tiny import ARCHITECTURE, keep

from hicmae.cli import main
from hicmae.errors import CheckpointError, ConfigError
from hicmae.tasks import ClassificationTask


@pytest.fixture(autouse=True)
def surroundings(as_command, monkeypatch):
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


@pytest.fixture
def config(write_config):
    """`config(kind, *callbacks)` writes a config of two epochs of three steps, without a log."""

    def write(kind, *callbacks):
        trainer = {"logger": False, "callbacks": list(callbacks)}
        return str(write_config(kind, data={"batch_size": 2}, trainer=trainer))

    return write


EMOTIONS = ["angry", "happy", "sad"] * 3 + ["angry"]


def test_without_a_terminal_there_is_a_line_for_each_epoch(clips, config, capsys):
    path = config("classify")
    data = f"--data.manifest={table(clips, 'all.csv', emotion=EMOTIONS)}"
    main(["fit", "--config", path, data, "--test_after_fit=false"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 2
    assert lines[0].startswith("epoch 1/2: ")
    for told in ("loss ", "val/WAR ", " clips/s", " s"):
        assert told in lines[1]


def test_one_last_checkpoint_beside_the_best(clips, config, tmp_path):
    best = keep(filename="best", monitor="val/WAR", mode="max")
    path = config("classify", best)
    data = f"--data.manifest={table(clips, 'all.csv', emotion=EMOTIONS)}"
    main(["fit", "--config", path, data, "--trainer.logger=true", "--test_after_fit=false"])
    left = sorted(file.name for file in tmp_path.rglob("*.ckpt"))
    assert left == ["best.ckpt", "last.ckpt"]


def test_a_score_that_is_no_number_chooses_the_last(clips, config, tmp_path, caplog):
    """The correlation of one clip is no number."""
    numbers = [0.1, 0.5, 0.9, 0.3, 0.2, 0.7, 0.4, 0.6, 0.8, 0.5]
    split = ["train"] * 7 + ["val"] + ["test"] * 2
    path = config("regress", keep(filename="best", monitor="val/PCC", mode="max"))
    data = f"--data.manifest={table(clips, 'one.csv', arousal=numbers, split=split)}"
    targets = "--data.targets=[arousal]"
    main(["fit", "--config", path, data, targets, "--trainer.logger=true"])
    assert "val/PCC was never a number" in caplog.text
    (best,) = tmp_path.rglob("best.ckpt")
    assert torch.load(best, weights_only=True)["epoch"] == 1
    (scores,) = tmp_path.rglob("test_metrics.json")
    json.loads(scores.read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


class TestOtherClasses:
    """A checkpoint of three classes and tables that name others."""

    @pytest.fixture
    def trained(self, clips, config, tmp_path):
        path = config("classify")
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
    task = ClassificationTask(["happy", "sad"], architecture=ARCHITECTURE, learning_rate=0.1)
    with pytest.raises(CheckpointError, match=r"angry, sad, but the data has happy, sad"):
        task.on_load_checkpoint({"hyper_parameters": {"class_names": ["angry", "sad"]}})
