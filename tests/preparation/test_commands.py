"""`hicmae data` by the command line, on made clips and, where they are there, on real ones."""

import shutil

import numpy as np
import pandas as pd
import pytest
from media_factory import write_clip
from shell import tell
from tiny import ARCHITECTURE

from hicmae.data.manifest import read_manifest
from hicmae.media import VideoReader, read_audio
from hicmae.training.commands import run

SMALL = ["--data.frame_size=32", "--data.image_size=32"]


pytestmark = pytest.mark.usefixtures("as_command")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder with a clip of each fault, and two good ones."""
    root = tmp_path_factory.mktemp("media")
    good = write_clip(root / "deep" / "good.mp4", seconds=0.8)
    write_clip(root / "apart.mp4", seconds=0.8, sound=False)
    write_clip(root / "apart.wav", seconds=0.8)
    write_clip(root / "mute.mp4", seconds=0.8, sound=False)
    write_clip(root / "longer.mp4", seconds=0.8, sound=False)
    write_clip(root / "longer.wav", seconds=3.0)
    write_clip(root / "single.mp4", seconds=0.04, sound=False)
    write_clip(root / "single.wav", seconds=0.05)
    write_clip(root / "still.mp4", seconds=0.8, sound=False)
    silence = root / "still.wav"
    write_clip(silence, seconds=0.8)
    content = bytearray(silence.read_bytes())
    samples = content.index(b"data") + 8
    content[samples:] = bytes(len(content) - samples)
    silence.write_bytes(content)
    (root / "cut.mp4").write_bytes(good.read_bytes()[:1500])
    return root


def problems(folder):
    table = pd.read_csv(f"{folder}/problems.csv", keep_default_na=False)
    return dict(zip(table["id"], table["problems"], strict=True))


def test_without_a_command_there_is_help(capsys):
    assert tell("data") == 0
    assert "hicmae data manifest --config" in capsys.readouterr().out


class TestManifest:
    def test_folder(self, media, capsys):
        assert tell("data", "manifest", media, "--output=clips.csv") == 0
        table = read_manifest("clips.csv")
        assert table["id"].tolist() == [
            "apart",
            "cut",
            "deep/good",
            "longer",
            "mute",
            "single",
            "still",
        ]
        assert table["audio"].notna().tolist() == [True, False, False, True, False, True, True]
        assert tell("data", "manifest", media, "--output=clips.csv") == 0
        assert "Unchanged" in capsys.readouterr().out

    def test_another_table_is_not_overwritten_unasked(self, media, capsys, tmp_path):
        (tmp_path / "clips.csv").write_text("video\nmine.mp4\n")
        assert tell("data", "manifest", media, "--output=clips.csv") == 2
        assert "holds another table" in capsys.readouterr().err
        assert (tmp_path / "clips.csv").read_text() == "video\nmine.mp4\n"
        assert tell("data", "manifest", media, "--output=clips.csv", "--overwrite=true") == 0
        assert len(read_manifest("clips.csv")) == 7
        assert [path.name for path in tmp_path.iterdir()] == ["clips.csv"]

    def test_dry_run(self, media, tmp_path, capsys):
        assert tell("data", "manifest", media, "--output=clips.csv", "--dry_run") == 0
        assert "7 clips" in capsys.readouterr().out
        assert not list(tmp_path.iterdir())

    def test_parquet_and_csv_say_the_same(self, media):
        for name in ("clips.csv", "clips.parquet"):
            assert tell("data", "manifest", media, f"--output={name}") == 0
        pd.testing.assert_frame_equal(read_manifest("clips.csv"), read_manifest("clips.parquet"))

    def test_media_below_the_table_move_with_it(self, media, tmp_path):
        shutil.copytree(media, tmp_path / "here")
        assert tell("data", "manifest", "here", "--output=here/clips.csv") == 0
        (tmp_path / "here").rename(tmp_path / "there")
        assert (
            read_manifest("there/clips.csv")["video"].map(lambda p: (tmp_path / p).exists()).all()
        )

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--output=m.csv"], "Nothing to read"),
            (["gone", "--output=m.csv"], "gone does not exist"),
            ([".", "--output=m.csv"], "holds no media file"),
            (["--config=finetune/ravdess.yaml", "--data.root=gone", "--output=m.csv"], "gone"),
            ([".", "--config=finetune/ravdess.yaml", "--output=m.csv"], "give one of them"),
            (["--config=finetune/ravdes.yaml", "--output=m.csv"], "did you mean"),
        ],
    )
    def test_mistakes_are_told_in_a_sentence(self, arguments, sentence, capsys):
        assert tell("data", "manifest", *arguments) == 2
        message = capsys.readouterr().err
        assert sentence in message
        assert "Traceback" not in message

    def test_name_of_another_kind(self, media, capsys):
        assert tell("data", "manifest", media, "--output=clips.xlsx") == 2
        assert ".csv, .tsv or .parquet" in capsys.readouterr().err


class TestCheck:
    @pytest.fixture
    def table(self, media):
        assert tell("data", "manifest", media, "--output=clips.csv") == 0
        return "clips.csv"

    @pytest.mark.parametrize("decode", ["ends", "all"])
    def test_every_fault_is_found(self, table, decode, capsys, tmp_path):
        options = ["--jobs=1", f"--decode={decode}", "--max_length_difference=0.5"]
        assert tell("data", "check", table, "--output=check", *options) == 1
        assert problems("check") == {
            "cut": "broken video;broken sound",
            "longer": "lengths differ",
            "mute": "broken sound",
            "single": "too short",
            "still": "silent",
        }
        report = (tmp_path / "check" / "report.txt").read_text()
        assert "5 clips have a problem." in report
        assert report.strip() in capsys.readouterr().out
        assert read_manifest("check/manifest.csv")["id"].tolist() == ["apart", "deep/good"]
        measured = pd.read_csv("check/clips.csv").set_index("id")
        assert measured.loc["deep/good", "frames"] == 20
        assert measured.loc["longer", "audio_seconds"] == pytest.approx(3, abs=0.01)

    def test_mended_clips_are_looked_at_again_and_others_are_not(self, table, media, capsys):
        assert tell("data", "check", table, "--output=check", "--jobs=1") == 1
        capsys.readouterr()
        assert tell("data", "check", table, "--output=check", "--jobs=1") == 1
        assert "4 of 7 clips to do, 3 done before" in capsys.readouterr().err

    def test_shards_wait_for_each_other(self, table, capsys, tmp_path):
        assert tell("data", "check", table, "--output=check", "--jobs=1", "--shard=1/2") == 0
        assert "3 clips are left to other shards" in capsys.readouterr().out
        assert not (tmp_path / "check" / "report.txt").exists()
        assert tell("data", "check", table, "--output=check", "--jobs=1", "--shard=2/2") == 1
        assert (tmp_path / "check" / "report.txt").exists()

    def test_people_on_both_sides_are_found(self, media, capsys, tmp_path):
        video = media / "deep" / "good.mp4"
        rows = [
            f"{i},{video},{who},{split}"
            for i, (who, split) in enumerate(
                [("ann", "train"), ("ben", "train"), ("ann", "test"), ("cid", "test")]
            )
        ]
        (tmp_path / "m.csv").write_text("\n".join(["id,video,subject,split", *rows]) + "\n")
        assert tell("data", "check", "m.csv", "--output=check", "--jobs=1") == 1
        assert "ann" in (tmp_path / "check" / "report.txt").read_text()
        counts = pd.read_csv(tmp_path / "check" / "counts.csv")
        assert counts.columns.tolist() == ["split", "subject", "clips"]
        assert counts["clips"].tolist() == [1, 1, 1, 1]
        assert problems("check") == {}

    def test_dry_run(self, table, tmp_path):
        assert tell("data", "check", table, "--output=check", "--dry_run=true") == 0
        assert not (tmp_path / "check").exists()

    def test_a_folder_has_no_other_root(self, media, capsys):
        assert tell("data", "check", media, "--data.root=.", "--output=check") == 2
        assert "is a folder, which holds its own files" in capsys.readouterr().err


class TestAudio:
    def test_sound_of_any_container(self, media, tmp_path):
        """Of the faulty clips, one has no sound and one cannot be opened."""
        assert tell("data", "audio", media, "--output=sounds", "--jobs=1") == 1
        assert problems_of_audio("sounds") == {"cut", "mute"}
        table = read_manifest("sounds/manifest.csv").set_index("id")
        assert set(table.index) == {"apart", "deep/good", "longer", "single", "still"}
        ours = read_audio(table.loc["deep/good", "audio"])
        np.testing.assert_allclose(ours, read_audio(media / "deep" / "good.mp4"), atol=1e-4)
        assert not list(tmp_path.rglob(".*"))

    def test_a_lost_file_is_made_again(self, media, tmp_path, capsys):
        tell("data", "audio", media, "--output=sounds", "--jobs=1")
        lost = tmp_path / "sounds" / "deep" / "good.wav"
        lost.unlink()
        capsys.readouterr()
        tell("data", "audio", media, "--output=sounds", "--jobs=1")
        assert "3 of 7 clips to do" in capsys.readouterr().err
        assert lost.exists()


def problems_of_audio(folder):
    return set(pd.read_csv(f"{folder}/problems.csv")["id"])


class TestFaces:
    def test_clips_without_a_face_are_listed(self, media, capsys):
        assert tell("data", "faces", media / "deep", "--output=faces", "--jobs=1") == 1
        assert "1 clips: no face (good); see problems.csv." in capsys.readouterr().out
        assert pd.read_csv("faces/problems.csv")["status"].tolist() == ["no face"]
        tell("data", "faces", media / "deep", "--output=faces", "--jobs=1")
        assert "0 of 1 clips to do" in capsys.readouterr().err

    def test_unknown_detector_stops_at_once(self, media, capsys, tmp_path):
        assert tell("data", "faces", media, "--output=faces", "--detector=no.such.Class") == 2
        assert "no.such" in capsys.readouterr().err
        assert not (tmp_path / "faces").exists()

    @pytest.mark.slow
    @pytest.mark.parametrize("folder", ["grid_talkers", "ravdess"])
    def test_real_clips_from_faces_to_a_run(self, shared_dir, folder, tmp_path, capsys):
        source = shared_dir / "clips" / folder
        options = ["--detect_every=15", "--size=64"]
        assert tell("data", "faces", source, "--output=faces", *options) == 0
        table = read_manifest("faces/manifest.csv")
        assert len(table) == {"grid_talkers": 11, "ravdess": 4}[folder]
        with VideoReader(table["video"].iloc[0]) as reader:
            assert (reader.width, reader.height) == (64, 64)
        assert tell("data", "check", "faces/manifest.csv", "--output=check", "--jobs=1") == 0
        shape = ARCHITECTURE | {"num_frames": 16, "audio_frames": 64}
        done = run(
            [
                "fit",
                "--config=demo/pretrain.yaml",
                "--data.manifest=faces/manifest.csv",
                f"--model.architecture={shape}",
                "--data.audio_frames=64",
                "--data.mel_bins=32",
                "--data.batch_size=2",
                "--data.num_frames=16",
                *SMALL,
                "--trainer.max_epochs=1",
                "--trainer.accelerator=cpu",
                f"--trainer.default_root_dir={tmp_path / 'runs'}",
            ]
        )
        assert done.trainer.global_step >= 1
