"""The benchmark of an accelerator, dry on the processor; what it measures is not judged here."""

import json
import logging
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def accelerator(monkeypatch, caplog):
    """The script as a module."""
    monkeypatch.syspath_prepend(BENCHMARKS / "speed")
    monkeypatch.syspath_prepend(BENCHMARKS)
    # A second FFmpeg has no place in the process of the other tests.
    monkeypatch.setitem(sys.modules, "decord", None)
    caplog.set_level(logging.ERROR, "lightning.pytorch")  # as the script does, until here
    import accelerator  # noqa: PLC0415 (lies beside the package)

    return accelerator


def times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}


@pytest.mark.slow
def test_a_dry_run_measures_all_and_a_second_one_nothing(accelerator, tmp_path, capsys):
    dry = ["--dry_run", "--out", str(tmp_path)]
    accelerator.main([*dry, "--minutes", "0"])
    assert "left for another call" in capsys.readouterr().out
    assert not times(tmp_path)
    accelerator.main(dry)
    assert {path.suffix for path in times(tmp_path)} == {".json"}
    assert {path.parent.name for path in times(tmp_path)} == {*accelerator.PARTS} - {"tests"}
    first = times(tmp_path)
    accelerator.main(dry)
    assert times(tmp_path) == first
    content = json.loads((tmp_path / "card.json").read_text())
    measured = [row[2] for table in content["tables"] for row in table["rows"]]
    assert all(
        isinstance(value, float) and value > 0 for value in measured if value != "not installed"
    )
    assert {target["wanted"] for target in content["targets"]} == {2.5, 45.0, 10.0}


def test_a_failure_is_told_and_goes_last_the_next_time(accelerator, tmp_path, monkeypatch):
    from card.measurement import Measurement  # noqa: PLC0415

    order, broken = [], [True]

    def work(name):
        def measure():
            order.append(name)
            if name == "first" and broken:
                raise RuntimeError("no such kernel")
            return {"s": 1.0}

        return Measurement(name, measure)

    names = ["first", "second"]
    parts = {"basics": lambda setting, report: map(work, names)}
    monkeypatch.setattr(accelerator, "PARTS", parts)
    options = ["--dry_run", "--out", str(tmp_path)]
    with pytest.raises(SystemExit, match="Failed: basics: first"):
        accelerator.main(options)
    assert "no such kernel" in (tmp_path / "basics" / "first.failed.txt").read_text()
    assert order == ["first", "second"]
    broken.clear()
    names.append("third")
    accelerator.main(options)
    assert order == ["first", "second", "third", "first"]
    assert not (tmp_path / "basics" / "first.failed.txt").exists()


def test_without_a_card_it_says_how_to_try(accelerator, tmp_path, monkeypatch):
    monkeypatch.setattr(accelerator.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="--dry_run"):
        accelerator.main(["--out", str(tmp_path)])
