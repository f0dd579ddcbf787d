"""Features of many clips in one file: three formats, stopped runs, what cannot be written."""

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from hicmae.errors import ConfigError, DataError
from hicmae.inference import features as formats
from hicmae.inference.feature_store import FeatureStore
from hicmae.inference.features import SUFFIXES, read_features
from hicmae.inference.listing import NamedClip
from hicmae.inference.many_clips import clip_state, is_unchanged, open_log
from hicmae.inference.results import Embedding
from hicmae.ledger import ResultLog

WIDTH, LAYERS = 6, 3
SETTINGS = {"model": "abc", "hop": None}


def embedding(source, person, windows, *, seed=0, width=WIDTH):
    rng = np.random.default_rng([seed, person])
    start = np.arange(windows, dtype=np.float32)

    def numbers(*shape):
        return rng.normal(size=shape).astype(np.float32)

    return Embedding(
        source=source,
        person=person,
        window_times=np.stack([start, start + 2], axis=1),
        joint=numbers(windows, 4 * width),
        video_layers=numbers(windows, LAYERS, width),
        audio_layers=None,
        window_senses=np.stack([start % 2 == 0, start >= 0], axis=1),
    )


@pytest.fixture
def clips(tmp_path):
    """Three files with the features of their people."""
    people = {"one.mp4": (3,), "deep/zwei ü.mp4": (1, 2), "three.mp4": (2,)}
    found = {}
    for number, (name, windows) in enumerate(people.items()):
        path = tmp_path / "media" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        found[path] = [
            embedding(name, person, count, seed=number)
            for person, count in enumerate(windows, start=1)
        ]
    return found


def fill(store, clips, log=None):
    """Keeps the clips that the log does not hold, and writes the output."""
    rows = {} if log is None else log.rows()
    for clip, embeddings in clips.items():
        if str(clip) not in rows or not store.holds(rows[str(clip)]):
            rows[str(clip)] = store.add(str(clip), embeddings)
    sources = [embeddings[0].source for embeddings in clips.values()]
    return store.write_out([rows[str(clip)] for clip in clips], sources)


def stacked(clips, name):
    return np.concatenate([getattr(e, name) for embeddings in clips.values() for e in embeddings])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("layers", [False, True])
def test_all_comes_back(tmp_path, clips, suffix, layers):
    output = tmp_path / "out" / f"features{suffix}"
    shapes = fill(FeatureStore(output, SETTINGS, layers=layers), clips)
    assert shapes["joint"] == (8, 4 * WIDTH)
    features = read_features(output)
    np.testing.assert_array_equal(features.joint, stacked(clips, "joint"))
    assert features.joint.dtype == np.float32
    assert features.table["source"].tolist() == [
        *["one.mp4"] * 3,
        *["deep/zwei ü.mp4"] * 3,
        *["three.mp4"] * 2,
    ]
    assert features.table["person"].tolist() == [1, 1, 1, 1, 2, 2, 1, 1]
    np.testing.assert_array_equal(
        features.table[["start", "end"]].to_numpy(), stacked(clips, "window_times")
    )
    np.testing.assert_array_equal(
        features.table[["seen", "heard"]].to_numpy(), stacked(clips, "window_senses")
    )
    assert features.audio_layers is None
    if layers:
        np.testing.assert_array_equal(features.video_layers, stacked(clips, "video_layers"))
    else:
        assert features.video_layers is None
    assert features.settings == {**SETTINGS, "per": "window", "layers": layers}
    assert {path.name for path in output.parent.iterdir()} == {output.name, f"{output.name}.parts"}


def test_what_is_kept_is_one_table_for_other_programs(tmp_path, clips):
    store = FeatureStore(tmp_path / "f.npz", SETTINGS, layers=True)
    for clip, embeddings in clips.items():
        store.add(str(clip), embeddings)
    table = ds.dataset(store.folder, format="parquet").to_table()
    assert len(table) == 8
    assert table.column_names == [
        "person",
        "start",
        "end",
        "seen",
        "heard",
        "joint",
        "video_layers",
    ]


def test_means_of_people(tmp_path, clips):
    output = tmp_path / "features.npz"
    fill(FeatureStore(output, {}, per="clip", layers=True), clips)
    features = read_features(output)
    seen = features.table.pop("seen").tolist()
    assert features.table.to_numpy().tolist() == [
        ["one.mp4", 1, 0.0, 4.0, 1.0],
        ["deep/zwei ü.mp4", 1, 0.0, 2.0, 1.0],
        ["deep/zwei ü.mp4", 2, 0.0, 3.0, 1.0],
        ["three.mp4", 1, 0.0, 3.0, 1.0],
    ]
    assert seen == pytest.approx([2 / 3, 1.0, 1 / 2, 1 / 2])  # of the windows
    first = next(iter(clips.values()))[0]
    np.testing.assert_allclose(features.joint[0], first.joint.mean(0), rtol=1e-6)
    np.testing.assert_allclose(features.video_layers[0], first.video_layers.mean(0), rtol=1e-6)


def test_other_programs_read_the_files(tmp_path, clips):
    for suffix in SUFFIXES:
        fill(FeatureStore(tmp_path / f"f{suffix}", SETTINGS, layers=True), clips)
    assert len({path.stat().st_mode for path in tmp_path.glob("f.*") if path.is_file()}) == 1
    joint = stacked(clips, "joint")
    tensors = load_file(tmp_path / "f.safetensors")
    np.testing.assert_array_equal(tensors["joint"], joint)
    assert tensors["source"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    with np.load(tmp_path / "f.npz", allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["joint"], joint)
        assert arrays["source"][3] == "deep/zwei ü.mp4"
    frame = pq.read_table(tmp_path / "f.parquet").to_pandas()
    np.testing.assert_array_equal(np.stack(frame["joint"]), joint)
    assert frame["start"].tolist()[:3] == [0, 1, 2]


def test_parquet_is_written_in_groups_of_rows(tmp_path, clips, monkeypatch):
    monkeypatch.setattr(formats, "_ROWS_AT_ONCE", 3)
    output = tmp_path / "features.parquet"
    fill(FeatureStore(output, {}), clips)
    assert pq.ParquetFile(output).num_row_groups == 3
    np.testing.assert_array_equal(read_features(output).joint, stacked(clips, "joint"))


def _killed_while_adding(output, clips):
    store = FeatureStore(output, SETTINGS, layers=True)
    with ResultLog(store.folder, "embed", store.settings).appending() as append:
        for number, (clip, embeddings) in enumerate(clips.items()):
            row = store.add(str(clip), embeddings)
            if number == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            append({"id": str(clip), **row})


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_killed_run_goes_on_and_gives_the_same_file(tmp_path, clips, suffix):
    whole, stopped = tmp_path / f"whole{suffix}", tmp_path / f"stopped{suffix}"
    fill(FeatureStore(whole, SETTINGS, layers=True), clips)

    process = multiprocessing.get_context("fork").Process(
        target=_killed_while_adding, args=(stopped, clips)
    )
    process.start()
    process.join(timeout=120)
    ended = process.exitcode
    process.kill()  # one that hangs would be waited for at the end of all tests
    assert ended == -signal.SIGKILL
    assert not stopped.exists()
    store = FeatureStore(stopped, SETTINGS, layers=True)
    log = ResultLog(store.folder, "embed", store.settings)
    rows = log.rows()
    assert list(rows) == [str(clip) for clip in clips][:2]
    assert all(map(store.holds, rows.values()))
    fill(store, clips, log)
    assert stopped.read_bytes() == whole.read_bytes()


class TestWhatIsHeld:
    @pytest.mark.parametrize(
        ("settings", "options", "told"),
        [
            ({"model": "def", "hop": None}, {}, "model abc, not def"),
            (SETTINGS, {"layers": True}, "layers False, not True"),
            (SETTINGS, {"per": "clip"}, "per window, not clip"),
        ],
    )
    def test_another_model_is_refused(self, tmp_path, settings, options, told):
        before = FeatureStore(tmp_path / "f.npz", SETTINGS)
        with ResultLog(before.folder, "embed", before.settings).appending():
            pass
        store = FeatureStore(tmp_path / "f.npz", settings, **options)
        with pytest.raises(ConfigError, match=rf"f\.npz\.parts holds .* {told}.*--restart"):
            open_log(store.folder, "embed", store.settings, option="--output", restart=False)
        assert not open_log(
            store.folder, "embed", store.settings, option="--output", restart=True
        ).exists

    def test_parts_of_an_older_version_are_told(self, tmp_path, capsys):
        store = FeatureStore(tmp_path / "f.npz", SETTINGS)
        store.folder.mkdir()
        (store.folder / "0123456789abcdef.safetensors").write_bytes(b"")
        open_log(store.folder, "embed", store.settings, option="--output", restart=False)
        assert "of an older version and is not read" in capsys.readouterr().err

    def test_a_damaged_part_is_not(self, tmp_path, clips):
        store = FeatureStore(tmp_path / "f.npz", SETTINGS)
        clip, embeddings = next(iter(clips.items()))
        row = store.add(str(clip), embeddings)
        assert store.holds(row)
        part = store.folder / row["part"]
        part.write_bytes(part.read_bytes()[:50])
        assert not store.holds(row)
        part.unlink()
        assert not store.holds(row)


class TestChanges:
    """What tells that a clip is no more the one that was worked on."""

    @staticmethod
    def named(path, sound=None):
        return NamedClip(path, sound, path.name, Path(path.stem))

    def test_a_changed_clip(self, clips):
        clip = self.named(next(iter(clips)))
        row = {"id": clip.id, "status": "ok", "clip": clip_state(clip)}
        assert is_unchanged([clip])(row)
        os.utime(clip.path, ns=(1, 1))
        assert not is_unchanged([clip])(row)

    def test_another_frame_in_a_folder(self, tmp_path):
        folder = tmp_path / "frames"
        folder.mkdir()
        (folder / "1.png").write_bytes(b"1")
        before = clip_state(self.named(folder))
        assert clip_state(self.named(folder)) == before
        (folder / "2.png").write_bytes(b"")
        assert clip_state(self.named(folder)) != before

    def test_another_sound_beside_it(self, tmp_path, clips):
        sound = tmp_path / "sound.wav"
        sound.write_bytes(b"1")
        clip = self.named(next(iter(clips)), sound)
        before = clip_state(clip)
        sound.write_bytes(b"22")
        assert clip_state(clip) != before

    def test_a_clip_that_is_gone(self, tmp_path):
        with pytest.raises(DataError, match=r"gone\.mp4 does not exist"):
            clip_state(self.named(tmp_path / "gone.mp4"))


class TestWhatCannotBe:
    def test_unknown_suffix(self, tmp_path):
        with pytest.raises(ConfigError, match=r"f\.csv has no suffix .*\.npz or \.parquet"):
            FeatureStore(tmp_path / "f.csv", SETTINGS)
        with pytest.raises(ConfigError, match=r"f\.csv is no file of features"):
            read_features(tmp_path / "f.csv")

    def test_a_place_that_cannot_be_written(self, tmp_path, clips):
        (tmp_path / "file").write_text("")
        store = FeatureStore(tmp_path / "file" / "f.npz", SETTINGS)
        clip, embeddings = next(iter(clips.items()))
        with pytest.raises(DataError, match=r"f\.npz cannot be written \(.*--output"):
            store.add(str(clip), embeddings)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_a_full_disk_keeps_what_is_done(self, tmp_path, clips, suffix, monkeypatch):
        store = FeatureStore(tmp_path / f"f{suffix}", SETTINGS)

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as context:
            context.setattr(formats, f"_to_{suffix[1:]}", full)
            with pytest.raises(DataError, match=r"No space left on device.*are kept"):
                fill(store, clips)
        assert not store.output.exists()
        assert len(list(store.folder.glob("*.parquet"))) == len(clips)
        assert fill(store, clips)["joint"] == (8, 4 * WIDTH)

    @pytest.mark.parametrize("suffix", SUFFIXES)
    def test_files_of_something_else(self, tmp_path, suffix):
        path = tmp_path / f"f{suffix}"
        with pytest.raises(DataError, match="There is no file"):
            read_features(path)
        path.write_bytes(b"PK\x03\x04 something else")
        with pytest.raises(DataError, match="holds no features that can be read"):
            read_features(path)

    def test_pickled_arrays_are_not_read(self, tmp_path):
        path = tmp_path / "f.npz"
        np.savez(path, joint=np.array([{"a": 1}], dtype=object), description=np.array("{}"))
        with pytest.raises(DataError, match="holds no features that can be read"):
            read_features(path)
