"""`hicmae recognize` and `hicmae embed` over many clips: stopped and gone on with, shared out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pytest
from media_factory import write_clip
from test_inference_commands import tell
from tiny_models import write_model

from hicmae.inference.features import SUFFIXES, read_features
from hicmae.inference.recognizer import EmotionRecognizer

CLIPS = 4


pytestmark = pytest.mark.usefixtures("as_command")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    root = tmp_path_factory.mktemp("media")
    for number in range(CLIPS):
        write_clip(root / f"{number}.mp4", seconds=0.6, size=(48, 40), seed=number)
    return root


@pytest.fixture(scope="module")
def given(media, model):
    """What stands behind a command: the clips and the model."""
    return (media, "--checkpoint", model)


class Watch:
    """Names of the clips that a model is run on; it stops before one of them, from 1."""

    def __init__(self):
        self.seen = []
        self.stop = None

    def stopped_at(self, stop, *arguments):
        self.stop = stop
        assert tell(*arguments) == 2
        self.stop = None
        self.seen.clear()


@pytest.fixture
def watch(monkeypatch):
    watch = Watch()
    for command in ("recognize", "embed"):
        original = getattr(EmotionRecognizer, command)

        def watched(self, recording, *, original=original, **options):
            watch.seen.append(Path(recording.source).name)
            if len(watch.seen) == watch.stop:
                raise KeyboardInterrupt
            return original(self, recording, **options)

        monkeypatch.setattr(EmotionRecognizer, command, watched)
    return watch


def kill_at_clip(number, command, *arguments):
    """Runs the command in a process that is killed while it works on a clip, from 1."""
    program = textwrap.dedent(
        f"""
        import os, signal, sys
        from hicmae.cli import main
        from hicmae.inference.recognizer import EmotionRecognizer
        original, calls = EmotionRecognizer.{command}, []
        def dying(*arguments, **options):
            calls.append(None)
            if len(calls) == {number}:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)
        EmotionRecognizer.{command} = dying
        main(["{command}", *sys.argv[1:], "--faces=none", "--device=cpu"])
        """
    )
    running = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], check=False, timeout=250
    )
    assert running.returncode == -signal.SIGKILL


class TestKilled:
    def test_embed(self, given, tmp_path, watch):
        command = (*given, "--layers", "--output")
        assert tell("embed", *command, "whole.parquet") == 0
        kill_at_clip(3, "embed", *command, "stopped.parquet")
        assert not (tmp_path / "stopped.parquet").exists()
        watch.seen.clear()
        assert tell("embed", *command, "stopped.parquet") == 0
        assert watch.seen == ["2.mp4", "3.mp4"]
        ours, theirs = (tmp_path / f"{name}.parquet" for name in ("stopped", "whole"))
        assert ours.read_bytes() == theirs.read_bytes()
        assert {path.name for path in tmp_path.iterdir()} == {ours.name, theirs.name}

    def test_recognize(self, given, tmp_path, watch):
        whole, stopped = (
            ("recognize", *given, f"--json={name}/r.json", f"--csv={name}/r.csv")
            for name in ("whole", "stopped")
        )
        assert tell(*whole) == 0
        kill_at_clip(3, *stopped)
        assert [path.name for path in (tmp_path / "stopped").iterdir()] == ["r.json.parts"]
        watch.seen.clear()
        assert tell(*stopped) == 0
        assert watch.seen == ["2.mp4", "3.mp4"]
        for name in ("r.json", "r.csv"):
            assert Path("stopped", name).read_bytes() == Path("whole", name).read_bytes()
        assert {path.name for path in (tmp_path / "stopped").iterdir()} == {"r.json", "r.csv"}


class TestStopped:
    def test_rendered_clips_are_done_again_where_their_picture_is_gone(self, given, watch):
        command = ("recognize", *given, "--render=shown")
        watch.stopped_at(4, *command)
        Path("shown/1.mp4").unlink()
        assert tell(*command) == 0
        assert watch.seen == ["1.mp4", "3.mp4"]
        assert len(list(Path("shown").glob("*.mp4"))) == CLIPS

    @pytest.mark.parametrize("start", [("embed", "--output=f.npz"), ("recognize", "--csv=f.csv")])
    def test_other_options_are_refused_or_begin_anew(self, given, tmp_path, capsys, watch, start):
        watch.stopped_at(3, *start, *given)
        assert tell(*start, *given, "--hop=0.2") == 2
        told = capsys.readouterr().err
        assert "holds results made with hop None, not 0.2" in told
        option, _, _ = start[1].partition("=")
        assert f"give another {option}, or --restart to begin anew" in told
        other = write_model(tmp_path / "other", seed=1)
        assert tell(*start, given[0], "--checkpoint", other) == 2
        assert "holds results made with model" in capsys.readouterr().err
        assert not watch.seen
        assert tell(*start, *given, "--hop=0.2", "--restart") == 0
        assert len(watch.seen) == CLIPS

    def test_features_that_0_2_began_are_refused_or_begin_anew(self, given, capsys, watch):
        """Their parts do not tell what was seen and heard."""
        start = ("embed", "--output=f.npz", *given)
        watch.stopped_at(3, *start)
        path = Path("f.npz.parts/embed.settings.json")
        settings = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in settings.items() if k != "format"}))
        assert tell(*start) == 2
        assert "made with format None, not 2; give another --output" in capsys.readouterr().err
        assert not watch.seen
        assert tell(*start, "--restart") == 0
        assert "format" not in read_features("f.npz").settings

    def test_a_clip_that_changed_is_done_again(self, model, media, tmp_path, watch):
        shutil.copytree(media, tmp_path / "m")
        arguments = ("recognize", "m", "--checkpoint", model, "--csv=r.csv")
        watch.stopped_at(4, *arguments)
        os.utime(tmp_path / "m" / "1.mp4", ns=(1, 1))
        assert tell(*arguments) == 0
        assert watch.seen == ["1.mp4", "3.mp4"]


class TestFailures:
    @pytest.fixture
    def mixed(self, media, tmp_path):
        """Two good clips around one that is none."""
        folder = tmp_path / "mixed"
        folder.mkdir()
        for name in ("0.mp4", "2.mp4"):
            (folder / name).write_bytes((media / name).read_bytes())
        (folder / "1.mp4").write_text("not a film")
        return folder

    def listed(self, path):
        table = pd.read_csv(path)
        assert table["source"].tolist() == ["1.mp4"]
        assert "cannot be opened" in table["message"][0]

    def test_embed_lists_them_and_does_them_alone_once_mended(self, given, mixed, capsys, watch):
        arguments = ("embed", mixed, *given[1:], "--output=f.npz")
        assert tell(*arguments) == 1
        assert "1 of 3 clips were left out" in capsys.readouterr().err
        self.listed("f.npz.problems.csv")
        assert read_features("f.npz").table["source"].unique().tolist() == ["0.mp4", "2.mp4"]
        (mixed / "1.mp4").write_bytes((given[0] / "1.mp4").read_bytes())
        watch.seen.clear()
        assert tell(*arguments, "--overwrite") == 0
        assert watch.seen == ["1.mp4"]
        whole = read_features("f.npz").table["source"].unique().tolist()
        assert whole == ["0.mp4", "1.mp4", "2.mp4"]
        assert sorted(path.name for path in Path().iterdir()) == ["f.npz", "mixed"]

    def test_recognize_lists_them_and_does_them_alone_once_mended(
        self, given, mixed, capsys, watch
    ):
        arguments = ("recognize", mixed, *given[1:], "--json=r.json")
        assert tell(*arguments) == 1
        assert "1 of 3 clips were left out" in capsys.readouterr().err
        self.listed("r.json.problems.csv")
        assert len(json.loads(Path("r.json").read_text())) == 2
        (mixed / "1.mp4").write_bytes((given[0] / "1.mp4").read_bytes())
        watch.seen.clear()
        assert tell(*arguments) == 0
        assert watch.seen == ["1.mp4"]
        sources = [Path(one["source"]).name for one in json.loads(Path("r.json").read_text())]
        assert sources == ["0.mp4", "1.mp4", "2.mp4"]
        assert sorted(path.name for path in Path().iterdir()) == ["mixed", "r.json"]

    @pytest.mark.parametrize("start", [("embed", "--output=f.npz"), ("recognize", "--csv=f.csv")])
    def test_they_stop_the_run_if_asked_to(self, given, mixed, capsys, watch, start):
        assert tell(*start, mixed, *given[1:], "--on_error=raise") == 2
        assert "hicmae: " in capsys.readouterr().err
        assert watch.seen == ["0.mp4"]


class TestShards:
    @pytest.mark.parametrize("suffix", SUFFIXES)
    @pytest.mark.parametrize("count", [2, 3, 5])
    def test_together_they_are_one_run(self, given, capsys, watch, suffix, count):
        command = ("embed", *given, "--per=clip", "--output")
        assert tell(*command, f"whole{suffix}") == 0
        watch.seen.clear()
        for index in range(1, count + 1):
            assert tell(*command, f"parts{suffix}", f"--shard={index}/{count}") == 0
            assert not Path(f"parts{suffix}").exists()
        assert "give the command once more without --shard" in capsys.readouterr().out
        assert sorted(watch.seen) == [f"{number}.mp4" for number in range(CLIPS)]
        assert tell(*command, f"parts{suffix}") == 0
        assert len(watch.seen) == CLIPS
        assert Path(f"parts{suffix}").read_bytes() == Path(f"whole{suffix}").read_bytes()

    def test_dry_run_works_on_nothing_and_writes_nothing(self, given, tmp_path, capsys, watch):
        options = ("--output=new/f.npz", "--dry_run", "--shard=2/3")
        assert tell("embed", *given, *options) == 0
        assert "1 of 1 clips of shard 2 of 3 to do" in capsys.readouterr().err
        assert not watch.seen
        assert not list(tmp_path.iterdir())

    def test_mistakes(self, given, capsys):
        arguments = ("embed", *given, "--output=f.npz")
        assert tell(*arguments, "--shard=3/2") == 2
        assert "give i/n" in capsys.readouterr().err
        assert tell(*arguments, "--shard=1/2", "--restart") == 2
        assert "give it without --shard" in capsys.readouterr().err
