"""Tables as spreadsheets and other programs save them."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.folder import list_folder
from hicmae.data.manifest import read_manifest
from hicmae.errors import DataError
from hicmae.media.listing import clips_of_folder


def write(folder, text, name="clips.csv", encoding="utf-8"):
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video,emotion\na.mp4,sad,extra\n", r"row 1: it has 3 cells, but the header 2"),
        (
            "video,emotion\na.mp4,sad\nb.mp4,glad,extra\n",
            r"line 3: it has 3 cells, but the header 2",
        ),
        ("video,emotion\na.mp4,sad,\nb.mp4,glad,x\n", r"row 2: it has 3 cells, but the header 2"),
        ("video;emotion\na.mp4;sad\n", "is divided by semicolons; save it with commas"),
        ("video\temotion\na.mp4\tsad\n", "is divided by tabs"),
        ("Video,emotion\na.mp4,sad\n", "has a column Video; write it in small letters: video"),
        ("video,Subject\na.mp4,s1\n", "has a column Subject; write it in small letters"),
        ("video,split\na.mp4,Validation\n", "split is 'Validation', but train or val or test is"),
        ("video,emotion,emotion\na.mp4,sad,glad\n", "two columns emotion"),
        ("video,emotion\n,\n,\n", "lists no clip"),
        ("emotion\nsad\n", "no video column"),
        ("video,start,end\na.mp4,0,inf\n", "end is 'inf', which is not a number"),
        ("", "is not a readable CSV file"),
    ],
)
def test_what_is_wrong_is_told(tmp_path, text, told):
    with pytest.raises(DataError, match=told):
        read_manifest(write(tmp_path, text))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_other_encodings_are_named(tmp_path, encoding):
    with pytest.raises(DataError, match=r"clips.csv is not .*UTF-8"):
        read_manifest(write(tmp_path, "video,name\na.mp4,Zoë\n", encoding=encoding))


def test_rows_may_end_with_a_comma(tmp_path):
    table = read_manifest(write(tmp_path, "video,emotion\na.mp4,sad,\nb.mp4,glad,\n"))
    assert table["emotion"].tolist() == ["sad", "glad"]
    assert table["id"].tolist() == ["a", "b"]


def test_empty_rows_at_the_end_are_no_rows(tmp_path):
    table = read_manifest(write(tmp_path, "video,emotion\na.mp4,sad\n,\n , \n,\n"))
    assert table["id"].tolist() == ["a"]
    with pytest.raises(DataError, match=r"row 2: the video cell is empty"):
        read_manifest(write(tmp_path, "video,emotion\na.mp4,sad\n,glad\n,\n"))


def test_paths_of_windows_are_named(tmp_path):
    path = write(tmp_path, "video,audio\na.mp4,\nb.mp4,clips\\b.wav\n")
    with pytest.raises(DataError, match=r"row 2 .*write paths with / between folders"):
        read_manifest(path)
    (tmp_path / "clips\\b.wav").touch()  # which elsewhere is a name like any other
    assert read_manifest(path)["id"].tolist() == ["a", "b"]


class TestNames:
    def test_whole_paths_are_called_by_what_lies_below_their_common_folder(self, tmp_path):
        lines = ["/data/a/x.mp4", "/data/b/x.mp4", "/data/b/y.MOV"]
        table = read_manifest(write(tmp_path, "\n".join(["video", *lines]) + "\n"))
        assert table["id"].tolist() == ["a/x", "b/x", "b/y"]
        assert table["video"].tolist() == lines

    def test_paths_upwards_and_mixtures(self, tmp_path):
        (tmp_path / "tables").mkdir()
        path = write(tmp_path / "tables", f"video\n../clips/x.mp4\n{tmp_path}/clips/y.mp4\n")
        assert read_manifest(path)["id"].tolist() == ["x", "y"]

    def test_one_whole_path(self, tmp_path):
        assert read_manifest(write(tmp_path, "video\n/data/x.mp4\n"))["id"].tolist() == ["x"]

    def test_suffixes_stay_where_they_tell_clips_apart(self, tmp_path):
        table = read_manifest(write(tmp_path, "video\nx.mp4\nx.avi\ny.mp4\nz.v2.mp4\nfaces\n"))
        assert table["id"].tolist() == ["x.mp4", "x.avi", "y", "z.v2", "faces"]

    def test_segments_of_one_file(self, tmp_path):
        table = read_manifest(
            write(tmp_path, "video,start,end\nx.mp4,0,1.50\nx.mp4,1.5,\nx.mp4,,\n")
        )
        assert table["id"].tolist() == ["x:0-1.5", "x:1.5-", "x"]

    def test_a_file_twice_is_told(self, tmp_path):
        with pytest.raises(DataError, match=r"row 2 .*an earlier row has the same id"):
            read_manifest(write(tmp_path, "video\nx.mp4\nx.mp4\n"))


class TestParquet:
    def both(self, tmp_path, table):
        table.to_csv(tmp_path / "clips.csv", index=False)
        table.to_parquet(tmp_path / "clips.parquet", index=False)
        return [read_manifest(tmp_path / f"clips.{suffix}") for suffix in ("csv", "parquet")]

    def test_it_means_what_the_csv_file_means(self, tmp_path):
        table = pd.DataFrame(
            {
                "video": ["a.mp4", "a.mp4", "b.mp4"],
                "start": [0.0, 1.5, np.nan],
                "end": [1.5, 3.0, np.nan],
                "subject": [1, 2, 2],
                "fold": [1, 2, 1],
                "class": [0, 1, 2],
                "emotion": pd.Categorical(["sad", "glad", "sad"]),
                "known": [True, False, True],
                "split": pd.Categorical(["train", "val", None]),
            }
        )
        one, other = self.both(tmp_path, table)
        pd.testing.assert_frame_equal(one, other)
        assert other["class"].tolist() == ["0", "1", "2"]
        assert other["id"].tolist() == ["a:0-1.5", "a:1.5-3", "b"]

    def test_numbers_to_regress_stay_numbers(self, tmp_path):
        table = pd.DataFrame({"video": ["a.mp4", "b.mp4"], "arousal": [0.1, 1 / 3]})
        one, other = self.both(tmp_path, table)
        assert other["arousal"].dtype == np.float64
        np.testing.assert_array_equal(one["arousal"].astype(float), other["arousal"])

    @pytest.mark.parametrize("classes", [None, [0, 1, 2], ["0", "1", "2"]])
    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_numbered_classes(self, tmp_path, classes, suffix):
        table = pd.DataFrame({"video": [f"{i}.mp4" for i in range(6)], "emotion": [2, 0, 1] * 2})
        self.both(tmp_path, table)
        data = ManifestDataModule(
            str(tmp_path / f"clips.{suffix}"), label="emotion", classes=classes
        )
        assert data.class_names == ["0", "1", "2"]
        assert data.label_column == "emotion"

    def test_an_index_that_was_saved_is_a_column(self, tmp_path):
        table = pd.DataFrame({"emotion": ["sad"]}, index=pd.Index(["a.mp4"], name="video"))
        table.to_parquet(tmp_path / "clips.parquet")
        assert read_manifest(tmp_path / "clips.parquet")["id"].tolist() == ["a"]


class TestFolders:
    def test_clips_of_camcorders_and_discs(self, tmp_path):
        for name in ("A.MTS", "b.m2ts", "c.VOB", "d.3gp", "e.mxf", "notes.txt", "._A.MTS"):
            (tmp_path / name).touch()
        found = [path.name for path, _ in clips_of_folder(tmp_path)]
        assert found == ["A.MTS", "b.m2ts", "c.VOB", "d.3gp", "e.mxf"]

    def test_links_in_a_circle_list_a_clip_once(self, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / "clip.mp4").touch()
        (tmp_path / "a" / "b" / "up").symlink_to(tmp_path)
        (tmp_path / "a" / "again").symlink_to(tmp_path / "a" / "b")
        assert list_folder(tmp_path)["id"].tolist() == ["a/clip"]

    @pytest.mark.skipif(os.name == "nt", reason="names are text there")
    def test_a_name_that_is_no_text_is_told(self, tmp_path):
        path = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
        Path(os.fsdecode(path)).touch()
        with pytest.raises(DataError, match=r"caf\\xe9\.mp4 has a name that is no text in UTF-8"):
            clips_of_folder(tmp_path)
