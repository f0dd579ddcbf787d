import logging
from collections import Counter

import pytest
from fakes.avcaffe import SILENT, UNLABELLED, write_avcaffe

from hicmae.data.corpora.avcaffe import AVCAffe
from hicmae.data.datamodules.avcaffe import AVCAffeDataModule
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError


@pytest.fixture(scope="module")
def names(root):
    return write_avcaffe(root)


def write_tree(root, clips=("aiim003_task_1_clip_001",), labels="aiim003_task_1, Calm\n", **info):
    """Empty clips and text files, without `data` around them."""
    folder = root / "videos" / "shorter_segments"
    for name in clips:
        person, number = name[:7], name[13]
        (folder / person / f"task_{number}").mkdir(parents=True, exist_ok=True)
        (folder / person / f"task_{number}" / f"{name}.avi").touch()
    for path, text in {
        "ground_truths/arousal.txt": labels,
        "info/no_audio_files.txt": info.get("silent", ""),
        "info/val.txt": info.get("val", ""),
    }.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)


class TestManifest:
    def test_labelled_clips_are_listed(self, root, names):
        table = AVCAffe().manifest(root)
        check_manifest(table, "AVCAffe")
        check_files(table, "AVCAffe")
        assert table["id"].tolist() == names
        assert table["audio"].isna().all()
        assert table["fold"].isna().all()

    def test_rows(self, root, names):
        table = AVCAffe().manifest(root).set_index("id")
        columns = ["subject", "split", "group", "arousal"]
        expected = {
            "aiim001_task_2_clip_001": ["aiim001", "test", "aiim001_task_2", "Neutral"],
            "aiim002_task_1_clip_002": ["aiim002", "test", "aiim002_task_1", "Calm"],
            "aiim003_task_1_clip_001": ["aiim003", "train", "aiim003_task_1", "Wide-awake"],
            "aiim006_task_1_clip_002": ["aiim006", "val", "aiim006_task_1", "Calm"],
            "aiim006_task_3_clip_001": ["aiim006", "val", "aiim006_task_3", "Neutral"],
            "aiim006_task_3_clip_002": ["aiim006", "train", "aiim006_task_3", "Neutral"],
        }
        assert {name: table.loc[name, columns].tolist() for name in expected} == expected
        inside = table.loc["aiim005_task_1_clip_001", "video"]
        assert inside.endswith(
            "data/videos/shorter_segments/aiim005/task_1/task_1/aiim005_task_1_clip_001.avi"
        )

    def test_valence(self, root, names):
        corpus = AVCAffe("valence")
        table = corpus.manifest(root).set_index("id")
        assert corpus.label_column == "valence"
        assert "arousal" not in table
        assert table.loc["aiim001_task_2_clip_001", "valence"] == "Unpleasant"
        assert table.loc["aiim002_task_1_clip_001", "valence"] == "Pleased"
        assert set(table["valence"]) == set(corpus.class_names)

    def test_what_is_left_out_is_counted(self, root, names, caplog):
        with caplog.at_level(logging.INFO):
            AVCAffe().manifest(root)
        assert "1 clips have no sound" in caplog.text
        assert "1 clips are of tasks without arousal" in caplog.text
        assert "are not named aiimNNN_task_K_" in caplog.text
        assert "1 labelled tasks have no clip" in caplog.text

    def test_silent_clips_on_demand(self, root, names):
        table = AVCAffe(drop_silent=False).manifest(root)
        assert set(table["id"]) - set(names) == {SILENT}
        assert UNLABELLED not in set(table["id"])

    def test_without_the_folder_around(self, tmp_path):
        names = write_avcaffe(tmp_path, below="")
        assert AVCAffe().manifest(tmp_path)["id"].tolist() == names

    def test_folder_above(self, root, names):
        assert AVCAffe().manifest(root / "data")["id"].tolist() == names

    def test_every_official_test_person(self, tmp_path):
        people = [f"aiim{number:03d}" for number in range(1, 109) if number not in (50, 51)]
        clips = [f"{person}_task_{task}_clip_001" for person in people for task in range(1, 10)]
        labels = "".join(f"{clip[:14]}, Calm\n" for clip in clips)
        write_tree(tmp_path, clips, labels, val="".join(f"{person}\n" for person in people[:2]))
        table = AVCAffe().manifest(tmp_path)
        assert Counter(table["split"]) == {"train": 86 * 9, "test": 20 * 9}
        numbers = {int(subject[4:]) for subject in table["subject"][table["split"] == "test"]}
        assert numbers == {
            *(1, 2, 13, 14, 43, 44, 53, 54, 57, 58),
            *(63, 64, 67, 68, 77, 78, 99, 100, 107, 108),
        }


class TestValidation:
    @pytest.mark.parametrize("line", ["aiim003", "aiim003_task_1", "aiim003_task_1_clip_001.avi"])
    def test_people_tasks_and_clips(self, tmp_path, line):
        write_tree(tmp_path, val=f" {line}\n\n")
        assert AVCAffe().manifest(tmp_path)["split"].tolist() == ["val"]

    def test_people_for_testing_stay_there(self, tmp_path):
        write_tree(tmp_path, ["aiim108_task_1_clip_001"], "aiim108_task_1,calm", val="aiim108\n")
        assert AVCAffe().manifest(tmp_path)["split"].tolist() == ["test"]

    def test_no_list_is_told(self, tmp_path, caplog):
        write_tree(tmp_path)
        (tmp_path / "info" / "val.txt").unlink()
        with caplog.at_level(logging.INFO):
            assert AVCAffe().manifest(tmp_path)["split"].tolist() == ["train"]
        assert "no clip is for validation" in caplog.text

    def test_another_line_is_told_and_passed_over(self, tmp_path, caplog):
        write_tree(tmp_path, val="subject 4\naiim003\n")
        assert AVCAffe().manifest(tmp_path)["split"].tolist() == ["val"]
        assert "val.txt, line 1 is passed over: 'subject 4' is no person" in caplog.text


class TestDataModule:
    def test_splits_come_from_the_corpus(self, root, names):
        data = AVCAffeDataModule(str(root), target="valence")
        assert data.class_names == ["Pleasant", "Pleased", "Neutral", "Unsatisfied", "Unpleasant"]
        assert set(data.splits.test["subject"]) == {"aiim001", "aiim002"}
        assert set(data.splits.val["subject"]) == {"aiim006"}
        assert len(data.splits.train) + len(data.splits.val) + len(data.splits.test) == len(names)

    def test_training_people_are_held_out_where_there_is_no_list(self, tmp_path):
        write_avcaffe(tmp_path, validation=())
        splits = AVCAffeDataModule(str(tmp_path)).splits
        held_out = set(splits.val["subject"])
        assert held_out
        assert not held_out & (set(splits.train["subject"]) | set(splits.test["subject"]))

    def test_batches_carry_groups(self, root, names):
        data = AVCAffeDataModule(
            str(root), num_frames=2, stride=1, frame_size=16, image_size=16, num_workers=0
        )
        data.setup("test")
        groups = [group for batch in data.test_dataloader() for group in batch["group"]]
        assert groups == ["aiim001_task_1"] * 2 + ["aiim001_task_2"] + ["aiim002_task_1"] * 2


class TestErrors:
    def test_foreign_folder(self, tmp_path):
        (tmp_path / "film.avi").touch()
        with pytest.raises(DataError, match=r"no folder of the short clips .*holds: film\.avi"):
            AVCAffe().manifest(tmp_path)
        with pytest.raises(DataError, match="does not exist"):
            AVCAffe().manifest(tmp_path / "none")

    def test_no_clip(self, tmp_path):
        (tmp_path / "videos" / "shorter_segments" / "aiim001.zip").mkdir(parents=True)
        with pytest.raises(DataError, match=r"no clip aiimNNN_task_K.*holds: aiim001\.zip"):
            AVCAffe().manifest(tmp_path)

    @pytest.mark.parametrize(
        ("file", "sentence"),
        [
            ("ground_truths/arousal.txt", "no list of labels"),
            ("info/no_audio_files.txt", r"needed unless data\.drop_silent is false"),
        ],
    )
    def test_missing_text_files(self, tmp_path, file, sentence):
        write_tree(tmp_path)
        (tmp_path / file).unlink()
        with pytest.raises(DataError, match=sentence):
            AVCAffe().manifest(tmp_path)

    def test_the_list_of_silent_clips_is_not_needed_to_keep_them(self, tmp_path):
        write_tree(tmp_path)
        (tmp_path / "info" / "no_audio_files.txt").unlink()
        assert len(AVCAffe(drop_silent=False).manifest(tmp_path)) == 1

    def test_unknown_label(self, tmp_path):
        write_tree(tmp_path, labels="aiim003_task_1, Calm\naiim003_task_2, Happy\n")
        with pytest.raises(
            DataError, match=r"arousal\.txt, line 2: 'Happy' is none of the classes"
        ):
            AVCAffe().manifest(tmp_path)

    def test_two_labels_for_a_task(self, tmp_path):
        write_tree(tmp_path, labels="aiim003_task_1, Calm\naiim003_task_1, Dull\n")
        with pytest.raises(DataError, match="line 2: aiim003_task_1 is Dull, and Calm in an"):
            AVCAffe().manifest(tmp_path)

    def test_no_clip_with_a_label(self, tmp_path):
        write_tree(tmp_path, labels="aiim009_task_1, Calm\n")
        with pytest.raises(DataError, match=r"of 1 clips below .* none is of a task with a label"):
            AVCAffe().manifest(tmp_path)


class TestCopies:
    @pytest.mark.parametrize(
        "copy",
        [
            "aiim003_task_1_clip_001.avi",
            "aiim003/task_1/aiim003_task_1_clip_001.mp4",
            "faces/aiim003/task_1/aiim003_task_1_clip_001.avi",
        ],
    )
    def test_the_clip_in_its_own_folder_is_taken(self, tmp_path, copy):
        write_tree(tmp_path)
        folder = tmp_path / "videos" / "shorter_segments"
        (folder / copy).parent.mkdir(parents=True, exist_ok=True)
        (folder / copy).touch()
        usual = folder / "aiim003" / "task_1" / "aiim003_task_1_clip_001.avi"
        assert AVCAffe().manifest(tmp_path)["video"].tolist() == [str(usual)]

    def test_clips_that_were_encoded_anew(self, tmp_path):
        write_tree(tmp_path)
        for path in tmp_path.rglob("*.avi"):
            path.rename(path.with_suffix(".MP4"))
        assert AVCAffe().manifest(tmp_path)["video"][0].endswith("aiim003_task_1_clip_001.MP4")

    def test_files_of_other_names_may_lie_anywhere(self, tmp_path):
        write_tree(tmp_path)
        for folder in ("a", "b"):
            (tmp_path / "videos" / "shorter_segments" / folder).mkdir()
            (tmp_path / "videos" / "shorter_segments" / folder / "trailer.avi").touch()
        assert len(AVCAffe().manifest(tmp_path)) == 1
