import logging
from collections import Counter

import pytest
from fakes.werewolf_xl import COLUMNS, NOT_LISTED, NOT_RATED, write_werewolf_xl

from hicmae.data.corpora.werewolf_xl import WerewolfXL
from hicmae.data.datamodules.werewolf_xl import WerewolfXLDataModule
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError


@pytest.fixture(scope="module")
def names(root):
    return write_werewolf_xl(root)


def write_tree(root, rows, header=COLUMNS, clips=None):
    """Empty files and a label file; a row is a clip and its valence, arousal and dominance."""
    for name in [row.partition(",")[0] for row in rows] if clips is None else clips:
        (root / f"{name}.mp4").touch()
    lines = [header, *(f"{name},x,{rest},A" for name, _, rest in (r.partition(",") for r in rows))]
    (root / "labels.csv").write_text("\n".join(lines) + "\n")


class TestManifest:
    def test_rated_clips_are_listed(self, root, names):
        table = WerewolfXL().manifest(root)
        check_manifest(table, "Werewolf-XL")
        check_files(table, "Werewolf-XL")
        assert table["id"].tolist() == names
        assert table["audio"].isna().all()
        assert table["split"].isna().all()

    def test_rows(self, root, names):
        table = WerewolfXL().manifest(root).set_index("id")
        first, other, last = (table.loc[name] for name in ("01_01_128", "01_03_9", "30_01_31"))
        assert first["video"].endswith("Werewolf-XL_Speaker_Video/01/01_01_128.MP4")
        assert other["video"].endswith("01_03_9.mkv")
        assert last["video"].endswith("Werewolf-XL_Speaker_Video/30_01_31.mp4")
        assert (first["subject"], first["fold"]) == ("01_01", 1)
        assert (last["subject"], last["fold"]) == ("30_01", 5)
        # The label file writes valence, arousal, dominance.
        assert first[["arousal", "valence", "dominance"]].tolist() == [0.0, -0.75, -1.0]
        assert other[["arousal", "valence", "dominance"]].tolist() == [0.5, -0.5, -0.5]
        assert last[["arousal", "valence", "dominance"]].tolist() == [0.5, 0.0, 0.0]

    def test_what_is_left_out_is_counted(self, root, names, caplog):
        with caplog.at_level(logging.INFO):
            table = WerewolfXL().manifest(root)
        assert not {NOT_RATED, NOT_LISTED} & set(table["id"])
        assert "1 clips lack a rating" in caplog.text
        assert "1 clips have no row" in caplog.text

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
    def test_encodings_of_the_label_file(self, tmp_path, encoding):
        names = write_werewolf_xl(tmp_path, encoding=encoding)
        assert WerewolfXL().manifest(tmp_path)["id"].tolist() == names

    def test_no_seat_is_on_two_sides(self, root, names):
        folds = WerewolfXL().manifest(root).groupby("subject")["fold"].nunique()
        assert set(folds) == {1}
        assert WerewolfXL().subjects_may_repeat

    def test_label_values_in_other_spellings(self, tmp_path):
        write_tree(tmp_path, ["01_01_1,0.5,NaN,1", "01_01_2, 0.5 ,-1,1"])
        assert WerewolfXL().manifest(tmp_path)["id"].tolist() == ["01_01_2"]
        text = (tmp_path / "labels.csv").read_text().replace("01_01_2", "01_01_2.mp4")
        (tmp_path / "labels.csv").write_text(text)
        assert WerewolfXL().manifest(tmp_path)["arousal"].tolist() == [-1.0]


def test_folds_of_a_whole_copy_have_the_published_sizes(tmp_path):
    sizes = (3346, 2747, 3066, 3527, 1771)
    rows = []
    for fold, size in enumerate(sizes):
        for clip in range(size):
            game, seat = 6 * fold + clip % 6 + 1, clip // 6 % 9 + 1
            rows.append(f"{game:02d}_{seat:02d}_{clip // 54},0.25,0.5,1")
    write_tree(tmp_path, rows)
    corpus = WerewolfXL()
    table = corpus.manifest(tmp_path)
    assert len(table) == corpus.expected.clips == 14_457
    assert dict(Counter(table["fold"])) == dict(enumerate(sizes, start=1))
    assert corpus.expected.test_clips == sizes
    assert sum(sizes) == 14_457


class TestCopies:
    @pytest.mark.parametrize("copy", ["01_01_1.avi", "faces/01_01_1.mp4", "audio/01_01_1.mkv"])
    def test_copies_are_passed_over(self, tmp_path, copy):
        write_tree(tmp_path, ["01_01_1,1,2,3"])
        (tmp_path / copy).parent.mkdir(exist_ok=True)
        (tmp_path / copy).touch()
        assert WerewolfXL().manifest(tmp_path)["video"].tolist() == [str(tmp_path / "01_01_1.mp4")]


class TestListeners:
    def test_rows_of_listeners_are_left_out(self, tmp_path, caplog):
        groups = ("listener", "speaker", "Listener", "speaker")
        names = ("01_02_1", "01_01_1", "01_01_1", "01_01_2")
        lines = [
            f"{n},Neural,0.25,{i},1,{g}" for i, (n, g) in enumerate(zip(names, groups, strict=True))
        ]
        (tmp_path / "labels.csv").write_text("\n".join([COLUMNS, *lines]))
        for name in ("01_01_1", "01_01_2"):
            (tmp_path / f"{name}.mp4").touch()
        with caplog.at_level(logging.INFO):
            table = WerewolfXL().manifest(tmp_path)
        assert table["id"].tolist() == ["01_01_1", "01_01_2"]
        assert table["arousal"].tolist() == [1, 3]
        assert "2 rows of" in caplog.text

    def test_wrong_rows_are_told_by_their_line_in_the_file(self, tmp_path):
        lines = ["01_02_1,x,1,1,1,listener", "01_01_1,x,high,1,1,speaker"]
        (tmp_path / "labels.csv").write_text("\n".join([COLUMNS, *lines]))
        (tmp_path / "01_01_1.mp4").touch()
        with pytest.raises(DataError, match="line 3: Mean_P_1_2_3_4 is 'high'"):
            WerewolfXL().manifest(tmp_path)

    def test_the_column_by_name(self, tmp_path):
        lines = ["01_01_2,x,1,1,1,listener", "01_01_1,x,1,1,1,speaker"]
        header = COLUMNS.replace("Group", "Role")
        (tmp_path / "labels.csv").write_text("\n".join([header, *lines]))
        (tmp_path / "01_01_1.mp4").touch()
        data = WerewolfXLDataModule(str(tmp_path), group_column="Role")
        assert data.table["id"].tolist() == ["01_01_1"]


def test_rated_clips_without_a_file_can_be_left_out(tmp_path):
    write_tree(tmp_path, ["01_01_1,1,2,3", "01_01_2,1,2,3"], clips=["01_01_1"])
    table, left_out = WerewolfXL(missing="leave_out").listing(tmp_path)
    assert table["id"].tolist() == ["01_01_1"]
    assert left_out == ("01_01_2",)


class TestOptions:
    def test_label_file_and_columns_by_name(self, tmp_path):
        header = "clip,feeling,pleasure,activation,control,n"
        write_tree(tmp_path, ["07_02_1,1,2,3", "30_09_123,-1,-2,-3"], header)
        (tmp_path / "labels.csv").rename(tmp_path / "ratings.txt")
        data = WerewolfXLDataModule(
            str(tmp_path),
            fold=2,
            labels="ratings.txt",
            id_column="clip",
            arousal_column="activation",
            valence_column="pleasure",
            dominance_column="control",
        )
        assert data.table[["arousal", "valence", "dominance"]].to_numpy().tolist() == [
            [2, 1, 3],
            [-2, -1, -3],
        ]
        assert data.target_names == ["arousal", "valence", "dominance"]
        assert data.class_names is None
        assert data.splits.test["id"].tolist() == ["07_02_1"]

    def test_absolute_label_file(self, tmp_path):
        (tmp_path / "clips").mkdir()
        write_tree(tmp_path / "clips", ["01_01_1,1,2,3"])
        labels = tmp_path / "labels.csv"
        (tmp_path / "clips" / "labels.csv").rename(labels)
        assert len(WerewolfXL(labels=str(labels)).manifest(tmp_path / "clips")) == 1


class TestErrors:
    def test_foreign_folder(self, tmp_path):
        (tmp_path / "01.mp4").touch()
        with pytest.raises(DataError, match=r"no clip <game>.*holds: 01.mp4\); expected clips"):
            WerewolfXL().manifest(tmp_path)
        with pytest.raises(DataError, match="does not exist"):
            WerewolfXL().manifest(tmp_path / "none")

    def test_no_label_file(self, tmp_path):
        (tmp_path / "01_01_1.mp4").touch()
        with pytest.raises(DataError, match=r"there is no CSV file\); name the file with data\.la"):
            WerewolfXL().manifest(tmp_path)
        (tmp_path / "log.csv").write_text("game,player\n")
        with pytest.raises(DataError, match=r"VideoName, Mean_A.*log\.csv has game, player"):
            WerewolfXL().manifest(tmp_path)
        with pytest.raises(DataError, match=r"data\.labels .*gone\.csv does not exist"):
            WerewolfXL(labels="gone.csv").manifest(tmp_path)

    def test_several_label_files(self, tmp_path):
        write_tree(tmp_path, ["01_01_1,1,2,3"])
        (tmp_path / "all.csv").write_text((tmp_path / "labels.csv").read_text())
        with pytest.raises(DataError, match=r"all\.csv, .*labels\.csv; choose one"):
            WerewolfXL().manifest(tmp_path)
        assert len(WerewolfXL(labels="all.csv").manifest(tmp_path)) == 1

    def test_rated_clip_without_a_file(self, tmp_path):
        write_tree(tmp_path, ["01_01_1,1,2,3", "01_01_2,1,2,3"], clips=["01_01_1"])
        with pytest.raises(DataError, match=r"1 of 2 listed clips have no file .*\(01_01_2\)"):
            WerewolfXL().manifest(tmp_path)

    @pytest.mark.parametrize(
        ("row", "sentence"),
        [
            ("01_01_2,high,2,3", "line 3: Mean_P_1_2_3_4 is 'high', which is not a number"),
            ("01_01_2,1,inf,3", "line 3: Mean_A_1_2 is 'inf'"),
            ("31_01_2,1,2,3", "line 3: VideoName is '31_01_2', which is not <game>"),
            ("01_10_2,1,2,3", "line 3: VideoName is '01_10_2'"),
            ("01_01_1,1,2,3", "line 3: clip 01_01_1 is listed twice"),
        ],
    )
    def test_wrong_rows(self, tmp_path, row, sentence):
        write_tree(tmp_path, ["01_01_1,1,2,3", row])
        with pytest.raises(DataError, match=sentence):
            WerewolfXL().manifest(tmp_path)

    def test_no_rating_at_all(self, tmp_path):
        write_tree(tmp_path, ["01_01_1,1,2,"])
        with pytest.raises(DataError, match=r"labels\.csv rates no clip"):
            WerewolfXL().manifest(tmp_path)

    def test_a_clip_in_two_places(self, tmp_path):
        write_tree(tmp_path, ["01_01_1,1,2,3"])
        for folder in ("a", "b"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "01_01_1.mp4").touch()
        assert WerewolfXL().manifest(tmp_path)["video"].tolist() == [str(tmp_path / "01_01_1.mp4")]
        (tmp_path / "01_01_1.mp4").unlink()
        with pytest.raises(DataError, match="have the same name, and which of them is meant"):
            WerewolfXL().manifest(tmp_path)

    def test_label_file_that_is_no_text(self, tmp_path):
        (tmp_path / "01_01_1.mp4").touch()
        (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\xff\xff")
        with pytest.raises(DataError, match="neither UTF-8 nor GB18030"):
            WerewolfXL().manifest(tmp_path)
