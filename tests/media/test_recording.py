"""Clips read piece by piece are the clips read whole."""

from fractions import Fraction

import av
import numpy as np
import pytest
from media_factory import (
    VIDEO_SUFFIXES,
    numbered_picture,
    picture_number,
    sweep,
    write_clip,
    write_image,
)

from hicmae.errors import DataError
from hicmae.media import SAMPLE_RATE, VideoReader, read_audio
from hicmae.media.listing import clips_of_folder, is_media_folder
from hicmae.media.recording import (
    ArrayRecording,
    FileRecording,
)

NTSC = Fraction(30000, 1001)
CLIPS = {f"usual{suffix}": None for suffix in VIDEO_SUFFIXES} | {"reordered.avi": "libx264"}


def numbers(recording, frames):
    return [
        (index, picture_number(picture)) for index, picture in recording.pictures(frames, size=32)
    ]


CASES = [(name, 25) for name in CLIPS] + [
    (name, NTSC) for name in ("usual.mp4", "usual.mkv", "usual.avi", "usual.mpg", "reordered.avi")
]


def make(clip_factory, name, fps=25):
    options = {"seconds": 3.2, "fps": fps, "size": (64, 64), "video_codec": CLIPS[name]}
    return clip_factory(f"{float(fps):.0f}{name}", **options)


@pytest.mark.parametrize(("name", "fps"), CASES)
def test_pieces_are_exact_in_every_container(clip_factory, name, fps):
    path = make(clip_factory, name, fps)
    recording = FileRecording(path, piece_seconds=1)
    with VideoReader(path) as reader:
        assert (recording.frame_count, recording.fps) == (reader.frame_count, reader.fps)
        assert (recording.width, recording.height) == (reader.width, reader.height)
    count = recording.frame_count
    assert count == round(3.2 * fps)
    assert numbers(recording, range(count)) == [(index, index) for index in range(count)]
    some = [3, 24, 25, 29, 30, 31, 60, 75, count - 1]
    assert numbers(recording, some) == [(index, index) for index in some]


@pytest.mark.parametrize("name", CLIPS)
def test_sound_in_pieces_is_the_whole_sound(clip_factory, name):
    path = make(clip_factory, name)
    whole = read_audio(path)
    pieces = FileRecording(path, piece_seconds=1).sound(0, len(whole) + 5000)
    # Some containers round times to milliseconds; elsewhere the samples are the same.
    rounded = name.endswith(("mkv", "webm", "flv"))
    shift = 16 if rounded else 0
    assert abs(len(pieces) - len(whole)) <= shift
    end = slice(35_000, 50_000)
    agreement = [
        np.corrcoef(pieces[end.start + lag : end.stop + lag], whole[end])[0, 1]
        for lag in range(-shift, shift + 1)
    ]
    assert max(agreement) > 0.999
    if not rounded:
        np.testing.assert_allclose(pieces, whole, atol=1e-3)
    alone = FileRecording(path, piece_seconds=1).sound(30_000, 50_000)
    np.testing.assert_array_equal(alone, pieces[30_000:50_000])


def test_sound_ends_where_it_ends(clip_factory):
    recording = FileRecording(clip_factory("heard.wav", seconds=2.5), piece_seconds=1)
    assert len(recording.sound(30_000, 50_000)) == 10_000
    assert len(recording.sound(40_000, 50_000)) == 0
    assert len(recording.sound(90_000, 100_000)) == 0


def test_a_sound_file_counts_in_nominal_frames(clip_factory):
    recording = FileRecording(clip_factory("heard.wav", seconds=2.5))
    assert (recording.has_video, recording.has_sound) == (False, True)
    assert (recording.fps, recording.frame_count) == (25, 62)
    assert recording.duration == pytest.approx(2.5, abs=0.03)
    with pytest.raises(DataError, match="no pictures"):
        next(recording.pictures([0]))


def test_sound_of_its_own_file(clip_factory):
    silent = clip_factory("unheard.mp4", sound=False, seconds=1.0)
    assert not FileRecording(silent).has_sound
    with pytest.raises(DataError, match="no sound"):
        FileRecording(silent).sound(0, 10)
    beside = FileRecording(silent, sound=clip_factory("heard.wav", seconds=2.5))
    assert beside.has_sound
    assert len(beside.sound(0, 50_000)) == 40_000
    assert beside.frame_count == 25


def test_sound_that_begins_late_keeps_its_time(tmp_path):
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for index in range(75):
            picture = av.VideoFrame.from_ndarray(numbered_picture(index, (64, 64)), format="rgb24")
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(
            np.full((1, 16_000), 8000, np.int16), format="s16", layout="mono"
        )
        sound.sample_rate, sound.time_base, sound.pts = 16_000, Fraction(1, 16_000), 16_000
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    for seconds in (1, 30):
        waveform = FileRecording(path, piece_seconds=seconds).sound(0, 48_000)
        assert np.flatnonzero(waveform > 0.1)[[0, -1]] == pytest.approx([16_000, 31_999], abs=20)


def test_moments_of_irregular_times_show_what_is_on_display_then(tmp_path):
    path = tmp_path / "webcam.mkv"
    shown = [0, 40, 80, 120, 1000, 1040, 1080, 1120]  # milliseconds
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "0"})
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        for index, time in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(numbered_picture(index, (64, 64)), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    recording = FileRecording(path, piece_seconds=1)
    assert (recording.fps, recording.frame_count) == (25, 29)
    assert recording.duration == pytest.approx(1.16)
    on_display = [0, 1, 2, *[3] * 22, 4, 5, 6, 7]
    assert numbers(recording, range(29)) == list(enumerate(on_display))
    assert numbers(recording, [2, 3, 24, 28]) == [(2, 2), (3, 3), (24, 3), (28, 7)]


def test_a_file_that_was_cut_off_is_told_at_once(clip_factory, tmp_path):
    whole = make(clip_factory, "usual.avi").read_bytes()
    path = tmp_path / "cut.avi"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.avi is cut off or damaged"):
        FileRecording(path)


def test_what_is_no_clip_is_told(tmp_path):
    (tmp_path / "notes.mp4").write_text("no clip")
    with pytest.raises(DataError, match=r"notes\.mp4 cannot be opened"):
        FileRecording(tmp_path / "notes.mp4")
    with pytest.raises(DataError, match="does not exist"):
        FileRecording(tmp_path / "none.mp4")


def test_little_sound_is_held(clip_factory):
    recording = FileRecording(clip_factory("minute.wav", seconds=60), piece_seconds=10)
    for second in range(59):
        assert len(recording.sound(second * SAMPLE_RATE, (second + 1) * SAMPLE_RATE)) == SAMPLE_RATE
        held = sum(len(piece) for piece in recording._sound._pieces.values())
        assert held <= 2 * 10 * SAMPLE_RATE


def test_folders_of_images_and_of_clips(tmp_path, clip_factory):
    faces = tmp_path / "faces"
    faces.mkdir()
    for index in range(5):
        write_image(faces / f"{index + 1}.png", numbered_picture(index, (64, 64)))
    recording = FileRecording(faces, folder_fps=10)
    assert (recording.frame_count, recording.fps, recording.has_sound) == (5, 10, False)
    assert numbers(recording, [0, 3]) == [(0, 0), (3, 3)]
    assert not is_media_folder(faces)
    clips = tmp_path / "clips"
    for name in ("b.mp4", "a.mkv", "a.wav", "c.wav"):
        write_clip(clips / name, seconds=0.2)
    assert is_media_folder(clips)
    assert clips_of_folder(clips) == [(clips / "a.mkv", clips / "a.wav"), (clips / "b.mp4", None)]
    assert (clips / "c.wav", None) in clips_of_folder(clips, sounds_alone=True)


class TestArrays:
    FRAMES = np.stack([numbered_picture(index, (64, 48)) for index in range(10)])

    def test_pictures_are_those_given(self):
        recording = ArrayRecording(self.FRAMES, 30)
        assert (recording.width, recording.height, recording.duration) == (64, 48, 10 / 30)
        assert numbers(recording, [2, 7]) == [(2, 2), (7, 7)]
        _, whole = next(recording.pictures([4], region=(0, 0, 48, 64)))
        np.testing.assert_array_equal(whole, self.FRAMES[4])

    def test_sound_is_mixed_and_resampled(self):
        left = sweep(1.0, 48_000)
        both = np.stack([left, np.zeros_like(left)], axis=1)
        recording = ArrayRecording(None, waveform=both, sample_rate=48_000)
        heard = recording.sound(0, SAMPLE_RATE + 10)
        assert heard.shape == (SAMPLE_RATE,)
        assert heard.dtype == np.float32
        assert np.abs(heard[100:-100]).max() == pytest.approx(0.26, abs=0.02)
        assert recording.frame_count == 25

    @pytest.mark.parametrize(
        ("frames", "fps", "said"),
        [
            (FRAMES / 255.0, 25, "frames are float64"),
            (FRAMES[0], 25, r"shape \(48, 64, 3\)"),
            (FRAMES.transpose(0, 3, 1, 2), 25, "shape"),
            (FRAMES[:0], 25, "shape"),
            (FRAMES, 0, "fps is 0"),
            (None, 25, "neither frames nor a waveform"),
        ],
    )
    def test_wrong_pictures_are_told(self, frames, fps, said):
        with pytest.raises(DataError, match=said):
            ArrayRecording(frames, fps)

    @pytest.mark.parametrize(
        ("waveform", "rate", "said"),
        [
            (np.zeros(100, np.int16), 16_000, "divide 16-bit samples by 32768"),
            (np.zeros((2, 100)), 16_000, "transpose"),
            (np.zeros(0), 16_000, "shape"),
            (np.full(100, 3000.0), 16_000, "far beyond"),
            (np.full(100, np.nan), 16_000, "no numbers"),
            (np.zeros(100), 0, "sample_rate is 0"),
        ],
    )
    def test_wrong_sound_is_told(self, waveform, rate, said):
        with pytest.raises(DataError, match=said):
            ArrayRecording(self.FRAMES, 25, waveform, rate, name="mine")
