import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from fakes.dfew import CLIPS, write_dfew

from hicmae.data.corpora.dfew import DFEW
from hicmae.data.datamodules.dfew import DFEWDataModule
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import ConfigError, DataError

LISTS = "EmoLabel_DataSplit/{}(single-labeled)/set_{}.csv"

SMALL = {"batch_size": 2, "num_workers": 0, "num_frames": 4, "stride": 1, "frame_size": 32}


@pytest.fixture(scope="module")
def names(root):
    return write_dfew(root)


def test_faces_take_the_sound_of_the_whole_clip(root, names):
    table = DFEW().manifest(root)
    check_manifest(table, "DFEW")
    check_files(table, "DFEW")
    assert table["id"].tolist() == names
    assert Counter(table["fold"]) == dict.fromkeys(range(1, 6), 3)
    assert Counter(table["emotion"]) == {"happy": 5, "neutral": 5, "angry": 3, "fear": 2}
    assert table["subject"].isna().all()
    rows = table.set_index("id")
    assert rows.loc["00001", ["fold", "emotion"]].tolist() == [1, "fear"]
    assert rows.loc["16372", ["fold", "emotion"]].tolist() == [1, "neutral"]
    assert rows["video"]["00001"] == str(root / "Clip" / "clip_224x224" / "00001")
    assert rows["audio"]["00001"] == str(root / "Clip" / "original" / "1.mp4")
    assert rows["audio"]["16372"].endswith("original/data_part_10-11/16372.mp4")


def test_whole_clips_hold_their_sound(root, names):
    table = DFEW(pictures="original").manifest(root)
    assert table["id"].tolist() == names
    assert table["video"][0].endswith("Clip/original/1.mp4")
    assert table["audio"].isna().all()


@pytest.mark.parametrize(
    "options",
    [
        {"padded": True},
        {"lists": "EmoLabel_DataSplit/{part}(single_labeled)/set_{fold}.csv"},
        {"lists": "label/single_{part}set_{fold}.csv"},
        {
            "lists": "EmoLabel_DataSplit/{part}(single_labeled)/{part}(single-labeled)"
            "/set_{fold}.csv"
        },
        {"lists": "EmoLabel_DataSplit/{part}/set_{fold}.csv"},
        {"lists": "{part}/set_{fold}.csv"},
        {"lists": "EmoLabel_DataSplit/EmoLabel_DataSplit/{part}(single-labeled)/set_{fold}.csv"},
        {"faces": "Clip/clip_224x224/clip_224"},
        {"faces": "Clip/jpg_256"},
    ],
)
def test_other_spellings(tmp_path, options):
    names = write_dfew(tmp_path, **options)
    table = DFEW().manifest(tmp_path)
    check_files(table, "DFEW")
    assert table["id"].tolist() == names
    assert "_16f" not in "".join(table["video"])


def test_expected_counts_add_up():
    expected = DFEW().expected
    assert sum(expected.test_clips) == sum(expected.class_clips.values()) == expected.clips == 11697
    assert tuple(expected.class_clips) == DFEW().class_names


def test_a_corpus_of_the_official_size_is_listed_quickly(tmp_path):
    numbers = range(1, 11_698)
    sizes = DFEW().expected.test_clips
    folds = [fold for fold, size in enumerate(sizes, 1) for _ in range(size)]
    for fold in range(1, 6):
        for part, tested in (("train", False), ("test", True)):
            path = tmp_path / LISTS.format(part, fold)
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [f"{n},{n % 7 + 1}" for n in numbers if (folds[n - 1] == fold) is tested]
            path.write_text("\n".join(["video_name,label", *rows]))
    original = tmp_path / "Clip" / "original"
    original.mkdir(parents=True)
    for number in numbers:
        (original / f"{number}.mp4").touch()
    start = time.process_time()
    table = DFEW(pictures="original").manifest(tmp_path)
    assert time.process_time() - start < 2
    assert table["id"].tolist() == [f"{number:05d}" for number in numbers]
    counts = Counter(table["fold"])
    assert tuple(counts[fold] for fold in range(1, 6)) == sizes


def test_incomplete_downloads_are_told(copy):
    shutil.rmtree(copy / "Clip" / "clip_224x224" / "00015")
    with pytest.raises(DataError, match=r"1 of 15 listed clips have no file .*x224 \(00015\)"):
        DFEW().manifest(copy)
    (copy / "Clip" / "original" / "15.mp4").unlink()
    with pytest.raises(DataError, match=r"1 of 15 .* below .*original \(00015\)"):
        DFEW(pictures="original").manifest(copy)
    shutil.rmtree(copy / "Clip" / "original")
    with pytest.raises(DataError, match=r"no folder of whole clips, .* sound \(Clip/original"):
        DFEW().manifest(copy)
    (copy / LISTS.format("test", 3)).unlink()
    with pytest.raises(DataError, match=r"no test list of fold 3 \(EmoLabel_DataSplit/test"):
        DFEW().manifest(copy)


def test_the_folder_of_sampled_images_does_not_stand_in_for_the_faces(copy):
    shutil.rmtree(copy / "Clip" / "clip_224x224")
    with pytest.raises(DataError, match=r"no folder of aligned faces .*clip_224x224"):
        DFEW().manifest(copy)


@pytest.mark.parametrize(
    "twin", ["original/faces/1.mp4", "original/1.avi", "clip_224x224/again/00001/1.jpg"]
)
def test_copies_are_passed_over(copy, twin):
    whole = DFEW().manifest(copy)
    path = copy / "Clip" / twin
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert DFEW().manifest(copy).equals(whole)


def test_two_spellings_of_a_number_are_one_clip(copy, names):
    (copy / "Clip" / "original" / "00001.mp4").touch()
    table = DFEW(pictures="original").manifest(copy)
    assert table["id"].tolist() == names
    assert table["video"][0].endswith("original/00001.mp4")


@pytest.mark.parametrize("around", ["", "clip_224x224"])
def test_archives_of_faces_side_by_side(copy, names, around):
    faces = copy / "Clip" / "clip_224x224"
    for part, folder in enumerate(sorted(faces.iterdir())):
        place = copy / "Clip" / f"clip_224x224_part_{part % 3 + 1}" / around
        place.mkdir(parents=True, exist_ok=True)
        folder.rename(place / folder.name)
    faces.rmdir()
    table = DFEW().manifest(copy)
    check_files(table, "DFEW")
    assert table["id"].tolist() == names


@pytest.mark.parametrize("column", ["video", "audio"])
def test_clips_without_a_file_can_be_left_out(copy, names, column):
    if column == "video":
        shutil.rmtree(copy / "Clip" / "clip_224x224" / "00015")
    else:
        (copy / "Clip" / "original" / "15.mp4").unlink()
    table, left_out = DFEW(missing="leave_out").listing(copy)
    assert table["id"].tolist() == [name for name in names if name != "00015"]
    assert left_out == ("00015",)


def test_foreign_folders_tell_what_was_looked_for_and_found(tmp_path):
    with pytest.raises(DataError, match=r"no train list of fold 1 .*it holds: nothing\);"):
        DFEW().manifest(tmp_path)
    (tmp_path / "Clip").mkdir()
    with pytest.raises(DataError, match=r"it holds: Clip\); expected EmoLabel_DataSplit"):
        DFEW().manifest(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        DFEW().manifest(tmp_path / "none")


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        ("test", "1,7", "1,8", r"set_1.csv, line 2: label is '8'; expected 1 to 7"),
        ("test", "1,7", "1", r"line 2: label is ''"),
        ("test", "1,7", "one,7", r"line 2: video_name is 'one', which is not a clip number"),
        ("test", "1,7", "00002,7", r"line 3: clip 00002 is listed a second time"),
        ("test", "video_name,label", "1,7", r"has the columns 1, 7; expected video_name, label"),
        ("test", "1,7", "4,1", r"set_2.csv lists clip 00004, which fold 1 tests too"),
        ("train", "4,1\n", "", r"train\(single-labeled\)/set_1.csv lacks clip 00004"),
        ("train", "4,1\n", "4,2\n", r"calls clip 00004 sad, but a test list calls it happy"),
    ],
)
def test_lists_that_contradict_are_told(copy, part, old, new, message):
    path: Path = copy / LISTS.format(part, 1)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        DFEW().manifest(copy)


def test_data_module_tests_one_fold(root, names):
    data = DFEWDataModule(str(root), fold=5, **SMALL)
    with pytest.warns(UserWarning, match="15 clips were found, where the .* has 11697"):
        splits = data.splits
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["skipped"] == []
    assert set(batch["id"]) <= set(splits.train["id"])
    assert splits.test["id"].tolist() == [f"{number:05d}" for number, _ in CLIPS[12:]]
    assert len(splits.val) > 0
    assert sorted({*splits.train["id"], *splits.val["id"], *splits.test["id"]}) == names
    with pytest.raises(ConfigError, match=r"data\.fold is 6"):
        DFEWDataModule(str(root), fold=6)
