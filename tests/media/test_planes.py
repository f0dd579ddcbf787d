"""Frames as brightness and colour, frames left undecoded, and sound that comes with them."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import torch
from media_factory import VIDEO_SUFFIXES, numbered_picture

from hicmae.data.cache import ClipCache
from hicmae.data.collation import collate
from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import complete_manifest
from hicmae.data.options import ClipOptions
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.errors import ConfigError, DataError
from hicmae.media import PictureConverter, VideoReader, read_audio
from hicmae.media.colour import rgb_from_planes

ClipFactory = Callable[..., Path]

# Encoders with frames that no other leans on, and some that have none.
ENCODERS = {
    "pyramid.mp4": ("libx264", {"bf": "3", "g": "24"}),
    "flat.mkv": ("libx264", {"bf": "3", "x264-params": "b-pyramid=none", "g": "24"}),
    "fields.ts": (
        "libx264",
        {"bf": "2", "flags": "+ildct+ilme", "x264-params": "tff=1", "g": "24"},
    ),
    "hevc.mp4": ("libx265", {"x265-params": "bframes=3:log-level=none"}),
    "mpeg1.mpg": ("mpeg1video", {"bf": "2"}),
    "mpeg2.mkv": ("mpeg2video", {"bf": "2"}),
    "mpeg4.mp4": ("mpeg4", {"bf": "2"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}),
    "vp9.webm": ("libvpx-vp9", {"cpu-used": "8"}),
    "av1.mkv": ("libsvtav1", {"preset": "12"}),
}


@pytest.fixture(scope="module", params=ENCODERS)
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 frames in which a textured square moves over noise."""
    encoder, options = ENCODERS[request.param]
    if encoder not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {encoder}")
    path = tmp_path_factory.mktemp("films") / request.param
    rng = np.random.default_rng(0)
    ground = rng.integers(60, 180, (12, 12, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    patch = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        for index in range(60):
            picture = ground.copy()
            picture[index : index + 32, 60 - index : 92 - index] = patch
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("wanted", [range(0, 60, 4), (59,), (3, 4, 5, 30, 57), range(60)])
def test_frames_are_the_same_with_others_left_undecoded(film: Path, wanted: list[int]) -> None:
    with VideoReader(film) as reader:
        pictures = reader.read(wanted)
    with av.open(str(film)) as container:
        whole = [PictureConverter("film")(frame) for frame in container.decode(video=0)]
    assert len(whole) == 60
    np.testing.assert_array_equal(pictures, [whole[index] for index in wanted])


def test_frames_that_no_other_leans_on_are_left_undecoded(
    tmp_path: Path, clip_factory: ClipFactory
) -> None:
    clip = clip_factory("leaning.mp4", video_codec="libx264", seconds=3.0)
    with VideoReader(clip) as reader:
        decoded = [index for index, _ in reader._source._decode({74})]
    assert decoded[-1] == 74
    assert len(decoded) < 60


@pytest.mark.parametrize("suffix", VIDEO_SUFFIXES)
def test_sound_that_comes_with_the_frames_is_that_of_the_file(
    clip_factory: ClipFactory, suffix: str
) -> None:
    clip = clip_factory(f"sounding{suffix}")
    with VideoReader(clip) as reader:
        reader.read([20, 3])
        first = reader.sound()
        reader.read([70])
        again = reader.sound()
    np.testing.assert_array_equal(first, read_audio(clip))
    np.testing.assert_array_equal(again, first)
    with VideoReader(clip, start=0.6, end=1.8) as reader:
        np.testing.assert_array_equal(reader.sound(), read_audio(clip, start=0.6, end=1.8))


def test_sound_that_is_missing_or_cut_off_is_told(
    clip_factory: ClipFactory, tmp_path: Path
) -> None:
    with (
        VideoReader(clip_factory("mute.mp4", sound=False)) as reader,
        pytest.raises(DataError, match="no audio stream"),
    ):
        reader.sound()
    whole = clip_factory("early.mp4", options={"movflags": "faststart"}).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(len(whole) * 0.6)])
    with VideoReader(cut) as reader, pytest.raises(DataError, match="cut off or damaged"):
        reader.sound()


def rgb_of(planes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    pictures = rgb_from_planes(torch.tensor(planes[None]), torch.tensor(matrix[None]))
    return pictures[0].permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(
    ("size", "region"),
    [(96, None), (64, (8, 16, 64, 64)), (64, (7, 15, 64, 64)), (48, None), (48, (0, 0, 60, 96))],
    ids=["as it is", "cut", "cut at odd places", "scaled", "cut and scaled"],
)
def test_planes_show_what_rgb_shows(
    clip_factory: ClipFactory, size: int, region: tuple[int, int, int, int] | None
) -> None:
    clip = clip_factory("planar.mp4")
    with VideoReader(clip) as reader:
        pictures = reader.read([40, 2, 40], size=size, region=region)
        planes, matrix = reader.read_planes([40, 2, 40], size=size, region=region)
    assert planes.shape == (3, size * 3 // 2, size)
    gap = np.abs(rgb_of(planes, matrix).astype(int) - pictures)
    # FFmpeg rounds in other places; scaled, it blends colours where planes repeat them.
    assert gap.mean() < 3
    assert np.quantile(gap, 0.95) < 9


@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv422p", "yuvj420p", "yuv420p"])
@pytest.mark.parametrize("space", [1, 2, 5])
def test_colours_are_those_that_the_video_states(
    tmp_path: Path, pixel_format: str, space: int
) -> None:
    clip = tmp_path / "coloured.mkv"
    colours = np.array([[200, 60, 40], [30, 180, 70], [60, 50, 190], [220, 210, 90]], np.uint8)
    picture = colours.reshape(2, 2, 3).repeat(32, 0).repeat(32, 1)
    codec = "mjpeg" if pixel_format == "yuvj420p" else "libx264"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"crf": "5"})
        stream.width = stream.height = 64
        stream.pix_fmt = pixel_format
        if codec == "libx264":
            stream.codec_context.colorspace = space
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format=pixel_format, dst_colorspace=None if space == 2 else space
        )
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with VideoReader(clip) as reader:
        pictures = reader.read([0], size=64)
        planes, matrix = reader.read_planes([0], size=64)
    flat = np.s_[:, 8:24, 8:24], np.s_[:, 40:56, 8:24], np.s_[:, 40:56, 40:56]
    for area in flat:
        np.testing.assert_allclose(rgb_of(planes, matrix)[area], pictures[area].astype(int), atol=4)


def table_of(*clips: Path) -> pd.DataFrame:
    return complete_manifest(
        pd.DataFrame({"id": [clip.stem for clip in clips], "video": [str(c) for c in clips]})
    )


def test_a_batch_of_planes_becomes_the_batch_of_rgb(clip_factory: ClipFactory) -> None:
    table = table_of(clip_factory("one.mp4", seed=1), clip_factory("two.mkv", seed=2))
    options = {"num_frames": 4, "stride": 4, "frame_size": 64}
    batches = {}
    for pixels in ("rgb", "yuv420"):
        dataset = ClipDataset(table, ClipOptions(pixels=pixels, **options), views=2)
        batch = collate([dataset[0], dataset[1]])
        batches[pixels] = BatchPreprocessor(image_size=48, audio_frames=32)(batch)
    assert set(batches["yuv420"]) == set(batches["rgb"])
    torch.testing.assert_close(batches["yuv420"]["audio"], batches["rgb"]["audio"])
    gap = (batches["yuv420"]["video"] - batches["rgb"]["video"]).abs()
    assert gap.mean() * 0.226 * 255 < 3  # in levels


def test_a_batch_in_which_every_clip_is_skipped_is_empty(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no film")
    dataset = ClipDataset(
        table_of(tmp_path / "broken.mp4"),
        ClipOptions(num_frames=4, frame_size=32, pixels="yuv420", on_error="skip"),
    )
    batch = collate([dataset[0]])
    assert [name for name, _ in batch["skipped"]] == ["broken"]
    assert BatchPreprocessor(image_size=32)(batch)["video"].shape == (0, 1, 3, 4, 32, 32)


def test_a_cache_holds_rgb_whatever_travels(clip_factory: ClipFactory, tmp_path: Path) -> None:
    table = table_of(clip_factory("kept.mp4"))
    cache = ClipCache(tmp_path, 32)
    item = ClipDataset(
        table, ClipOptions(num_frames=4, frame_size=32, pixels="yuv420"), cache=cache
    )[0]
    assert item["frames"].shape == (1, 4, 32, 32, 3)
    assert "rgb_matrix" not in item


def test_a_size_that_planes_cannot_have_is_refused(clip_factory: ClipFactory) -> None:
    with pytest.raises(ConfigError, match="frame_size is 50"):
        ClipDataset(table_of(clip_factory("odd.mp4")), ClipOptions(frame_size=50, pixels="yuv420"))


def test_a_change_of_colour_space_within_a_clip_is_told(tmp_path: Path) -> None:
    # Folders of images are the one kind of clip whose frames differ so.
    for index, (suffix, picture) in enumerate(
        [("jpg", numbered_picture(0)), ("png", numbered_picture(1))]
    ):
        with av.open(str(tmp_path / f"{index}.{suffix}"), "w") as container:
            stream = container.add_stream("mjpeg" if suffix == "jpg" else "png", rate=1)
            stream.width = stream.height = 96
            stream.pix_fmt = "yuvj420p" if suffix == "jpg" else "rgb24"
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
            container.mux(stream.encode())
    with VideoReader(tmp_path) as reader:
        with pytest.raises(DataError, match="changes its colour space"):
            reader.read_planes([0, 1], size=96)
        assert reader.read([0, 1], size=96).shape == (2, 96, 96, 3)


def test_a_broken_jpeg_of_a_folder_is_named(tmp_path: Path) -> None:
    for index in range(3):
        with av.open(str(tmp_path / f"{index}.jpg"), "w") as container:
            stream = container.add_stream("mjpeg", rate=1)
            stream.width = stream.height = 64
            stream.pix_fmt = "yuvj420p"
            frame = av.VideoFrame.from_ndarray(numbered_picture(index, (64, 64)), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuvj420p")))
            container.mux(stream.encode())
    (tmp_path / "1.jpg").write_bytes((tmp_path / "1.jpg").read_bytes()[:40])
    with VideoReader(tmp_path) as reader:
        assert reader.read([0, 2]).shape == (2, 64, 64, 3)
        with pytest.raises(DataError, match=r"1\.jpg cannot be decoded"):
            reader.read([1])
