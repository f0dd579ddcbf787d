from collections import Counter

import pytest
from fakes.savee import CODES, write_savee

from hicmae.data.corpora.savee import SAVEE
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError


def test_each_speaker_is_a_fold(tmp_path):
    names = write_savee(tmp_path)
    table = SAVEE().manifest(tmp_path)
    check_manifest(table, "SAVEE")
    check_files(table, "SAVEE")
    assert table["id"].tolist() == names
    assert dict(zip(table["subject"], table["fold"], strict=True)) == {
        "DC": 1,
        "JE": 2,
        "JK": 3,
        "KL": 4,
    }
    rows = table.set_index("id")
    assert rows["emotion"][["KL_a09", "KL_sa14", "KL_su15"]].tolist() == [
        "anger",
        "sadness",
        "surprise",
    ]
    assert rows["video"]["DC_a09"] == str(tmp_path / "AudioVisualClip" / "DC" / "a9.avi")
    assert table["audio"].isna().all()


@pytest.mark.parametrize("name", ["{0}/{1}{2}.avi", "AudioVisualClip/{0}_{1}{2:02d}.avi"])
def test_the_whole_download_gives_the_expected_counts(tmp_path, name):
    for speaker in ("DC", "JE", "JK", "KL"):
        for code in CODES:
            for number in range(1, 31 if code == "n" else 16):
                path = tmp_path / name.format(speaker, code, number)
                path.parent.mkdir(exist_ok=True)
                path.touch()
    corpus = SAVEE()
    table = corpus.manifest(tmp_path)
    assert len(table) == corpus.expected.clips
    assert Counter(table["emotion"]) == corpus.expected.class_clips
    assert Counter(table["fold"]) == dict.fromkeys(range(1, 5), 120)


def test_sound_alone_tells_what_was_looked_for_and_found(tmp_path):
    (tmp_path / "DC").mkdir()
    (tmp_path / "DC" / "a01.wav").touch()
    with pytest.raises(DataError, match=r"no clip \(AudioVisualClip/DC.*it holds: DC\); expected"):
        SAVEE().manifest(tmp_path)
