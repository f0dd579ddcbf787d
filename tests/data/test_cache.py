import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from media_factory import picture_number, write_clip, write_image

from hicmae.data.cache import ClipCache
from hicmae.errors import ConfigError, DataError
from hicmae.media import VideoReader, read_audio


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", seconds=0.4)


@pytest.fixture
def cache(tmp_path: Path) -> ClipCache:
    return ClipCache(tmp_path / "cache", 32)


def entries(cache: ClipCache) -> list[Path]:
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def test_first_and_later_readings_equal_the_clip(clip: Path, cache: ClipCache) -> None:
    with VideoReader(clip) as reader:
        expected = reader.read(range(reader.frame_count), size=32)
    sound = read_audio(clip)
    for _ in range(2):
        frames, _, fps = cache.frames(clip)
        np.testing.assert_array_equal(frames, expected)
        assert fps == 25
        np.testing.assert_array_equal(cache.waveform(clip), sound)


def test_later_readings_map_the_file_and_cannot_write_it(clip: Path, cache: ClipCache) -> None:
    first, *_ = cache.frames(clip)
    mapped, *_ = cache.frames(str(clip))
    assert isinstance(mapped, np.memmap)
    for frames in (first, mapped):
        with pytest.raises(ValueError, match="read-only"):
            frames[0] = 0


def test_later_readings_do_not_open_the_clip(clip: Path, cache: ClipCache) -> None:
    frames, *_ = cache.frames(clip)
    status = clip.stat()
    clip.write_bytes(bytes(status.st_size))
    os.utime(clip, ns=(status.st_atime_ns, status.st_mtime_ns))
    np.testing.assert_array_equal(cache.frames(clip)[0], frames)


def test_a_changed_clip_is_decoded_anew(clip: Path, cache: ClipCache) -> None:
    assert len(cache.frames(clip)[0]) == 10
    before = len(cache.waveform(clip))
    write_clip(clip, seconds=0.8)
    assert len(cache.frames(clip)[0]) == 20
    assert len(cache.waveform(clip)) > before


def test_segment_region_and_size_have_entries_of_their_own(clip: Path, cache: ClipCache) -> None:
    whole, *_ = cache.frames(clip)
    part, *_ = cache.frames(clip, start=0.2, end=0.32)
    assert [picture_number(frame) for frame in part] == [5, 6, 7]
    corner, *_ = cache.frames(clip, region=(0, 0, 20, 20))
    assert (corner != whole).any()
    assert ClipCache(cache.folder, 16).frames(clip)[0].shape == (10, 16, 16, 3)
    assert len(cache.waveform(clip, start=0.1, end=0.2)) == 1600
    np.testing.assert_array_equal(cache.frames(clip)[0], whole)


def test_a_frame_folder_notices_a_changed_image(tmp_path: Path, cache: ClipCache) -> None:
    folder = tmp_path / "faces"
    folder.mkdir()
    for name, shade in (("1.png", 50), ("2.png", 200)):
        write_grey(folder / name, shade)
    frames, _, fps = cache.frames(folder, folder_fps=10)
    assert (frames[:, 0, 0, 0].tolist(), fps) == ([50, 200], 10)
    assert cache.frames(folder, folder_fps=20)[2] == 20
    write_grey(folder / "1.png", 120)
    os.utime(folder / "1.png", ns=(1, 1))
    assert cache.frames(folder, folder_fps=10)[0][0, 0, 0, 0] == 120


def write_grey(path: Path, shade: int) -> None:
    write_image(path, np.full((32, 32, 3), shade, np.uint8))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: b"\x80\x04K\x01." + content[5:],
        lambda content: content[:6],
    ],
    ids=["empty", "half", "pickle", "header"],
)
def test_a_broken_entry_is_rebuilt(
    clip: Path, cache: ClipCache, spoil: Callable[[bytes], bytes]
) -> None:
    frames, sound = cache.frames(clip)[0].copy(), cache.waveform(clip).copy()
    written = {path: path.read_bytes() for path in entries(cache)}
    for path, content in written.items():
        path.unlink()  # a mapped file must not change under its reader
        path.write_bytes(spoil(content))
    np.testing.assert_array_equal(cache.frames(clip)[0], frames)
    np.testing.assert_array_equal(cache.waveform(clip), sound)
    assert {path: path.read_bytes() for path in entries(cache)} == written


def test_a_full_disk_names_the_folder_and_leaves_nothing(
    clip: Path, cache: ClipCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object, array: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    for read in (cache.frames, cache.waveform):
        with pytest.raises(ConfigError, match=rf"{cache.folder}.*No space left"):
            read(clip)
    assert not entries(cache)


def test_a_folder_that_cannot_be_made_is_named(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="clip cache"):
        ClipCache(tmp_path / "file" / "cache", 32).frames(clip)


def test_errors_of_the_clip_pass_through(tmp_path: Path, cache: ClipCache) -> None:
    with pytest.raises(DataError, match=r"nowhere\.mp4"):
        cache.frames(tmp_path / "nowhere.mp4")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"")
    with pytest.raises(DataError, match=r"broken\.mp4"):
        cache.waveform(broken)
    assert not entries(cache)
