"""Fine-tuning for clips that lack picture or sound, and its model, by the command line."""

import json
from pathlib import Path

import pandas as pd
import pytest
import shell
from media_factory import write_clip

from hicmae.cli import dispatch


@pytest.fixture(scope="module")
def clips(corpus, tmp_path_factory):
    """A folder with a table of the corpus, some rows of which lack a sense."""
    folder = tmp_path_factory.mktemp("senses")
    write_clip(folder / "silent.mp4", seconds=0.8, size=(48, 48), sound=False)
    write_clip(folder / "sound.wav", seconds=0.8)
    table = pd.read_csv(corpus / "manifest.csv").assign(audio=None)
    table["video"] = [str(corpus / name) for name in table["video"]]
    for row in (1, 12):
        table.loc[row, "video"] = str(folder / "silent.mp4")
    for row in (2, 13):
        table.loc[row, ["video", "audio"]] = [None, str(folder / "sound.wav")]
    table.to_csv(folder / "clips.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def config(clips, write_config):
    return write_config(
        "classify",
        data={"manifest": str(clips / "clips.csv"), "senses": "any"},
        model={"modality_dropout": [0.2, 0.2]},
        trainer={"max_epochs": 1, "enable_progress_bar": False},
    )


@pytest.fixture(scope="module")
def run(clips, config):
    """The folder of the run."""
    dispatch(["fit", "--config", str(config), f"--trainer.default_root_dir={clips / 'run'}"])
    return clips / "run" / "version_0"


def test_predictions_tell_what_was_used(run):
    told = pd.read_csv(run / "test_predictions.csv").set_index("id")["used"]
    assert told.to_dict() == {"c11": "both", "c12": "video", "c13": "audio"}


def test_run_is_tested_on_one_sense(run, corpus, as_command):
    dispatch(
        [
            *("test", f"--ckpt_path={run}", f"--data.manifest={corpus / 'manifest.csv'}"),
            *("--data.senses=audio", "--trainer.default_root_dir=heard"),
        ]
    )
    (path,) = Path("heard").rglob("test_predictions.csv")
    assert set(pd.read_csv(path)["used"]) == {"audio"}
    assert shell.tell("report", path.parent, "--output=report") == 0


def test_own_clips_are_recognised(run, clips, as_command, capsys):
    paths = [clips / "silent.mp4", clips / "sound.wav"]
    options = ["--checkpoint", run, "--faces=none", "--device=cpu", "--json=found.json"]
    assert shell.tell("recognize", *paths, *options, "--csv=found.csv") == 0
    printed = capsys.readouterr().out
    assert "picture alone" in printed
    assert "sound alone" in printed
    used = [
        {window["used"] for window in clip["people"][0]["windows"]}
        for clip in json.loads(Path("found.json").read_text())
    ]
    assert used == [{"video"}, {"audio"}]
    assert set(pd.read_csv("found.csv")["used"]) == {"video", "audio"}


def test_without_the_option_the_table_is_refused(clips, corpus, write_config, as_command, capsys):
    config = write_config("classify", data={"manifest": str(clips / "clips.csv")})
    assert shell.tell("fit", "--config", config) == 2
    assert "row 3: the video cell is empty" in capsys.readouterr().err
    assert shell.tell("fit", "--config", config, "--data.senses=any") == 2
    assert "modality_dropout" in capsys.readouterr().err
