"""Sweep files as Weights & Biases reads them, and their commands as its agent builds them."""

import csv
import time
from copy import deepcopy

import numpy as np
import pytest
import torch
import yaml
from fakes.ravdess import write_ravdess
from fakes.voxceleb2 import write_voxceleb2
from interruption import in_a_process
from tiny import ARCHITECTURE, INPUTS, TRAINER, tiny_architecture
from wandb.sdk.launch.sweeps.utils import (
    create_sweep_command,
    create_sweep_command_args,
    load_sweep_config,
)

from hicmae.configs import config_folder
from hicmae.models import HiCMAE

FILES = sorted((config_folder() / "sweeps").glob("*.yaml"))

# What stands between the shipped configs and a run of seconds.
SMALL = {
    "model": {"init_args": {"architecture": ARCHITECTURE}},
    "data": {"init_args": INPUTS | {"batch_size": 2, "stride": 2, "region": None}},
    "trainer": TRAINER
    | {"precision": "32-true", "limit_train_batches": 2, "enable_progress_bar": False},
}


def draw(parameters, rng):
    """One setting, drawn as the file says."""

    def value(options):
        if "value" in options:
            return options["value"]
        if "values" in options:
            return options["values"][rng.integers(len(options["values"]))]
        assert options["distribution"] == "log_uniform_values"
        return float(np.exp(rng.uniform(np.log(options["min"]), np.log(options["max"]))))

    return {name: value(options) for name, options in parameters.items()}


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Corpora and pre-trained weights, as the variables of the commands name them."""
    folder = tmp_path_factory.mktemp("material")
    write_voxceleb2(folder / "pretrain", speakers=4)
    write_ravdess(folder / "finetune")
    weights = folder / "pretrained.ckpt"
    model = HiCMAE(tiny_architecture())
    torch.save({"state_dict": {f"model.{k}": v for k, v in model.state_dict().items()}}, weights)
    return folder, weights


def test_there_are_sweeps_of_both_stages():
    assert {"pretrain.yaml", "finetune.yaml"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_obeys_the_schema_of_weights_and_biases(path):
    sweeps = pytest.importorskip("sweeps", reason="pip install --no-deps sweeps")
    assert sweeps.schema_violations_from_proposed_config(load_sweep_config(str(path))) == []


def written(folder, pattern):
    """A file that W&B's service, a process of its own, may write a little later."""
    end = time.monotonic() + 30
    while not (found := list(folder.glob(pattern))) and time.monotonic() < end:
        time.sleep(0.1)
    assert found, f"no {pattern} among {[path.name for path in folder.rglob('*')]}"
    return found[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_drawn_settings_run(path, material, tmp_path, monkeypatch):
    root, weights = material
    monkeypatch.setenv("HICMAE_ROOT", str(root / path.stem))
    monkeypatch.setenv("HICMAE_PRETRAINED", str(weights))
    sweep = load_sweep_config(str(path))
    rng = np.random.default_rng(0)
    settings = [draw(sweep["parameters"], rng) for _ in range(2)]
    assert settings[0] != settings[1]
    small = deepcopy(SMALL)
    if path.stem == "pretrain":
        small["data"]["init_args"]["val_speakers"] = 1
    else:
        del small["data"]["init_args"]["region"]
    overlay = tmp_path / "small.yaml"
    overlay.write_text(yaml.safe_dump(small))
    for number, setting in enumerate(settings):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = create_sweep_command(list(sweep["command"]))
        place = command.index("${args}")
        options = create_sweep_command_args(
            {"args": {name: {"value": value} for name, value in setting.items()}}
        )["args"]
        program, *arguments = command[:place]
        assert program == "hicmae"
        # Last, since a run as long as the sweep wants it takes too long here.
        short = [f"--config={overlay}", *options, "--trainer.max_epochs=2"]
        status, printed = in_a_process([*arguments, *short], folder)
        assert status == 0, printed
        (config,) = folder.glob("runs/*/version_0/config.yaml")
        used = yaml.safe_load(config.read_text())["model"]["init_args"]
        for name, value in setting.items():
            section, option = name.split(".")
            assert section != "model" or used[option] == pytest.approx(value)
        with (config.parent / "metrics.csv").open() as table:
            logged = set(next(csv.reader(table)))
        assert sweep["metric"]["name"] in logged
        (run,) = folder.glob("runs/wandb/offline-run-*")
        record = written(run, "run-*.wandb").read_bytes()
        assert sweep["metric"]["name"].encode() in record
        picture, curve = {
            "pretrain": ("reconstruction", "val/audio_to_video_set_2"),
            "finetune": ("confusion", "test/UAR"),
        }[path.stem]
        assert list(run.glob(f"files/media/images/{picture}*.png"))
        assert curve.encode() in record
