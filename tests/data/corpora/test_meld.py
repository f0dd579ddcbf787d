import logging

import pytest
from fakes.meld import CLIPS, KNOWN_BAD, PARTS, write_meld

from hicmae.data.corpora.meld import MELD
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError


@pytest.fixture(scope="module")
def names(root):
    return write_meld(root)


def test_the_official_parts_train_validate_and_test(root, names, caplog):
    with caplog.at_level(logging.INFO):
        table = MELD().manifest(root)
    check_manifest(table, "MELD")
    check_files(table, "MELD")
    assert sorted(table["id"]) == names
    for part, split in (("train", "train"), ("dev", "val"), ("test", "test")):
        rows = table[table["split"] == split].set_index("id")
        assert rows["emotion"].to_dict() == {
            f"{part}_dia{dialogue}_utt{utterance}": emotion
            for (dialogue, utterance), emotion in CLIPS[part].items()
            if f"{part}_dia{dialogue}_utt{utterance}" not in KNOWN_BAD
        }
    clips = table.set_index("id")
    assert clips["video"]["test_dia0_utt0"] == str(root / PARTS["test"] / "dia0_utt0.mp4")
    assert table[["subject", "fold", "audio"]].isna().all(axis=None)
    assert "dev_dia110_utt7: not in the download" in caplog.text
    assert "train_dia125_utt3: a video that does not open" in caplog.text


def test_wrong_lines_and_missing_clips_are_told(tmp_path):
    write_meld(tmp_path)
    labels = tmp_path / "test_sent_emo.csv"
    whole = labels.read_text(encoding="utf-8")
    for wrong, words in (
        (whole.replace("joy", "bliss"), "line 7: Emotion is 'bliss', which is none of neutral, "),
        (whole.replace(",1,0,", ",0,1,"), "line 7: clip test_dia0_utt1 is listed a second time"),
        (whole.replace("Utterance_ID", "ID"), "expected Dialogue_ID, Utterance_ID, Emotion"),
    ):
        labels.write_text(wrong, encoding="utf-8")
        with pytest.raises(DataError, match=words):
            MELD().manifest(tmp_path)
    labels.write_text(whole, encoding="utf-8")
    (tmp_path / PARTS["test"] / "dia1_utt0.mp4").unlink()
    with pytest.raises(DataError, match=r"1 of 3 listed clips .*test_dia1_utt0\.mp4"):
        MELD().manifest(tmp_path)
    labels.unlink()
    with pytest.raises(
        DataError, match=r"no label file \(test_sent_emo.csv or .*; expected train_"
    ):
        MELD().manifest(tmp_path)


def test_counts_are_those_of_the_label_files():
    expected = MELD().expected
    assert sum(expected.class_clips.values()) == expected.clips == 9989 + 1109 + 2610 - 2
