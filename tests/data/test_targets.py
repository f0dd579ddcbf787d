"""What labels of a table become."""

import numpy as np
import pandas as pd
import pytest

from hicmae.data.datamodules import ManifestDataModule
from hicmae.data.targets import Labelling
from hicmae.errors import DataError

CLASSES = ["anger", "calm", "joy"]


def targets(kind, columns, names=None, column=None):
    names = names or CLASSES
    rows = pd.DataFrame({"id": [f"c{place}" for place in range(8)][: len(columns[0])]})
    for name, cells in zip([column] if column else names, columns, strict=True):
        rows[name] = pd.Series(cells, dtype="str")
    return Labelling(kind, names, column).targets(rows, "Manifest t.csv")


def test_shares_are_divided_by_their_sum():
    """Votes of raters are counts; a class without a vote keeps its 0."""
    found = targets("distribution", [["7", "0"], ["2", "0.25"], ["1", "0.25"]])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0.7, 0.2, 0.1], [0, 0.5, 0.5]], rtol=1e-6)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (("0", "0", "0"), r"row 2 \(clip c1\): the shares of anger, calm, joy are all 0"),
        (("1", "-1", "1"), r"row 2 \(clip c1\): calm is '-1', which is below 0"),
        (("1", "", "1"), r"row 2 \(clip c1\): calm is .*, which is not a number"),
        (("1", "1", "inf"), r"joy is 'inf', which is not a number"),
    ],
)
def test_shares_that_are_none_are_told(second, words):
    with pytest.raises(DataError, match=words):
        targets("distribution", [["1", cell] for cell in second])


def test_shares_are_held_out_by_their_majority(tmp_path):
    """Votes are text in a table, of which "10" comes before "9"."""
    majority = ["anger"] * 16 + ["calm"] * 8 + ["joy"] * 4
    votes = [{name: ("10" if name == most else "9") for name in CLASSES} for most in majority]
    rows = [{"video": f"{place}.mp4", **shares} for place, shares in enumerate(votes)]
    path = tmp_path / "clips.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    for seed in range(3):
        splits = ManifestDataModule(
            str(path), distribution=CLASSES, val_fraction=0.25, train_fraction=0.5, seed=seed
        ).splits
        held, kept = (
            [sum(majority[row] == name for row in rows) for name in CLASSES]
            for rows in (splits.val_rows, splits.train_rows)
        )
        assert (held, kept) == ([4, 2, 1], [6, 3, 2])


@pytest.mark.parametrize("cell", ["joy;anger", "joy, anger", " anger | joy ", "joy;anger;joy;"])
def test_a_cell_may_name_several_labels(cell):
    found = targets("labels", [[cell, "calm"]], column="emotions")
    assert found.dtype == np.float32
    assert found.tolist() == [[1, 0, 1], [0, 1, 0]]


def test_columns_of_labels_may_all_be_0():
    found = targets("labels", [["1", "0"], ["0.0", "0"], ["1", "0"]])
    assert found.tolist() == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    ("cells", "column", "words"),
    [
        ([["1", "2"], ["0", "0"], ["1", "0"]], None, "anger is '2', which is neither 0 nor 1"),
        ([["joy", "joy;sad"]], "emotions", r"c1\): emotions is 'sad', which is none of the"),
        ([["joy", None]], "emotions", "emotions is empty"),
        ([["joy", ";"]], "emotions", "emotions is ';'"),
    ],
)
def test_labels_that_are_none_are_told(cells, column, words):
    with pytest.raises(DataError, match=words):
        targets("labels", cells, column=column)


def test_one_class_may_have_a_comma_in_its_name():
    found = targets("class", [["calm", "joy, at last"]], ["calm", "joy, at last"], "emotion")
    assert found.tolist() == [0, 1]
    assert found.dtype == np.int64
