"""Packs of clips: what is read from them is what is read from the clips."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from media_factory import numbered_picture, picture_number, sweep, write_clip, write_image
from shell import tell
from tiny import ARCHITECTURE

from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import complete_manifest, read_manifest
from hicmae.data.options import ClipOptions
from hicmae.errors import ConfigError, DataError
from hicmae.ledger import Plan
from hicmae.media import VideoReader, read_audio
from hicmae.preparation.options import PackOptions
from hicmae.preparation.pack import pack
from hicmae.training.commands import run

ONE_PROCESS = Plan(jobs=1)


def write_at(path, milliseconds, *, fps):
    """A clip with sound whose frame i carries its number and is shown at the i-th of some times."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"bf": "2"})
        video.width = video.height = 96
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 90_000)
        audio = container.add_stream("aac", rate=44_100, layout="mono")
        for index, time_ in enumerate(milliseconds):
            frame = av.VideoFrame.from_ndarray(numbered_picture(index), format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 90_000), round(time_ * 90)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = sweep(milliseconds[-1] / 1000, 44_100)[None]
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate = 44_100
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Clips of many kinds: rates, segments, halves, sound of its own, folders of images, colons."""
    root = tmp_path_factory.mktemp("sources")
    whole = write_clip(root / "whole.mp4", seconds=1.0)
    wide = write_clip(root / "wide.mp4", seconds=0.8, size=(192, 64), seed=1)
    mute = write_clip(root / "a:b,c.mp4", seconds=0.8, sound=False)
    voice = write_clip(root / "voice.wav", seconds=1.7, seed=2)
    folder = root / "faces"
    folder.mkdir()
    for index in range(12):
        write_image(folder / f"{index}.png", numbered_picture(index))
    rows = [
        {"id": "whole", "video": whole},
        {"id": "segment", "video": whole, "start": 0.4, "end": 0.8},
        {"id": "left", "video": wide, "side": "left"},
        {"id": "right", "video": wide, "side": "right"},
        {"id": "dub/a.b", "video": mute, "audio": voice, "audio_start": 0.5, "audio_end": 1.5},
        {"id": "folder", "video": folder, "audio": voice},
        {"id": "1 frame", "video": whole, "start": 0.52, "end": 0.56},
    ]
    for name, rate in (
        ("film", Fraction(24_000, 1001)),
        ("ntsc", Fraction(30_000, 1001)),
        ("fast", Fraction(50)),
    ):
        times = [float(1000 * index / rate) for index in range(40)]
        rows.append({"id": name, "video": write_at(root / f"{name}.mp4", times, fps=rate)})
    uneven = np.cumsum(np.random.default_rng(0).integers(15, 90, 30)).tolist()
    rows.append({"id": "uneven", "video": write_at(root / "uneven.mp4", [0, *uneven], fps=25)})
    made = complete_manifest(
        pd.DataFrame(rows).assign(
            video=lambda t: t["video"].astype(str),
            subject=[f"s{index % 3}" for index in range(len(rows))],
            fold=[index % 2 + 1 for index in range(len(rows))],
            emotion=[("joy", "\u2028fear")[index % 2] for index in range(len(rows))],
            arousal=np.arange(len(rows)) / 7,
        )
    )
    # A clip without audio times of its own has the sound of its pictures.
    own = made["audio"].isna()
    made.loc[own, "audio_start"], made.loc[own, "audio_end"] = made["start"], made["end"]
    return made


@pytest.fixture(scope="module")
def packed(table, tmp_path_factory):
    """Folder of a pack of all of them, frames as small as the sources are."""
    folder = tmp_path_factory.mktemp("pack")
    rows = pack(table, folder, PackOptions(size=96, shard_mib=1), ONE_PROCESS)
    assert {row["status"] for row in rows.values()} == {"ok"}
    return folder


def both(table, packed):
    """The rows of clips and of their packed twins."""
    twins = read_manifest(packed / "manifest.parquet").set_index("id", drop=False)
    for _, row in table.iterrows():
        yield row, twins.loc[row["id"]]


def missing_is_none(value):
    return None if pd.isna(value) else value


def readers(row):
    options = {"start": missing_is_none(row["start"]), "end": missing_is_none(row["end"])}
    return VideoReader(row["video"], **options)


def test_frames_are_those_of_the_clips(table, packed):
    for row, twin in both(table, packed):
        with readers(row) as reader, readers(twin) as other:
            assert other.frame_count == reader.frame_count, row["id"]
            assert other.fps == pytest.approx(reader.fps, rel=1e-6), row["id"]
            everything = range(reader.frame_count)
            region = missing_is_none(row["side"])
            ours = reader.read(everything, size=96, region=region)
            theirs = other.read(everything, size=96)
            difference = np.abs(ours.astype(int) - theirs).mean()
            assert difference < 4, (row["id"], difference)
            if region is None:
                assert list(map(picture_number, theirs)) == list(map(picture_number, ours))


def test_sound_is_that_of_the_clips_in_16_bits(table, packed):
    for row, twin in both(table, packed):
        sound = row["video"] if pd.isna(row["audio"]) else row["audio"]
        times = [missing_is_none(row[f"audio_{edge}"]) for edge in ("start", "end")]
        ours = read_audio(sound, start=times[0], end=times[1])
        theirs = read_audio(twin["video"])
        assert len(theirs) == len(ours), row["id"]
        assert np.abs(theirs - ours).max() <= 0.5 / 32768 + 1e-7, row["id"]


@pytest.mark.parametrize("sound", ["pcm", "flac"])
def test_sound_is_kept_to_the_sample_however_long(tmp_path, sound):
    clip = write_clip(tmp_path / "long.wav", seconds=13.37)
    film = write_clip(tmp_path / "film.mp4", seconds=13.0, size=(32, 32), sound=False)
    rows = {"id": ["x"], "video": [str(film)], "audio": [str(clip)]}
    options = PackOptions(size=32, sound=sound)
    pack(complete_manifest(pd.DataFrame(rows)), tmp_path / "pack", options, ONE_PROCESS)
    packed = read_manifest(tmp_path / "pack" / "manifest.parquet")["video"].iloc[0]
    np.testing.assert_array_equal(read_audio(packed), read_audio(clip))
    np.testing.assert_array_equal(
        read_audio(packed, start=7.0, end=7.5), read_audio(clip, start=7.0, end=7.5)
    )


def test_uneven_frames_keep_their_times(table, packed):
    ((row, twin),) = [pair for pair in both(table, packed) if pair[0]["id"] == "uneven"]
    with VideoReader(row["video"]) as ours, VideoReader(twin["video"]) as theirs:
        assert not ours.timeline.regular
        assert theirs.timeline.regular
        assert theirs.fps == pytest.approx(ours.fps, rel=1e-3)
        shown = [
            list(map(picture_number, reader.read(range(reader.frame_count), size=96)))
            for reader in (ours, theirs)
        ]
    assert shown[0] == shown[1]
    assert len(set(shown[0])) < len(shown[0])


def test_frames_within_a_millisecond_stay_apart(tmp_path):
    times = [0, 40, 40.1, 40.2, 80, 120]
    clip = write_at(tmp_path / "dense.mp4", times, fps=25)
    table = complete_manifest(pd.DataFrame({"id": ["dense"], "video": [str(clip)]}))
    pack(table, tmp_path / "pack", PackOptions(size=96), ONE_PROCESS)
    with VideoReader(read_manifest(tmp_path / "pack/manifest.parquet")["video"].iloc[0]) as reader:
        pictures = reader.read(range(reader.frame_count), size=96)
    assert list(map(picture_number, pictures)) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("views", [None, 2])
@pytest.mark.parametrize("audio_by", ["proportion", "time"])
def test_windows_are_those_of_the_clips(table, packed, views, audio_by):
    twins = read_manifest(packed / "manifest.parquet").set_index("id").loc[table["id"]]
    options = {
        "num_frames": 4,
        "stride": 2,
        "frame_size": 96,
        "audio_by": audio_by,
    }
    ours = ClipDataset(table, ClipOptions(**options), views=views)
    theirs = ClipDataset(twins.reset_index(), ClipOptions(**options), views=views)
    for index in range(len(table)):
        one, other = ours[index, 3], theirs[index, 3]
        assert one["id"] == other["id"]
        # Rounding the mean rate to whole nanoseconds per frame may move a border by a sample.
        for sound, twin in zip(one["waveform"], other["waveform"], strict=True):
            assert abs(len(sound) - len(twin)) <= 1
        if pd.isna(table["side"][index]):
            numbers = [[picture_number(p) for v in x["frames"] for p in v] for x in (one, other)]
            assert numbers[0] == numbers[1]


def test_the_table_keeps_what_it_says_of_the_clips(table, packed):
    twins = read_manifest(packed / "manifest.parquet")
    assert twins["video"].str.fullmatch(r".*/shard-\d{6}\.tar#\d+\+\d+").all()
    kept = ["id", "subject", "fold", "split", "group", "emotion", "arousal"]
    pd.testing.assert_frame_equal(
        twins.set_index("id").loc[table["id"]].reset_index()[kept], table[kept]
    )
    assert (
        twins[["audio", "start", "end", "audio_start", "audio_end", "side"]].isna().all(axis=None)
    )


def test_a_pack_moves_as_a_folder(packed, tmp_path):
    there = shutil.copytree(packed, tmp_path / "on, another: disk.tar")
    for video in read_manifest(there / "manifest.parquet")["video"]:
        assert video.startswith(str(there))
        VideoReader(video).close()


def test_webdataset_reads_the_same(table, packed):
    webdataset = pytest.importorskip("webdataset")
    shards = sorted(map(str, packed.glob("*.tar")))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode())
    rows = table.set_index("id")
    assert {sample["json"]["id"] for sample in samples} == set(rows.index)
    assert len({sample["__key__"] for sample in samples}) == len(samples)
    twins = read_manifest(packed / "manifest.parquet").set_index("id")["video"]
    for sample in samples:
        described = sample["json"]
        row = rows.loc[described["id"]]
        assert described["emotion"] == row["emotion"]
        assert described["arousal"] == pytest.approx(row["arousal"], abs=1e-14)
        assert described["fold"] == row["fold"]
        assert described["split"] is None
        file, _, place = twins[described["id"]].partition("#")
        start, size = map(int, place.split("+"))
        assert Path(file).read_bytes()[start : start + size] == sample["mkv"]


def shards_of(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tar")}


def small_clips(root, count=6):
    rows = [
        {"id": f"c{n}", "video": str(write_clip(root / f"{n}.mp4", seconds=0.4, seed=n))}
        for n in range(count)
    ]
    return complete_manifest(pd.DataFrame(rows))


SMALL = PackOptions(size=32)


@pytest.fixture
def shards_of_two(monkeypatch):
    """Shards take a mebibyte at least; here they are as full with two clips."""
    monkeypatch.setattr("hicmae.preparation.pack._MIB", 40_000)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return small_clips(tmp_path_factory.mktemp("clips"))


@pytest.mark.usefixtures("shards_of_two")
class TestShards:
    def options(self, **changes):
        return PackOptions(**{"size": 32, "shard_mib": 1} | changes)

    def test_same_clips_make_the_same_files(self, clips, tmp_path):
        for name, plan in (("one", Plan(jobs=1)), ("two", Plan(jobs=2))):
            pack(clips, tmp_path / name, self.options(), plan)
        assert shards_of(tmp_path / "one") == shards_of(tmp_path / "two")
        assert len(shards_of(tmp_path / "one")) == 3
        manifests = [(tmp_path / name / "manifest.parquet").read_bytes() for name in ("one", "two")]
        assert manifests[0] == manifests[1]

    def test_the_seed_shuffles_and_the_manifest_follows_the_shards(self, clips, tmp_path):
        orders = []
        for seed in (0, 1):
            folder = tmp_path / str(seed)
            pack(clips, folder, self.options(seed=seed), ONE_PROCESS)
            table = read_manifest(folder / "manifest.parquet")
            names = []
            for shard in sorted(folder.glob("*.tar")):
                with tarfile.open(shard) as tar:
                    for entry in tar:
                        if entry.name.endswith(".json"):
                            names.append(json.load(tar.extractfile(entry))["id"])
            assert table["id"].tolist() == names
            orders.append(names)
        assert orders[0] != orders[1]
        assert sorted(orders[0]) == sorted(orders[1]) == clips["id"].tolist()

    def test_nothing_is_left_beside_the_pack(self, clips, tmp_path):
        pack(clips, tmp_path, self.options(), ONE_PROCESS)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "manifest.parquet",
            "pack.jsonl",
            "pack.settings.json",
            *sorted(shards_of(tmp_path)),
        ]

    def test_what_is_packed_is_not_packed_again(self, clips, tmp_path, capsys):
        pack(clips, tmp_path, self.options(), ONE_PROCESS)
        before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")}
        pack(clips, tmp_path, self.options(), ONE_PROCESS)
        assert "0 of 6 clips to do" in capsys.readouterr().err
        assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.tar")} == before

    def test_a_lost_shard_is_made_again(self, clips, tmp_path):
        pack(clips, tmp_path, self.options(), ONE_PROCESS)
        before = shards_of(tmp_path)
        (tmp_path / "shard-000001.tar").unlink()
        pack(clips, tmp_path, self.options(), ONE_PROCESS)
        assert shards_of(tmp_path) == before

    def test_other_options_do_not_mix(self, clips, tmp_path):
        pack(clips, tmp_path, self.options(), ONE_PROCESS)
        with pytest.raises(ConfigError, match="made with crf 20, not 22"):
            pack(clips, tmp_path, self.options(crf=22), ONE_PROCESS)

    @pytest.mark.parametrize("moment", ["second shard", "row of it", "file of it to remove"])
    def test_stopped_between_shards_it_goes_on(self, clips, tmp_path, monkeypatch, moment):
        pack(clips, tmp_path / "whole", self.options(), ONE_PROCESS)
        owner, name, counts, allowed = {
            "second shard": (sys.modules["hicmae.preparation.pack"], "_as_json", len, 1),
            "row of it": (json, "dumps", lambda content: "shard" in content, 3),
            "file of it to remove": (Path, "unlink", lambda path: path.suffix == ".mkv", 3),
        }[moment]
        original = getattr(owner, name)
        seen = []

        def stop(first, *arguments, **options):
            if counts(first):
                seen.append(first)
            if len(seen) > allowed:
                raise KeyboardInterrupt
            return original(first, *arguments, **options)

        monkeypatch.setattr(owner, name, stop)
        with pytest.raises(KeyboardInterrupt):
            pack(clips, tmp_path / "cut", self.options(), ONE_PROCESS)
        monkeypatch.setattr(owner, name, original)
        assert len(shards_of(tmp_path / "cut")) == (2 if owner is Path else 1)
        assert not (tmp_path / "cut" / "manifest.parquet").exists()
        pack(clips, tmp_path / "cut", self.options(), ONE_PROCESS)
        assert shards_of(tmp_path / "cut") == shards_of(tmp_path / "whole")
        assert not (tmp_path / "cut" / "single").exists()
        tables = [read_manifest(tmp_path / name / "manifest.parquet") for name in ("cut", "whole")]
        assert tables[0]["id"].tolist() == tables[1]["id"].tolist()

    def test_jobs_of_an_array_leave_the_shards_to_the_last_call(self, clips, tmp_path):
        pack(clips, tmp_path / "whole", self.options(), ONE_PROCESS)
        for shard in ("1/2", "2/2"):
            pack(clips, tmp_path / "parts", self.options(), Plan(jobs=1, shard=shard))
            assert not shards_of(tmp_path / "parts")
        pack(clips, tmp_path / "parts", self.options(), ONE_PROCESS)
        assert shards_of(tmp_path / "parts") == shards_of(tmp_path / "whole")

    def test_a_mended_clip_comes_into_a_further_shard(self, clips, tmp_path):
        table = clips.copy()
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(b"")
        table.loc[2, "video"] = str(broken)
        rows = pack(table, tmp_path / "pack", self.options(), ONE_PROCESS)
        assert rows["c2"]["status"] == "error"
        before = shards_of(tmp_path / "pack")
        assert "c2" not in read_manifest(tmp_path / "pack/manifest.parquet")["id"].tolist()
        shutil.copy(clips.loc[2, "video"], broken)
        pack(table, tmp_path / "pack", self.options(), ONE_PROCESS)
        after = shards_of(tmp_path / "pack")
        assert {name: after[name] for name in before} == before
        packed = read_manifest(tmp_path / "pack/manifest.parquet")
        assert sorted(packed["id"]) == table["id"].tolist()
        VideoReader(packed.set_index("id").loc["c2", "video"]).close()


def test_a_killed_run_goes_on(tmp_path):
    clips = small_clips(tmp_path, count=8)
    clips.to_parquet(tmp_path / "clips.parquet")
    # Its processes import the one file; they do not run the other, which guards nothing.
    (tmp_path / "slowly.py").write_text(
        textwrap.dedent(
            """
            import time
            from hicmae.preparation.pack import pack_clip
            def pack_slowly(*arguments, **options):
                time.sleep(0.2)
                return pack_clip(*arguments, **options)
            """
        )
    )
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            from pathlib import Path
            import hicmae.preparation.pack as module
            from hicmae.data.manifest import read_manifest
            from hicmae.preparation.options import PackOptions
            from hicmae.ledger import Plan
            from slowly import pack_slowly
            module.pack_clip = pack_slowly
            here = Path(__file__).parent
            table = read_manifest(here / "clips.parquet")
            module.pack(table, here / "cut", PackOptions(size=32), Plan(1))
            """
        )
    )
    running = subprocess.Popen([sys.executable, program])
    log = tmp_path / "cut" / "pack.jsonl"
    while not (log.exists() and log.read_text().count("\n") >= 3):
        assert running.poll() is None
        time.sleep(0.02)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(timeout=60)
    assert not list((tmp_path / "cut").glob("*.tar"))
    before = len(log.read_text().splitlines())
    pack(clips, tmp_path / "cut", SMALL, ONE_PROCESS)
    # The clips of the killed run were not written again: its rows, the others', those of the shard.
    assert len(log.read_text().splitlines()) == 2 * len(clips)
    assert before >= 3
    pack(clips, tmp_path / "whole", SMALL, ONE_PROCESS)
    assert shards_of(tmp_path / "cut") == shards_of(tmp_path / "whole")


def test_damaged_shards_are_told(tmp_path):
    clips = small_clips(tmp_path, count=3)
    folder = tmp_path / "pack"
    pack(clips, folder, SMALL, ONE_PROCESS)
    shard = folder / "shard-000000.tar"
    last = read_manifest(folder / "manifest.parquet")["video"].iloc[-1]
    start = int(last.partition("#")[2].partition("+")[0])
    content = shard.read_bytes()
    shard.write_bytes(content[: start + 100])
    with pytest.raises(DataError, match=r"shard-000000\.tar#\d+\+\d+ .* cut off after \d+ bytes"):
        VideoReader(last)
    with pytest.raises(DataError, match="cut off"):
        read_audio(last)
    shard.write_bytes(content[:start] + bytes(len(content) - start))
    with pytest.raises(DataError, match=r"shard-000000\.tar#\d+\+\d+ cannot be opened"):
        VideoReader(last)
    shard.unlink()
    with pytest.raises(DataError, match=r"shard-000000\.tar does not exist"):
        VideoReader(last)
    data = ManifestDataModule(str(folder / "manifest.parquet"), val_fraction=0)
    with pytest.raises(DataError, match=r"shard-000000\.tar does not exist \(3 of 3 rows"):
        data.setup("fit")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"size": 33}, "even"), ({"crf": 60}, "0 to 51"), ({"shard_mib": 0}, "shard_mib is 0")],
)
def test_options_that_cannot_work_are_told(options, words):
    with pytest.raises(ConfigError, match=words):
        PackOptions(**options)


def test_clips_of_one_name_are_refused(clips, tmp_path):
    with pytest.raises(DataError, match="an earlier row has the same id"):
        pack(pd.concat([clips, clips], ignore_index=True), tmp_path, None, ONE_PROCESS)


@pytest.mark.usefixtures("as_command")
class TestCommandLine:
    def test_from_a_corpus_to_a_run(self, corpus, tmp_path, capsys):
        options = ["--output=pack", "--size=32", "--jobs=1"]
        assert tell("data", "pack", corpus / "manifest.csv", *options) == 0
        assert "14 of 14 clips are in pack/manifest.parquet." in capsys.readouterr().out
        assert tell("data", "check", "pack/manifest.parquet", "--output=check", "--jobs=1") == 0
        done = run(
            [
                "fit",
                "--config=finetune/manifest.yaml",
                "--data.manifest=pack/manifest.parquet",
                "--data.label=emotion",
                "--data.augmentation=null",
                "--data.shuffle_block=4",
                "--data.pixels=yuv420",
                f"--model.architecture={ARCHITECTURE}",
                *SMALL_DATA,
                "--trainer.max_epochs=1",
                "--trainer.accelerator=cpu",
                f"--trainer.default_root_dir={tmp_path / 'runs'}",
            ]
        )
        assert done.trainer.global_step >= 1

    def test_clips_are_not_cut_twice(self, corpus, tmp_path, capsys):
        options = ["--output=pack", "--size=32", "--jobs=1"]
        assert tell("data", "pack", corpus / "manifest.csv", *options) == 0
        arguments = [
            "--config=finetune/manifest.yaml",
            "--data.manifest=pack/manifest.parquet",
            "--data.label=emotion",
            "--data.region=[0,0,16,16]",
            f"--model.architecture={ARCHITECTURE}",
            *SMALL_DATA,
        ]
        assert tell("fit", *arguments) == 2
        assert "is a pack, whose clips are cut already" in capsys.readouterr().err

    def test_clips_may_be_named_by_whole_paths(self, tmp_path):
        clip = write_clip(tmp_path / "clips" / "one.mp4", seconds=0.4)
        (tmp_path / "clips.csv").write_text(f"video\n{clip}\n")
        assert tell("data", "pack", "clips.csv", "--output=pack", "--size=32", "--jobs=1") == 0
        assert read_manifest("pack/manifest.parquet")["id"].tolist() == ["one"]

    def test_clips_without_sound_are_listed(self, tmp_path, capsys):
        write_clip(tmp_path / "clips" / "mute.mp4", seconds=0.4, sound=False)
        write_clip(tmp_path / "clips" / "good.mp4", seconds=0.4)
        assert tell("data", "pack", "clips", "--output=pack", "--size=32", "--jobs=1") == 1
        assert "no audio stream" in pd.read_csv("pack/problems.csv")["message"].iloc[0]
        assert read_manifest("pack/manifest.parquet")["id"].tolist() == ["good"]

    def test_nothing_to_pack(self, tmp_path):
        write_clip(tmp_path / "clips" / "mute.mp4", seconds=0.4, sound=False)
        assert tell("data", "pack", "clips", "--output=pack", "--size=32", "--jobs=1") == 1

    def test_region_and_rate_of_a_config_hold(self, tmp_path):
        folder = tmp_path / "clips" / "faces"
        folder.mkdir(parents=True)
        for index in range(10):
            write_image(folder / f"{index}.png", numbered_picture(index, (128, 96)))
        write_clip(tmp_path / "clips" / "voice.wav", seconds=1.0)
        (tmp_path / "clips" / "m.csv").write_text("id,video,audio\nx,faces,voice.wav\n")
        config = [
            "--data=ManifestDataModule",
            "--data.manifest=clips/m.csv",
            "--data.region=[0,0,32,32]",
            "--data.folder_fps=10",
        ]
        assert tell("data", "pack", *config, "--output=pack", "--size=32", "--jobs=1") == 0
        with VideoReader(read_manifest("pack/manifest.parquet")["video"].iloc[0]) as reader:
            assert (reader.fps, reader.frame_count) == (10, 10)
            # The corner of the picture: grey beside the numbered square, 16 pixels wide.
            picture = reader.read([0])[0]
        assert picture[:, :12].mean() == pytest.approx(128, abs=4)
        assert picture[8:, 24:].mean() < 80


SMALL_DATA = [
    "--data.frame_size=32",
    "--data.image_size=32",
    "--data.num_frames=4",
    "--data.stride=1",
    "--data.audio_frames=32",
    f"--data.mel_bins={ARCHITECTURE['mel_bins']}",
    "--data.batch_size=2",
    "--data.num_workers=0",
]
