"""Where sound lies in time, at which rate, and of how many channels."""

from fractions import Fraction

import av
import numpy as np
import pandas as pd
import pytest
from media_factory import sweep, write_clip
from odd_media import write_sound

from hicmae.data.cache import ClipCache
from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import Clip, complete_manifest
from hicmae.data.options import ClipOptions
from hicmae.errors import DataError
from hicmae.media import read_audio
from hicmae.media.recording import FileRecording
from hicmae.preparation.audio import read_sound

RATE = 16_000


def tone(seconds, rate=RATE, hertz=440.0):
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate))[None]


def test_a_pause_is_silence_of_its_length(tmp_path):
    path = write_sound(tmp_path / "pause.mkv", [(0.0, tone(0.5)), (1.5, tone(0.5))])
    sound = read_audio(path)
    assert len(sound) == pytest.approx(2 * RATE, abs=40)
    assert np.abs(sound[int(0.55 * RATE) : int(1.45 * RATE)]).max() == 0
    assert np.abs(sound[int(1.55 * RATE) :]).max() > 0.3
    pieces = FileRecording(path, piece_seconds=1).sound(0, 3 * RATE)
    assert len(pieces) == len(sound)
    np.testing.assert_allclose(pieces, sound, atol=2e-3)
    part = read_audio(path, start=1.0, end=1.75)
    assert np.abs(part[: int(0.45 * RATE)]).max() == 0
    assert np.abs(part[int(0.6 * RATE) :]).max() > 0.3


def test_a_pause_of_hours_is_damage(tmp_path):
    path = write_sound(tmp_path / "days.mkv", [(0.0, tone(0.5)), (7200.0, tone(0.5))])
    with pytest.raises(DataError, match=r"no sound for 7200 s"):
        read_audio(path)


def test_a_segment_before_late_sound_is_silent_up_to_it(tmp_path):
    path = write_sound(tmp_path / "late.mkv", [(1.0, tone(1.0))], pictures=50)
    sound = read_audio(path, start=0.5, end=1.5)
    assert len(sound) == RATE
    assert np.abs(sound[: int(0.49 * RATE)]).max() == 0
    assert np.abs(sound[int(0.55 * RATE) :]).max() > 0.3


@pytest.mark.parametrize("rate", [44_099, 15_999, 47_951])
def test_odd_rates_are_read_within_bounds(tmp_path, rate):
    samples = sweep(2.0, rate)[None]
    path = write_sound(tmp_path / "odd.mkv", [(0.0, samples)], rate=rate, codec="flac")
    sound = read_audio(path)
    assert len(sound) == 2 * RATE
    usual = read_audio(write_clip(tmp_path / "usual.wav", seconds=2.0))
    middle = slice(RATE // 2, 3 * RATE // 2)
    assert np.corrcoef(sound[middle], usual[middle])[0, 1] > 0.99
    pieces = FileRecording(path, piece_seconds=1).sound(0, 3 * RATE)
    assert len(pieces) == len(sound)
    assert np.abs(pieces[middle] - sound[middle]).max() < 0.02


@pytest.mark.parametrize("layout", ["5.1", "7.1"])
@pytest.mark.parametrize("codec", ["aac", "pcm_f32le"])
def test_surround_sound_is_mixed_as_ffmpeg_does(tmp_path, layout, codec):
    """Dialogue is in the middle channel and keeps its level; that of basses is left out."""
    channels = {"5.1": 6, "7.1": 8}[layout]
    planes = np.zeros((channels, RATE))
    planes[2] = tone(1.0)[0]
    planes[3] = tone(1.0, hertz=60.0)[0]
    suffix = "mp4" if codec == "aac" else "wav"
    path = write_sound(tmp_path / f"surround.{suffix}", [(0.0, planes)], layout=layout, codec=codec)
    sound = read_audio(path)[RATE // 4 : 3 * RATE // 4]
    assert np.abs(sound).max() == pytest.approx(0.4, abs=0.03)
    spectrum = np.abs(np.fft.rfft(sound))
    assert spectrum[30] < 0.02 * spectrum[220]  # 60 and 440 Hz in half a second


def test_samples_that_are_no_numbers_are_told(tmp_path):
    samples = tone(1.0)
    samples[0, 5000:5100] = np.nan
    path = write_sound(tmp_path / "nan.wav", [(0.0, samples)], codec="pcm_f32le")
    with pytest.raises(DataError, match=r"nan\.wav: its sound has samples that are no numbers"):
        read_audio(path)
    with pytest.raises(DataError, match="no numbers"):
        FileRecording(path).sound(0, RATE)


class TestSegments:
    """A row with `start` and `end` and without times of sound."""

    def test_sound_in_the_video_is_where_the_pictures_are(self):
        clip = Clip("a", "a.mp4", start=1.0, end=2.0)
        assert clip.sound_segment == (1.0, 2.0)
        assert clip.one_source
        assert Clip("a", "a.mp4", audio="a.mp4", start=1.0, end=2.0).one_source

    def test_a_sound_file_is_whole(self):
        assert Clip("a", "a.mp4", audio="a.wav", start=1.0, end=2.0).sound_segment == (None, None)

    def test_times_of_sound_come_first(self):
        clip = Clip("a", "a.mp4", start=1.0, end=2.0, audio_start=0.5)
        assert clip.sound_segment == (0.5, None)
        assert not clip.one_source

    def test_training_reads_what_preparation_reads(self, tmp_path):
        video = write_clip(tmp_path / "a.mp4", seconds=2.0, size=(64, 64))
        table = complete_manifest(
            pd.DataFrame(
                {
                    "id": ["a"],
                    "video": [str(video)],
                    "start": [0.4],
                    "end": [1.2],
                    "audio_start": [None],
                    "audio_end": [None],
                }
            )
        )
        dataset = ClipDataset(table, ClipOptions(num_frames=20, stride=1, frame_size=32), views=1)
        (heard,) = dataset[0]["waveform"]
        np.testing.assert_array_equal(heard, read_sound(dataset.clip(0)))
        assert len(heard) == pytest.approx(0.8 * RATE, abs=2)


@pytest.mark.parametrize("audio_by", ["proportion", "time"])
@pytest.mark.parametrize("cached", [False, True])
def test_pictures_that_begin_late_hear_what_is_heard_then(tmp_path, audio_by, cached):
    """Pictures begin 1 s after the sound, which is silent until then."""
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        samples = np.concatenate([np.zeros(RATE), np.full(RATE, 0.3)]).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate, sound.time_base, sound.pts = RATE, Fraction(1, RATE), 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
        for index in range(25):
            picture = np.zeros((64, 64, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), 1000 + 40 * index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    table = complete_manifest(pd.DataFrame({"id": ["a"], "video": [str(path)]}))
    dataset = ClipDataset(
        table,
        ClipOptions(
            num_frames=5, stride=2, frame_size=32, audio_by=audio_by, max_length_difference=0.5
        ),
        views=2,
        cache=ClipCache(tmp_path / "cache", 32) if cached else None,
    )
    for waveform in dataset[0]["waveform"]:
        assert len(waveform) > 0.3 * RATE
        assert waveform.min() > 0.29
