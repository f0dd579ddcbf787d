"""What a command imports before it needs it: libraries that take seconds."""

import pytest
from shell import run_python
from tiny_models import write_model

from hicmae.cli import COMMANDS

SLOW = (
    "torch torchvision torchaudio lightning torchmetrics pandas pyarrow matplotlib scipy gradio "
    "pydantic"
)
FOR_OTHERS = (
    "lightning torchmetrics torchvision pandas pyarrow matplotlib scipy wandb timm gradio "
    "huggingface_hub torch._dynamo sympy hicmae.data.augmentation"
)


def imported(*arguments, among):
    """Which of these modules are there when a command ends."""
    code = f"""
import sys
from hicmae.cli import main
try:
    main({list(map(str, arguments))!r})
except SystemExit as end:
    assert not end.code, end.code
print("\\nimported", *[name for name in {among.split()!r} if name in sys.modules])
"""
    return run_python(code).splitlines()[-1].split()[1:]


@pytest.mark.parametrize("name", ["", *COMMANDS, "data check", "data faces", "data pack"])
def test_help_is_there_at_once(name):
    assert imported(*name.split(), "--help", among=SLOW) == []


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model") / "model")


def test_recognition_imports_what_it_uses(clip_factory, model, tmp_path):
    clip = clip_factory("short.mp4", seconds=0.8)
    options = ["--checkpoint", model, "--faces", "none", "--json", tmp_path / "found.json"]
    assert imported("recognize", clip, *options, among=FOR_OTHERS) == []
    assert (tmp_path / "found.json").is_file()
