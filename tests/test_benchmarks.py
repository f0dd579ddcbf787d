"""Each benchmark runs at its smallest size; what it measures is not judged here."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_models import write_model

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


@pytest.mark.slow
def test_learning(corpus, tmp_path):
    script = BENCHMARKS / "learning"
    table = tmp_path / "manifest.csv"
    frame = pd.read_csv(corpus / "manifest.csv").rename(columns={"emotion": "command"})
    frame["video"] = [str(corpus / name) for name in frame["video"]]
    frame.to_csv(table, index=False)
    options = ["--folder", tmp_path / "runs"]
    command = [sys.executable, script / "experiment.py", "--manifest", table, *options]
    command += ["--seeds", "0", "--smallest"]
    subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    again = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "hicmae fit" not in again.stdout  # what is done is not run again
    done = subprocess.run(
        [sys.executable, script / "report.py", *options, "--figures", tmp_path],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "2 runs" in done.stdout
    assert "| reference | 1 |" in done.stdout
    assert (tmp_path / "learning-finetuning.png").stat().st_size > 5000


@pytest.mark.slow
def test_demo_seeds(tmp_path):
    command = [sys.executable, BENCHMARKS / "demo_seeds.py", "--seeds", "0", "--smallest"]
    done = subprocess.run(
        [*command, "--folder", tmp_path], capture_output=True, text=True, check=True, timeout=250
    )
    assert "2 of each emotion" in done.stdout
    assert re.search(r"Of 6 held-out clips the sound finds its picture in [\d.]+ %", done.stdout)
    assert re.search(r"\| 0 \| [\d.]+ \| [\d.]+ \| -?[\d.]+ \|", done.stdout)
    assert "| nan" not in done.stdout


@pytest.mark.slow
def test_emotion(corpus, tmp_path, monkeypatch):
    script = BENCHMARKS / "emotion"
    table = pd.read_csv(corpus / "manifest.csv")[["video", "emotion"]]
    table["video"] = [str(corpus / name) for name in table["video"]]
    table.drop(columns="emotion").to_csv(tmp_path / "unlabelled.csv", index=False)
    table["subject"] = [f"actor {index % 4}" for index in range(len(table))]
    table["fold"] = [1 + index % 2 for index in range(len(table))]
    table.to_csv(tmp_path / "labelled.csv", index=False)
    command = [sys.executable, script / "experiment.py", "--folder", tmp_path, "--smallest"]
    subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    probes = [
        sys.executable,
        script / "probes.py",
        "--folder",
        tmp_path,
        "--seeds",
        "0",
        "--draws",
        "1",
    ]
    subprocess.run(probes, capture_output=True, text=True, check=True, timeout=120)
    probed = pd.read_csv(tmp_path / "probes.csv")
    assert set(probed["pooling"]) == {"mean", "statistics"}
    assert probed["accuracy"].between(0, 100).all()
    report = [sys.executable, script / "report.py", "--folder", tmp_path, "--figures", tmp_path]
    done = subprocess.run(report, capture_output=True, text=True, check=True, timeout=60)
    for run in ("pre-trained", "frozen-pre-trained"):
        row = rf"\| {run}, 2 a class, audio-visual \| [\d.]+ \| 1 \|"
        assert re.search(row, done.stdout)
    ours = "pre-trained, features frozen"
    assert f"| {ours} − random weights, features frozen, 2 a class | not run |" in done.stdout
    row = r"\| frozen, statistics, 2 a class, both, epoch 0 \| [\d.]+ \| 1 \|"
    assert re.search(row, done.stdout)
    for figure in ("emotion-labels.png", "emotion-probes.png"):
        assert (tmp_path / figure).stat().st_size > 5000
    monkeypatch.syspath_prepend(script)
    sets, names = importlib.import_module("plain").statistics(tmp_path)
    assert sorted(names) == sorted(Path(video).stem for video in table["video"])
    assert sets["both"].shape == (len(table), 2 * 128 + 12 * 12)
    assert np.isfinite(sets["both"]).all()
    assert (sets["video"] > 0).any()


@pytest.mark.slow
def test_doubt(corpus, tmp_path):
    table = pd.read_csv(corpus / "manifest.csv")[["video", "emotion"]]
    table["video"] = [str(corpus / name) for name in table["video"]]
    table["subject"] = [f"actor {index % 4}" for index in range(len(table))]
    table["fold"] = [1 + index % 2 for index in range(len(table))]
    table.to_csv(tmp_path / "labelled.csv", index=False)
    for name in ("java_sed", "grid_s1", "presenters"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clip.mp4").symlink_to(table["video"][0])
    script = BENCHMARKS / "doubt" / "measure.py"
    command = [sys.executable, script, "--folder", tmp_path, "--smallest"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    assert re.search(r"\| ECE_raw \| [\d.]+ \| [\d.]+ \|", done.stdout)
    assert re.search(r"\| cartoons \| 1 \| [\d.]+ \| [\d.]+ \| \d+ \|", done.stdout)


def test_probes_of_emotion_tell_what_features_hold(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS / "emotion")
    probes = importlib.import_module("probes")
    clips = pd.DataFrame(
        [
            {"subject": f"actor {actor}", "fold": 1 + actor // 2, "emotion": emotion}
            for actor in range(8)
            for emotion in ("calm", "joy", "fear")
            for _ in range(4)
        ]
    )
    rng = np.random.default_rng(0)
    codes = pd.get_dummies(clips["emotion"]).to_numpy(np.float32)
    telling = codes + rng.normal(scale=0.1, size=codes.shape).astype(np.float32)
    empty = rng.normal(size=codes.shape).astype(np.float32)
    for kind in ("linear", "nearest"):
        assert probes.hits(kind, telling, clips, 2).mean() == 1
        assert 0.1 < probes.hits(kind, empty, clips, None).mean() < 0.6
    assert probes.share_between(telling, clips["emotion"]) > 80
    assert probes.share_between(telling, clips["subject"]) < 20


@pytest.mark.slow
def test_recognize_clips(clip_factory, tmp_path):
    clip = clip_factory("benchmarked.mp4", seconds=0.8)
    write_model(tmp_path / "model")
    options = ["--faces", "none", "--threads", "1", "--json", tmp_path / "seconds.json"]
    command = [sys.executable, BENCHMARKS / "recognize_clips.py", clip]
    command += ["--checkpoint", tmp_path / "model", *options]
    subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    (row,) = json.loads((tmp_path / "seconds.json").read_text())
    assert row["plays"]
    assert row["people"] == 1


SPEED = (
    "loader",
    "pretraining_step",
    "recognition_step",
    "end_to_end",
    "growth",
    "startup",
    "faces",
    "busy",
    "live",
)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPEED)
def test_speed(name, tmp_path):
    if name == "live" and not (os.environ.get("HICMAE_CHROMIUM") or shutil.which("chromium")):
        pytest.skip("no chromium: install it, or set HICMAE_CHROMIUM to a browser of its kind")
    # Elsewhere than in the project, and without real clips: anyone can run them.
    environment = os.environ | {"HICMAE_CLIPS": str(tmp_path / "none")}
    command = [sys.executable, BENCHMARKS / "speed" / f"{name}.py", "--smallest", "--out", tmp_path]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / f"{name}.json").read_text())
    assert content["tables"]
    assert all(len(row) == len(t["columns"]) for t in content["tables"] for row in t["rows"])
    assert all(target["measured"] > 0 for target in content["targets"])
    assert content["targets"]
    assert content["machine"]


def test_every_speed_benchmark_is_run_and_tested():
    folder = BENCHMARKS / "speed"
    scripts = {path.stem for path in folder.glob("*.py") if "run(main" in path.read_text()}
    names = re.search(r"NAMES = \((.*?)\)", (folder / "run_all.py").read_text(), re.DOTALL)
    assert scripts - {"measure"} == set(SPEED) == set(re.findall(r"\w+", names[1]))


@pytest.mark.slow
def test_soak(tmp_path):
    """Every promise is kept for a few damaged files, and a broken one would be told."""
    script = BENCHMARKS / "robustness" / "soak.py"
    done = subprocess.run(
        [sys.executable, script, "--count", "4", "--seed", "1"],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Every promise was kept.\n")
    rows = re.findall(r"^\| (?:check|faces|recognise|page) \|(.*)\|$", done.stdout, re.MULTILINE)
    assert [sum(map(int, row.split("|"))) for row in rows] == [4, 4, 4, 4]
