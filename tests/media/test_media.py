import shutil
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_factory import (
    CODECS,
    SWEEP_HERTZ,
    VIDEO_SUFFIXES,
    numbered_picture,
    picture_number,
    write_clip,
    write_image,
)

from hicmae.errors import ConfigError, DataError
from hicmae.media import SAMPLE_RATE, VideoReader, read_audio, read_outline
from hicmae.media.streaming import stream_pictures

ClipFactory = Callable[..., Path]

# H.264 in AVI has no presentation times and frames out of order: its own case.
CLIPS = {f"usual{suffix}": None for suffix in VIDEO_SUFFIXES} | {"reordered.avi": "libx264"}


@pytest.fixture(params=CLIPS)
def clip(request: pytest.FixtureRequest, clip_factory: ClipFactory) -> Path:
    return clip_factory(request.param, video_codec=CLIPS[request.param])


def numbers(pictures: np.ndarray) -> list[int]:
    return [picture_number(picture) for picture in pictures]


@pytest.fixture(scope="module")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    for index in range(12):
        write_image(folder / f"{index + 1}.jpg", numbered_picture(index, (80, 64)))
    (folder / "landmarks.txt").write_text("not a picture")
    return folder


# --- frames of files ----------------------------------------------------------------------------


def test_every_frame_of_every_container_by_index(clip: Path) -> None:
    with VideoReader(clip) as reader:
        assert (reader.frame_count, reader.width, reader.height) == (75, 96, 96)
        assert reader.fps == pytest.approx(25)
        pictures = reader.read(range(75), size=32)
    assert pictures.shape == (75, 32, 32, 3)
    assert pictures.dtype == np.uint8
    assert numbers(pictures) == list(range(75))


def test_any_order_with_repeats_and_again(clip: Path) -> None:
    with VideoReader(clip) as reader:
        assert numbers(reader.read([70, 3, 3, 41])) == [70, 3, 3, 41]
        assert numbers(reader.read([0, 74], size=40)) == [0, 74]


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.4), (1.0, 1.52), (2.6, None), (None, 0.2)])
def test_a_segment_has_the_frames_from_start_up_to_end(
    clip: Path, start: float | None, end: float | None
) -> None:
    first = round((start or 0) * 25)
    last = 75 if end is None else round(end * 25)
    with VideoReader(clip, start=start, end=end) as reader:
        count = reader.frame_count
        pictures = reader.read(range(count))
        assert numbers(reader.read([count - 1])) == [last - 1]
    assert numbers(pictures) == list(range(first, last))


@settings(max_examples=25)
@given(
    indices=st.lists(st.integers(0, 74), min_size=1, max_size=6),
    size=st.none() | st.integers(16, 64),
)
def test_frames_do_not_depend_on_what_else_is_read(
    clip_factory: ClipFactory, indices: list[int], size: int | None
) -> None:
    with VideoReader(clip_factory("usual.mp4")) as reader:
        together = reader.read(indices, size=size)
        alone = [reader.read([index], size=size)[0] for index in indices]
    np.testing.assert_array_equal(together, alone)
    assert numbers(together) == indices


def test_no_indices_give_no_frames(clip_factory: ClipFactory) -> None:
    with VideoReader(clip_factory("usual.mp4")) as reader:
        assert reader.read([], size=16).shape == (0, 16, 16, 3)
        assert reader.read([], region=(0, 0, 10, 20)).shape == (0, 10, 20, 3)


def test_the_centre_square_is_taken_unless_a_region_is_named(clip_factory: ClipFactory) -> None:
    clip = clip_factory("wide.mkv", size=(160, 96), seconds=0.4)
    with VideoReader(clip) as reader:
        centre = reader.read([5])
        named = reader.read([5], region=(0, 32, 96, 96))
        whole = reader.read([5], region=(0, 0, 96, 160))
        corner = reader.read([5], size=8, region=(0, 0, 16, 16))
    assert centre.shape == (1, 96, 96, 3)
    np.testing.assert_array_equal(centre, named)
    np.testing.assert_allclose(whole[:, :, 32:128].astype(int), centre, atol=12)
    assert corner.shape == (1, 8, 8, 3)
    assert abs(corner.mean() - 137) < 4  # the grey beside the square, with its noise


def test_odd_regions_are_cut_to_the_pixel(tmp_path: Path) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[13:, 21:] = 255
    write_image(tmp_path / "1.png", picture)
    with VideoReader(tmp_path) as reader:
        cut = reader.read([0], region=(12, 20, 9, 11))[0]
    np.testing.assert_array_equal(cut, picture[12:21, 20:31])


@pytest.mark.parametrize("region", [(0, 0, 97, 96), (-1, 0, 8, 8), (90, 90, 10, 5), (0, 0, 0, 4)])
def test_a_region_outside_the_picture_is_refused(
    clip_factory: ClipFactory, region: tuple[int, int, int, int]
) -> None:
    with (
        VideoReader(clip_factory("usual.mp4")) as reader,
        pytest.raises(DataError, match=r"usual\.mp4.*region.*96 x 96"),
    ):
        reader.read([0], region=region)


@pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_rotation"), reason="PyAV writes rotations from 18 on"
)
@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_pictures_of_a_turned_telephone_are_upright(
    clip_factory: ClipFactory, rotation: int
) -> None:
    options = {"seconds": 0.4, "size": (96, 64)}
    lying = clip_factory("lying.mp4", **options)
    turned = clip_factory(f"turned{rotation}.mp4", rotation=rotation, **options)
    with VideoReader(lying) as plain, VideoReader(turned) as reader:
        width, height = (64, 96) if rotation % 180 else (96, 64)
        assert (reader.width, reader.height) == (width, height)
        whole = (0, 0, height, width)
        expected = np.rot90(plain.read([7], region=(0, 0, 64, 96))[0], rotation // 90)
        difference = reader.read([7], region=whole)[0].astype(int) - expected
        assert np.abs(difference).max() <= 4  # chroma is interpolated along other axes
        part = reader.read([7], region=(2, 4, 40, 50))[0].astype(int) - expected[2:42, 4:54]
        assert np.abs(part).max() <= 12
    outline = read_outline(turned)
    assert (outline.width, outline.height) == (width, height)
    ((_, streamed),) = stream_pictures(turned, outline, [7], region=whole)
    assert np.abs(streamed.astype(int) - expected).max() <= 4


@pytest.mark.parametrize("index", [-1, 75])
def test_an_index_outside_the_clip_is_refused(clip_factory: ClipFactory, index: int) -> None:
    with (
        VideoReader(clip_factory("usual.mp4")) as reader,
        pytest.raises(DataError, match=rf"frame {index} .*0 to 74"),
    ):
        reader.read([0, index])


@pytest.mark.parametrize(("colorspace", "colour_range"), [(1, 1), (6, 1), (1, 2), (6, 2)])
def test_colours_follow_the_matrix_and_range_of_the_stream(
    tmp_path: Path, colorspace: int, colour_range: int
) -> None:
    colour = (200, 60, 40)
    clip = tmp_path / "red.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = colorspace
        stream.codec_context.color_range = colour_range
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), colour, np.uint8)).reformat(
            format="yuv420p", dst_colorspace=colorspace, dst_color_range=colour_range
        )
        frame.colorspace, frame.color_range = colorspace, colour_range
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoReader(clip) as reader:
        seen = reader.read([0], size=32)
    np.testing.assert_allclose(seen[0, 16, 16].astype(int), colour, atol=5)


# --- broken files -------------------------------------------------------------------------------


def cut_off(source: Path, target: Path, share: float) -> Path:
    content = source.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    return target


def test_an_mp4_that_lost_its_index_is_refused(clip_factory: ClipFactory, tmp_path: Path) -> None:
    clip = cut_off(clip_factory("usual.mp4"), tmp_path / "cut.mp4", 0.7)
    for read in (VideoReader, read_audio):
        with pytest.raises(DataError, match=r"cut\.mp4 cannot be opened.*cut off"):
            read(clip)


@pytest.mark.parametrize("start", [None, 0.4])
@pytest.mark.parametrize("name", ["index-first.mp4", "usual.avi"])
def test_a_file_that_ends_early_gives_what_it_has_and_tells_what_it_lacks(
    clip_factory: ClipFactory, tmp_path: Path, name: str, start: float | None
) -> None:
    whole = clip_factory(name, options={"movflags": "faststart"} if "mp4" in name else None)
    clip = cut_off(whole, tmp_path / name, 0.6)
    skipped = round((start or 0) * 25)
    with VideoReader(clip, start=start) as reader:
        assert reader.frame_count == 75 - skipped
        assert numbers(reader.read(range(25))) == list(range(skipped, skipped + 25))
        with pytest.raises(DataError, match=rf"{name} .*\d+ frames found, {75 - skipped} expected"):
            reader.read([3, 74 - skipped])


@pytest.mark.parametrize("name", ["usual.mkv", "usual.webm", "usual.flv", "usual.mpg"])
def test_a_cut_stream_without_a_header_count_never_shows_a_half_frame(
    clip_factory: ClipFactory, tmp_path: Path, name: str
) -> None:
    clip = cut_off(clip_factory(name), tmp_path / name, 0.6)
    with VideoReader(clip) as reader:
        assert 30 < reader.frame_count < 60
        whole = range(reader.frame_count - 1)
        assert numbers(reader.read(whole)) == list(whole)
        last = reader.frame_count - 1
        if name == "usual.flv":  # the only one of these whose cut packet is still a packet
            with pytest.raises(DataError, match="cut off or damaged"):
                reader.read([last])


def test_an_end_that_lacks_more_than_ten_minutes_is_told_at_once(
    clip_factory: ClipFactory, tmp_path: Path
) -> None:
    options = {"seconds": 1500, "fps": 1, "size": (16, 16), "sound": False}
    clip = clip_factory("slow.mp4", options={"movflags": "faststart"}, **options)
    with pytest.raises(DataError, match=r"cut off or damaged: its pictures end at .* of 1500"):
        VideoReader(cut_off(clip, tmp_path / "slow.mp4", 0.4))


def test_a_frame_damaged_in_the_middle_is_told(clip_factory: ClipFactory, tmp_path: Path) -> None:
    content = bytearray(
        clip_factory("index-first.mp4", options={"movflags": "faststart"}).read_bytes()
    )
    middle = len(content) // 2
    content[middle : middle + 20_000] = bytes(20_000)
    clip = tmp_path / "damaged.mp4"
    clip.write_bytes(content)
    with VideoReader(clip) as reader, pytest.raises(DataError, match="cut off or damaged"):
        reader.read(range(75))


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"<html>404</html>" * 100])
def test_what_is_no_media_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    for read in (VideoReader, read_audio):
        with pytest.raises(DataError, match=r"clip\.mp4"):
            read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for read in (VideoReader, read_audio):
        with pytest.raises(DataError, match=r"nowhere\.mp4 does not exist"):
            read(tmp_path / "nowhere.mp4")


def test_sound_alone_has_no_frames(clip_factory: ClipFactory) -> None:
    for clip in (clip_factory("sound.wav"), clip_factory("sound.mp4", picture=False)):
        with pytest.raises(DataError, match=r"sound\.\w+ has no video stream"):
            VideoReader(clip)


def test_a_segment_past_the_end_is_refused(clip: Path) -> None:
    with pytest.raises(DataError, match=r"no video frame between 5\.0 s"):
        VideoReader(clip, start=5.0, end=6.0)
    with pytest.raises(DataError, match=r"segment"):
        read_audio(clip, start=5.0, end=6.0)


@pytest.mark.parametrize(
    ("start", "end"), [(-0.1, None), (2.0, 1.0), (1.0, 1.0), (float("nan"), None)]
)
def test_an_impossible_segment_is_refused(
    clip_factory: ClipFactory, start: float, end: float | None
) -> None:
    for read in (VideoReader, read_audio):
        with pytest.raises(DataError, match=r"usual\.mp4: a segment"):
            read(clip_factory("usual.mp4"), start=start, end=end)


# --- folders of images --------------------------------------------------------------------------


def test_images_are_ordered_as_numbers(image_folder: Path) -> None:
    with VideoReader(image_folder) as reader:
        assert (reader.frame_count, reader.width, reader.height, reader.fps) == (12, 80, 64, 25)
        assert numbers(reader.read([*range(12), 2, 2], size=32)) == [*range(12), 2, 2]
        assert reader.read([0]).shape == (1, 64, 64, 3)


def test_hidden_twins_of_images_are_no_frames(image_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    shutil.copytree(image_folder, folder)
    (folder / f"._{min(folder.iterdir()).name}").write_bytes(b"not a picture")
    with VideoReader(folder) as reader:
        assert reader.frame_count == 12


def test_a_segment_of_images_goes_by_the_given_rate(image_folder: Path) -> None:
    with VideoReader(image_folder, start=0.5, end=0.9, folder_fps=10) as reader:
        assert reader.fps == 10
        assert numbers(reader.read(range(reader.frame_count))) == [5, 6, 7, 8]
    with pytest.raises(DataError, match="no video frame"):
        VideoReader(image_folder, start=2.0)
    with pytest.raises(ConfigError, match="folder_fps"):
        VideoReader(image_folder, folder_fps=0)


def test_images_of_several_kinds_and_sizes_need_a_size(tmp_path: Path) -> None:
    for index, name in enumerate(["a9.png", "a10.bmp", "b1.jpg"]):
        write_image(tmp_path / name, numbered_picture(index, (64 + 16 * index, 64 + 16 * index)))
    with VideoReader(tmp_path) as reader:
        assert numbers(reader.read(range(3), size=48)) == [0, 1, 2]
        with pytest.raises(DataError, match="give a size"):
            reader.read(range(3))


def test_folders_without_usable_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no images"):
        VideoReader(tmp_path)
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1\.png"):
        VideoReader(tmp_path)
    with pytest.raises(DataError, match="no sound"):
        read_audio(tmp_path)


# --- sound --------------------------------------------------------------------------------------


def seconds_heard(waveform: np.ndarray) -> float:
    """The time within the clip that the mean pitch of a waveform tells."""
    power = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)))) ** 2
    hertz = np.arange(len(power)) * SAMPLE_RATE / len(waveform)
    start, rise = SWEEP_HERTZ
    power[np.abs(hertz - hertz[power.argmax()]) > rise] = 0
    return float(((hertz * power).sum() / power.sum() - start) / rise)


@pytest.mark.parametrize("suffix", CODECS)
def test_sound_of_every_container_at_16_khz(clip_factory: ClipFactory, suffix: str) -> None:
    waveform = read_audio(clip_factory(f"usual{suffix}"))
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    # Coders put up to 65 ms of silence before the sound and fill their last block.
    assert abs(len(waveform) - 3 * SAMPLE_RATE) < 0.08 * SAMPLE_RATE
    middle = waveform[SAMPLE_RATE : 2 * SAMPLE_RATE]
    assert seconds_heard(middle) == pytest.approx(1.5, abs=0.08)
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.08)


@pytest.mark.parametrize("start", [0.1, 1.2])
@pytest.mark.parametrize("suffix", CODECS)
def test_a_segment_of_sound_is_the_same_time_of_the_whole(
    clip_factory: ClipFactory, suffix: str, start: float
) -> None:
    clip = clip_factory(f"usual{suffix}")
    cut = read_audio(clip, start=start, end=start + 0.7)
    assert len(cut) == pytest.approx(0.7 * SAMPLE_RATE, abs=2)
    first = round(start * SAMPLE_RATE)
    same = read_audio(clip)[first : first + len(cut)]
    # Matroska starts the sound up to 21 ms behind second 0, which the whole does not keep.
    assert seconds_heard(cut) == pytest.approx(seconds_heard(same), abs=0.03)


@pytest.mark.parametrize("name", ["index-first.mp4", "usual.avi", "usual.flv"])
def test_sound_of_a_file_that_ends_early_is_told_unless_the_segment_lies_before(
    clip_factory: ClipFactory, tmp_path: Path, name: str
) -> None:
    whole = clip_factory(name, options={"movflags": "faststart"} if "mp4" in name else None)
    clip = cut_off(whole, tmp_path / name, 0.6)
    with pytest.raises(DataError, match=rf"{name}: its sound is cut off or damaged after 1\.\d+ s"):
        read_audio(clip)
    np.testing.assert_array_equal(
        read_audio(clip, start=0.5, end=1.0), read_audio(whole, start=0.5, end=1.0)
    )


def test_a_wav_without_a_true_length_is_whole(clip_factory: ClipFactory, tmp_path: Path) -> None:
    content = bytearray(clip_factory("usual.wav").read_bytes())
    length = content.index(b"data") + 4
    content[length : length + 4] = b"\xff" * 4
    piped = tmp_path / "piped.wav"
    piped.write_bytes(content)
    np.testing.assert_array_equal(read_audio(piped), read_audio(clip_factory("usual.wav")))


def test_a_wav_segment_is_exact(clip_factory: ClipFactory) -> None:
    clip = clip_factory("usual.wav")
    whole = read_audio(clip)
    np.testing.assert_array_equal(read_audio(clip, start=0.75, end=1.25), whole[12_000:20_000])
    np.testing.assert_array_equal(read_audio(clip, start=2.5, end=9.0), whole[40_000:])


@pytest.mark.parametrize("format", ["u8", "s16", "s32", "flt"])
def test_channels_are_averaged_at_their_own_level(tmp_path: Path, format: str) -> None:
    codec = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s32le", "flt": "pcm_f32le"}[format]
    left = 0.5 * np.sin(np.arange(16_000) / 10)
    stereo = np.stack([left, np.full_like(left, 0.25)], -1).reshape(1, -1)
    scale = {"u8": (127, 128, np.uint8), "s16": (32767, 0, np.int16)} | {
        "s32": (2**31 - 1, 0, np.int32),
        "flt": (1, 0, np.float32),
    }
    factor, offset, kind = scale[format]
    clip = tmp_path / "stereo.wav"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream(codec, rate=16_000, layout="stereo")
        samples = (stereo * factor + offset).astype(kind)
        frame = av.AudioFrame.from_ndarray(samples, format=format, layout="stereo")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    expected = (left + 0.25) / 2
    np.testing.assert_allclose(read_audio(clip), expected, atol=0.01 if format == "u8" else 1e-4)


def test_another_rate_can_be_asked_for(clip_factory: ClipFactory) -> None:
    assert len(read_audio(clip_factory("usual.wav"), sample_rate=8000)) == 24_000
    with pytest.raises(ConfigError, match="sample_rate"):
        read_audio(clip_factory("usual.wav"), sample_rate=0)


def test_pictures_alone_have_no_sound(clip_factory: ClipFactory) -> None:
    silent = clip_factory("silent.mp4", sound=False, seconds=0.4)
    with pytest.raises(DataError, match=r"silent\.mp4 has no audio stream.*`audio` column"):
        read_audio(silent)
    with VideoReader(silent) as reader:
        assert reader.frame_count == 10


def test_names_with_colons_and_percent_signs_are_files(
    clip_factory: ClipFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip_factory("usual.mp4"), "http:%02d.mp4")
    with VideoReader("http:%02d.mp4") as reader:
        assert reader.frame_count == 75
    assert len(read_audio("http:%02d.mp4"))


# --- real clips ---------------------------------------------------------------------------------


def real_clips(folder: Path, pattern: str, least: int) -> list[Path]:
    clips = sorted(folder.glob(pattern))
    if len(clips) < least:
        pytest.skip(f"no real clips {pattern} in {folder}")
    return clips


def test_mpeg1_clips_of_grid(shared_dir: Path) -> None:
    for clip in real_clips(shared_dir, "clips/grid_talkers/*.mpg", 11):
        with VideoReader(clip) as reader:
            assert (reader.frame_count, reader.width, reader.height) == (75, 360, 288)
            pictures = reader.read(range(75), size=32)
        with VideoReader(clip, start=1.0, end=2.0) as reader:
            np.testing.assert_array_equal(reader.read(range(25), size=32), pictures[25:50])
        assert len(read_audio(clip)) == pytest.approx(3 * SAMPLE_RATE, rel=0.02)


def test_clips_of_ravdess(shared_dir: Path) -> None:
    for clip in real_clips(shared_dir, "clips/ravdess/*/*.mp4", 4):
        with VideoReader(clip) as reader:
            seconds = reader.frame_count / reader.fps
            # Two of the four clips hide their last frame by an edit list.
            assert reader.read([reader.frame_count - 1], size=64).std() > 1
        assert len(read_audio(clip)) / SAMPLE_RATE == pytest.approx(seconds, abs=0.2)


def test_h264_clips_of_grid(shared_dir: Path) -> None:
    for clip in real_clips(shared_dir, "clips/grid_s1/*.mp4", 3)[:3]:
        with VideoReader(clip) as reader:
            assert (reader.frame_count, reader.width, reader.fps) == (75, 224, 25)
            assert reader.read(range(0, 64, 4), size=160).shape == (16, 160, 160, 3)
            assert reader.read([9], size=160, region=(0, 32, 160, 160)).shape == (1, 160, 160, 3)
        assert len(read_audio(clip)) == pytest.approx(3 * SAMPLE_RATE, rel=0.05)


def test_write_clip_is_reproducible(tmp_path: Path) -> None:
    one = read_audio(write_clip(tmp_path / "one.wav", seconds=0.2, seed=3))
    same = read_audio(write_clip(tmp_path / "same.wav", seconds=0.2, seed=3))
    other = read_audio(write_clip(tmp_path / "other.wav", seconds=0.2, seed=4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
