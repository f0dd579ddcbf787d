import csv
import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from hicmae.demo.corpus import (
    MANIFEST_COLUMNS,
    CorpusSettings,
    clip_path,
    main,
    make_corpus,
)
from hicmae.demo.face import render_face
from hicmae.demo.performance import EMOTIONS, ClipKey, perform
from hicmae.demo.voice import render_voice
from hicmae.errors import ConfigError, DataError

TINY = CorpusSettings(speakers=3, clips_per_emotion=1, seed=0, size=48, seconds=1.0)


def make_tiny(folder: Path, workers: int = 1, seed: int = 0) -> Path:
    return make_corpus(
        folder,
        speakers=3,
        clips_per_emotion=1,
        seed=seed,
        size=48,
        seconds=1.0,
        workers=workers,
        progress=False,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny(tmp_path_factory.mktemp("demo") / "corpus")


@pytest.fixture(scope="session")
def rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="") as file:
        return list(csv.DictReader(file))


def test_manifest_lists_every_clip(manifest: Path, rows: list[dict[str, str]]) -> None:
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert len(rows) == 18
    assert {row["emotion"] for row in rows} == set(EMOTIONS)
    on_disk = {str(path.relative_to(manifest.parent)) for path in manifest.parent.rglob("*.mp4")}
    assert {row["video"] for row in rows} == on_disk
    for row in rows:
        assert -1 <= float(row["arousal"]) <= 1
        assert -1 <= float(row["valence"]) <= 1


@pytest.mark.parametrize(
    ("speakers", "sizes"), [(3, (1, 1, 1)), (8, (6, 1, 1)), (12, (8, 2, 2)), (30, (20, 5, 5))]
)
def test_splits_share_no_speaker(speakers: int, sizes: tuple[int, int, int]) -> None:
    settings = CorpusSettings(speakers, 1, 0, 48, 1.0)
    splits = [settings.split(speaker) for speaker in range(speakers)]
    assert tuple(splits.count(split) for split in ("train", "val", "test")) == sizes


def test_manifest_splits_by_speaker(rows: list[dict[str, str]]) -> None:
    pairs = {(row["subject"], row["split"]) for row in rows}
    assert len(pairs) == 3
    assert {split for _, split in pairs} == {"train", "val", "test"}


def test_corpus_says_that_it_is_synthetic(manifest: Path) -> None:
    text = (manifest.parent / "README.txt").read_text()
    assert "Synthetic" in text
    assert "No real person" in text


def test_clips_decode_to_what_was_rendered(manifest: Path) -> None:
    key = TINY.clips()[7]
    performance = TINY.performance(key)
    with av.open(str(manifest.parent / clip_path(key))) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert video.average_rate == 25
        assert video.pix_fmt == "yuv420p"
        assert (audio.rate, audio.layout.name) == (16_000, "mono")
        for stream in (video, audio):
            assert stream.duration * stream.time_base == 1
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video)])
        container.seek(0)
        pieces = [frame.to_ndarray()[0] for frame in container.decode(audio)]
    rendered = render_face(key, performance, 48)
    assert frames.shape == rendered.shape
    assert np.abs(frames.astype(int) - rendered).mean() < 10
    # The encoder's delay must be cut off again, or the lips would be late.
    spoken = render_voice(key, performance)
    heard = np.concatenate(pieces)[: len(spoken)]
    assert np.corrcoef(heard, spoken)[0, 1] > 0.9


def test_workers_do_not_change_the_clips(manifest: Path, tmp_path: Path) -> None:
    make_tiny(tmp_path / "corpus", workers=2)
    assert contents(tmp_path / "corpus") == contents(manifest.parent)


def test_other_seeds_give_other_clips(manifest: Path, tmp_path: Path) -> None:
    other = contents(make_tiny(tmp_path / "corpus", seed=1).parent)
    same = contents(manifest.parent)
    assert other.keys() == same.keys()
    assert all(other[name] != same[name] for name in same if name.endswith("mp4"))


def test_half_made_corpus_is_completed(manifest: Path, tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "corpus").parent
    whole = contents(folder)
    kept, *lost = sorted(folder.rglob("*.mp4"))
    for path in (*lost[:3], folder / "manifest.csv"):
        path.unlink()
    stamp = kept.stat().st_mtime_ns
    make_tiny(folder)
    assert contents(folder) == whole
    assert kept.stat().st_mtime_ns == stamp


def test_finished_corpus_is_left_alone(manifest: Path) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in manifest.parent.rglob("*")}
    assert make_tiny(manifest.parent) == manifest
    assert {path: path.stat().st_mtime_ns for path in manifest.parent.rglob("*")} == stamps


def test_corpus_of_another_version_is_told(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "corpus").parent
    record = folder / "corpus.json"
    record.write_text(record.read_text().replace('"generator": 2', '"generator": 1'))
    with pytest.raises(DataError, match=r"of another version .* delete it, or name another folder"):
        make_tiny(folder)


def test_other_settings_are_refused(manifest: Path) -> None:
    with pytest.raises(DataError, match=r"made with seed=0"):
        make_tiny(manifest.parent, seed=1)


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").touch()
    with pytest.raises(DataError, match="something else"):
        make_tiny(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"seed": 0})])
def test_foreign_records_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "corpus.json").write_text(text)
    with pytest.raises(DataError, match=r"corpus\.json was not written by"):
        make_tiny(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus").touch()
    with pytest.raises(DataError, match="is a file"):
        make_tiny(tmp_path / "corpus")


def test_unwritable_clips_are_named(tmp_path: Path) -> None:
    folder = make_tiny(tmp_path / "corpus").parent
    lost = folder / clip_path(TINY.clips()[0])
    lost.unlink()
    lost.mkdir()
    with pytest.raises(DataError, match=r"neutral_0\.mp4 cannot be written"):
        make_tiny(folder)
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("speakers", 2),
        ("clips_per_emotion", 0),
        ("seed", -1),
        ("size", 47),
        ("size", 16),
        ("seconds", 0.1),
        ("seconds", float("nan")),
        ("workers", 0),
    ],
)
def test_impossible_options_are_named(tmp_path: Path, option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{option} is"):
        make_corpus(tmp_path / "corpus", **{option: value})
    assert not (tmp_path / "corpus").exists()


def test_module_prints_the_manifest(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--speakers=3", "--clips-per-emotion=1", "--size=48", "--seconds=1", "--workers=1"]
    monkeypatch.setattr("sys.argv", ["corpus", str(manifest.parent), *options])
    main()
    assert capsys.readouterr().out.strip() == str(manifest)


def test_blends_are_added_to_the_same_clips(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair of emotions but neutral, in parts that turn with speaker and take."""
    options = ["--speakers=3", "--clips-per-emotion=1", "--size=48", "--seconds=1.0"]
    folder = tmp_path / "corpus"
    monkeypatch.setattr(sys, "argv", ["corpus", str(folder), *options, "--blends", "--workers=1"])
    main()
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    blends = [row for row in rows if "+" in row["emotion"]]
    assert len(blends) == 3 * 10
    assert len(rows) == 3 * 16
    assert {row["anger"] for row in blends} == {"0", "0.3", "0.5", "0.7"}
    for row in rows:
        shares = {name: float(row[name]) for name in EMOTIONS if float(row[name])}
        assert sum(shares.values()) == pytest.approx(1)
        assert sorted(shares) == sorted(row["emotion"].split("+"))
    plain = contents(manifest.parent)
    assert (
        plain["clips/speaker_01/anger_0.mp4"]
        == (folder / "clips" / "speaker_01" / "anger_0.mp4").read_bytes()
    )
    with pytest.raises(DataError, match="made with blends=True"):
        make_tiny(folder)


def test_a_blend_lies_between_its_emotions() -> None:
    def arousal(*emotion: object) -> float:
        first, *second = emotion
        keys = [ClipKey(0, 0, first, take, *second) for take in range(20)]  # type: ignore[arg-type]
        return float(np.mean([perform(key, 2.7).arousal for key in keys]))

    assert arousal("sadness") + 0.3 < arousal("anger", "sadness", 50) < arousal("anger") - 0.3
