"""The sound of a clip as a WAV file."""

import wave

import numpy as np
import pytest
from media_factory import write_clip

from hicmae.data.manifest import Clip
from hicmae.errors import DataError
from hicmae.media import read_audio
from hicmae.preparation.audio import extract_audio


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    return write_clip(folder / "clip.mp4", seconds=1.0, size=(64, 36))


def test_the_sound_of_a_video_becomes_a_wav_of_one_channel_and_16_bits(video, tmp_path):
    row = extract_audio(Clip("talks/a.b", str(video)), output=tmp_path)
    assert row["status"] == "ok"
    assert row["audio"] == "talks/a.b.wav"
    with wave.open(str(tmp_path / "talks/a.b.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
    sound = read_audio(video)
    written = read_audio(tmp_path / "talks/a.b.wav")
    assert np.abs(written - sound).max() <= 0.5 / 32768 + 1e-7
    assert row["seconds"] == pytest.approx(len(sound) / 16_000, abs=1e-3)
    assert row["peak"] == pytest.approx(np.abs(sound).max(), abs=1e-5)


def test_a_wav_of_16_bits_comes_out_with_the_same_samples(tmp_path):
    source = write_clip(tmp_path / "source.wav", seconds=0.3)
    extract_audio(Clip("copy", str(source), audio=str(source)), output=tmp_path / "out")
    with wave.open(str(source)) as before, wave.open(str(tmp_path / "out/copy.wav")) as after:
        assert before.readframes(10**6) == after.readframes(10**6)


def test_only_the_segment_is_written_at_the_rate_asked_for(video, tmp_path):
    clip = Clip("part", str(video), start=0.25, end=0.75)
    row = extract_audio(clip, output=tmp_path, sample_rate=8000)
    assert row["seconds"] == pytest.approx(0.5, abs=1e-3)
    with wave.open(str(tmp_path / "part.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 4000)


def test_a_sound_file_has_its_own_segment(video, tmp_path):
    sound = write_clip(tmp_path / "sound.wav", seconds=1.0, seed=5)
    whole = Clip("whole", str(video), audio=str(sound), start=0.25, end=0.75)
    part = Clip("part", str(video), audio=str(sound), audio_start=0.5, audio_end=0.75)
    assert extract_audio(whole, output=tmp_path)["seconds"] == 1.0
    assert extract_audio(part, output=tmp_path)["seconds"] == 0.25


def test_a_clip_without_sound_is_refused_and_leaves_nothing(tmp_path):
    silent = write_clip(tmp_path / "silent.mp4", seconds=0.3, size=(64, 36), sound=False)
    with pytest.raises(DataError, match="has no audio stream"):
        extract_audio(Clip("a", str(silent)), output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


ODD_NAMES = [
    "../a",
    "/a",
    "a/../../b",
    "./a",
    "a//b",
    "a/",
    "..",
    "a\0b",
    "/",
    "x" * 300,
    "é" * 200,
]


def test_an_id_that_is_no_plain_path_names_a_file_of_its_own(video, tmp_path):
    files = [extract_audio(Clip(name, str(video)), output=tmp_path)["audio"] for name in ODD_NAMES]
    assert len(set(files)) == len(ODD_NAMES)
    for file in files:
        assert (tmp_path / file).resolve().parent == tmp_path.resolve()
        assert read_audio(tmp_path / file).size
    assert files[1].startswith("a-")


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_id_is_refused(name, video, tmp_path):
    with pytest.raises(DataError, match="cannot name a file"):
        extract_audio(Clip(name, str(video)), output=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_leaves_no_file(video, tmp_path, monkeypatch):
    def fail(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wave.Wave_write, "writeframes", fail)
    with pytest.raises(OSError, match="No space left"):
        extract_audio(Clip("a", str(video)), output=tmp_path)
    assert list(tmp_path.iterdir()) == []
