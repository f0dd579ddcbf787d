"""The map of the house: which room may know which."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from shell import run_python

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "hicmae").rglob("*.py"))


def layers():
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (contract,) = config["tool"]["importlinter"]["contracts"]
    return contract["layers"]


def test_rooms_know_only_those_below_them():
    # In a process of its own: it silences the loggers that it finds.
    command = "from importlinter.cli import lint_imports_command as lint; lint()"
    options = ["--no-cache", "--config", str(ROOT / "pyproject.toml")]
    run_python(command, *options)


def test_contributing_shows_the_list_of_rooms():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    shown = re.search(r"```text\n(.*?)```", text, re.DOTALL)[1].split("\n")
    assert [line.strip() for line in shown if line.strip()] == layers()


def test_the_map_names_every_room():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = {path.name for path in (ROOT / "src" / "hicmae").iterdir() if path.name[0] not in "_."}
    rooms = {name if name.endswith((".py", ".typed")) else f"{name}/" for name in rooms}
    missing = {room for room in rooms - {"py.typed"} if not re.search(rf"^ +{room}", text, re.M)}
    assert not missing


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_file_says_what_it_is_for(path):
    said = ast.get_docstring(ast.parse(path.read_text()))
    assert said
    assert "placeholder" not in said.lower()
