"""The published results: complete, the same as in the documents, and found for the right test."""

import re
from pathlib import Path

import pytest
import yaml

from hicmae.configs import config_folder, config_names
from hicmae.evaluation.published import published_corpora, published_corpus

PAGES = Path(__file__).parents[2] / "docs" / "corpora"
MODALITIES = {"A+V": "audio + video", "A": "audio", "V": "video"}


def rows_of_documents():
    """Model, modality, numbers and source of every published row of the documents."""
    rows = []
    for page in sorted(PAGES.glob("*.md")):
        section = re.search(r"## Published results\n(.*?)\n## ", page.read_text("utf-8"), re.S)
        for line in section[1].splitlines() if section else ():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            numbers = [float(cell) for cell in cells if re.fullmatch(r"\d+\.\d\d", cell)]
            if not line.startswith("|") or not numbers:
                continue
            modality = next(
                MODALITIES.get(cell, cell)
                for cell in cells[1:]
                if MODALITIES.get(cell, cell) in MODALITIES.values()
            )
            # Rows of single folds follow the row of the model, of which a page may say more.
            model = re.match(r"HiCMAE-[TSB]|(?!the same).*", cells[0])
            model = model[0] if model and model[0] else rows[-1][0]
            rows.append((model, modality, tuple(numbers), cells[-1]))
    return rows


def rows_of_the_file():
    return [
        (row.model, row.modality, tuple(row.scores.values()), row.source)
        for corpus in published_corpora().values()
        for row in corpus.results
    ]


def data_of(name):
    return yaml.safe_load((config_folder() / f"finetune/{name}.yaml").read_text("utf-8"))["data"]


def test_documents_and_file_agree():
    assert len(rows_of_documents()) > 30
    assert sorted(rows_of_documents()) == sorted(rows_of_the_file())


def test_every_published_config_finds_its_own_results():
    names = [Path(name).stem for name in config_names() if name.startswith("finetune/")]
    found = {name: published_corpus(data_of(name)) for name in names}
    for name, corpus in found.items():
        expected = name if name in published_corpora() else None
        assert (corpus.name if corpus else None) == expected
    assert set(published_corpora()) <= set(names)


@pytest.mark.parametrize(
    ("name", "option", "value", "expected"),
    [
        ("crema-d", "classes", 4, "crema-d-4"),
        ("crema-d", "target", "votes", None),
        ("dfew", "target", "votes", None),
        ("mafw", "classes", 43, "mafw-43"),
        ("mer2023", "test_set", "noise", None),
        ("iemocap", "classes", 6, None),
        ("avcaffe-arousal", "target", "valence", "avcaffe-valence"),
    ],
)
def test_an_option_that_makes_another_test_finds_other_results(name, option, value, expected):
    data = data_of(name)
    data["init_args"][option] = value
    corpus = published_corpus(data)
    assert (corpus.name if corpus else None) == expected


def test_rows_are_those_of_the_model_and_modality():
    iemocap = published_corpora()["iemocap"]
    assert [row.scores for row in iemocap.rows("HiCMAE-T", "audio")] == [{"WAR": 62.70}]
    assert iemocap.rows("HiCMAE-T", "video") == []
    folds = [row.fold for row in published_corpora()["crema-d"].rows("HiCMAE-B", "audio + video")]
    assert folds == [None, None, 1, 2, 3, 4, 5]


def test_it_is_no_config_of_a_run():
    assert not any("published" in name for name in config_names())
