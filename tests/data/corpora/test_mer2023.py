import logging
import shutil
from collections import Counter

import pytest
from fakes.mer2023 import TEST, TRAIN, write_mer2023

from hicmae.data.corpora.mer2023 import MER2023
from hicmae.data.datamodules.mer2023 import MER2023DataModule
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import ConfigError, DataError

FOLDERS = {"multi": "test1", "noise": "test2", "semi": "test3"}

SMALL = {"batch_size": 2, "num_workers": 0, "num_frames": 4, "stride": 1, "frame_size": 32}


@pytest.fixture(scope="module")
def names(root):
    return write_mer2023(root)


def test_labelled_clips_train_and_test(root, names):
    table = MER2023().manifest(root)
    check_manifest(table, "MER2023")
    check_files(table, "MER2023")
    assert sorted(table["id"]) == names
    assert table["id"][table["split"] == "train"].tolist() == sorted(TRAIN)
    assert table["id"][table["split"] == "test"].tolist() == sorted(TEST["test1"])
    assert table["fold"].isna().all()
    assert table["subject"].isna().all()
    row = table.set_index("id").loc["sample_00002721"]
    assert (row["emotion"], row["valence"], row["split"]) == ("happy", 1.25, "train")
    assert row["video"] == str(root / "train" / "sample_00002721.avi")
    assert table["audio"].isna().all()
    row = table.set_index("id").loc["sample_00001998"]
    assert (row["emotion"], row["valence"], row["split"]) == ("surprise", 0.5, "test")
    assert row["video"] == str(root / "test1" / "sample_00001998.avi")


@pytest.mark.parametrize("form", ["flat", "download"])
@pytest.mark.parametrize("test_set", FOLDERS)
def test_both_forms_and_every_test_set(tmp_path, form, test_set):
    names = write_mer2023(tmp_path, form=form, test_set=FOLDERS[test_set])
    table = MER2023(test_set=test_set).manifest(tmp_path)
    check_files(table, "MER2023")
    assert sorted(table["id"]) == names
    tested = table[table["split"] == "test"].set_index("id")
    assert tested["emotion"].to_dict() == {
        name: emotion for name, (emotion, _) in TEST[FOLDERS[test_set]].items()
    }
    assert all(f"/{FOLDERS[test_set]}/" in path for path in tested["video"])


def test_containers_differ_within_a_folder(root, names):
    del names
    table = MER2023(test_set="semi").manifest(root).set_index("id")
    assert table["video"]["sample_00007000"].endswith("test3/sample_00007000.avi")
    assert table["video"]["samplenew_00006611"].endswith("test3/samplenew_00006611.mp4")


def test_valence_is_a_column_where_every_clip_has_it(root, names):
    del names
    assert MER2023(test_set="noise").manifest(root)["valence"].notna().all()
    assert "valence" not in MER2023(test_set="semi").manifest(root)


def test_clips_without_label_are_told_and_left_out(root, names, caplog):
    del names
    with caplog.at_level(logging.INFO):
        table = MER2023(test_set="semi").manifest(root)
    assert Counter(table["split"]) == {"train": 10, "test": 3}
    assert "2 clips of test3 without a label are left out" in caplog.text


def test_expected_counts_are_those_of_the_label_files():
    for test_set, tested in (("multi", 411), ("noise", 412), ("semi", 834)):
        corpus = MER2023(test_set=test_set)
        assert corpus.expected.test_clips == (tested,)
        assert corpus.expected.clips == 3373 + tested == sum(corpus.expected.class_clips.values())
    assert MER2023().expected.class_clips["neutral"] == 871 + 88
    assert MER2023().fold_count == 1


def test_a_partly_labelled_folder_of_the_official_size(tmp_path):
    sizes = {"train": 3373, "test3": 834}
    for folder, labelled in sizes.items():
        (tmp_path / folder).mkdir()
        rows = [f"{folder}_{number:08d},sad" for number in range(labelled)]
        (tmp_path / f"{folder}-label.csv").write_text("\n".join(["name,discrete", *rows]))
        for number in range(labelled + 1000):
            (tmp_path / folder / f"{folder}_{number:08d}.mp4").touch()
    table = MER2023(test_set="semi").manifest(tmp_path)
    assert Counter(table["split"]) == {"train": 3373, "test": 834}


def test_incomplete_downloads_are_told(copy):
    (copy / "train" / "sample_00000013.avi").unlink()
    with pytest.raises(DataError, match=r"1 of 10 listed clips .*train \(sample_00000013\)"):
        MER2023().manifest(copy)
    shutil.rmtree(copy / "train")
    with pytest.raises(DataError, match=r"no folder of the train clips \(train or \*/train\)"):
        MER2023().manifest(copy)
    (copy / "train-label.csv").unlink()
    with pytest.raises(DataError, match=r"no label file of train \(train-label.csv or"):
        MER2023().manifest(copy)


def test_only_the_chosen_test_set_is_needed(copy, names):
    for part in ("test2", "test3"):
        shutil.rmtree(copy / part)
        (copy / f"{part}-label.csv").unlink()
    assert sorted(MER2023().manifest(copy)["id"]) == names
    with pytest.raises(DataError, match="no label file of test2"):
        MER2023(test_set="noise").manifest(copy)


def test_foreign_folders_tell_what_was_looked_for_and_found(tmp_path):
    with pytest.raises(DataError, match=r"label file of train .*it holds: nothing\);"):
        MER2023().manifest(tmp_path)
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(DataError, match=r"it holds: holiday.mp4\); expected train/, test1/"):
        MER2023().manifest(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        MER2023().manifest(tmp_path / "none")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("00013,neutral", "00013,bored", r"train-label.csv, line 2: discrete is 'bored', which is"),
        ("00013,neutral,0.0", "00013", r"line 2: discrete is ''"),
        ("sample_00000013", "sample_00000094", r"line 3: clip sample_00000094 is listed a second"),
        ("neutral,0.0", "neutral,calm", r"line 2: valence is 'calm', which is not a number"),
        ("neutral,0.0", "neutral,", r"line 2: valence is ''"),
        ("name,discrete", "name,emotion", r"has the columns name, emotion, valence; expected name"),
        (
            "sample_00000013",
            "sample_00001998",
            r"clip sample_00001998 is listed for training and for testing",
        ),
    ],
)
def test_label_files_that_contradict_are_told(copy, old, new, message):
    path = copy / "train-label.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    if "for training and for testing" in message:
        shutil.copy(copy / "test1" / "sample_00001998.avi", copy / "train")
    with pytest.raises(DataError, match=message):
        MER2023().manifest(copy)


def test_data_module_holds_out_training_clips(root, names):
    data = MER2023DataModule(str(root), **SMALL)
    with pytest.warns(UserWarning, match="14 clips were found, where the .* has 3784"):
        splits = data.splits
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["skipped"] == []
    assert set(batch["id"]) <= set(splits.train["id"])
    assert sorted(splits.test["id"]) == sorted(TEST["test1"])
    assert len(splits.val) > 0
    assert set(splits.val["id"]) < set(TRAIN)
    assert sorted({*splits.train["id"], *splits.val["id"], *splits.test["id"]}) == names
    with pytest.raises(ConfigError, match=r"data\.fold is 2"):
        MER2023DataModule(str(root), fold=2)


def test_an_empty_valence_column_says_nothing(copy, names):
    labels = copy / "test3-label.csv"
    header, *rows = labels.read_text().splitlines()
    labels.write_text("\n".join([f"{header},valence", *(f"{row}," for row in rows)]))
    assert "valence" not in MER2023(test_set="semi").manifest(copy)


def test_copies_are_passed_over(copy):
    whole = MER2023().manifest(copy)
    for twin in ("train/faces/sample_00000013.mp4", "train/sample_00000013.mp4"):
        (copy / twin).parent.mkdir(exist_ok=True)
        (copy / twin).touch()
    assert MER2023().manifest(copy).equals(whole)


def test_clips_without_a_file_can_be_left_out(copy, names):
    (copy / "train" / "sample_00000013.avi").unlink()
    (copy / "test1" / "sample_00001998.avi").unlink()
    table, left_out = MER2023(missing="leave_out").listing(copy)
    assert left_out == ("sample_00000013", "sample_00001998")
    assert sorted(table["id"]) == [name for name in names if name not in left_out]
