"""Clips as cameras, browsers and editors leave them, through the commands that read them."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from media_factory import numbered_picture, sweep, write_clip, write_image
from odd_media import HEIGHT, RATE, WIDTH, write_sound, write_timed
from shell import tell
from tiny_models import write_model

from hicmae.data.manifest import clips_of, read_manifest
from hicmae.media import VideoReader
from hicmae.preparation.audio import read_sound

STEADY = np.arange(50) / 25
STALLS = [0.0, 0.04, 0.08, 0.28, 0.32, 0.36]
SOUND = {"sound_start": 0.0, "sound_seconds": 2.0}
TONE = 0.4 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
DIALOGUE = np.stack([TONE * (channel == 2) for channel in range(6)])
NO_NUMBERS = np.where(np.arange(RATE) // 100 == 50, np.nan, 0.3)[None]

# What stands in the table of a check of each; seconds and samples to a twentieth.
GOOD = {
    "late_sound.mp4": (
        lambda path: write_timed(path, times=STEADY, sound_start=1.0, sound_seconds=1.5),
        {"frames": 50, "fps": 25, "video_seconds": 2.0, "audio_seconds": 2.5},
    ),
    "late_pictures.mkv": (
        lambda path: write_timed(path, times=1 + STEADY, sound_start=0.0, sound_seconds=3.0),
        {"frames": 50, "fps": 25, "video_seconds": 3.0, "audio_seconds": 3.0},
    ),
    "stalls.mkv": (
        lambda path: write_timed(path, times=STALLS, sound_start=0.0, sound_seconds=0.5),
        {"frames": 10, "fps": 25, "video_seconds": 0.4, "variable_rate": 1},
    ),
    "header.mkv": (
        lambda path: write_timed(path, times=STEADY, rate=60, **SOUND),
        {"frames": 50, "fps": 25, "stated_fps": 60, "video_seconds": 2.0},
    ),
    "pixels.mp4": (
        lambda path: write_timed(path, times=STEADY, aspect=Fraction(64, 45), **SOUND),
        {"width": round(WIDTH * 64 / 45), "height": HEIGHT},
    ),
    "turned.mov": (
        lambda path: write_timed(path, times=STEADY, matrix=(0, 1, -1, 0), **SOUND),
        {"width": HEIGHT, "height": WIDTH},
    ),
    "odd_rate.mkv": (
        lambda path: write_sound(
            path, [(0.0, sweep(2.0, 44_099)[None])], rate=44_099, codec="flac", pictures=50
        ),
        {"frames": 50, "audio_seconds": 2.0, "peak": 0.5, "black_start": 50},
    ),
    "surround.mp4": (
        lambda path: write_sound(path, [(0.0, DIALOGUE)], layout="5.1", codec="aac", pictures=25),
        {"frames": 25, "audio_seconds": 1.0, "peak": 0.4},
    ),
    "part.mp4": (
        lambda path: write_clip(path, seconds=2.0),
        {"frames": 20, "video_seconds": 0.8, "audio_seconds": 0.8},
    ),
}


def write_cut_images(path):
    """A folder of images, the second of which is cut off."""
    path.mkdir()
    rng = np.random.default_rng(0)
    for index in range(3):
        image = write_image(path / f"{index}.jpg", numbered_picture(index, rng=rng))
    image.write_bytes(image.read_bytes()[: image.stat().st_size * 4 // 5])


# Problem, and what is said.
BAD = {
    "nan.mkv": (
        lambda path: write_sound(path, [(0.0, NO_NUMBERS)], codec="pcm_f32le", pictures=25),
        ("broken sound", "its sound has samples that are no numbers"),
    ),
    "images": (write_cut_images, ("broken video;broken sound", "2.jpg is cut off")),
    "mute.mp4": (
        lambda path: write_clip(path, seconds=0.8, sound=False),
        ("broken sound", "mute.mp4 has no audio stream"),
    ),
    "sound.mp4": (
        lambda path: write_clip(path, seconds=0.8, picture=False),
        ("broken video", "sound.mp4 has no"),
    ),
    "text.mp4": (
        lambda path: path.write_text("not a film"),
        ("broken video;broken sound", "text.mp4 cannot be opened"),
    ),
    "empty.mp4": (Path.touch, ("broken video;broken sound", "empty.mp4 cannot be opened")),
    "cut.mp4": (
        lambda path: path.write_bytes(write_clip(path, seconds=0.8).read_bytes()[:1500]),
        ("broken video;broken sound", "cut.mp4 cannot be opened"),
    ),
    "folder.mp4": (Path.mkdir, ("broken video;broken sound", "folder.mp4 holds no images")),
    "gone.mp4": (lambda path: None, ("missing", "gone.mp4 does not exist")),
}

NO_FILES = ("folder.mp4", "gone.mp4")

# The same of the files that went wrong once.
CASES = {
    "late_sound.mp4": {"frames": 123, "fps": 29.97, "video_seconds": 4.10, "audio_seconds": 5.14},
    "browser.webm": {"frames": 123, "fps": 29.95, "video_seconds": 4.11, "stated_fps": 1000},
    "vfr.webm": {"frames": 122, "fps": 29.97, "video_seconds": 4.07, "variable_rate": 1},
    "sar.mp4": {"width": 1024, "height": 576},
    "mirrored.mp4": {"width": 320, "height": 180, "frames": 60},
    "rate_1000.flv": {"fps": 29.99, "video_seconds": 1.0, "audio_seconds": 1.02},
    "rate_60.mkv": {"fps": 29.99, "video_seconds": 1.0},
    "rate_44099.mkv": {"audio_seconds": 3.0},
    "eight_channels.mxf": {"width": 811, "height": 608, "audio_seconds": 0.16},
    "black_lead.mp4": {"black_start": 1},
    "cut_in_header.rm": {"problems": "broken video;broken sound"},
    "nan.wav": {"problems": "broken video;broken sound"},
    "cut_jpeg": {"problems": "broken video;broken sound"},
}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with the clips, and what four commands made of them."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "clips").mkdir()
    for name, (write, _) in (GOOD | BAD).items():
        write(folder / "clips" / name)
    table = pd.DataFrame({"id": [*GOOD, *BAD], "video": [*GOOD, *BAD]})
    table["start"] = np.where(table["id"] == "part.mp4", 0.4, np.nan)
    table["end"] = np.where(table["id"] == "part.mp4", 1.2, np.nan)
    table.assign(audio_start=None, audio_end=None).to_csv(folder / "t.csv", index=False)
    model = write_model(folder / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "200")
        given = ("t.csv", "--data.root=clips", "--jobs=1")
        assert tell("data", "check", *given, "--output=check", "--decode=all") == 1
        assert tell("data", "pack", *given, "--output=pack", "--size=64") == 1
        assert tell("data", "audio", *given, "--output=audio") == 1
        model = ("--checkpoint", model, "--faces=none", "--device=cpu")
        clips = [f"clips/{name}" for name in (*GOOD, *BAD) if name not in NO_FILES]
        assert tell("recognize", *clips, *model, "--json=r.json", "--hop=1") == 1
    return folder


def measured(folder):
    return pd.read_csv(folder / "clips.csv", keep_default_na=False).set_index("id")


def assert_row(row, expected):
    numbers = pd.to_numeric(row.replace({"True": 1, "False": 0}), errors="coerce")
    for name, value in expected.items():
        if isinstance(value, str):
            assert row[name] == value
        else:
            assert numbers[name] == pytest.approx(value, rel=0.05), name


class TestGood:
    @pytest.mark.parametrize("name", GOOD)
    def test_a_check_measures_it(self, work, name):
        row = measured(work / "check").loc[name]
        assert (row["status"], row["message"]) == ("ok", "")
        assert_row(row, GOOD[name][1])

    @pytest.mark.parametrize("name", GOOD)
    def test_a_pack_keeps_it(self, work, name):
        row = measured(work / "check").loc[name]
        clips = {clip.id: clip for clip in clips_of(read_manifest(work / "pack/manifest.parquet"))}
        with VideoReader(clips[name].video) as reader:
            assert reader.frame_count == float(row["frames"])
            assert reader.timeline.end == pytest.approx(float(row["video_seconds"]), abs=0.05)
        seconds = len(read_sound(clips[name])) / RATE
        assert seconds == pytest.approx(float(row["audio_seconds"]), abs=0.05)

    @pytest.mark.parametrize("name", [name for name in GOOD if name != "part.mp4"])
    def test_recognition_and_sound_are_as_long(self, work, name):
        row = measured(work / "check").loc[name]
        results = json.loads((work / "r.json").read_text())
        (result,) = (result for result in results if result["source"] == f"clips/{name}")
        assert result["duration"] == pytest.approx(float(row["video_seconds"]), abs=0.05)
        assert len(result["people"]) == 1
        assert name in set(read_manifest(work / "audio/manifest.csv")["id"])

    def test_rates_are_told(self, work):
        report = " ".join((work / "check/report.txt").read_text().split())
        assert "1 clips show their frames at irregular times" in report
        assert "header.mkv (60, but 25)" in report


class TestBad:
    @pytest.mark.parametrize("name", BAD)
    def test_a_check_says_why(self, work, name):
        row = measured(work / "check").loc[name]
        problem, told = BAD[name][1]
        assert (row["status"], row["problems"]) == ("problem", problem)
        assert told in row["message"]

    def test_every_command_lists_them(self, work):
        kinds = ("pack", "audio")
        for kind in kinds:
            listed = pd.read_csv(work / kind / "problems.csv").set_index("id")["message"]
            assert set(BAD) - {"sound.mp4" if kind == "audio" else ""} == set(listed.index)
        failed = pd.read_csv(work / "r.json.problems.csv").set_index("source")["message"]
        assert set(failed.index) == {f"clips/{name}" for name in BAD if name not in NO_FILES}
        assert "no numbers" in failed["clips/nan.mkv"]
        # A sentence each, and none of a language or library.
        for message in failed:
            assert not message.startswith(("Traceback", "OSError", "ValueError", "av."))


def test_files_that_went_wrong_once(shared_dir, tmp_path, monkeypatch):
    cases = shared_dir / "cases"
    if not cases.is_dir():
        pytest.skip(f"{cases} is not there")
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"id": list(CASES), "video": list(CASES)}).to_csv("t.csv", index=False)
    given = ("t.csv", "--data.root", cases, "--jobs=1", "--sheet_clips=0")
    assert tell("data", "check", *given, "--output=check") == 1
    table = measured(Path("check"))
    for name, expected in CASES.items():
        assert_row(table.loc[name], expected)
