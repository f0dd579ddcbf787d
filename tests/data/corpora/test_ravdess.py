import logging
from collections import Counter

import pandas as pd
import pytest
from fakes.ravdess import write_ravdess

from hicmae.data.corpora.ravdess import RAVDESS
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError


@pytest.fixture(scope="module")
def takes(root):
    return write_ravdess(root)


def test_speech_is_listed_wherever_it_lies(root, takes):
    table = RAVDESS().manifest(root)
    check_manifest(table, "RAVDESS")
    check_files(table, "RAVDESS")
    assert table["id"].tolist() == takes
    assert Counter(table["subject"]) == {"01": 4, "05": 4, "09": 4, "24": 4}
    assert dict(zip(table["subject"], table["fold"], strict=True)) == {
        "01": 1,
        "05": 2,
        "09": 3,
        "24": 6,
    }
    assert set(table["emotion"]) == {"neutral", "happy", "angry", "surprised"}
    row = table.set_index("id").loc["01-05-02-02-01-24"]
    assert row["emotion"] == "angry"
    assert row["video"].endswith("Actor_24/02-01-05-02-02-01-24.mp4")
    assert row["audio"].endswith("Actor_24/03-01-05-02-02-01-24.wav")
    whole = table.set_index("id").loc["01-03-01-01-02-01"]
    assert whole["video"].endswith("Actor_01/01-01-03-01-01-02-01.mp4")
    assert pd.isna(whole["audio"])


def test_folds_hold_four_actors_each(tmp_path):
    for actor in range(1, 25):
        (tmp_path / f"01-01-01-01-01-01-{actor:02d}.mp4").touch()
    table = RAVDESS().manifest(tmp_path)
    assert Counter(table["fold"]) == dict.fromkeys(range(1, 7), 4)
    assert table["subject"][table["fold"] == 2].tolist() == ["05", "06", "07", "08"]


def test_silent_video_without_its_sound_is_told(tmp_path):
    (tmp_path / "02-01-01-01-01-01-01.mp4").touch()
    with pytest.raises(DataError, match=r"has no sound, and neither 01-.* nor 03-.*\.wav"):
        RAVDESS().manifest(tmp_path)


def test_same_take_twice_is_told(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "01-01-01-01-01-01-01.mp4").touch()
    with pytest.raises(DataError, match="have the same name"):
        RAVDESS().manifest(tmp_path)


@pytest.mark.parametrize("name", ["01-01-09-01-01-01-01", "01-01-01-01-01-01-25"])
def test_unknown_numbers_are_told(tmp_path, name):
    (tmp_path / f"{name}.mp4").touch()
    with pytest.raises(DataError, match="emotions count from 1 to 8"):
        RAVDESS().manifest(tmp_path)


def test_foreign_folder_tells_what_was_looked_for_and_found(tmp_path):
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(DataError, match=r"it holds: holiday.mp4\); expected Actor_01"):
        RAVDESS().manifest(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        RAVDESS().manifest(tmp_path / "none")


def test_real_clips(shared_dir):
    table = RAVDESS().manifest(shared_dir / "clips" / "ravdess")
    assert table["id"].tolist() == [
        "01-01-01-01-02-01",
        "01-01-01-01-02-04",
        "01-05-02-02-01-01",
        "01-06-02-01-02-04",
    ]
    assert table["emotion"].tolist() == ["neutral", "neutral", "angry", "fearful"]
    assert set(table["fold"]) == {1}


TAKE = "01-01-01-01-01-01"


def write_names(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.mark.parametrize(
    "copy",
    [
        f"Actor_01/01-{TAKE}.wav",
        f"audio_16k/Actor_01/03-{TAKE}.wav",
        f"audio_speech_actors_01-24/Actor_01/03-{TAKE}.wav",
        f"faces/Actor_01/01-{TAKE}.mp4",
        f"Actor_01/01-{TAKE}.avi",
    ],
)
def test_copies_are_passed_over(tmp_path, copy):
    write_names(tmp_path, f"Actor_01/01-{TAKE}.mp4", f"Actor_01/03-{TAKE}.wav", copy)
    row = RAVDESS().manifest(tmp_path).iloc[0]
    assert row["video"] == str(tmp_path / "Actor_01" / f"01-{TAKE}.mp4")
    assert pd.isna(row["audio"])


def test_the_sounds_of_the_common_audio_copy_lie_there_twice(tmp_path):
    twice = (f"Actor_01/03-{TAKE}.wav", f"audio_speech_actors_01-24/Actor_01/03-{TAKE}.wav")
    write_names(tmp_path, f"Video_Speech_Actor_01/Actor_01/02-{TAKE}.mp4", *twice)
    write_names(tmp_path, f"audio_16k/Actor_01/03-{TAKE}.wav")
    assert RAVDESS().manifest(tmp_path)["audio"][0] in {str(tmp_path / name) for name in twice}


def test_silent_videos_without_their_sound_can_be_left_out(tmp_path):
    other = TAKE.replace("01-01-01-01-01", "01-03-01-01-01")
    write_names(tmp_path, f"02-{TAKE}.mp4", f"01-{other}.mp4")
    table, left_out = RAVDESS(missing="leave_out").listing(tmp_path)
    assert table["id"].tolist() == [other]
    assert left_out == (TAKE,)


def test_copies_of_a_sound_that_no_video_needs_may_lie_anywhere(tmp_path):
    write_names(tmp_path, f"Actor_01/01-{TAKE}.mp4", f"8k/03-{TAKE}.wav", f"16k/03-{TAKE}.wav")
    assert len(RAVDESS().manifest(tmp_path)) == 1
    (tmp_path / "Actor_01" / f"01-{TAKE}.mp4").rename(tmp_path / f"02-{TAKE}.mp4")
    with pytest.raises(DataError, match="have the same name, and which of them is meant"):
        RAVDESS().manifest(tmp_path)


def test_sounds_without_a_video_are_counted(root, takes, caplog):
    with caplog.at_level(logging.INFO):
        RAVDESS().manifest(root)
    assert "1 sound files without a video are left out" in caplog.text
