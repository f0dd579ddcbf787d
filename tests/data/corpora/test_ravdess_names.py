"""The folds that a whole download of RAVDESS gives, from empty files with the true names."""

from collections import Counter
from itertools import product

import pytest

from hicmae.data.corpora.ravdess import RAVDESS

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def takes(channel, emotions):
    """Channel, emotion, intensity, statement and repetition of an actor's takes."""
    return [
        f"{channel}-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}"
        for emotion, intensity, statement, repetition in product(emotions, *[(1, 2)] * 3)
        if (emotion, intensity) != (1, 2)
    ]


SPEECH = takes("01", range(1, 9))
SONG = takes("02", range(1, 7))


@pytest.fixture(params=["speech", "speech and song"])
def root(request, tmp_path):
    """Every file of the archives; actor 18 has not sung."""
    for actor in range(1, 25):
        for kind, names in (("Speech", SPEECH), ("Song", SONG)):
            if kind == "Song" and (request.param == "speech" or actor == 18):
                continue
            archives = {
                "01": f"Video_{kind}_Actor_{actor:02d}",
                "02": f"Video_{kind}_Actor_{actor:02d}",
                "03": f"Audio_{kind}_Actors_01-24",
            }
            for modality, archive in archives.items():
                folder = tmp_path / archive / f"Actor_{actor:02d}"
                folder.mkdir(parents=True, exist_ok=True)
                suffix = "wav" if modality == "03" else "mp4"
                for take in names:
                    (folder / f"{modality}-{take}-{actor:02d}.{suffix}").touch()
    if request.param == "speech":
        assert sum(1 for _ in tmp_path.rglob("*.mp4")) == 2880
        assert sum(1 for _ in tmp_path.rglob("*.wav")) == 1440
    return tmp_path


def test_whole_download_gives_the_published_folds(root):
    corpus = RAVDESS()
    table = corpus.manifest(root)
    assert sorted(table["id"]) == sorted(
        f"{take}-{actor:02d}" for take in SPEECH for actor in range(1, 25)
    )
    assert corpus.expected.clips == len(table) == 1440
    counts = Counter(zip(table["fold"], table["emotion"], strict=True))
    for fold in range(1, 7):
        assert [counts[fold, emotion] for emotion in EMOTIONS] == [16] + [32] * 7
    assert corpus.expected.test_clips == (240,) * 6
    assert Counter(table["emotion"]) == corpus.expected.class_clips
    assert (table.groupby("subject")["fold"].nunique() == 1).all()
    assert table["audio"].isna().all()


def test_silent_videos_take_the_sound_of_the_sound_archive(root):
    for path in root.rglob("01-01-*.mp4"):
        path.unlink()
    table = RAVDESS().manifest(root)
    assert len(table) == 1440
    row = table.set_index("id").loc["01-05-02-02-01-07"]
    assert row["video"].endswith("Video_Speech_Actor_07/Actor_07/02-01-05-02-02-01-07.mp4")
    assert row["audio"].endswith("Audio_Speech_Actors_01-24/Actor_07/03-01-05-02-02-01-07.wav")
