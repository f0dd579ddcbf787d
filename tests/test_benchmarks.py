"""Each benchmark runs at its smallest size; what it measures is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
def test_voxceleb2_manifest(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, BENCHMARKS / "voxceleb2_manifest.py", "--clips", "5000"]
    done = subprocess.run(
        [*command, "--json", figures], capture_output=True, text=True, check=True, timeout=300
    )
    assert "start from the table" in done.stdout
    steps = json.loads(figures.read_text())["steps"]
    assert steps["draw an epoch"]["clips"] >= 4500  # all but those of the validation speakers
