"""Votes of raters, and several labels, in place of one class."""

import sys

import pandas as pd
import pytest
from fakes.crema_d import OTHER_VOTES, VOTES, write_crema_d
from fakes.dfew import CLIPS, votes_of, write_dfew
from fakes.mafw import write_mafw_lists

from hicmae.data.corpora.crema_d import CREMAD
from hicmae.data.corpora.dfew import DFEW
from hicmae.data.corpora.mafw import MAFW
from hicmae.errors import ConfigError, DataError

CREMA_D_VOTES = "processedResults/tabulatedVotes.csv"
DFEW_VOTES = "Annotation/annotation.xlsx"


@pytest.fixture(scope="module")
def crema_d(tmp_path_factory):
    root = tmp_path_factory.mktemp("crema_d")
    return root, {clip: VOTES.get(clip[9:12], OTHER_VOTES) for clip in write_crema_d(root)}


@pytest.fixture(scope="module")
def dfew(tmp_path_factory):
    root = tmp_path_factory.mktemp("dfew")
    write_dfew(root)
    return root, {f"{number:05d}": votes_of(number, label) for number, label in CLIPS}


def test_votes_are_those_of_who_saw_and_heard_a_clip(crema_d):
    root, votes = crema_d
    corpus = CREMAD(target="votes")
    table = corpus.manifest(root).set_index("id")
    assert corpus.target_kind == "distribution"
    found = table[list(corpus.class_names)].astype(int)
    assert {clip: tuple(row) for clip, row in zip(found.index, found.to_numpy(), strict=True)} == (
        votes
    )
    assert "emotion" not in table
    with pytest.raises(ConfigError, match=r"data\.target is votes, which are for six"):
        CREMAD(classes=4, target="votes")


def without_media(source, target):
    """The files of a corpus as links, but for those that a test changes."""
    for path in source.rglob("*"):
        if path.is_file():
            link = target / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    return target


def changed(path, text):
    path.unlink()
    path.write_text(text, encoding="utf-8")


def test_tables_of_votes_that_lack_something_are_told(crema_d, tmp_path):
    root = without_media(crema_d[0], tmp_path)
    path = root / CREMA_D_VOTES
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    corpus = CREMAD(target="votes")
    changed(path, "".join(line for line in lines if "1091_WSI_SAD_XX" not in line))
    with pytest.raises(DataError, match="no votes for 1 of 15 listed clips, such as 1091_WSI_SAD"):
        corpus.manifest(root)
    wider = lines[1].rstrip()
    changed(path, "".join([lines[0], f"{wider},,\n", *lines[2:]]))
    assert len(corpus.manifest(root)) == 15
    changed(path, "".join([lines[0], f"{wider},,7\n", *lines[2:]]))
    with pytest.raises(DataError, match=r"Votes\.csv, line 2: it has 29 cells, but the header 27"):
        corpus.manifest(root)
    changed(path, "".join([lines[0].replace('"F"', '"E"'), *lines[1:]]))
    with pytest.raises(DataError, match=r"expected one without a name, fileName, A, D, F, H, N, S"):
        corpus.manifest(root)
    path.unlink()
    with pytest.raises(DataError, match=r"no table of votes \(processedResults/tabulatedVotes"):
        corpus.manifest(root)
    assert len(CREMAD().manifest(root)) == 15


def test_votes_of_an_excel_file_or_of_the_same_saved_as_csv(dfew, tmp_path, monkeypatch):
    root, votes = dfew
    corpus = DFEW(target="votes")
    table = corpus.manifest(root).set_index("id")
    found = table[list(corpus.class_names)].astype(int)
    assert {clip: list(row) for clip, row in zip(found.index, found.to_numpy(), strict=True)} == (
        votes
    )
    root = without_media(root, tmp_path)
    excel = root / DFEW_VOTES
    pd.read_excel(excel).to_csv(excel.with_suffix(".csv"), index=False)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    again = corpus.manifest(root).set_index("id")
    assert again[list(corpus.class_names)].equals(table[list(corpus.class_names)])
    excel.with_suffix(".csv").unlink()
    with pytest.raises(ConfigError, match=r"'hicmae\[excel\]', or .* as annotation\.csv"):
        corpus.manifest(root)


def test_what_is_no_excel_file_is_told(dfew, tmp_path):
    root = without_media(dfew[0], tmp_path)
    changed(root / DFEW_VOTES, "1happy,2sad\n")
    with pytest.raises(DataError, match=r"annotation\.xlsx is no Excel file"):
        DFEW(target="votes").manifest(root)


def test_compounds_become_several_labels(tmp_path):
    lines = ("00025 anger", "00026 surprise+fear_anxiety", "00027 neutral", "00028 disgust,anger")
    lines = (*lines, "00029 sadness")
    write_mafw_lists(tmp_path / "Train & Test Set/compound/no_caption", lines, (1, 2, 3, 4, 5))
    for line in lines:
        (tmp_path / "clips").mkdir(exist_ok=True)
        (tmp_path / "clips" / f"{line[:5]}.mp4").touch()
    corpus = MAFW(target="labels")
    table = corpus.manifest(tmp_path)
    assert table["emotion"].tolist() == [
        "anger",
        "fear; surprise; anxiety",
        "neutral",
        "anger; disgust",
        "sadness",
    ]
    assert (corpus.target_kind, len(corpus.class_names)) == ("labels", 11)
    with pytest.raises(ConfigError, match=r"data\.target is labels.*leave data\.classes out"):
        MAFW(classes=43, target="labels")
