"""What a release says of itself agrees."""

import re
from importlib.metadata import version
from pathlib import Path

import yaml

import hicmae

ROOT = Path(__file__).parents[1]


def test_one_version_stands_everywhere():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changes = re.findall(r"^## \[([\d.]+)\] - ([\d-]+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert changes[0] == (hicmae.__version__, str(cited["date-released"]))
    assert str(cited["version"]) == hicmae.__version__


def test_the_installed_package_has_it():
    assert version("hicmae") == hicmae.__version__
