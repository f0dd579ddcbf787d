import logging
from collections import Counter

import pytest
from fakes.msp_improv import evaluation, file_of, write_msp_improv

from hicmae.data.corpora.msp_improv import MSPIMPROV
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError

# Turns of A, H, N and S in sessions 1 to 6, as the reference implementation's lists have them.
SESSIONS = (
    (128, 181, 502, 105),
    (121, 401, 691, 115),
    (142, 577, 771, 132),
    (76, 423, 434, 111),
    (165, 580, 506, 156),
    (160, 478, 566, 266),
)


@pytest.fixture(scope="module", params=[False, True], ids=["archive", "server"])
def corpus(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("msp_improv")
    return root, write_msp_improv(root, server=request.param), request.param


@pytest.fixture
def empty(tmp_path):
    """Makes a tree of empty files with a label file for the given turns."""

    def make(turns):
        for turn in turns:
            for suffix in (".avi", ".wav"):
                path = tmp_path / file_of(turn, suffix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        (tmp_path / "Evalution.txt").write_text(evaluation(turns), encoding="latin-1")
        return tmp_path

    return make


def test_turns_are_listed_in_both_layouts(corpus):
    root, turns, server = corpus
    table = MSPIMPROV().manifest(root)
    check_manifest(table, "MSP-IMPROV")
    check_files(table, "MSP-IMPROV")
    assert table["id"].tolist() == turns
    assert not {"S01A-F01-S-FM02", "S10S-M04-S-MF03", "S10S-M04-S-MF09"} & {
        name.removeprefix("MSP-IMPROV-") for name in turns
    }
    columns = ["subject", "fold", "emotion"]
    rows = table.set_index("id")
    assert rows.loc["MSP-IMPROV-S01A-F01-P-FM01", columns].tolist() == ["F01", 1, "neutral"]
    assert rows.loc["MSP-IMPROV-S05H-M02-T-MF01", columns].tolist() == ["M02", 2, "happy"]
    assert rows.loc["MSP-IMPROV-S12A-F05-T-FM02", columns].tolist() == ["F05", 5, "angry"]
    assert rows.loc["MSP-IMPROV-S20N-F06-S-FM07", columns].tolist() == ["F06", 6, "sad"]
    turn = "S07N-M03-S-FM12"
    row = rows.loc[f"MSP-IMPROV-{turn}"]
    assert row["video"] == str(root / file_of(turn, ".avi", server=server))
    assert row["audio"] == str(root / file_of(turn, ".wav", server=server))


def test_turns_without_one_of_the_emotions_are_counted(corpus, caplog):
    with caplog.at_level(logging.INFO):
        MSPIMPROV().manifest(corpus[0])
    assert "left out (1 another emotion, 1 no agreement)" in caplog.text


@pytest.mark.parametrize("name", ["labels/Evaluation.txt", "docs/labels/Evalution.txt"])
def test_label_file_is_found_wherever_it_lies(empty, name):
    root = empty({"S01A-F01-P-FM01": "N"})
    target = root / name
    target.parent.mkdir(parents=True)
    (root / "Evalution.txt").rename(target)
    assert MSPIMPROV().manifest(root)["emotion"].tolist() == ["neutral"]


def test_true_numbers_of_turns_give_the_published_folds(empty):
    turns = {}
    for session, sizes in enumerate(SESSIONS, start=1):
        labels = "".join(
            label * size for label, size in zip("AHNSOX", (*sizes, 30, 90), strict=True)
        )
        for number, label in enumerate(labels):
            scenario, turn = divmod(number, 99)
            sex, condition = "FM"[number % 2], "PRST"[number % 4]
            turns[f"S{scenario + 1:02d}A-{sex}0{session}-{condition}-FM{turn + 1:02d}"] = label
    corpus = MSPIMPROV()
    table = corpus.manifest(empty(turns))
    folds = Counter(table["fold"])
    assert tuple(folds[fold] for fold in range(1, 7)) == (916, 1328, 1622, 1044, 1407, 1470)
    assert corpus.expected.test_clips == tuple(folds[fold] for fold in range(1, 7))
    assert len(table) == corpus.expected.clips == 7787
    assert Counter(table["emotion"]) == corpus.expected.class_clips
    assert (table.groupby("subject")["fold"].nunique() == 1).all()
    assert table["subject"].nunique() == 12


@pytest.mark.parametrize("suffix", [".avi", ".wav"])
def test_labelled_turn_without_a_file_is_told(empty, suffix):
    root = empty({"S01A-F01-P-FM01": "N", "S01A-M01-P-FM02": "S"})
    (root / file_of("S01A-M01-P-FM02", suffix)).unlink()
    with pytest.raises(
        DataError, match=rf"1 of 2 listed clips .*MSP-IMPROV-S01A-M01-P-FM02{suffix}"
    ):
        MSPIMPROV().manifest(root)


@pytest.mark.parametrize(
    "copy",
    [
        "copy/MSP-IMPROV-S01A-F01-P-FM01.wav",
        "raw/audio_16k/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav",
        "session1/S01A/P/16k/MSP-IMPROV-S01A-F01-P-FM01.wav",
        "session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.mp4",
        "faces/MSP-IMPROV-S01A-F01-P-FM01.avi",
    ],
)
def test_copies_are_passed_over(empty, copy):
    root = empty({"S01A-F01-P-FM01": "N"})
    whole = MSPIMPROV().manifest(root)
    (root / copy).parent.mkdir(parents=True, exist_ok=True)
    (root / copy).touch()
    assert MSPIMPROV().manifest(root).equals(whole)


def test_sound_of_the_public_codes_own_layout_alone(empty):
    root = empty({"S01A-F01-P-FM01": "N"})
    wav = next(root.rglob("*.wav"))
    target = root / "raw" / "audio_16k" / wav.relative_to(root)
    target.parent.mkdir(parents=True)
    wav.rename(target)
    assert MSPIMPROV().manifest(root)["audio"].tolist() == [str(target)]


def test_two_copies_without_the_original_are_told(empty):
    root = empty({"S01A-F01-P-FM01": "N"})
    wav = next(root.rglob("*.wav"))
    for folder in ("audio_16k", "audio_8k"):
        (root / folder).mkdir()
        (root / folder / wav.name).touch()
    wav.unlink()
    with pytest.raises(DataError, match=r"audio_16k.* and .*audio_8k.* have the same name, and wh"):
        MSPIMPROV().manifest(root)


def test_turns_that_were_encoded_anew(empty):
    root = empty({"S01A-F01-P-FM01": "N"})
    for path in root.rglob("*.avi"):
        path.rename(path.with_suffix(".mp4"))
    assert MSPIMPROV().manifest(root)["video"][0].endswith("S01A-F01-P-FM01.mp4")


def test_turns_that_the_public_lists_lack_are_left_out(empty, caplog):
    corpus = MSPIMPROV()
    assert len(corpus.known_bad) == 11
    turns = {name.removeprefix("MSP-IMPROV-"): "N" for name in corpus.known_bad}
    root = empty({"S01A-F01-P-FM01": "N"} | turns)
    with caplog.at_level(logging.INFO):
        assert corpus.manifest(root)["id"].tolist() == ["MSP-IMPROV-S01A-F01-P-FM01"]
    assert "11 clips are left out" in caplog.text


@pytest.mark.parametrize("suffix", [".avi", ".wav"])
def test_turns_without_a_file_can_be_left_out(empty, suffix):
    root = empty({"S01A-F01-P-FM01": "N", "S01A-M01-P-FM02": "S"})
    (root / file_of("S01A-M01-P-FM02", suffix)).unlink()
    table, left_out = MSPIMPROV(missing="leave_out").listing(root)
    assert table["id"].tolist() == ["MSP-IMPROV-S01A-F01-P-FM01"]
    assert left_out == ("MSP-IMPROV-S01A-M01-P-FM02",)


def test_wrong_lines_of_the_label_file_are_told(empty):
    turns = {"S01A-F01-P-FM01": "N"}
    root = empty(turns)
    for text, words in (
        (evaluation(turns) + evaluation({"S01A-M01-P-FM02": "J"}), r"line 5 gives .* emotion 'J'"),
        (evaluation(turns) * 2, "line 5 labels MSP-IMPROV-S01A-F01-P-FM01 a second time"),
        (evaluation({"S01A-F07-P-FM01": "N"}), "line 1 is not 'UTD-IMPROV-S01A-F01-P-FM01.avi"),
        (evaluation({"S01A-F01-P-FM01": "X"}), "labels no turn with one of A, H, N, S"),
        ("", "labels no turn"),
    ):
        (root / "Evalution.txt").write_text(text, encoding="latin-1")
        with pytest.raises(DataError, match=words):
            MSPIMPROV().manifest(root)


def test_other_folders_tell_what_was_looked_for_and_found(tmp_path):
    with pytest.raises(DataError, match="none does not exist"):
        MSPIMPROV().manifest(tmp_path / "none")
    (tmp_path / "session1").mkdir()
    with pytest.raises(
        DataError, match=r"no label file \(Evalution.txt or .*holds: session1\); expected"
    ):
        MSPIMPROV().manifest(tmp_path)
