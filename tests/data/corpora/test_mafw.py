import logging
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from fakes.mafw import COMPOUND, SILENT, SINGLE, write_mafw, write_mafw_lists

from hicmae.data.corpora.mafw import MAFW
from hicmae.data.datamodules.mafw import MAFWDataModule
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import ConfigError, DataError

LISTS = "Train & Test Set/single/no_caption"

SMALL = {"batch_size": 2, "num_workers": 0, "num_frames": 4, "stride": 1, "frame_size": 32}


@pytest.fixture(scope="module")
def names(root):
    return write_mafw(root)


def test_listed_clips_with_sound(root, names):
    table = MAFW().manifest(root)
    check_manifest(table, "MAFW")
    check_files(table, "MAFW")
    assert table["id"].tolist() == names
    assert Counter(table["fold"]) == dict.fromkeys(range(1, 6), 3)
    assert table["subject"].isna().all()
    assert table["split"].isna().all()
    assert Counter(table["emotion"]) == {"anger": 4, "neutral": 4, "sadness": 4, "contempt": 3}
    row = table.set_index("id").loc["07059"]
    assert (row["emotion"], row["fold"]) == ("contempt", 3)
    assert row["video"] == str(root / "data" / "clips" / "07059.mp4")
    assert table["audio"].isna().all()


def test_official_faces_take_the_sound_of_the_clip(root, names):
    table = MAFW(pictures="frames").manifest(root)
    check_files(table, "MAFW")
    assert table["id"].tolist() == names
    row = table.set_index("id").loc["00025"]
    assert row["video"] == str(root / "data" / "frames" / "00025")
    assert row["audio"] == str(root / "data" / "clips" / "00025.mp4")


def test_clips_without_sound_are_told_and_left_out(root, names, caplog):
    with caplog.at_level(logging.INFO):
        table = MAFW().manifest(root)
    assert not set(table["id"]) & {line[:5] for line in SILENT}
    assert len(table) == len(names)
    assert "5 clips are left out (" in caplog.text
    assert len(MAFW.known_bad) == 16


def test_compounds_are_read_in_any_order_of_their_parts(root, names):
    del names
    table = MAFW(classes=43).manifest(root).set_index("id")
    assert table.index.tolist() == sorted(line[:5] for line in COMPOUND)
    assert Counter(table["fold"]) == dict.fromkeys(range(1, 6), 3)
    assert (
        table["emotion"].to_dict().items()
        >= {
            "16001": "sadness_helplessness_disappointment",
            "16002": "anger_disgust",
            "16003": "fear_surprise_anxiety",
            "16004": "anger_disgust",
            "16005": "fear_surprise_anxiety",
            "16006": "anger_disgust",
        }.items()
    )
    assert table["emotion"]["00025"] == "anger"


def test_classes_are_told_apart_by_their_parts():
    single, compound = MAFW().class_names, MAFW(classes=43).class_names
    assert len(single) == 11
    assert single[:2] == ("anger", "disgust")
    assert compound[:11] == single
    assert len({frozenset(name.split("_")) for name in compound}) == 43
    assert {part for name in compound for part in name.split("_")} == set(single)


def test_expected_counts_add_up():
    expected = MAFW().expected
    assert sum(expected.test_clips) == sum(expected.class_clips.values()) == expected.clips == 9156
    assert tuple(expected.class_clips) == MAFW().class_names
    assert MAFW(classes=43).expected.clips is None


def test_lists_of_the_official_size_are_read_quickly(tmp_path):
    bad = sorted(MAFW.known_bad)
    good = [f"{number:05d}" for number in range(10_000, 10_000 + 9156)]
    tested = [*zip((1839, 1837, 1833, 1832, 1831), (3, 4, 6, 3, 0), strict=True)]
    folds = [fold for fold, (clips, silent) in enumerate(tested, 1) for _ in range(clips - silent)]
    folds += [fold for fold, (_, silent) in enumerate(tested, 1) for _ in range(silent)]
    write_mafw_lists(tmp_path / LISTS, [f"{name} fear" for name in (*good, *bad)], folds)
    clips = tmp_path / "data" / "clips"
    clips.mkdir(parents=True)
    for name in (*good, *bad):
        (clips / f"{name}.mp4").touch()
    start = time.process_time()
    table = MAFW().manifest(tmp_path)
    assert time.process_time() - start < 2
    assert table["id"].tolist() == good
    counts = Counter(table["fold"])
    assert tuple(counts[fold] for fold in range(1, 6)) == MAFW().expected.test_clips


@pytest.mark.parametrize("folder", ["Train_Test_Set", "Train&Test Set", "train & test set", "."])
def test_spellings_of_the_folder_of_lists(copy, names, folder):
    official = copy / "Train & Test Set"
    if folder == ".":
        (official / "single").rename(copy / "single")
        shutil.rmtree(official)
    else:
        official.rename(copy / folder)
    assert MAFW().manifest(copy)["id"].tolist() == names


def test_a_folder_around_each_archive(copy, names):
    (copy / "data").rename(copy / "clips and frames")
    (copy / "parts").mkdir()
    (copy / "Train & Test Set").rename(copy / "parts" / "Train & Test Set")
    frames = copy / "clips and frames" / "frames"
    frames.rename(frames.with_name("inner"))
    frames.mkdir()
    frames.with_name("inner").rename(frames / "frames")
    table = MAFW(pictures="frames").manifest(copy)
    assert table["id"].tolist() == names
    assert table["video"][0] == str(frames / "frames" / "00025")


def test_incomplete_downloads_are_told(copy):
    (copy / "data" / "clips" / "00025.mp4").unlink()
    with pytest.raises(DataError, match=r"1 of 15 listed clips have no file below .*clips \(00025"):
        MAFW().manifest(copy)
    with pytest.raises(DataError, match=r"have no file below .*clips"):
        MAFW(pictures="frames").manifest(copy)
    (copy / "data" / "clips" / "00025.mp4").touch()
    shutil.rmtree(copy / "data" / "frames" / "00411")
    with pytest.raises(DataError, match=r"1 of 15 .* below .*frames \(00411\)"):
        MAFW(pictures="frames").manifest(copy)
    shutil.rmtree(copy / "data" / "frames")
    with pytest.raises(DataError, match=r"no folder of face images \(data/frames or frames\)"):
        MAFW(pictures="frames").manifest(copy)
    (copy / LISTS / "set_4" / "train.txt").unlink()
    with pytest.raises(DataError, match=r"set_4/train.txt does not exist; expected train.txt and"):
        MAFW().manifest(copy)


def test_known_bad_clips_need_no_file(copy, names):
    for line in SILENT:
        (copy / "data" / "clips" / f"{line[:5]}.mp4").unlink()
    assert MAFW().manifest(copy)["id"].tolist() == names


def test_foreign_folders_tell_what_was_looked_for_and_found(tmp_path):
    with pytest.raises(DataError, match=r"folder of the official lists .*it holds: nothing\);"):
        MAFW().manifest(tmp_path)
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(DataError, match=r"it holds: holiday.mp4\); expected 'Train & Test Set/"):
        MAFW().manifest(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        MAFW().manifest(tmp_path / "none")


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "set_1/test.txt",
            "00025.mp4 anger",
            "00025.mp4 rage",
            r"txt, line 1: 'rage' is none",
        ),
        ("set_1/test.txt", "00025.mp4 anger", "00025.mp4", r"line 1: '' is none .* '00025.mp4 ang"),
        (
            "set_2/test.txt",
            "02316",
            "00025",
            r"set_2/test.txt lists clip 00025, which fold 1",
        ),
        (
            "set_2/train.txt",
            "00025.mp4 anger\n",
            "",
            r"set_2/train.txt lacks clip 00025, which",
        ),
        ("set_2/train.txt", "00025", "00026", r"set_2/train.txt lacks clip 00025"),
        ("set_2/train.txt", "20098", "00026", r"lists clip 00026, which is in no test list"),
        ("set_2/train.txt", "00025", "02316", r"set_2/train.txt l\w+ clip 0"),
        ("set_2/train.txt", "00025.mp4 anger", "00025.mp4 fear", r"calls clip 00025 fear, but a t"),
        ("set_2/train.txt", "00411", "00025", r"line 2: clip 00025 is listed a second time"),
    ],
)
def test_lists_that_contradict_are_told(copy, file, old, new, message):
    _replace(copy / LISTS / file, old, new)
    with pytest.raises(DataError, match=message):
        MAFW().manifest(copy)


def test_training_on_a_tested_clip_is_told(copy):
    with (copy / LISTS / "set_1" / "train.txt").open("a") as file:
        file.write("00025.mp4 anger\n")
    with pytest.raises(DataError, match=r"train.txt lists clip 00025, which .*test.txt lists too"):
        MAFW().manifest(copy)


def test_lists_in_another_encoding_are_told(copy):
    (copy / LISTS / "set_1" / "test.txt").write_bytes("00025.mp4 anger 男人".encode("gbk"))
    with pytest.raises(DataError, match=r"set_1/test.txt is not UTF-8 text"):
        MAFW().manifest(copy)


def test_data_module_tests_one_fold(root, names):
    data = MAFWDataModule(str(root), fold=2, pictures="frames", **SMALL)
    with pytest.warns(UserWarning, match="15 clips were found, where the .* has 9156"):
        splits = data.splits
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["skipped"] == []
    assert set(batch["id"]) <= set(splits.train["id"])
    assert splits.test["id"].tolist() == [line[:5] for line in SINGLE[3:6]]
    held = set(splits.val["id"])
    assert held
    assert sorted({*splits.train["id"], *held, *splits.test["id"]}) == names
    assert MAFWDataModule(str(root), classes=43).num_outputs == 43
    with pytest.raises(ConfigError, match=r"data\.fold is 6"):
        MAFWDataModule(str(root), fold=6)


def test_lists_as_csv(copy, names):
    whole = MAFW().manifest(copy)
    for number, path in enumerate(sorted((copy / LISTS).rglob("*.txt"))):
        rows = [line.replace(" ", ",") for line in path.read_text().splitlines()]
        header = ["video_name,label"] if number % 2 else []
        path.with_suffix(".csv").write_text("\n".join([*header, *rows]))
        path.unlink()
    assert MAFW().manifest(copy).equals(whole)
    assert whole["id"].tolist() == names


def test_compounds_in_csv(tmp_path):
    write_mafw(tmp_path, classes=43)
    whole = MAFW(classes=43).manifest(tmp_path)
    for path in (tmp_path / LISTS.replace("single", "compound")).rglob("*.txt"):
        rows = [line.partition(" ") for line in path.read_text().splitlines()]
        path.with_suffix(".csv").write_text(
            "".join(f'{clip},"{label}"\n' for clip, _, label in rows)
        )
        path.unlink()
    assert MAFW(classes=43).manifest(tmp_path).equals(whole)


@pytest.mark.parametrize(
    "twin", ["clips/16k/00025.mp4", "clips/00025.avi", "frames/copy/00025/1.png"]
)
def test_copies_are_passed_over(copy, twin):
    whole = MAFW(pictures="frames").manifest(copy)
    path = copy / "data" / twin
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert MAFW(pictures="frames").manifest(copy).equals(whole)


def test_clips_without_a_file_can_be_left_out(copy, names):
    (copy / "data" / "clips" / "00025.mp4").unlink()
    shutil.rmtree(copy / "data" / "frames" / "00411")
    table, left_out = MAFW(missing="leave_out", pictures="frames").listing(copy)
    assert left_out == ("00025", "00411")
    assert table["id"].tolist() == [name for name in names if name not in left_out]
