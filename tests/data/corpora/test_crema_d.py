import logging
from collections import Counter

import pytest
from fakes.crema_d import KNOWN_BAD, write_crema_d

from hicmae.data.corpora.crema_d import CREMAD
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import ConfigError, DataError

STUB = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"

# Clips of fold k tested per class, as the reference implementation's lists have them.
TEST_CLIPS = {
    "ANG": (250, 251, 252, 252, 266),
    "DIS": (250, 251, 252, 251, 266),
    "FEA": (250, 251, 252, 252, 266),
    "HAP": (250, 251, 252, 252, 266),
    "NEU": (213, 215, 216, 216, 226),
    "SAD": (250, 251, 251, 251, 265),
}


@pytest.fixture(scope="module")
def clips(root):
    return write_crema_d(root)


@pytest.fixture
def empty(tmp_path):
    """Makes a tree of empty files with the given clips."""

    def make(*names):
        for folder, suffix in (("VideoFlash", "flv"), ("AudioWAV", "wav")):
            (tmp_path / folder).mkdir()
            for name in names:
                (tmp_path / folder / f"{name}.{suffix}").touch()
        return tmp_path

    return make


@pytest.mark.parametrize("above", [False, True])
def test_clips_are_listed_with_the_sound_of_the_wav_files(root, clips, above):
    table = CREMAD().manifest(root.parent if above else root)
    check_manifest(table, "CREMA-D")
    check_files(table, "CREMA-D")
    assert table["id"].tolist() == clips
    rows = table.set_index("id")
    first = rows.loc["1001_DFA_ANG_XX"]
    assert first["video"] == str(root / "VideoFlash" / "1001_DFA_ANG_XX.flv")
    assert first["audio"] == str(root / "AudioWAV" / "1001_DFA_ANG_XX.wav")
    assert first[["subject", "fold", "emotion"]].tolist() == ["1001", 1, "ANG"]
    assert rows.loc["1064_WSI_FEA_XX", ["subject", "fold", "emotion"]].tolist() == [
        "1064",
        4,
        "FEA",
    ]
    assert table[["start", "audio_start", "side", "group", "split"]].isna().all(axis=None)


def test_known_bad_clips_are_left_out_and_told(root, clips, caplog):
    with caplog.at_level(logging.INFO):
        table = CREMAD().manifest(root)
    assert not set(KNOWN_BAD) & set(table["id"])
    assert "3 clips are left out" in caplog.text
    assert "1064_TIE_SAD_XX: video without a duration" in caplog.text


def test_four_classes_leave_disgust_and_fear_out(root, clips):
    corpus = CREMAD(classes=4)
    table = corpus.manifest(root)
    assert table["id"].tolist() == [name for name in clips if name[9:12] not in ("DIS", "FEA")]
    assert corpus.class_names == ("ANG", "HAP", "NEU", "SAD")
    assert set(table["emotion"]) == set(corpus.class_names)
    assert sorted(set(table["fold"])) == [1, 2, 3, 4, 5]
    with pytest.raises(ConfigError, match=r"data\.classes is 5"):
        CREMAD(classes=5)


def test_folds_hold_eighteen_actors_and_the_last_one_nineteen(empty):
    table = CREMAD().manifest(empty(*(f"{actor}_DFA_ANG_XX" for actor in range(1001, 1092))))
    assert Counter(table["fold"]) == {1: 18, 2: 18, 3: 18, 4: 18, 5: 19}
    assert table["subject"][table["fold"] == 5].tolist() == [str(n) for n in range(1073, 1092)]


def test_true_names_give_the_published_folds(shared_dir, empty):
    names = (shared_dir / "names" / "cremad.txt").read_text().split()
    root = empty(*names)
    six, four = CREMAD(), CREMAD(classes=4)
    table = six.manifest(root)
    assert set(names) - set(table["id"]) == set(six.known_bad)
    counts = Counter(zip(table["emotion"], table["fold"], strict=True))
    assert {
        emotion: tuple(counts[emotion, fold] for fold in range(1, 6)) for emotion in TEST_CLIPS
    } == TEST_CLIPS
    for corpus, rows in ((six, table), (four, four.manifest(root))):
        assert len(rows) == corpus.expected.clips
        folds = Counter(rows["fold"])
        assert tuple(folds[fold] for fold in range(1, 6)) == corpus.expected.test_clips
        assert Counter(rows["emotion"]) == corpus.expected.class_clips
        assert (rows.groupby("subject")["fold"].nunique() == 1).all()


def test_published_counts():
    assert CREMAD().expected.clips == 7437
    assert CREMAD().expected.test_clips == (1463, 1470, 1475, 1474, 1555)
    assert CREMAD(classes=4).expected.test_clips == (963, 968, 971, 971, 1023)


@pytest.mark.parametrize("stub", ["VideoFlash/1002_DFA_SAD_XX.flv", "AudioWAV/1002_DFA_SAD_XX.wav"])
def test_clone_without_git_lfs_is_told(empty, stub):
    root = empty("1001_DFA_ANG_XX", "1002_DFA_SAD_XX", "1003_DFA_SAD_XX")
    CREMAD().manifest(root)
    (root / stub).write_text(STUB)
    with pytest.raises(DataError, match=rf"{stub} is a Git LFS text stub.*git lfs pull"):
        CREMAD().manifest(root)


@pytest.mark.parametrize("name", ["VideoFlash/1001_DFA_ANG_XX.flv", "AudioWAV/1001_DFA_ANG_XX.wav"])
def test_clip_without_video_or_sound_is_told(empty, name):
    root = empty("1001_DFA_ANG_XX", "1002_DFA_SAD_XX", "1040_ITH_SAD_XX")
    (root / name).unlink()
    with pytest.raises(DataError, match=r"1 of 2 listed clips have no file .*\(1001_DFA_ANG_XX\)"):
        CREMAD().manifest(root)


def test_known_bad_clip_may_lack_its_files(empty):
    root = empty("1001_DFA_ANG_XX", "1064_IEO_DIS_MD")
    (root / "VideoFlash" / "1064_IEO_DIS_MD.flv").unlink()
    assert CREMAD().manifest(root)["id"].tolist() == ["1001_DFA_ANG_XX"]


@pytest.mark.parametrize("name", ["1001_DFA_JOY_XX", "1092_DFA_ANG_XX", "holiday"])
def test_unknown_names_are_told(empty, name):
    with pytest.raises(DataError, match=rf"{name}\.flv is not named .*emotions ANG, DIS"):
        CREMAD().manifest(empty(name))


def test_other_folders_tell_what_was_looked_for_and_found(tmp_path, empty):
    with pytest.raises(DataError, match="none does not exist"):
        CREMAD().manifest(tmp_path / "none")
    with pytest.raises(
        DataError,
        match=r"no folder of videos \(VideoFlash or Video\*/\).*holds: nothing\); expected",
    ):
        CREMAD().manifest(tmp_path)
    root = empty()
    with pytest.raises(DataError, match=r"no video \(\*\.flv\) below .*VideoFlash"):
        CREMAD().manifest(root)
    (root / "AudioWAV").rmdir()
    with pytest.raises(DataError, match=r"no folder of sound \(AudioWAV\).*holds: VideoFlash"):
        CREMAD().manifest(root)


def test_clips_without_a_file_can_be_left_out(empty, caplog):
    root = empty("1001_DFA_ANG_XX", "1002_DFA_SAD_XX", "1003_DFA_SAD_XX", "1004_DFA_SAD_XX")
    (root / "VideoFlash" / "1002_DFA_SAD_XX.flv").unlink()
    (root / "AudioWAV" / "1003_DFA_SAD_XX.wav").write_text(STUB)
    table, left_out = CREMAD(missing="leave_out").listing(root)
    assert table["id"].tolist() == ["1001_DFA_ANG_XX", "1004_DFA_SAD_XX"]
    assert left_out == ("1002_DFA_SAD_XX", "1003_DFA_SAD_XX")
    assert "2 of 4 listed clips lack a file and are left out: 1002_DFA_SAD_XX" in caplog.text
    for path in (root / "AudioWAV").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="none of the 3 listed clips has its files"):
        CREMAD(missing="leave_out").manifest(root)


@pytest.mark.parametrize("folder", ["VideoFlash", "VideoMP4"])
def test_videos_that_were_encoded_anew(empty, folder):
    root = empty("1001_DFA_ANG_XX")
    (root / "VideoFlash").rename(root / folder)
    (root / folder / "1001_DFA_ANG_XX.flv").rename(root / folder / "1001_DFA_ANG_XX.mp4")
    (root / folder / "preview.mp4").touch()
    (root / "VideoDemographics.csv").touch()
    table = CREMAD().manifest(root)
    assert table["video"].tolist() == [str(root / folder / "1001_DFA_ANG_XX.mp4")]


def test_copies_of_clips_are_passed_over(empty, caplog):
    name = "1001_DFA_ANG_XX"
    root = empty(name)
    for copy in (f"VideoFlash/{name}.mp4", f"AudioWAV/16k/{name}.wav", f"VideoFlash/1/{name}.flv"):
        (root / copy).parent.mkdir(exist_ok=True)
        (root / copy).touch()
    with caplog.at_level(logging.INFO):
        row = CREMAD().manifest(root).iloc[0]
    assert row["video"] == str(root / "VideoFlash" / f"{name}.flv")
    assert row["audio"] == str(root / "AudioWAV" / f"{name}.wav")
    assert f"; {root / 'AudioWAV' / name}.wav is read" in caplog.text


def test_a_copy_does_not_stand_in_for_a_lost_clip(empty, caplog):
    root = empty("1001_DFA_ANG_XX", "1002_DFA_SAD_XX")
    for name in ("1001_DFA_ANG_XX", "1002_DFA_SAD_XX"):
        (root / "VideoFlash" / f"{name}.mp4").touch()
    (root / "VideoFlash" / "1002_DFA_SAD_XX.flv").unlink()
    with pytest.raises(DataError, match=r"1 of 2 listed clips have no file .*\(1002_DFA_SAD_XX\)"):
        CREMAD().manifest(root)
    assert "1 clips lie only where copies of other clips lie, such as" in caplog.text
