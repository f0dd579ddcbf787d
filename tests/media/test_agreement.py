"""Training and recognition read one clip out of a file, whatever its file says of it."""

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odd_media import HEIGHT, WIDTH, quarters, write_timed
from PIL import Image

from hicmae.errors import DataError
from hicmae.media import VideoReader, read_audio
from hicmae.media.recording import FileRecording

RATE = 16_000
# What lets the stored picture be seen upright: the matrix of a file, and the same with numpy.
ORIENTATIONS = {
    "upright": ((1, 0, 0, 1), lambda p: p),
    "mirrored": ((-1, 0, 0, 1), lambda p: p[:, ::-1]),
    "flipped": ((1, 0, 0, -1), lambda p: p[::-1]),
    "half turn": ((-1, 0, 0, -1), lambda p: p[::-1, ::-1]),
    "transposed": ((0, 1, 1, 0), lambda p: p.transpose(1, 0, 2)),
    "clockwise": ((0, 1, -1, 0), lambda p: p.transpose(1, 0, 2)[:, ::-1]),
    "counterclockwise": ((0, -1, 1, 0), lambda p: p.transpose(1, 0, 2)[::-1]),
    "transversed": ((0, -1, -1, 0), lambda p: p.transpose(1, 0, 2)[::-1, ::-1]),
}


def of_training(path):
    with VideoReader(path) as reader:
        whole = (0, 0, reader.height, reader.width)
        some = [0, reader.frame_count // 2, reader.frame_count - 1]
        return (
            (reader.frame_count, reader.fps, reader.width, reader.height),
            [reader.timeline.time_of(frame) for frame in range(reader.frame_count + 1)],
            reader.read(some, region=whole),
            reader.sound(),
        )


def of_recognition(path, seconds=1):
    recording = FileRecording(path, piece_seconds=seconds)
    whole = (0, 0, recording.height, recording.width)
    some = sorted({0, recording.frame_count // 2, recording.frame_count - 1})
    pictures = dict(recording.pictures(some, region=whole))
    return (
        (recording.frame_count, recording.fps, recording.width, recording.height),
        [recording.time_of(frame) for frame in range(recording.frame_count + 1)],
        np.stack([pictures[f] for f in (some[0], some[len(some) // 2], some[-1])]),
        recording.sound(0, 60 * RATE),
    )


def assert_agree(path):
    ours, theirs = of_training(path), of_recognition(path)
    assert ours[0] == theirs[0]
    assert ours[1] == theirs[1]
    np.testing.assert_array_equal(ours[2], theirs[2])
    assert abs(len(ours[3]) - len(theirs[3])) <= 1
    length = min(len(ours[3]), len(theirs[3]))
    np.testing.assert_allclose(ours[3][:length], theirs[3][:length], atol=2e-3)
    np.testing.assert_array_equal(read_audio(path), ours[3])
    return ours


@st.composite
def shown(draw):
    """When frames are shown: at one rate, or as a camera under load shows them."""
    rate = draw(st.sampled_from([10, 25, Fraction(30_000, 1001), 30, 50]))
    count = draw(st.integers(8, 40))
    steps = np.full(count - 1, float(1 / rate))
    if draw(st.booleans()):
        late = draw(st.lists(st.integers(0, count - 2), max_size=6))
        steps[late] *= draw(st.sampled_from([2, 3, 7]))
    begin = draw(st.sampled_from([0.0, 0.0, 0.04, 0.5, 1.3]))
    return begin + np.concatenate([[0.0], np.cumsum(steps)])


@settings(
    max_examples=25,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    times=shown(),
    sound_start=st.sampled_from([0.0, 0.0, 0.05, 0.25, 1.0]),
    sound_seconds=st.sampled_from([0.7, 1.9]),
    orientation=st.sampled_from(sorted(ORIENTATIONS)),
    aspect=st.sampled_from([Fraction(1), Fraction(64, 45), Fraction(8, 9)]),
    suffix=st.sampled_from(["mp4", "mov", "mkv"]),
)
def test_training_and_recognition_agree(  # noqa: PLR0917 (hypothesis gives them by name)
    tmp_path, times, sound_start, sound_seconds, orientation, aspect, suffix
):
    matrix, upright = ORIENTATIONS[orientation]
    path = tmp_path / f"clip.{suffix}"
    write_timed(
        path,
        times=times,
        sound_start=sound_start,
        sound_seconds=sound_seconds,
        aspect=aspect,
        matrix=matrix if suffix != "mkv" else None,  # it has no place for one
    )
    (_, fps, *size), seconds, pictures, sound = assert_agree(path)
    # Second 0 is when the first of the streams begins, of sound with the run-up of its coder.
    origin = min(times[0], sound_start)
    first, late = times[0] - origin, sound_start - origin
    assert seconds[0] == pytest.approx(first if first > 0.1 else 0.0, abs=0.07)
    assert seconds[-1] - seconds[0] == pytest.approx(times[-1] - times[0], abs=1.5 / fps + 0.01)
    assert len(sound) / RATE == pytest.approx(
        sound_seconds + (late if late > 0.1 else 0.0), abs=0.15
    )
    shape = (round(WIDTH * aspect), HEIGHT)
    expected = quarters() if suffix == "mkv" else upright(quarters())
    turned = suffix != "mkv" and matrix[0] == 0
    assert tuple(size) == (shape[::-1] if turned else shape)
    for picture in pictures:
        for row, column in ((8, 8), (8, -8), (-8, 8), (-8, -8)):
            np.testing.assert_allclose(
                picture[row, column].astype(int), expected[row, column].astype(int), atol=16
            )


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_each_moment_shows_the_frame_on_display(tmp_path, suffix):
    times = [0.0, 0.04, 0.08, 0.28, 0.32, 0.36]
    write_timed(tmp_path / f"stalls.{suffix}", times=times, sound_start=0.0, sound_seconds=0.5)
    with VideoReader(tmp_path / f"stalls.{suffix}") as reader:
        assert reader.fps == pytest.approx(25, rel=0.01)
        assert reader.timeline.stored.tolist() == [0, 1, 2, 2, 2, 2, 2, 3, 4, 5]


def test_a_pause_of_hours_is_damage(tmp_path):
    path = tmp_path / "days.mkv"
    write_timed(path, times=[0.0, 0.04, 0.08, 7200.0], sound_start=0.0, sound_seconds=0.5)
    for read in (VideoReader, FileRecording):
        with pytest.raises(DataError, match="no pictures for 7200 s"):
            read(path)


def test_a_clip_that_changes_its_size_keeps_that_of_its_beginning(tmp_path):
    """As browsers record under load: pictures become smaller, and of another shape."""
    path = tmp_path / "load.webm"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libvpx", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        parts = [(video, 96, 64)]
        for width, height in ((48, 32), (32, 64)):
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base = Fraction(1, 25)
            parts.append((encoder, width, height))
        for part, (encoder, width, height) in enumerate(parts):
            packets = []
            for index in range(5):
                picture = np.full((height, width, 3), 250, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = part * 5 + index, Fraction(1, 25)
                packets += encoder.encode(frame)
            packets += encoder.encode(None)
            for packet in packets:
                packet.stream = video
                container.mux(packet)
    recording = FileRecording(path)
    assert (recording.width, recording.height, recording.frame_count) == (96, 64, 15)
    whole = (0, 0, 64, 96)
    streamed = np.stack([picture for _, picture in recording.pictures(range(15), region=whole)])
    with VideoReader(path) as reader:
        np.testing.assert_array_equal(reader.read(range(15), region=whole), streamed)
        assert reader.read([12], size=32).shape == (1, 32, 32, 3)
    assert streamed[7].min() > 235  # scaled up to fill the picture
    assert streamed[12][:, 48].min() > 235  # in the middle, and not squeezed
    assert streamed[12][:, 8].max() < 20


CASES = {
    # frames, frames per second, seconds, width and height, seconds of sound
    "late_sound.mp4": (123, 29.97, 4.10, (320, 180), 5.14),
    "browser.webm": (123, 29.95, 4.11, (320, 180), 4.14),
    "vfr.webm": (122, 29.97, 4.07, (320, 180), 4.14),
    "sar.mp4": (75, 29.97, 2.50, (1024, 576), 2.52),
    "mirrored.mp4": (60, 29.97, 2.00, (320, 180), 2.00),
    "rate_1000.flv": (30, 29.99, 1.00, (1080, 720), 1.02),
    "rate_60.mkv": (30, 29.99, 1.00, (1080, 720), 1.01),
    "rate_44099.mkv": (90, 29.97, 3.00, (320, 180), 3.00),
    "eight_channels.mxf": (4, 25.0, 0.16, (811, 608), 0.16),
}


@pytest.mark.parametrize("name", CASES)
def test_files_as_they_are_out_there(shared_dir, name):
    path = shared_dir / "cases" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    frames, fps, seconds, size, heard = CASES[name]
    (count, rate, *shape), times, _, sound = assert_agree(path)
    assert abs(count - frames) <= 1
    assert rate == pytest.approx(fps, abs=0.02)
    assert times[-1] == pytest.approx(seconds, abs=0.05)
    assert tuple(shape) == size
    assert len(sound) / RATE == pytest.approx(heard, abs=0.03)
    if name == "late_sound.mp4":
        assert np.abs(sound[: int(0.9 * RATE)]).max() == 0
        assert np.abs(sound[int(1.0 * RATE) :]).max() > 0.01


def test_a_mirrored_picture_is_mirrored_back(shared_dir):
    path = shared_dir / "cases" / "mirrored.mp4"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with av.open(str(path)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    with VideoReader(path) as reader:
        picture = reader.read([0], region=(0, 0, 180, 320))[0]
    np.testing.assert_allclose(picture.astype(int), stored[:, ::-1].astype(int), atol=12)


def test_what_is_no_clip_is_told_in_a_sentence(shared_dir):
    cases = shared_dir / "cases"
    if not cases.is_dir():
        pytest.skip(f"{cases} is not there")
    with pytest.raises(DataError, match=r"cut_in_header\.rm is cut off or damaged"):
        read_audio(cases / "cut_in_header.rm")
    with pytest.raises(DataError, match=r"cut_in_header\.rm is cut off or damaged"):
        FileRecording(cases / "cut_in_header.rm").sound(0, 10)
    with pytest.raises(DataError, match=r"no numbers at 0\.19 s"):
        read_audio(Path(cases / "nan.wav"))


@pytest.mark.parametrize(("suffix", "options"), [("jpg", {}), ("jpeg", {"progressive": True})])
@pytest.mark.parametrize("share", [0.4, 0.97])
def test_half_a_picture_is_not_made_up(tmp_path, suffix, options, share):
    """The decoder of a JPEG that is cut off fills the rest with grey and says nothing."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    picture = Image.fromarray(noise)
    thumbnail = io.BytesIO()
    picture.resize((16, 16)).save(thumbnail, "JPEG")
    for number in range(2):
        # A camera keeps a whole small JPEG within the large one.
        picture.save(tmp_path / f"{number}.{suffix}", exif=_exif(thumbnail.getvalue()), **options)
    content = (tmp_path / f"1.{suffix}").read_bytes()
    (tmp_path / f"1.{suffix}").write_bytes(content[: int(share * len(content))])
    with VideoReader(tmp_path) as reader:
        assert reader.read([0], size=64).shape == (1, 64, 64, 3)
        with pytest.raises(DataError, match=rf"1\.{suffix} is cut off"):
            reader.read([1], size=64)


def _exif(thumbnail):
    return b"Exif\x00\x00" + b"II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00" + thumbnail
