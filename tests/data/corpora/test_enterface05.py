import logging
from collections import Counter

import pytest
from fakes.enterface05 import EMOTIONS, write_enterface05

from hicmae.data.corpora.enterface05 import ENTERFACE05
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError


@pytest.mark.parametrize("blank", [" ", "-"])
def test_clips_are_named_by_their_folders(tmp_path, blank, caplog):
    names = write_enterface05(tmp_path, blank=blank)
    with caplog.at_level(logging.INFO):
        table = ENTERFACE05().manifest(tmp_path)
    check_manifest(table, "eNTERFACE'05")
    check_files(table, "eNTERFACE'05")
    assert table["id"].tolist() == names
    assert "6 clips are left out (06_anger, 06_disgust" in caplog.text
    row = table.set_index("id").loc["11_fear_1"]
    assert row[["subject", "fold", "emotion"]].tolist() == ["11", 1, "fear"]
    assert row["video"].endswith(f"subject{blank}11/fear/sentence{blank}1/s12_fe_1.avi")
    assert row[["audio", "split"]].isna().all()


def test_the_whole_download_gives_the_expected_counts(tmp_path):
    for subject in range(1, 45):
        for emotion in EMOTIONS:
            for sentence in range(1, 6):
                # Subject 23 lacks three clips.
                if subject == 6 or (subject == 23 and emotion == "happiness" and sentence < 4):
                    continue
                folder = tmp_path / f"subject {subject}" / emotion / f"sentence {sentence}"
                folder.mkdir(parents=True)
                (folder / "clip.avi").touch()
    corpus = ENTERFACE05()
    table = corpus.manifest(tmp_path)
    assert len(table) == corpus.expected.clips
    assert Counter(table["fold"]) == {1: 240, 2: 270, 3: 267, 4: 270, 5: 240}
    assert Counter(table["emotion"]) == corpus.expected.class_clips
    assert (table.groupby("subject")["fold"].nunique() == 1).all()


def test_foreign_folder_tells_what_was_looked_for_and_found(tmp_path):
    (tmp_path / "anger").mkdir()
    (tmp_path / "anger" / "s1_an_1.avi").touch()
    with pytest.raises(DataError, match=r"no clip \(subject 1/anger.*it holds: anger\); expected"):
        ENTERFACE05().manifest(tmp_path)
