import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae.data.manifest import (
    COLUMNS,
    Clip,
    check_files,
    check_manifest,
    clips_of,
    complete_manifest,
    label_columns,
    read_manifest,
)
from hicmae.data.splits import make_splits
from hicmae.errors import DataError


def write(folder, text, name="clips.csv", encoding="utf-8"):
    path = folder / name
    path.write_text(text, encoding=encoding)
    return path


def test_only_video_is_needed(tmp_path):
    table = read_manifest(write(tmp_path, "video\na/1.mp4\na/2.mp4\n"))
    assert tuple(table.columns) == COLUMNS
    assert table["id"].tolist() == ["a/1", "a/2"]
    assert table["video"].tolist() == [str(tmp_path / "a" / "1.mp4"), str(tmp_path / "a" / "2.mp4")]
    assert table["audio"].isna().all()
    assert table["start"].isna().all()
    assert table["fold"].isna().all()


def test_every_column_is_read(tmp_path):
    text = (
        "path,id,audio,start,end,subject,fold,split,emotion,arousal\n"
        "1.mp4,one,1.wav,0.5,2,07,1,train,happy,0.25\n"
    )
    table = read_manifest(write(tmp_path, text), tmp_path / "media")
    row = table.iloc[0]
    assert row["video"] == str(tmp_path / "media" / "1.mp4")
    assert row["audio"] == str(tmp_path / "media" / "1.wav")
    assert (row["start"], row["end"]) == (0.5, 2.0)
    assert (row["audio_start"], row["audio_end"]) == (0.5, 2.0)
    assert (row["id"], row["subject"], row["fold"], row["split"]) == ("one", "07", 1, "train")
    assert label_columns(table) == ["emotion", "arousal"]


def test_sound_that_is_already_cut_keeps_its_own_segment(tmp_path):
    text = "video,audio,start,end,audio_start,audio_end\nd.avi,u.wav,6.2,8.2,,\n"
    row = read_manifest(write(tmp_path, text)).iloc[0]
    assert np.isnan([row["audio_start"], row["audio_end"]]).all()
    assert row["id"] == "d:6.2-8.2"


def test_absolute_paths_stay(tmp_path):
    table = read_manifest(write(tmp_path, f"video\n{tmp_path}/x.mp4\n"), "elsewhere")
    assert table["video"].tolist() == [str(tmp_path / "x.mp4")]


def test_words_that_pandas_takes_for_missing_are_labels(tmp_path):
    table = read_manifest(write(tmp_path, "video,emotion\n1.mp4,None\n2.mp4,NA\n3.mp4,\n"))
    assert table["emotion"].fillna("(missing)").tolist() == ["None", "NA", "(missing)"]


def test_spreadsheet_files_are_read(tmp_path):
    path = write(tmp_path, "video , emotion\nä.mp4 , froh\n", encoding="utf-8-sig")
    table = read_manifest(path)
    assert table["id"].tolist() == ["ä"]
    assert table["emotion"].tolist() == ["froh"]
    path = write(tmp_path, "video\temotion\n1.mp4\tsad\n", name="clips.tsv")
    assert read_manifest(path)["emotion"].tolist() == ["sad"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a readable"),
        ("video\n", "lists no clip"),
        ("file\n1.mp4\n", "no video column"),
        ("video,id\n1.mp4,a\n,b\n", "row 2: the video cell is empty"),
        ("video,start\n1.mp4,0\n2.mp4,soon\n", r"row 2 \(clip 2:soon-\): start is 'soon'"),
        ("video,start,end\n1.mp4,2,2\n", "end does not lie after start"),
        ("video,start\n1.mp4,-1\n", "start is negative"),
        ("video,split\n1.mp4,train\n2.mp4,dev\n", r"row 2 \(clip 2\): split is \'dev\'"),
        ("video,fold\n1.mp4,0\n", "folds count from 1"),
        ("video,fold\n1.mp4,1.5\n", "not a whole number"),
        ("video\n1.mp4\n1.mp4\n", "row 2 .* earlier row has the same id"),
        ('video\n"1.mp4\n', "not a readable"),
    ],
)
def test_mistakes_are_told(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=words) as error:
        read_manifest(path)
    assert str(path) in str(error.value)


def test_missing_table_is_told(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_manifest(tmp_path / "none.csv")


def test_missing_files_are_told(tmp_path):
    (tmp_path / "1.mp4").touch()
    (tmp_path / "3.mp4").mkdir()
    table = read_manifest(write(tmp_path, "video,audio\n1.mp4,\n2.mp4,\n3.mp4,3.wav\n"))
    check_files(table.iloc[:1], "here")
    with pytest.raises(DataError, match=r"here, row 2 \(clip 2\): .*2.mp4 .*2 of 3 rows"):
        check_files(table, "here")
    with pytest.raises(DataError, match=r"row 3 \(clip 3\): .*3.wav does not exist"):
        check_files(table.iloc[2:], "here")


def manifest(count, **columns):
    names = [f"c{i}" for i in range(count)]
    table = complete_manifest(pd.DataFrame({"id": names, "video": names, **columns}))
    check_manifest(table, "test")
    return table


def ids(rows):
    return set(rows["id"])


def test_splits_of_the_table_win_over_folds():
    split = ["train", "val", "test", None]
    splits = make_splits(manifest(4, split=split, fold=[1, 1, 2, 2]), source="x", fold=1)
    assert [ids(rows) for rows in (splits.train, splits.val, splits.test)] == [
        {"c0"},
        {"c1"},
        {"c2"},
    ]
    assert "1 rows without one" in splits.policy


def test_fold_is_tested_and_whole_subjects_validate():
    table = manifest(40, fold=[1] * 10 + [2] * 30, subject=[str(i // 5) for i in range(40)])
    splits = make_splits(table, source="x", fold=1, val_fraction=0.2)
    assert ids(splits.test) == {f"c{i}" for i in range(10)}
    assert len(splits.val) == 5
    assert not set(splits.val["subject"]) & set(splits.train["subject"])
    assert "1 of 6 training subjects" in splits.policy
    with pytest.raises(DataError, match=r"no fold 3, only \[1, 2\]"):
        make_splits(table, source="x", fold=3)


def test_same_as_test_is_said():
    splits = make_splits(manifest(4, fold=[1, 2, 2, 2]), source="x", val_split="same_as_test")
    assert ids(splits.val) == ids(splits.test) == {"c0"}
    assert "validation uses the test rows" in splits.policy


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    val=st.floats(0.01, 0.9),
    train=st.floats(0.01, 1.0),
    seed=st.integers(0, 3),
)
def test_rows_without_subjects_are_divided_by_class(counts, val, train, seed):
    labels = np.repeat([f"k{i}" for i in range(len(counts))], counts)
    table = manifest(len(labels), emotion=labels)

    def divide(fraction):
        return make_splits(
            table,
            source="x",
            val_fraction=val,
            train_fraction=fraction,
            strata=labels,
            seed=seed,
        )

    few, all_rows = divide(train), divide(1.0)
    assert not ids(few.train) & ids(few.val)
    assert ids(few.val) == ids(all_rows.val)
    assert ids(few.train) <= ids(all_rows.train)
    assert len(all_rows.train) + len(all_rows.val) == len(labels)
    assert few.train["id"].tolist() == divide(train).train["id"].tolist()
    if min(counts) > 1:
        assert set(few.train["emotion"]) == set(labels)
    if len(labels) > 1:
        assert len(all_rows.val)
        assert len(all_rows.train)


def test_smaller_training_fractions_are_nested():
    table = manifest(100, split=["train"] * 90 + ["val"] * 10)
    part = {
        fraction: ids(make_splits(table, source="x", train_fraction=fraction).train)
        for fraction in (0.1, 0.5, 1.0)
    }
    assert [len(rows) for rows in part.values()] == [9, 45, 90]
    assert part[0.1] < part[0.5] < part[1.0]


def test_clips_of_a_manifest():
    table = complete_manifest(
        pd.DataFrame(
            {
                "id": ["a", "b"],
                "video": "v",
                "audio": [None, "s"],
                "start": [1.5, None],
                "end": [2.0, None],
                "side": ["left", None],
            }
        )
    )
    assert clips_of(table) == [
        Clip("a", "v", None, 1.5, 2.0, 1.5, 2.0, "left"),
        Clip("b", "v", "s"),
    ]
