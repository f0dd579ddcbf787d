"""Scores and tables of written predictions, against sums made by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from made_results import EMOTIONS, answers, make_folder, setup, values

from hicmae.errors import ConfigError, DataError
from hicmae.evaluation.results import read_results, read_run_predictions
from hicmae.evaluation.scores import read_predictions, scores_of
from hicmae.evaluation.setup import HELD_OUT, ON_TEST_FOLD
from hicmae.evaluation.tables import score_lines, write_tables


def recalls(table, classes):
    true = [table[table["target"] == name] for name in classes]
    return [np.mean(part["prediction"] == part["target"]) for part in true if len(part)]


def f1(table, name):
    hits = np.sum((table["target"] == name) & (table["prediction"] == name))
    both = np.sum(table["target"] == name) + np.sum(table["prediction"] == name)
    return 2 * hits / both if both else 0.0


def confidence_by_hand(table, classes):
    """Expected calibration error over ten bins, and area under the risk-coverage curve."""
    confidence = table[classes].max(axis=1)
    wrong = (table["target"] != table["prediction"]).astype(float)
    bins = np.ceil(10 * confidence)
    gaps = (confidence - (1 - wrong)).groupby(bins).sum().abs()
    surest = wrong[confidence.sort_values(ascending=False).index]
    return {
        "ECE": gaps.sum() / len(table),
        "AURC": np.mean(surest.to_numpy().cumsum() / np.arange(1, len(table) + 1)),
    }


def by_hand(table, classes):
    """UAR, WAR, weighted and macro F1 in percent, ECE and AURC, with pandas and numpy alone."""
    shares = [np.mean(table["target"] == name) for name in classes]
    each = [f1(table, name) for name in classes]
    return {
        "UAR": 100 * np.mean(recalls(table, classes)),
        "WAR": 100 * np.mean(table["target"] == table["prediction"]),
        "F1_weighted": 100 * np.dot(shares, each),
        "F1_macro": 100 * np.mean(each),
        **confidence_by_hand(table, classes),
    }


def agreement_by_hand(true, value):
    """CCC (unbiased) and PCC in percent, RMSE and MAE."""
    covariance = np.cov(true, value, ddof=1)
    distance = (true.mean() - value.mean()) ** 2
    return {
        "CCC": 100 * 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + distance),
        "PCC": 100 * np.corrcoef(true, value)[0, 1],
        "RMSE": np.sqrt(np.mean((true - value) ** 2)),
        "MAE": np.mean(np.abs(true - value)),
    }


@pytest.fixture
def folder(tmp_path):
    tables = {fold: answers(fold, clips=10 * fold) for fold in (1, 2, 3)}
    return make_folder(tmp_path / "cv", setup(), tables)


def test_folds_that_0_2_noted_are_read(folder):
    now = read_results(folder)
    log = folder / "crossval.jsonl"
    for row in map(json.loads, log.read_text().splitlines()):
        kept = {name: row[name] for name in ("run", "test_clips", "splits")}
        (folder / f"fold-{row['id']}" / "fold.json").write_text(json.dumps(kept))
    log.unlink()
    before = read_results(folder)
    assert before.pooled.equals(now.pooled)
    assert [fold.splits for fold in before.folds] == [fold.splits for fold in now.folds]


def test_scores_are_those_of_the_written_answers(folder, tmp_path):
    write_tables(read_results(folder), tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert list(written.columns) == ["fold", "id", "target", "prediction", *EMOTIONS]
    rows = pd.read_csv(tmp_path / "out" / "results.csv").set_index("row")
    names = {"UAR": "UAR %", "WAR": "WAR %", "ECE": "ECE", "AURC": "AURC"}
    names |= {"F1_weighted": "weighted F1 %", "F1_macro": "macro F1 %"}
    of_folds = [by_hand(written[written["fold"] == fold], EMOTIONS) for fold in (1, 2, 3)]
    for name, column in names.items():
        expected = [scores[name] for scores in of_folds]
        assert rows.loc["fold", column].tolist() == pytest.approx(expected, rel=1e-6)
        assert rows.loc["mean", column] == pytest.approx(np.mean(expected), rel=1e-6)
        assert rows.loc["standard deviation", column] == pytest.approx(
            np.std(expected, ddof=1), rel=1e-5
        )
        pooled = by_hand(written, EMOTIONS)[name]
        assert rows.loc["pooled", column] == pytest.approx(pooled, rel=1e-6)
        # Folds differ in size, so that pooling is something else than a mean.
        assert rows.loc["pooled", column] != pytest.approx(rows.loc["mean", column], rel=1e-4)
    assert rows.loc["pooled", "test_clips"] == 60


def test_confusion_counts_answers(folder, tmp_path):
    write_tables(read_results(folder), tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "predictions.csv")
    matrix = pd.read_csv(tmp_path / "out" / "confusion.csv", index_col=0)
    expected = pd.crosstab(written["target"], written["prediction"])
    assert (matrix.loc[EMOTIONS, EMOTIONS] == expected.loc[EMOTIONS, EMOTIONS]).all(axis=None)
    assert (tmp_path / "out" / "confusion.png").stat().st_size > 1000


def test_regression(tmp_path):
    described = setup(kind="regression", outputs=["arousal", "valence"])
    folder = make_folder(tmp_path / "cv", described, {fold: values(fold) for fold in (1, 2, 3)})
    write_tables(read_results(folder), tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "predictions.csv")
    rows = pd.read_csv(tmp_path / "out" / "results.csv").set_index("row")
    each = {
        target: agreement_by_hand(
            written[f"{target}_target"].to_numpy(), written[target].to_numpy()
        )
        for target in ("arousal", "valence")
    }
    for name, unit in (("CCC", " %"), ("PCC", " %"), ("RMSE", ""), ("MAE", "")):
        for target, scores in each.items():
            assert rows.loc["pooled", f"{name} {target}{unit}"] == pytest.approx(scores[name])
        mean = np.mean([scores[name] for scores in each.values()])
        assert rows.loc["pooled", f"{name}{unit}"] == pytest.approx(mean)
    page = (tmp_path / "out" / "results.md").read_text()
    assert "CCC arousal %" in page
    assert "arousal, valence" in page
    assert not (tmp_path / "out" / "confusion.csv").exists()


def test_one_target_has_one_line_per_metric():
    scores = scores_of(values(1, targets=["arousal"]), "regression", ["arousal"])
    assert list(scores) == ["CCC", "PCC", "RMSE", "MSE", "MAE"]


def test_groups_are_judged_in_place_of_clips(tmp_path):
    tables = {1: answers(1, group=True)}
    folder = make_folder(tmp_path / "cv", setup(fold_count=1), tables)
    answers(2, clips=40).to_csv(folder / "fold-1" / "version_0" / "test_predictions.csv")
    results = read_results(folder)
    pooled = results.pooled_scores()
    assert pooled == pytest.approx(by_hand(tables[1], EMOTIONS), rel=1e-6)
    write_tables(results, tmp_path / "out")
    assert len(pd.read_csv(tmp_path / "out" / "predictions.csv")) == 20
    page = (tmp_path / "out" / "results.md").read_text()
    assert "| test groups | 20 |" in page
    assert "40 clips tested, one split" in page


def test_published_results_stand_beside_those_of_the_same_model(tmp_path):
    described = setup(name="crema-d", published="crema-d", fold_count=5)
    tables = {fold: answers(fold) for fold in range(1, 6)}
    results = read_results(make_folder(tmp_path / "cv", described, tables))
    head, lines = score_lines(results)
    published = [head.index(name) for name in ("published [1]", "published [2]")]
    war = next(line for line in lines if line[0] == "WAR %")
    assert [war[place] for place in published] == ["84.89", "84.91"]
    f1_line = next(line for line in lines if line[0] == "macro F1 %")
    assert [f1_line[place] for place in published] == ["", ""]
    write_tables(results, tmp_path / "out")
    page = (tmp_path / "out" / "results.md").read_text()
    for words in (
        "# Cross-validation: crema-d: CREMA-D, six emotions",
        "AVF-MAE++ (CVPR 2025) comparison table",
        "the public code selects on the test fold",
        "| WAR % | 86.67 | 83.20 | 87.19 | 83.79 | 83.79 |",
    ):
        assert words in page
    rows = pd.read_csv(tmp_path / "out" / "results.csv")
    assert rows[rows["row"] == "published"]["WAR %"].tolist()[:2] == [84.89, 84.91]


def test_other_models_have_nothing_beside_them(tmp_path):
    described = setup(published="crema-d", model="HiCMAE-T", fold_count=1)
    folder = make_folder(tmp_path / "cv", described, {1: answers(1)})
    head, _ = score_lines(read_results(folder))
    assert not any("published" in name for name in head)


@pytest.mark.parametrize("selection", [HELD_OUT, ON_TEST_FOLD])
def test_every_table_says_how_checkpoints_were_chosen(tmp_path, selection):
    described = setup(selection=selection, fold_count=2)
    folder = make_folder(tmp_path / "cv", described, {1: answers(1), 2: answers(2)})
    write_tables(read_results(folder), tmp_path / "out")
    assert f"| tested checkpoint | {selection} |" in (tmp_path / "out" / "results.md").read_text()
    rows = pd.read_csv(tmp_path / "out" / "results.csv")
    assert set(rows["checkpoint"]) == {selection}


def test_a_part_of_the_folds_is_called_one(tmp_path):
    described = setup(published="crema-d", fold_count=5)
    folder = make_folder(tmp_path / "cv", described, {1: answers(1), 3: answers(3)})
    write_tables(read_results(folder), tmp_path / "out")
    page = (tmp_path / "out" / "results.md").read_text()
    assert "**These are folds 1, 3 of 5.**" in page
    assert "do not compare with published ones" in page


def test_clips_without_an_answer_are_counted(tmp_path):
    folder = make_folder(tmp_path / "cv", setup(fold_count=1), {1: answers(1)}, lost=3)
    write_tables(read_results(folder), tmp_path / "out")
    assert "20 of 23 test clips are judged" in (tmp_path / "out" / "results.md").read_text()


class TestReading:
    def test_names_that_look_like_numbers_stay_names(self, tmp_path):
        classes = ["01", "null"]
        table = answers(1, outputs=classes)
        table["id"] = [f"{index:03d}" for index in range(len(table))]
        table.to_csv(tmp_path / "test_predictions.csv", index=False)
        read = read_predictions(tmp_path / "test_predictions.csv")
        pd.testing.assert_frame_equal(read, table, check_dtype=False)
        assert scores_of(read, "classification", classes) == pytest.approx(
            by_hand(table, classes), rel=1e-6
        )

    def test_files_of_several_processes_are_one_table(self, tmp_path):
        table = answers(1)
        table[::2].to_csv(tmp_path / "test_predictions-0.csv", index=False)
        table[1::2].to_csv(tmp_path / "test_predictions-1.csv", index=False)
        assert set(read_run_predictions(tmp_path)["id"]) == set(table["id"])

    def test_a_clip_that_is_there_twice_is_refused(self, tmp_path):
        for name in ("test_predictions.csv", "test_predictions-0.csv"):
            answers(1).to_csv(tmp_path / name, index=False)
        with pytest.raises(DataError, match="f1c0 has two predictions"):
            read_run_predictions(tmp_path)

    def test_answers_of_another_run_are_refused(self):
        with pytest.raises(DataError, match="class 'joy', which is none of anger, calm"):
            scores_of(answers(1), "classification", ["anger", "calm"])

    def test_a_folder_without_results_is_refused(self, tmp_path):
        with pytest.raises(ConfigError, match=r"holds no results.*hicmae crossval"):
            read_results(tmp_path)

    def test_no_fold_is_done(self, tmp_path):
        make_folder(tmp_path / "cv", setup(), {})
        with pytest.raises(DataError, match="no fold is done yet"):
            read_results(tmp_path / "cv")
