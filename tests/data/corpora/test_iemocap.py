import logging
from collections import Counter

import pytest
from fakes.iemocap import COLUMNS_LINE, utterance_line, write_iemocap

from hicmae.data.corpora.iemocap import IEMOCAP
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import ConfigError, DataError

# Utterances of Sessions 1 to 5 per class, as EmoBox and MERTools list them.
SESSIONS = {
    "happy": (278, 327, 286, 303, 442),
    "sad": (194, 197, 305, 143, 245),
    "neutral": (384, 362, 320, 258, 384),
    "angry": (229, 137, 240, 327, 170),
}


@pytest.fixture(scope="module")
def utterances(root):
    return write_iemocap(root)


@pytest.fixture
def empty(tmp_path):
    """Makes a tree of empty files with the label file of the given utterances."""

    def make(labels):
        lines = {}
        for place, (utterance, label) in enumerate(labels.items()):
            dialog = utterance[:-5]
            lines.setdefault(dialog, [COLUMNS_LINE, ""]).append(
                utterance_line(place, utterance, label)
            )
            sound = session(dialog) / "sentences" / "wav" / dialog / f"{utterance}.wav"
            sound.parent.mkdir(parents=True, exist_ok=True)
            sound.touch()
        for dialog, text in lines.items():
            files = session(dialog) / "dialog"
            for folder in ("avi/DivX", "EmoEvaluation"):
                (files / folder).mkdir(parents=True, exist_ok=True)
            (files / "avi" / "DivX" / f"{dialog}.avi").touch()
            (files / "EmoEvaluation" / f"{dialog}.txt").write_text("\n".join(text))
        return tmp_path

    def session(dialog):
        return tmp_path / f"Session{dialog[4]}"

    return make


def test_utterances_are_listed_with_their_place_in_the_dialog(root, utterances):
    table = IEMOCAP().manifest(root)
    check_manifest(table, "IEMOCAP")
    check_files(table, "IEMOCAP")
    assert table["id"].tolist() == utterances
    row = table.set_index("id").loc["Ses02M_script01_1_F001"]
    session = root / "IEMOCAP_full_release" / "Session2"
    assert row["video"] == str(session / "dialog" / "avi" / "DivX" / "Ses02M_script01_1.avi")
    assert row["audio"] == str(
        session / "sentences" / "wav" / "Ses02M_script01_1" / "Ses02M_script01_1_F001.wav"
    )
    assert (row["start"], row["end"]) == (0.5, 1.0)
    assert row[["subject", "fold", "emotion"]].tolist() == ["Ses02F", 2, "happy"]
    assert table[["audio_start", "audio_end", "group", "split"]].isna().all(axis=None)
    assert Counter(table["subject"]) == {
        f"Ses0{number}{sex}": count for number in range(1, 6) for sex, count in (("F", 2), ("M", 1))
    }


def test_root_may_be_the_folder_of_the_sessions(root, utterances):
    table = IEMOCAP().manifest(root / "IEMOCAP_full_release")
    assert table["id"].tolist() == utterances


def test_excited_counts_as_happy_among_four_classes_alone(root, utterances):
    four, six = IEMOCAP(), IEMOCAP(classes=6)
    assert four.class_names == ("happy", "sad", "neutral", "angry")
    assert six.class_names == ("happy", "sad", "neutral", "angry", "excited", "frustrated")
    merged = four.manifest(root).set_index("id")["emotion"]
    whole = six.manifest(root).set_index("id")["emotion"]
    assert set(whole.index) - set(merged.index) == set(whole.index[whole == "frustrated"])
    assert (whole == "frustrated").sum() == 5
    both = whole[merged.index]
    assert both[merged == "happy"].value_counts().to_dict() == {"excited": 3, "happy": 2}
    assert both[merged != "happy"].equals(merged[merged != "happy"])
    assert six.expected.clips == sum(six.expected.class_clips.values()) == 7380
    assert six.expected.class_clips["frustrated"] == 1849
    with pytest.raises(ConfigError, match=r"data\.classes is 5"):
        IEMOCAP(classes=5)


def test_utterances_of_no_class_are_counted(root, utterances, caplog):
    with caplog.at_level(logging.INFO):
        IEMOCAP().manifest(root)
    assert "2 utterances of Session3 have no class in use" in caplog.text


@pytest.mark.parametrize(
    ("left_actor", "sides"),
    [
        ("marked", ["left", "right", "right", "left"]),
        ("unmarked", ["right", "left", "left", "right"]),
        ("female", ["left", "right", "left", "right"]),
    ],
)
def test_side_follows_the_rule_chosen(root, utterances, left_actor, sides):
    rows = IEMOCAP(left_actor=left_actor).manifest(root).set_index("id")
    names = [
        "Ses01F_impro01_F000",
        "Ses01F_impro01_M000",
        "Ses04M_impro08a_F000",
        "Ses04M_impro08a_M000",
    ]
    assert rows.loc[names, "side"].tolist() == sides


def test_unknown_rule_is_told():
    with pytest.raises(ConfigError, match=r"data\.left_actor is 'male'"):
        IEMOCAP(left_actor="male")


def test_true_numbers_of_utterances_give_the_published_folds(empty):
    labels = {}
    for number in range(5):
        raw = {"happy": ["hap", "exc"], "sad": ["sad"], "neutral": ["neu"], "angry": ["ang"]}
        turns = [
            raw[emotion][count % len(raw[emotion])]
            for emotion, sizes in SESSIONS.items()
            for count in range(sizes[number])
        ]
        for count, label in enumerate([*turns, *["fru"] * 200, *["xxx"] * 100, "sur", "fea"]):
            dialog, turn = f"impro{count // 100:02d}", f"{'FM'[count % 2]}{count % 100:03d}"
            labels[f"Ses0{number + 1}{'MF'[count // 100 % 2]}_{dialog}_{turn}"] = label
    corpus = IEMOCAP()
    table = corpus.manifest(empty(labels))
    folds = Counter(table["fold"])
    assert tuple(folds[fold] for fold in range(1, 6)) == (1085, 1023, 1151, 1031, 1241)
    assert corpus.expected.test_clips == tuple(folds[fold] for fold in range(1, 6))
    assert len(table) == corpus.expected.clips == 5531
    assert Counter(table["emotion"]) == corpus.expected.class_clips
    assert (table.groupby("subject")["fold"].nunique() == 1).all()
    assert table["subject"].nunique() == 10


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("dialog/avi/DivX/Ses01F_impro01.avi", r"1 of 1 listed.*avi \(Ses01F_impro01\.avi\)"),
        ("sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav", r"1 of 2 .*impro01_M000\.wav\)"),
        ("dialog/EmoEvaluation/Ses01F_impro01.txt", r"no labelled utterance \(Ses\*\.txt\)"),
    ],
)
def test_missing_files_are_told(empty, file, words):
    root = empty({"Ses01F_impro01_F000": "neu", "Ses01F_impro01_M000": "sad"})
    (root / "Session1" / file).unlink()
    with pytest.raises(DataError, match=words):
        IEMOCAP().manifest(root)


def test_wrong_lines_of_a_label_file_are_told(empty):
    root = empty({"Ses01F_impro01_F000": "neu"})
    text = root / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    for line, words in (
        (utterance_line(1, "Ses01F_impro01_F001", "joy"), r"line 2 gives .*F001 .*'joy'.*ang, hap"),
        (utterance_line(1, "Ses06F_impro01_F001", "neu"), r"line 2 is not '\[<start>"),
        ("[1.0 -", r"line 2 is not .*: '\[1\.0 -'"),
    ):
        text.write_text(f"{COLUMNS_LINE}\n{line}\n")
        with pytest.raises(DataError, match=rf"{text}, {words}"):
            IEMOCAP().manifest(root)


def test_other_folders_tell_what_was_looked_for_and_found(tmp_path, empty):
    with pytest.raises(DataError, match="none does not exist"):
        IEMOCAP().manifest(tmp_path / "none")
    with pytest.raises(DataError, match=r"no session \(Session\[1-5\]\).*nothing\); expected Sess"):
        IEMOCAP().manifest(tmp_path)
    (tmp_path / "Session1" / "sentences").mkdir(parents=True)
    with pytest.raises(DataError, match=r"no folder of labels .*Session1 \(it holds: sentences\)"):
        IEMOCAP().manifest(tmp_path)
    with pytest.raises(DataError, match="no utterance labelled hap, exc, sad, neu, ang"):
        IEMOCAP().manifest(empty({"Ses01F_impro01_F000": "xxx"}))


@pytest.mark.parametrize("inner", ["Session1", "archive"])
def test_a_folder_around_each_session(empty, inner):
    root = empty({"Ses01F_impro01_F000": "neu", "Ses02F_impro01_M000": "sad"})
    whole = IEMOCAP().manifest(root)
    (root / "Session1").rename(root / "unpacked")
    (root / "Session1").mkdir()
    (root / "unpacked").rename(root / "Session1" / inner)
    table = IEMOCAP().manifest(root)
    check_files(table, "IEMOCAP")
    assert table["id"].tolist() == whole["id"].tolist()
    assert f"/Session1/{inner}/dialog/avi/DivX/" in table["video"][0]


def test_a_folder_around_every_session_of_its_own(empty):
    root = empty({"Ses01F_impro01_F000": "neu", "Ses02F_impro01_M000": "sad"})
    for number in (1, 2):
        (root / f"disc{number}").mkdir()
        (root / f"Session{number}").rename(root / f"disc{number}" / f"Session{number}")
    assert IEMOCAP().manifest(root)["fold"].tolist() == [1, 2]


def test_missing_folders_are_named_where_they_were_looked_for(empty):
    root = empty({"Ses01F_impro01_F000": "neu"})
    (root / "Session1" / "dialog" / "avi").rename(root / "avi")
    with pytest.raises(DataError, match=r"no folder of dialog videos .* below .*Session1 \(it"):
        IEMOCAP().manifest(root)


def test_copies_are_passed_over(empty):
    root = empty({"Ses01F_impro01_F000": "neu"})
    whole = IEMOCAP().manifest(root)
    session = root / "Session1"
    for copy in (
        "sentences/wav/16k/Ses01F_impro01/Ses01F_impro01_F000.wav",
        "sentences/wav/Ses01F_impro01_F000.wav",
        "sentences/wav/Ses01F_impro01/clean/Ses01F_impro01_F000.wav",
        "dialog/avi/DivX/Ses01F_impro01.mp4",
        "dialog/avi/faces/Ses01F_impro01.avi",
    ):
        (session / copy).parent.mkdir(parents=True, exist_ok=True)
        (session / copy).touch()
    assert IEMOCAP().manifest(root).equals(whole)


def test_dialogs_that_were_encoded_anew(empty):
    root = empty({"Ses01F_impro01_F000": "neu"})
    for path in root.rglob("*.avi"):
        path.rename(path.with_suffix(".mp4"))
    assert IEMOCAP().manifest(root)["video"][0].endswith("DivX/Ses01F_impro01.mp4")


def test_utterances_without_a_file_can_be_left_out(empty):
    root = empty(
        {
            "Ses01F_impro01_F000": "neu",
            "Ses01F_impro01_F001": "neu",
            "Ses01F_impro02_F000": "sad",
            "Ses01F_impro02_M000": "sad",
        }
    )
    (root / "Session1" / "dialog" / "avi" / "DivX" / "Ses01F_impro02.avi").unlink()
    wav = root / "Session1" / "sentences" / "wav"
    (wav / "Ses01F_impro01" / "Ses01F_impro01_F001.wav").unlink()
    table, left_out = IEMOCAP(missing="leave_out").listing(root)
    assert table["id"].tolist() == ["Ses01F_impro01_F000"]
    assert left_out == ("Ses01F_impro01_F001", "Ses01F_impro02_F000", "Ses01F_impro02_M000")
