"""Files within tar files, on this machine and in object storage."""

import multiprocessing
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest
from media_factory import write_clip

from hicmae.data.cache import ClipCache
from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.manifest import complete_manifest, read_manifest
from hicmae.errors import ConfigError, DataError
from hicmae.ledger import Plan
from hicmae.media import VideoReader, read_audio
from hicmae.media.members import file_of, member_of
from hicmae.media.mirrors import path_here
from hicmae.preparation.options import PackOptions
from hicmae.preparation.pack import pack


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A pack of three clips."""
    root = tmp_path_factory.mktemp("bucket")
    rows = [
        {"id": f"c{n}", "video": str(write_clip(root / f"{n}.mp4", seconds=0.4, seed=n))}
        for n in range(3)
    ]
    table = complete_manifest(pd.DataFrame(rows))
    pack(table, root / "pack", PackOptions(size=32), Plan(jobs=1))
    return root / "pack"


@pytest.mark.parametrize(
    ("text", "file", "start", "size"),
    [
        ("/data/a.tar#512+100", "/data/a.tar", 512, 100),
        ("b#1/a.tar#1+2.tar#512+100", "b#1/a.tar#1+2.tar", 512, 100),
    ],
)
def test_members_are_taken_apart_and_put_together(text, file, start, size):
    member = member_of(Path(text))
    assert (str(member.file), member.start, member.size) == (file, start, size)
    assert str(member) == text
    assert file_of(text) == Path(file)


@pytest.mark.parametrize(
    "name",
    ["take#3.mp4", "a.tar#1+2.mp4", "a.tar#1", "a.tar#-1+2", "a.tar#+", "b.mp4#1+2", "a.tar"],
)
def test_other_names_are_files_whatever_their_signs(tmp_path, name):
    assert member_of(name) is None
    clip = write_clip(tmp_path / "clip.mp4", seconds=0.2)
    odd = clip.rename(tmp_path / name)
    with VideoReader(odd) as reader:
        assert reader.frame_count == 5


def test_members_are_cached_apart_and_anew_when_their_file_changes(packed, tmp_path):
    first, second = read_manifest(packed / "manifest.parquet")["video"].tolist()[:2]
    cache = ClipCache(tmp_path, 32)
    frames = [cache.frames(video)[0] for video in (first, second)]
    assert not np.array_equal(*frames)
    for video, pictures in zip((first, second), frames, strict=True):
        np.testing.assert_array_equal(cache.frames(video)[0], pictures)
        np.testing.assert_array_equal(cache.waveform(video), read_audio(video))
    count = len(list(tmp_path.rglob("*.npy")))
    file_of(first).touch()
    cache.frames(first)
    assert len(list(tmp_path.rglob("*.npy"))) == count + 2
    with pytest.raises(DataError, match="cannot be read"):
        cache.frames(tmp_path / "gone.tar#0+1")


@pytest.fixture
def storage(packed):
    """A server of this machine that gives out a pack; the requests it had."""
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format, *arguments):
            if self.command == "GET":
                requests.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=packed.parent))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/pack", requests
    server.shutdown()
    server.server_close()
    thread.join(timeout=60)


SMALL = {
    "frame_size": 32,
    "image_size": 32,
    "num_frames": 4,
    "stride": 1,
    "batch_size": 1,
    "val_fraction": 0,
}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pack_in_object_storage_is_read_as_one_here(packed, storage, tmp_path, workers):
    address, requests = storage
    options = SMALL | {"num_workers": workers}
    there = ManifestDataModule(f"{address}/manifest.parquet", mirror=str(tmp_path), **options)
    there.setup("fit")
    # Nothing but the table is needed to begin.
    assert requests == ["/pack/manifest.parquet"]
    here = ManifestDataModule(str(packed / "manifest.parquet"), **options)
    here.setup("fit")
    for ours, theirs in zip(here.train_dataloader(), there.train_dataloader(), strict=True):
        assert ours["id"] == theirs["id"]
        np.testing.assert_array_equal(ours["frames"], theirs["frames"])
        np.testing.assert_array_equal(ours["waveform"], theirs["waveform"])
    # Each file once, however many clips and workers there are, and not in a further run.
    fetched = sorted(requests)
    assert fetched == ["/pack/manifest.parquet", "/pack/shard-000000.tar"]
    again = ManifestDataModule(f"{address}/manifest.parquet", mirror=str(tmp_path), **options)
    again.setup("fit")
    assert len(list(again.train_dataloader())) == 3
    assert sorted(requests) == fetched


def _read(video):
    with VideoReader(video) as reader:
        return reader.frame_count


def test_processes_that_want_the_same_file_fetch_it_once(storage, tmp_path):
    address, requests = storage
    manifest = path_here(f"{address}/manifest.parquet", str(tmp_path))
    videos = read_manifest(manifest)["video"].tolist()
    with multiprocessing.get_context("forkserver").Pool(3) as pool:
        assert pool.map(_read, videos) == [10, 10, 10]
    assert requests.count("/pack/shard-000000.tar") == 1


def test_what_cannot_be_fetched_is_told(storage, tmp_path):
    address, _ = storage
    with pytest.raises(ConfigError, match=r"gone\.parquet cannot be fetched into .*FileNotFound"):
        ManifestDataModule(f"{address}/gone.parquet", mirror=str(tmp_path))
    with pytest.raises(ConfigError, match=r"nonsense://x/m\.parquet cannot be read: .*nonsense"):
        ManifestDataModule("nonsense://x/m.parquet", mirror=str(tmp_path))
    # A clip is not to blame for storage that does not answer, and is not skipped.
    manifest = path_here(f"{address}/manifest.parquet", str(tmp_path))
    (manifest.parent / ".address").write_text(address.replace("pack", "moved"))
    data = ManifestDataModule(str(manifest), on_error="skip", num_workers=0, **SMALL)
    data.setup("fit")
    with pytest.raises(ConfigError, match=r"moved/shard-000000\.tar cannot be fetched"):
        next(iter(data.train_dataloader()))
    assert not list(manifest.parent.glob("*.tar"))
    assert not list(manifest.parent.glob(".writing-*"))


def test_storage_of_any_kind(packed, tmp_path):
    memory = fsspec.filesystem("memory")
    for path in packed.iterdir():
        memory.pipe(f"/pack of mine/{path.name}", path.read_bytes())
    manifest = path_here("memory://pack of mine/manifest.parquet", str(tmp_path))
    ours = read_manifest(manifest)["video"].iloc[0]
    theirs = read_manifest(packed / "manifest.parquet")["video"].iloc[0]
    np.testing.assert_array_equal(read_audio(ours), read_audio(theirs))
