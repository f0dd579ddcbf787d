"""Precision that fits the machine, and the one that is stated."""

import logging

import pytest
import yaml
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator
from lightning.pytorch.plugins import MixedPrecision

from hicmae.configs import config_folder, config_names
from hicmae.machine import bfloat16_units
from hicmae.training import precision
from hicmae.training.precision import MachineTrainer, fitting_precision


@pytest.fixture
def machine(monkeypatch):
    """`machine(cuda=..., mps=..., units=..., speed_up=...)` is the machine to fit."""

    def become(*, cuda=False, mps=False, units=False, speed_up=1.0):
        monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: cuda))
        monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: mps))
        monkeypatch.setattr(precision, "bfloat16_units", lambda: units)
        monkeypatch.setattr(precision, "_speed_up", lambda: speed_up)

    return become


@pytest.mark.parametrize(
    ("facts", "accelerator", "expected"),
    [
        ({"cuda": True, "units": True}, "auto", "16-mixed"),
        ({"cuda": True}, "gpu", "16-mixed"),
        ({"cuda": True}, CUDAAccelerator(), "16-mixed"),
        ({"cuda": True}, "cpu", "32-true"),
        ({"mps": True, "units": True}, "auto", "32-true"),
        ({"mps": True}, "gpu", "32-true"),
        ({"units": True}, "auto", "bf16-mixed"),
        ({"units": False, "speed_up": 9.0}, "auto", "32-true"),
        ({"units": None, "speed_up": 1.1}, "cpu", "32-true"),
        ({"units": None, "speed_up": 1.3}, "cpu", "bf16-mixed"),
    ],
)
def test_what_fits(machine, facts, accelerator, expected):
    machine(**facts)
    assert fitting_precision(accelerator)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor : 0\nflags\t\t: fpu avx2 avx512_bf16\n", True),
        ("flags : amx_bf16 amx_tile\n", True),
        ("flags : avx512f avx512_vnni\n", False),
        ("Features : fp asimd bf16\n", None),
    ],
)
def test_units_of_a_processor(tmp_path, text, expected):
    (tmp_path / "cpuinfo").write_text(text)
    assert bfloat16_units(tmp_path / "cpuinfo") is expected
    assert bfloat16_units(tmp_path / "none") is None


def test_a_product_tells_in_doubt():
    assert precision._speed_up() > 0


@pytest.mark.parametrize(("units", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_trainer_takes_it_and_says_so(machine, caplog, monkeypatch, units, expected):
    machine(units=units)
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    with caplog.at_level(logging.INFO):
        trainer = MachineTrainer(accelerator="cpu", precision="auto", logger=False)
    assert trainer.precision == expected
    (said,) = [line for line in caplog.messages if line.startswith("Precision: ")]
    assert said.startswith(f"Precision: {expected}, as this processor has ")


@pytest.mark.parametrize("stated", ["32-true", "bf16-mixed", "64-true", None])
def test_what_is_stated_stays(machine, stated):
    machine(units=stated != "bf16-mixed")
    trainer = MachineTrainer(accelerator="cpu", precision=stated, logger=False)
    assert trainer.precision == (stated or "32-true")


def test_a_plugin_comes_before_auto(machine):
    machine(units=False)
    plugin = MixedPrecision("bf16-mixed", "cpu")
    trainer = MachineTrainer(accelerator="cpu", precision="auto", plugins=[plugin], logger=False)
    assert trainer.precision_plugin is plugin


@pytest.mark.parametrize(
    "name", [name for name in config_names() if name.startswith(("pretrain", "finetune/"))]
)
def test_published_configs_fit_the_machine(name):
    content = yaml.safe_load((config_folder() / name).read_text(encoding="utf-8"))
    assert content["trainer"]["precision"] == "auto"
