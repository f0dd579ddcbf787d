"""Tables and folders as people keep them, through the commands that read them."""

import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from media_factory import write_clip
from shell import tell
from tiny_models import write_model

from hicmae.data.manifest import read_manifest

pytestmark = pytest.mark.usefixtures("as_command")

ODD_NAME = "Größe [dQw4] :heart: 中"


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A folder of three clips, one with an odd name."""
    folder = tmp_path_factory.mktemp("videos")
    for seed, name in enumerate((ODD_NAME, "b", "deep/c")):
        write_clip(folder / f"{name}.mp4", seconds=0.6, size=(48, 40), seed=seed)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """What stands behind a command that runs a model."""
    folder = write_model(tmp_path_factory.mktemp("models") / "model")
    return ("--checkpoint", folder, "--faces=none", "--device=cpu")


class TestOptionsOnABareTable:
    @pytest.fixture
    def table(self):
        Path("lists").mkdir()
        Path("lists/t.csv").write_text("video,emotion\nb.mp4,sad\ndeep/c.mp4,happy\n")
        return "lists/t.csv"

    @pytest.mark.parametrize(
        ("command", "written"),
        [
            ("check", "out/report.txt"),
            ("audio", "out/deep/c.wav"),
            ("pack", "out/shard-000000.tar"),
        ],
    )
    def test_files_lie_elsewhere(self, table, videos, command, written):
        options = ("--data.root", videos, "--output=out", "--jobs=1")
        assert tell("data", command, table, *options) == 0
        assert Path(written).is_file()
        assert read_manifest(next(Path("out").glob("manifest.*")))["emotion"].count() == 2

    def test_labels_are_counted(self, table, videos):
        options = (f"--data.root={videos}", "--data.label=emotion", "--jobs=1")
        assert tell("data", "check", table, "--output=out", *options) == 0
        assert pd.read_csv("out/counts.csv")["emotion"].tolist() == ["happy", "sad"]

    def test_faces_are_looked_for_there(self, table, videos):
        pytest.importorskip("cv2", reason="faces need the extra: pip install 'hicmae[faces]'")
        options = ("--data.root", videos, "--output=out", "--jobs=1", "--detect_every=30")
        assert tell("data", "faces", table, *options) == 1
        assert set(pd.read_csv("out/problems.csv")["status"]) == {"no face"}

    def test_a_folder_is_a_table(self, videos, capsys):
        assert tell("data", "check", videos, "--output=out", "--jobs=1") == 0
        assert f"Folder {videos}: 3 clips" in capsys.readouterr().out

    def test_mistakes(self, table, videos, capsys):
        assert tell("data", "check", table, "--data.rot", videos, "--output=out") == 2
        assert "did you mean --data.root?" in capsys.readouterr().err
        assert tell("recognize", table, "--checkpoint=any") == 2


class TestSentences:
    """What is wrong with a table is told in a sentence, before any work."""

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"video,emotion\nV/b.mp4,sad,glad\n", "row 1: it has 3 cells, but the header 2"),
            (b"video;emotion\nV/b.mp4;sad\n", "is divided by semicolons"),
            ("video\nV/b.mp4\n".encode("utf-16"), "is not text in UTF-8 (UTF-16"),
            ("video\nV/é.mp4\n".encode("latin-1"), "save it as CSV in UTF-8"),
            (b"Video\nV/b.mp4\n", "write it in small letters: video"),
            (b"PATH\nV/b.mp4\n", "write it in small letters: path"),
            (b"video\nV\\b.mp4\n", "write paths with / between folders"),
            (b"video,split\nV/b.mp4,Validation\n", "split is 'Validation', but train or val or"),
            (b"video,start\nV/b.mp4,inf\n", "start is 'inf', which is not a number"),
            (b"PK\3\4\0\0", "is not text in UTF-8"),
            (b"video\n\n", "lists no clip"),
        ],
    )
    def test_of_a_table(self, content, told, capsys):
        Path("t.csv").write_bytes(content)
        for command in ("check", "pack"):
            assert tell("data", command, "t.csv", "--output=out") == 2
            assert told in capsys.readouterr().err
        assert not Path("out").exists()

    def test_empty_rows_at_the_end_are_no_rows(self, capsys):
        Path("t.csv").write_text("video,emotion\nV/b.mp4,sad\n,\n,\n")
        assert tell("data", "manifest", "t.csv", "--output=out.csv") == 0
        assert "Manifest t.csv: 1 clips" in capsys.readouterr().out

    @pytest.mark.parametrize("classes", ["null", "[sad]"])
    def test_one_class_alone(self, classes, write_config, videos, capsys):
        Path("t.csv").write_text("video,emotion\n" + f"{videos}/b.mp4,sad\n" * 2)
        table = pd.read_csv("t.csv").assign(id=["a", "b"])
        table.to_csv("t.csv", index=False)
        given = ("--config", write_config("classify"), "--data.manifest=t.csv")
        assert tell("fit", *given, f"--data.classes={classes}") == 2
        assert "The data has one class alone" in capsys.readouterr().err


class TestNames:
    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_whole_paths_name_outputs(self, videos, tmp_path, suffix):
        """Tables of whole paths, and of paths upwards, have no id."""
        paths = [str(videos / "b.mp4"), os.path.relpath(videos / "deep" / "c.mp4")]
        table = pd.DataFrame({"video": paths, "emotion": [1, 2]})
        getattr(table, f"to_{suffix}")(f"t.{suffix}", index=False)
        assert tell("data", "audio", f"t.{suffix}", "--output=out", "--jobs=1") == 0
        found = {path.relative_to("out").as_posix() for path in Path("out").rglob("*.wav")}
        assert found == {"b.wav", "deep/c.wav"}
        assert read_manifest("out/manifest.csv")["emotion"].tolist() == ["1", "2"]

    def test_segments_of_parquet_have_names(self, videos):
        table = pd.DataFrame(
            {"video": [str(videos / "b.mp4")] * 2, "start": [0.0, 0.2], "end": [0.2, 0.6]}
        )
        table.to_parquet("t.parquet", index=False)
        assert tell("data", "manifest", "t.parquet", "--output=out.csv") == 0
        assert read_manifest("out.csv")["id"].tolist() == ["b:0-0.2", "b:0.2-0.6"]


class TestFolders:
    def test_files_of_cameras_are_clips_and_links_lead_nowhere_twice(self):
        for name in ("A.MTS", "deep/b.m2ts", "deep/c.VOB", "._A.MTS", "notes.txt"):
            Path("V", name).parent.mkdir(parents=True, exist_ok=True)
            Path("V", name).touch()
        Path("V/deep/up").symlink_to(Path("V").absolute())
        assert tell("data", "manifest", "V", "--output=out.csv") == 0
        assert read_manifest("out.csv")["id"].tolist() == ["A", "deep/b", "deep/c"]

    @pytest.mark.parametrize("name", [" lead", "a\nb", "t\tb", "q\"uo'te", "co,mma", "%20", "$x$"])
    def test_names_come_back_from_the_table(self, name):
        Path("V").mkdir()
        Path("V", f"{name}.mp4").touch()
        assert tell("data", "manifest", "V", "--output=V/t.csv") == 0
        assert read_manifest("V/t.csv")["video"].map(os.path.exists).all()


class TestClassesOfACheckpoint:
    @pytest.fixture(scope="class")
    @staticmethod
    def checkpoint(write_config, tmp_path_factory):
        """Of a run that tells anger, calm and joy apart."""
        root = tmp_path_factory.mktemp("run")
        config = write_config("classify", trainer={"max_epochs": 1, "default_root_dir": str(root)})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["hicmae"])
            assert tell("fit", "--config", config) == 0
        return root / "version_0" / "checkpoints" / "last.ckpt"

    @pytest.mark.parametrize("command", ["test", "predict", "validate", "fit"])
    def test_others_are_refused_and_fewer_are_matched_by_name(
        self, checkpoint, corpus, command, capsys
    ):
        table = pd.read_csv(corpus / "manifest.csv")
        table["video"] = [str(corpus / name) for name in table["video"]]
        table[table["emotion"] != "anger"].to_csv("fewer.csv", index=False)
        table.replace({"emotion": {"calm": "awe"}}).to_csv("others.csv", index=False)
        given = (
            "--ckpt_path",
            checkpoint,
            "--trainer.default_root_dir=t",
            "--trainer.max_epochs=2",
        )
        assert tell(command, *given, "--data.manifest=others.csv") == 2
        assert "awe" in capsys.readouterr().err
        if command == "fit":
            return
        assert tell(command, *given, "--data.manifest=fewer.csv") == 0
        if command == "test":
            answers = pd.read_csv(next(Path("t").rglob("test_predictions.csv")))
            assert answers.columns.tolist()[-3:] == ["anger", "calm", "joy"]
            assert set(answers["target"]) == {"calm", "joy"}


class TestOutputsWithinInputs:
    @pytest.fixture
    def videos(self, videos, tmp_path):
        return shutil.copytree(videos, tmp_path / "V")

    def test_what_commands_wrote_is_left_out(self, videos, model, caplog):
        written = []
        for command in ("check", "audio", "pack"):
            folder = videos / "made" / command
            assert tell("data", command, videos, "--output", folder, "--jobs=1") == 0
            written.append(folder)
        shown = videos / "shown"
        for _ in range(2):
            assert tell("recognize", videos, *model, "--render", shown) == 0
        written.append(shown)
        caplog.clear()
        assert tell("data", "manifest", videos, "--output=all.csv") == 0
        assert read_manifest("all.csv")["id"].tolist() == sorted([ODD_NAME, "b", "deep/c"])
        assert len(list(shown.rglob("*.mp4"))) == 3
        # One that has been told of is not told of again.
        assert tell("data", "manifest", shown, "--output=shown.csv") == 0
        assert len(read_manifest("shown.csv")) == 3

    def test_it_is_told(self, videos, caplog):
        for _ in range(2):
            assert tell("data", "audio", videos, "--output", videos / "a", "--jobs=1") == 0
        assert [record.getMessage() for record in caplog.records] == [
            f"{videos / 'a'} is left out, since hicmae wrote it; to read it, give it by itself."
        ]

    def test_an_input_is_no_output(self, videos, model, capsys):
        assert tell("data", "audio", videos, "--output", videos, "--jobs=1") == 2
        assert "the folder that is read" in capsys.readouterr().err
        assert tell("recognize", videos, *model, "--render", videos) == 2
        assert "would write over" in capsys.readouterr().err

    def test_a_folder_of_others_is_not_taken_for_an_output(self, videos, model):
        others = write_clip(videos / "own" / "d.mp4", seconds=0.6, size=(48, 40)).parent
        assert tell("recognize", videos / "deep", *model, "--render", others) == 0
        assert tell("data", "manifest", videos, "--output=all.csv") == 0
        assert {"own/c", "own/d"} < set(read_manifest("all.csv")["id"])

    def test_a_picture_beside_videos_makes_no_clip_of_their_folder(self, videos, model, capsys):
        (videos / "deep" / "cover.jpg").touch()
        assert tell("recognize", videos / "deep", *model) == 0
        assert "c.mp4, 0.6 s" in capsys.readouterr().out


class TestConsoles:
    @pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
    def test_nothing_is_lost_for_a_sign(self, videos, model, encoding, monkeypatch):
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, "strict"))
        assert tell("recognize", videos, *model, "--csv=r.csv", "--json=-") == 0
        sys.stdout.flush()
        results = json.loads(written.getvalue().decode(encoding))
        expected = str(videos / f"{ODD_NAME}.mp4")
        assert expected in [result["source"] for result in results]
        with Path("r.csv").open(encoding="utf-8", newline="") as table:
            assert expected in {row["source"] for row in csv.DictReader(table)}
        written.truncate(0)
        assert tell("recognize", videos / f"{ODD_NAME}.mp4", *model) == 0
        assert tell("data", "check", videos, "--output=check", "--jobs=1") == 0

    def test_brackets_and_colons_stay(self, videos, model, capsys):
        assert tell("recognize", videos, *model, "--render=out [x]") == 0
        printed = capsys.readouterr().out
        assert f"{ODD_NAME}.mp4, 0.6 s" in printed
        assert f"rendered to out [x]/{ODD_NAME}.mp4" in printed
        assert tell("data", "audio", f"{ODD_NAME}.csv", "--output=out") == 2
        assert f"{ODD_NAME}.csv does not exist" in capsys.readouterr().err

    @pytest.mark.skipif(os.name == "nt", reason="names are text there")
    @pytest.mark.parametrize(
        "command", ["recognize", "embed", "data check", "data manifest", "data audio"]
    )
    def test_names_that_are_no_text_are_told(self, command, videos, model, capsys):
        Path("U").mkdir()
        name = os.fsdecode(b"U/caf\xe9.mp4")
        shutil.copy(videos / "b.mp4", name)
        output = "--csv=o.csv" if command == "recognize" else "--output=o.npz"
        models = not command.startswith("data")
        for given in ("U", name) if models else ("U",):
            assert tell(*command.split(), given, output, *(model if models else ())) == 2
            assert "U/caf\\xe9.mp4 has a name that is no text" in capsys.readouterr().err
        assert not list(Path().glob("o.*"))
