"""The folder of a run in place of its checkpoint."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from shell import tell
from tiny import keep

from hicmae.errors import CheckpointError
from hicmae.weights.runs import checkpoint_of

CLIP = "clip13.mp4"


class TestChoice:
    @pytest.mark.parametrize(
        ("files", "given", "expected"),
        [
            (
                ["r/checkpoints/last.ckpt", "r/checkpoints/best.ckpt"],
                "r",
                "r/checkpoints/best.ckpt",
            ),
            (["r/checkpoints/best.ckpt"], "r/checkpoints", "r/checkpoints/best.ckpt"),
            (["r/checkpoints/last.ckpt", "r/checkpoints/a.ckpt"], "r", "r/checkpoints/last.ckpt"),
            (["r/checkpoints/epoch=3.ckpt"], "r", "r/checkpoints/epoch=3.ckpt"),
            (["r/version_0/checkpoints/best.ckpt"], "r", "r/version_0/checkpoints/best.ckpt"),
            (["r/checkpoints/best.ckpt"], "r/checkpoints/best.ckpt", "r/checkpoints/best.ckpt"),
            (["r/config.json", "r/checkpoints/best.ckpt"], "r", "r"),
            (["r/clip.mp4"], "r", "r"),
            (["r.ckpt/checkpoints/best.ckpt"], "r.ckpt", "r.ckpt"),
            ([], "gone.ckpt", "gone.ckpt"),
        ],
    )
    def test_the_best_is_meant(self, files, given, expected, tmp_path, caplog):
        self.make(files, tmp_path)
        assert checkpoint_of(tmp_path / given) == tmp_path / expected
        told = [record.getMessage() for record in caplog.records]
        assert told == (
            [f"{tmp_path / given} is the folder of a run: its {Path(expected).name} is taken."]
            if given != expected
            else []
        )

    @pytest.mark.parametrize(
        ("files", "told"),
        [
            (["r/a/checkpoints/best.ckpt", "r/b/checkpoints/best.ckpt"], r"several runs \(a, b\)"),
            (["r/checkpoints/1.ckpt", "r/checkpoints/2.ckpt"], r"several .* \(1.ckpt, 2.ckpt\)"),
        ],
    )
    def test_what_cannot_be_chosen_is_told(self, files, told, tmp_path):
        self.make(files, tmp_path)
        with pytest.raises(CheckpointError, match=told):
            checkpoint_of(tmp_path / "r")

    def make(self, files, folder):
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).touch()


@pytest.fixture(scope="module")
def runs(write_config, tmp_path_factory):
    """Folders of runs by kind."""
    root = tmp_path_factory.mktemp("runs")
    runs = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["hicmae"])
        for kind, options in (
            ("pretrain", {}),
            ("classify", {"callbacks": [keep(filename="best", monitor="val/WAR", mode="max")]}),
        ):
            trainer = {"max_epochs": 1, "default_root_dir": str(root / kind)} | options
            assert tell("fit", "--config", write_config(kind, trainer=trainer)) == 0
            runs[kind] = root / kind / "version_0"
    return runs


@pytest.mark.slow
@pytest.mark.usefixtures("as_command")
class TestCommands:
    def test_those_that_recognise(self, runs, corpus):
        model = ("--checkpoint", runs["classify"], "--faces=none", "--device=cpu")
        assert tell("recognize", corpus / CLIP, *model, "--json=r.json") == 0
        assert set(json.loads(Path("r.json").read_text())[0]["people"][0]["scores"]) == {
            *("anger", "calm", "joy")
        }
        assert tell("embed", corpus / CLIP, *model, "--output=f.parquet") == 0
        assert tell("convert", runs["classify"], "model") == 0
        assert (Path("model") / "config.json").is_file()
        assert tell("visualize", "layer-weights", runs["classify"]) == 0

    def test_a_picture_of_pretraining(self, runs, corpus):
        model = ("--checkpoint", runs["pretrain"])
        assert tell("visualize", "reconstruction", corpus / CLIP, *model) == 0

    @pytest.mark.parametrize("command", ["test", "predict", "validate"])
    def test_those_that_judge(self, runs, command):
        assert tell(command, "--ckpt_path", runs["classify"], "--trainer.default_root_dir=j") == 0
        if command == "test":
            assert len(pd.read_csv("j/version_0/test_predictions.csv")) == 3
            config = yaml.safe_load(Path("j/version_0/config.yaml").read_text())
            assert config["ckpt_path"] == str(runs["classify"] / "checkpoints" / "best.ckpt")

    def test_those_that_train(self, runs, write_config, caplog, capsys):
        trainer = {"max_epochs": 2, "default_root_dir": "t"}
        goes_on = ("--config", write_config("pretrain", trainer=trainer))
        assert tell("fit", *goes_on, "--ckpt_path", runs["pretrain"]) == 0
        assert "which goes on from its last.ckpt" in caplog.text
        assert pd.read_csv("t/version_0/metrics.csv")["epoch"].min() == 1
        begins = ("--config", write_config("classify", trainer=trainer | {"max_epochs": 1}))
        assert tell("fit", *begins, f"--model.pretrained={runs['pretrain']}") == 0
        assert "tensors loaded" in caplog.text
        Path("empty").mkdir()
        assert tell("fit", *goes_on, "--ckpt_path=empty") == 2
        assert "There is no last.ckpt in empty" in capsys.readouterr().err
        assert tell("test", *begins, "--ckpt_path=empty") == 2
