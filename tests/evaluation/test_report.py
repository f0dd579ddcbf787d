"""Many runs in one table and one picture."""

import pandas as pd
import pytest
import yaml
from made_results import EMOTIONS, answers, make_folder, mixtures, setup, values

from hicmae.cli import main
from hicmae.evaluation.report import report_figure, report_rows
from hicmae.evaluation.results import read_results
from hicmae.evaluation.scores import outputs_of
from hicmae.evaluation.setup import HELD_OUT, ON_TEST_FOLD, UNKNOWN_SELECTION
from hicmae.evaluation.tables import write_tables
from hicmae.visualize.confusion import classified


@pytest.fixture
def folders(tmp_path):
    """Two validations of one corpus by both policies, and a regression."""
    crema = {fold: answers(fold) for fold in range(1, 6)}
    common = {"name": "crema-d", "published": "crema-d", "fold_count": 5}
    wolves = {fold: values(fold, targets=["arousal", "valence", "dominance"]) for fold in (1, 2)}
    regression = setup(
        name="werewolf-xl",
        published="werewolf-xl",
        kind="regression",
        outputs=["arousal", "valence", "dominance"],
        fold_count=5,
    )
    return [
        make_folder(tmp_path / "held-out", setup(**common), crema),
        make_folder(tmp_path / "wolves", regression, wolves),
        make_folder(tmp_path / "on-test", setup(**common, selection=ON_TEST_FOLD), crema),
    ]


def write_run(folder, trained=True, **data):
    folder.mkdir(parents=True)
    answers(1).to_csv(folder / "test_predictions.csv", index=False)
    (folder / "test_metrics.json").write_text("{}")
    callback = {"class_path": "ModelCheckpoint", "init_args": {"monitor": "val/WAR"}}
    options = {"val_split": "same_as_test", "manifest": "clips.csv", "fold": 2} | data
    content = {
        "model": {"class_path": "hicmae.tasks.ClassificationTask", "init_args": {"size": "base"}},
        "data": {"class_path": "hicmae.data.ManifestDataModule", "init_args": options},
        "trainer": {"callbacks": [callback]},
    }
    if trained:
        (folder / "checkpoints").mkdir()
    else:
        content["ckpt_path"] = str(folder.parent / "training" / "checkpoints" / "best.ckpt")
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_report_joins_runs_and_published_results(folders, tmp_path):
    main(["report", *map(str, folders), "--output", str(tmp_path / "out")])
    table = pd.read_csv(tmp_path / "out" / "report.csv")
    crema = table[table["corpus"] == "crema-d: CREMA-D, six emotions"]
    assert crema["row"].tolist() == ["ours", "ours", "published", "published"]
    assert crema["checkpoint"].tolist()[:2] == [HELD_OUT, ON_TEST_FOLD]
    assert crema["WAR %"].tolist()[2:] == [84.89, 84.91]
    results = read_results(folders[0])
    assert crema["WAR %"].iloc[0] == pytest.approx(results.pooled_scores()["WAR"])
    assert crema["WAR % standard deviation of folds"].iloc[0] == pytest.approx(
        results.fold_scores()["WAR"].std(ddof=1)
    )
    wolves = table[table["corpus"].str.startswith("werewolf-xl")]
    assert wolves["CCC arousal %"].dropna().tolist()[1:] == [31.85]
    page = (tmp_path / "out" / "report.md").read_text()
    assert "| ECE | AURC |" in page
    for words in (HELD_OUT, ON_TEST_FOLD, "folds 1, 2 of 5", "all 5 folds", "84.91", "69.23"):
        assert words in page
    assert (tmp_path / "out" / "report.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("kind", "heading", "metrics", "confused"),
    [
        ("distribution", "Shares of classes", {"KL", "cosine", "WAR %"}, True),
        ("labels", "Several labels", {"mAP %", "exact %", "macro F1 %"}, False),
    ],
)
def test_shares_and_labels_have_their_tables(kind, heading, metrics, confused, tmp_path):
    tables = {fold: mixtures(fold, kind) for fold in (1, 2, 3)}
    folder = make_folder(tmp_path / "run", setup(kind=kind), tables)
    assert outputs_of(read_results(folder).folds[0].predictions) == (kind, EMOTIONS)
    write_tables(read_results(folder), folder)
    page = (folder / "results.md").read_text()
    assert ("Confusion" in page) == (folder / "confusion.csv").exists() == confused
    assert metrics <= set(pd.read_csv(folder / "results.csv").columns)
    main(["report", str(folder), "--output", str(tmp_path / "out")])
    page = (tmp_path / "out" / "report.md").read_text()
    assert f"## {heading}" in page
    if confused:
        assert classified(folder)[1] == EMOTIONS


def test_bars_carry_policy_folds_and_score(folders):
    figure = report_figure(report_rows([(folder, read_results(folder)) for folder in folders]))
    crema, *wolves = figure.axes
    assert [axes.get_title(loc="left").split(" · ")[1] for axes in wolves] == [
        "CCC arousal %",
        "CCC valence %",
        "CCC dominance %",
    ]
    labels = [label.get_text() for label in crema.get_yticklabels()]
    assert len(labels) == 4
    assert HELD_OUT in labels[0]
    assert ON_TEST_FOLD in labels[1]
    assert all("all 5 folds" in label for label in labels[:2])
    assert labels[2].startswith("published: HiCMAE-B")
    assert [bar.get_width() for bar in crema.patches][2:] == [84.89, 84.91]


class TestSingleRuns:
    def test_of_training(self, tmp_path):
        results = read_results(write_run(tmp_path / "run" / "version_0"))
        assert results.setup.selection == ON_TEST_FOLD
        assert results.setup.outputs == EMOTIONS
        assert results.folds_label() == "a single run, fold 2"

    def test_a_later_test_counts_by_the_run_that_trained(self, tmp_path):
        write_run(tmp_path / "training")
        tested = write_run(tmp_path / "test", trained=False, val_split="from_train")
        assert read_results(tested).setup.selection == ON_TEST_FOLD

    def test_without_the_run_that_trained_nothing_is_claimed(self, tmp_path):
        tested = write_run(tmp_path / "test", trained=False)
        assert read_results(tested).setup.selection == UNKNOWN_SELECTION


def test_a_folder_without_results(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path), "--output", str(tmp_path / "out")])
    assert "holds no results" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
