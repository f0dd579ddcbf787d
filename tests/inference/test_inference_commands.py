"""`hicmae recognize` and `hicmae embed` by the command line, on made clips and on a real one."""

import json
import os
import pickle
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shell
import torch
from media_factory import numbered_picture, write_clip, write_image
from tiny import CLASSES
from tiny_models import write_model

from hicmae.inference.commands import recognize
from hicmae.inference.feature_store import FeatureStore
from hicmae.inference.features import read_features
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.media import VideoReader, watched

WIDTH = 16


pytestmark = pytest.mark.usefixtures("as_command")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Two good clips, one of them in a folder below, and a text that is called a video."""
    root = tmp_path_factory.mktemp("media")
    write_clip(root / "one.mp4", seconds=1.2, size=(48, 40))
    write_clip(root / "deep" / "two.mkv", seconds=0.8, size=(48, 40), seed=1)
    (root / "text.mp4").write_text("not a film")
    return root


@pytest.fixture(scope="module")
def good(media):
    return [media / "one.mp4", media / "deep" / "two.mkv"]


def tell(command, *arguments, faces="none"):
    """The exit status."""
    return shell.tell(command, *arguments, f"--faces={faces}", "--device=cpu")


class TestRecognize:
    def test_table(self, model, good, capsys):
        assert tell("recognize", *good, "--checkpoint", model) == 0
        printed = capsys.readouterr().out
        expected = EmotionRecognizer.from_pretrained(model, faces="none").recognize(str(good[0]))
        for path in good:
            assert str(path) in printed.replace("\n", "")
        for name, score in expected.scores.items():
            assert name in printed
            assert f"{score:4.0%}" in printed
        assert "0.0-1.2 s" in printed

    def test_files_for_programs(self, model, media, capsys):
        status = tell(
            *("recognize", media, "--checkpoint", model, "--on_error=skip"),
            *("--json=out/r.json", "--csv=out/r.csv", "--hop=0.2"),
        )
        assert status == 1
        told = capsys.readouterr().err
        assert "1 of 3 clips were left out" in told
        assert "text.mp4 cannot be opened" in told
        recognitions = json.loads(Path("out/r.json").read_text())
        assert [r["source"] for r in recognitions] == [
            str(media / "deep" / "two.mkv"),
            str(media / "one.mp4"),
        ]
        table = pd.read_csv("out/r.csv")
        windows = [w for r in recognitions for p in r["people"] for w in p["windows"]]
        assert len(table) == len(windows) > 4
        np.testing.assert_allclose(table[list(CLASSES)].sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(table["start"], [w["start"] for w in windows], atol=1e-6)
        assert table["calm"][3] == pytest.approx(windows[3]["scores"]["calm"])

    def test_json_alone_on_the_standard_output(self, model, good, capsys):
        assert tell("recognize", good[0], "--checkpoint", model, "--json", "-") == 0
        (recognition,) = json.loads(capsys.readouterr().out)
        assert set(recognition["people"][0]["scores"]) == set(CLASSES)

    def test_called_from_python(self, model, good, capsys):
        tell("recognize", *good, "--checkpoint", model, "--json", "-")
        told = json.loads(capsys.readouterr().out)
        results = recognize(good, checkpoint=model, faces="none", device="cpu")
        assert results == told

    def test_rendered_file(self, model, good, capsys):
        status = tell("recognize", good[0], "--checkpoint", model, "--render", "out/shown.mp4")
        assert status == 0
        assert "rendered to out/shown.mp4" in capsys.readouterr().out
        with VideoReader("out/shown.mp4") as reader, VideoReader(good[0]) as source:
            assert reader.frame_count == source.frame_count

    def test_rendered_folder(self, model, media, tmp_path):
        status = tell(
            *("recognize", media, "--checkpoint", model, "--on_error=skip", "--render=shown")
        )
        assert status == 1
        found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.mp4")}
        assert found == {"shown/one.mp4", "shown/deep/two.mp4"}

    def test_a_folder_of_images_is_a_clip(self, model, tmp_path, capsys):
        (tmp_path / "take.1").mkdir()
        for index in range(20):
            write_image(tmp_path / "take.1" / f"{index}.png", numbered_picture(index, (48, 40)))
        status = tell(
            "recognize", "take.1", "--checkpoint", model, "--use=video", "--render", "shown"
        )
        assert status == 0
        assert [path.name for path in Path("shown").glob("*.mp4")] == ["take.1.mp4"]

    def test_values_have_no_emotion(self, tmp_path, good, capsys):
        other = write_model(tmp_path / "values", kind="regression")
        assert tell("recognize", good[0], "--checkpoint", other, "--hop=0.04") == 0
        printed = capsys.readouterr().out
        assert "emotion" not in printed
        assert "6 of 15 windows; --csv has all" in printed

    def test_sound_files_for_a_model_of_sound(self, tmp_path, capsys):
        other = write_model(tmp_path / "sound", modality="audio")
        write_clip(tmp_path / "voices" / "a.wav", seconds=1.0)
        assert tell("recognize", "voices", "--checkpoint", other) == 0
        assert "a.wav, 1.0 s" in capsys.readouterr().out
        assert tell("recognize", "voices", "--checkpoint", other, "--render=shown") == 2
        assert "has no pictures to render" in capsys.readouterr().err

    def test_a_real_face(self, model, shared_dir, capsys):
        clip = shared_dir / "clips" / "grid_talkers" / "bbaf2n.mpg"
        assert tell("recognize", clip, "--checkpoint", model, "--json=-", faces="crop") == 0
        (recognition,) = json.loads(capsys.readouterr().out)
        assert len(recognition["people"]) == 1
        assert recognition["people"][0]["end"] == pytest.approx(3.0, abs=0.1)


class _Intruder:
    def __reduce__(self):
        return os.mkdir, ("intruded",)


class TestMistakes:
    """Each is told in one sentence, and the status is 2."""

    def sentence(self, capsys, *arguments, command="recognize", **options):
        assert tell(command, *arguments, **options) == 2
        told = capsys.readouterr()
        assert told.out == ""
        lines = [line for line in told.err.splitlines() if line.startswith("hicmae:")]
        assert len(lines) == 1
        assert "Traceback" not in told.err
        return lines[0]

    def test_no_checkpoint(self, good, capsys):
        assert "`hicmae demo` trains" in self.sentence(capsys, good[0])

    def test_no_clip(self, model, capsys):
        assert "clips" in self.sentence(capsys, "--checkpoint", model)
        told = self.sentence(capsys, "gone.mp4", "--checkpoint", model, "--on_error=skip")
        assert "There is no file or folder gone.mp4" in told

    def test_no_media(self, model, tmp_path, capsys):
        (tmp_path / "empty").mkdir()
        assert "holds no media file" in self.sentence(capsys, "empty", "--checkpoint", model)

    def test_a_clip_twice(self, model, media, good, capsys):
        told = self.sentence(capsys, media, good[0], "--checkpoint", model)
        assert "is given more than once" in told

    def test_a_text_that_is_called_a_video(self, model, media, capsys):
        told = self.sentence(capsys, media / "text.mp4", "--checkpoint", model)
        assert "cannot be opened as video or sound" in told

    def test_a_cut_clip(self, model, tmp_path, clip_factory, capsys):
        whole = clip_factory("front.mp4", seconds=2.0, options={"movflags": "faststart"})
        (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[:20_000])
        assert "cut off" in self.sentence(capsys, "cut.mp4", "--checkpoint", model)

    def test_no_sound(self, model, clip_factory, capsys):
        mute = clip_factory("mute.mp4", seconds=0.4, sound=False)
        assert "--use video" in self.sentence(capsys, mute, "--checkpoint", model)
        assert tell("recognize", mute, "--checkpoint", model, "--use=video") == 0

    def test_no_face(self, model, good, capsys):
        told = self.sentence(capsys, good[0], "--checkpoint", model, faces="crop")
        assert "face" in told

    def test_a_model_that_was_only_pretrained(self, tmp_path, good, capsys):
        other = write_model(tmp_path / "encoders", kind="pretraining")
        told = self.sentence(capsys, good[0], "--checkpoint", other)
        assert "was only pre-trained" in told
        assert "hicmae embed" in told

    @pytest.mark.parametrize("command", ["recognize", "embed"])
    def test_a_malicious_checkpoint(self, tmp_path, good, capsys, command):
        torch.save({"state_dict": {}, "extra": _Intruder()}, "evil.ckpt")
        (tmp_path / "evil.pkl").write_bytes(pickle.dumps(_Intruder()))
        for name in ("evil.ckpt", "evil.pkl"):
            more = ["--output=f.npz"] if command == "embed" else []
            told = self.sentence(capsys, good[0], "--checkpoint", name, *more, command=command)
            assert "evil" in told
        assert not (tmp_path / "intruded").exists()

    def test_render_targets(self, model, media, good, tmp_path, capsys):
        told = self.sentence(capsys, *good, "--checkpoint", model, "--render=one.mp4")
        assert "name a folder" in told
        told = self.sentence(capsys, good[0], "--checkpoint", model, "--render=one.gif")
        assert "names no kind of video" in told
        twin = write_clip(tmp_path / "twin" / "one.mp4", seconds=0.4)
        told = self.sentence(capsys, twin, good[0], "--checkpoint", model, "--render=shown")
        assert "would both be rendered to shown/one.mp4" in told

    def test_what_cannot_be_written(self, model, good, tmp_path, capsys):
        (tmp_path / "file").write_text("")
        (tmp_path / "folder").mkdir()
        told = self.sentence(capsys, good[0], "--checkpoint", model, "--csv=file/r.csv")
        assert "file/r.csv cannot be written" in told
        told = self.sentence(capsys, good[0], "--checkpoint", model, "--json=folder")
        assert "folder is a folder" in told

    def test_options(self, model, good, capsys):
        for option, told in (("--hop=-1", "hop is -1"), ("--people=0", "most_people is 0")):
            assert told in self.sentence(capsys, good[0], "--checkpoint", model, option)

    def test_embed(self, model, good, tmp_path, capsys):
        told = self.sentence(capsys, good[0], "--checkpoint", model, command="embed")
        assert "output" in told
        told = self.sentence(
            capsys, good[0], "--checkpoint", model, "--output=f.csv", command="embed"
        )
        assert "f.csv has no suffix of a known format" in told
        (tmp_path / "f.npz").write_text("mine")
        told = self.sentence(
            capsys, good[0], "--checkpoint", model, "--output=f.npz", command="embed"
        )
        assert "--overwrite" in told
        assert (tmp_path / "f.npz").read_text() == "mine"


class DeadlyDecoding(watched._Decoding):
    """Ends the process at the second clip of `media`, and falls silent at the third."""

    def pictures(self, frames, room):
        if self._recording.path.name == "one.mp4":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._recording.path.name == "three.mp4":
            time.sleep(60)
        return super().pictures(frames, room)


@pytest.mark.parametrize("start", [("recognize", "--csv=f"), ("embed", "--output=f.npz")])
def test_a_crash_and_a_hang_cost_their_clips_alone(model, good, capsys, monkeypatch, start):
    monkeypatch.setattr(watched, "_Decoding", DeadlyDecoding)
    last = write_clip("three.mp4", seconds=0.4)
    clips = [good[1], good[0], last, write_clip("four.mp4", seconds=0.4)]
    command, output = start
    assert tell(command, *clips, "--checkpoint", model, output, "--patience=1") == 1
    told = capsys.readouterr().err
    assert "2 of 4 clips were left out" in told
    assert "one.mp4: the process that decoded it crashed (segmentation fault, SIGSEGV)" in told
    assert "three.mp4: the process that decoded it gave no sign of life for 1 s" in told


class TestEmbed:
    @pytest.mark.parametrize("suffix", ["safetensors", "npz", "parquet"])
    def test_a_folder(self, model, media, good, capsys, suffix):
        output = f"f.{suffix}"
        status = tell(
            *("embed", media, "--checkpoint", model, "--output", output),
            *("--layers", "--on_error=skip"),
        )
        assert status == 1
        printed = capsys.readouterr()
        assert "text.mp4 cannot be opened" in printed.err
        features = read_features(output)
        assert f"joint        {len(features.table)} x {4 * WIDTH}" in printed.out
        assert f"read_features('{output}')" in printed.out
        assert features.table["source"].unique().tolist() == ["deep/two.mkv", "one.mp4"]
        ours = EmotionRecognizer.from_pretrained(model, faces="none")
        two, one = (ours.embed(str(path))[0] for path in (good[1], good[0]))
        for name in ("joint", "video_layers", "audio_layers"):
            expected = np.concatenate([getattr(two, name), getattr(one, name)])
            np.testing.assert_allclose(getattr(features, name), expected, atol=1e-6)

    def test_means_of_a_pretrained_model(self, tmp_path, good, capsys):
        other = write_model(tmp_path / "encoders", kind="pretraining")
        status = tell("embed", *good, "--checkpoint", other, "--output=f.parquet", "--per=clip")
        assert status == 0
        features = read_features("f.parquet")
        assert features.table["source"].tolist() == [str(path) for path in good]
        assert features.joint.shape == (2, 4 * WIDTH)
        assert features.video_layers is None

    def test_a_stopped_run_goes_on(self, model, tmp_path, capsys, monkeypatch):
        for number in range(3):
            write_clip(tmp_path / "m" / f"{number}.mp4", seconds=0.6, size=(48, 40), seed=number)
        command = ["embed", "m", "--checkpoint", model]
        assert tell(*command, "--output=whole.npz") == 0

        add, added = FeatureStore.add, []

        def stopping(store, clip, embeddings):
            if len(added) == 2:
                raise KeyboardInterrupt
            added.append(clip)
            return add(store, clip, embeddings)

        with monkeypatch.context() as context:
            context.setattr(FeatureStore, "add", stopping)
            assert tell(*command, "--output=stopped.npz") == 2
        assert not (tmp_path / "stopped.npz").exists()
        other = write_model(tmp_path / "other", seed=1)
        capsys.readouterr()
        assert tell("embed", "m", "--checkpoint", other, "--output=stopped.npz") == 2
        assert "holds results made with model" in capsys.readouterr().err
        assert tell(*command, "--output=stopped.npz") == 0
        assert "1 of 3 clips to do, 2 done before" in capsys.readouterr().err
        assert (tmp_path / "stopped.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
        assert not (tmp_path / "stopped.npz.parts").exists()

    def test_nothing_is_written_of_no_clip(self, model, media, tmp_path, capsys):
        status = tell(
            *("embed", media / "text.mp4", "--checkpoint", model),
            *("--output=f.npz", "--on_error=skip"),
        )
        assert status == 1
        assert "1 of 1 clips were left out" in capsys.readouterr().err
        assert not list(tmp_path.iterdir())
