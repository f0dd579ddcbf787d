"""`hicmae crossval` end to end on the tiny corpus."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from tiny import CLASSES, keep, tiny_config

from hicmae.cli import main
from hicmae.evaluation.fold_runs import locked
from hicmae.evaluation.setup import HELD_OUT, ON_TEST_FOLD
from hicmae.ledger import read_rows

EPOCHS = 2


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """Folds run in processes of their own, which have to find the callback of the tests."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", ["hicmae"])


@pytest.fixture(scope="session")
def folded(corpus, tmp_path_factory):
    """The tiny corpus as two folds of three subjects each; fold 2 is larger."""
    table = pd.read_csv(corpus / "manifest.csv")
    table["video"] = [str(corpus / name) for name in table["video"]]
    table["fold"] = [1 if index % 14 < 6 else 2 for index in range(len(table))]
    table["subject"] = [f"s{fold}{index % 3}" for index, fold in enumerate(table["fold"])]
    path = tmp_path_factory.mktemp("folded") / "folds.csv"
    table.drop(columns="split").to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def request_file(tmp_path_factory):
    """Where a test asks for fold 2 to be killed."""
    return tmp_path_factory.mktemp("request") / "kill"


@pytest.fixture(scope="session")
def config(folded, request_file, tmp_path_factory):
    killed = {"request": str(request_file), "fold": 2, "epoch": EPOCHS - 1}
    callbacks = [
        keep(filename="best", monitor="val/loss", mode="min", save_last=True),
        {"class_path": "stopping.KillOnce", "init_args": killed},
    ]
    content = tiny_config(
        "classify",
        model={"learning_rate": 0.05, "drop_path": 0.1},
        data={"manifest": str(folded), "batch_size": 2},
        trainer={"max_epochs": EPOCHS, "enable_progress_bar": False, "callbacks": callbacks},
    )
    path = tmp_path_factory.mktemp("config") / "tiny-folds.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def crossval(config, output, *options):
    main(["crossval", "--config", str(config), "--output", str(output), *options])
    return output


@pytest.fixture(scope="session")
def finished(config, tmp_path_factory):
    """An uninterrupted cross-validation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hicmae"])
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        return crossval(config, tmp_path_factory.mktemp("finished") / "cv")


@pytest.fixture
def refuse(capsys):
    """`refuse(arguments, *words)`: ends with status 2 and a sentence that has the words."""

    def check(arguments, *words):
        with pytest.raises(SystemExit) as caught:
            main(["crossval", *map(str, arguments)])
        assert caught.value.code == 2
        text = capsys.readouterr().err
        for word in words:
            assert word in text

    return check


@pytest.mark.slow
class TestAllFolds:
    def test_every_clip_is_tested_once_by_a_model_that_has_not_seen_it(self, finished, folded):
        table = pd.read_csv(folded).set_index("id")
        answers = pd.read_csv(finished / "predictions.csv").set_index("id")
        assert sorted(answers.index) == sorted(table.index)
        assert (answers["fold"] == table["fold"].reindex(answers.index)).all()
        assert (answers["target"] == table["emotion"].reindex(answers.index)).all()
        assert answers[CLASSES].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(answers)))
        assert (answers["unfamiliarity"] > 0).all()

    def test_scores_of_folds_are_those_of_their_own_tests(self, finished):
        rows = pd.read_csv(finished / "results.csv")
        for fold in (1, 2):
            own = json.loads(
                (finished / f"fold-{fold}" / "version_0" / "test_metrics.json").read_text()
            )
            row = rows[(rows["row"] == "fold") & (rows["folds"] == str(fold))].iloc[0]
            assert row["UAR %"] == pytest.approx(100 * own["test/UAR"])
            assert row["weighted F1 %"] == pytest.approx(100 * own["test/F1_weighted"])
            for name in ("ECE", "AURC"):
                assert row[name] == pytest.approx(own[f"test/{name}"], rel=1e-4)

    def test_pooled_scores_are_those_of_the_written_answers(self, finished):
        answers = pd.read_csv(finished / "predictions.csv")
        truth = answers["target"], answers["prediction"]
        pooled = pd.read_csv(finished / "results.csv").set_index("row").loc["pooled"]
        assert pooled["WAR %"] == pytest.approx(100 * accuracy_score(*truth))
        assert pooled["UAR %"] == pytest.approx(100 * balanced_accuracy_score(*truth))
        f1 = f1_score(*truth, average="weighted")
        assert pooled["weighted F1 %"] == pytest.approx(100 * f1)
        assert pooled["test_clips"] == len(answers)

    def test_page_says_what_was_done(self, finished):
        page = (finished / "results.md").read_text()
        for words in (
            "# Cross-validation: tiny-folds",
            f"| tested checkpoint | {HELD_OUT} |",
            "all 2 folds",
            "validation holds out 1 of 3 training subjects",
            "mean ± std",
            "n - 1",
            "![Confusion matrix",
        ):
            assert words in page
        assert (finished / "confusion.png").is_file()

    def test_given_again_it_runs_nothing(self, config, finished, capsys):
        before = sorted(finished.glob("fold-*/version_*"))
        crossval(config, finished)
        lines = capsys.readouterr().out.splitlines()
        assert "crossval: 0 of 2 folds to do, 2 done before." in lines
        assert f"Checkpoint: {HELD_OUT}." in lines
        assert sorted(finished.glob("fold-*/version_*")) == before

    def test_going_on_with_other_workers_is_no_change(self, config, finished, capsys):
        crossval(config, finished, "--data.num_workers=2", "--dry_run")
        assert capsys.readouterr().out.splitlines() == ["fold 1 is done", "fold 2 is done"]

    def test_changed_settings_are_refused(self, config, finished, refuse):
        arguments = ["--config", config, "--output", finished]
        refuse([*arguments, "--model.learning_rate=0.5"], "model.learning_rate 0.05, not 0.5")
        refuse([*arguments, "--data.val_split=same_as_test"], "data.val_split from_train")

    def test_changed_folds_are_refused(self, config, finished, folded, refuse, tmp_path):
        """The same file, but its rows are divided otherwise."""
        before = folded.read_text()
        table = pd.read_csv(folded)
        try:
            table["fold"] = 3 - table["fold"]
            table.to_csv(folded, index=False)
            refuse(["--config", config, "--output", finished], "clips, labels or folds")
        finally:
            folded.write_text(before)


@pytest.mark.slow
def test_killed_in_a_fold_it_goes_on(config, finished, request_file, tmp_path, capsys):
    """As after losing the machine: the command and the fold are killed together."""
    output = tmp_path / "cv"
    request_file.touch()
    command = [sys.executable, "-m", "hicmae.cli", "crossval", "--config", config]
    killed = subprocess.run(
        [*command, "--output", output],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        start_new_session=True,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list(read_rows(output, "crossval")) == ["1"]
    assert "**These are fold 1 of 2.**" in (output / "results.md").read_text()

    crossval(config, output)
    assert "crossval: 1 of 2 folds to do, 1 done before." in capsys.readouterr().out
    assert len(list((output / "fold-1").glob("version_*"))) == 1
    # The fold went on: the second run trained the second epoch alone.
    metrics = pd.read_csv(output / "fold-2" / "version_1" / "metrics.csv")
    trained = metrics.dropna(subset="train/loss_epoch")
    assert trained["epoch"].tolist() == [EPOCHS - 1]
    for name in ("predictions.csv", "confusion.csv"):
        assert (output / name).read_text() == (finished / name).read_text()


@pytest.mark.slow
def test_chosen_folds_validated_on_the_test_fold(config, tmp_path):
    options = ("--folds", "2", "--data.val_split=same_as_test", "--trainer.max_epochs=1")
    output = crossval(config, tmp_path / "cv", *options)
    assert not (output / "fold-1").exists()
    rows = pd.read_csv(output / "results.csv")
    assert set(rows["checkpoint"]) == {ON_TEST_FOLD}
    assert rows["row"].tolist() == ["fold", "pooled"]
    page = (output / "results.md").read_text()
    assert "**These are fold 2 of 2.**" in page
    assert ON_TEST_FOLD in page


@pytest.mark.slow
def test_regression(config, tmp_path):
    content = yaml.safe_load(config.read_text())
    content["model"]["class_path"] = "hicmae.tasks.RegressionTask"
    del content["data"]["init_args"]["label"]
    content["data"]["init_args"]["targets"] = ["arousal", "valence"]
    (tmp_path / "regress.yaml").write_text(yaml.safe_dump(content))
    options = ("--folds=1", "--trainer.max_epochs=1")
    output = crossval(tmp_path / "regress.yaml", tmp_path / "cv", *options)
    answers = pd.read_csv(output / "predictions.csv")
    pooled = pd.read_csv(output / "results.csv").set_index("row").loc["pooled"]
    for target in ("arousal", "valence"):
        true, value = answers[f"{target}_target"], answers[target]
        assert pooled[f"PCC {target} %"] == pytest.approx(100 * true.corr(value), abs=1e-4)
        spread = true.var() + value.var() + (true.mean() - value.mean()) ** 2
        ccc = 2 * true.cov(value) / spread
        assert pooled[f"CCC {target} %"] == pytest.approx(100 * ccc, abs=1e-4)
    own = json.loads((output / "fold-1" / "version_0" / "test_metrics.json").read_text())
    assert pooled["CCC %"] == pytest.approx(100 * own["test/CCC"], rel=1e-3, abs=1e-3)


class TestPlan:
    def test_dry_run_prints_commands_and_leaves_nothing(self, config, tmp_path, capsys):
        crossval(config, tmp_path / "cv", "--dry_run", "--folds=2", "--model.learning_rate=0.1")
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith("hicmae fit --config ")
        for words in ("--model.learning_rate=0.1", "--data.fold=2", f"={tmp_path / 'cv/fold-2'}"):
            assert words in line
        assert not (tmp_path / "cv").exists()

    def test_a_corpus_with_one_split_is_one_fold(self, config, corpus, tmp_path, capsys):
        manifest = f"--data.manifest={corpus / 'manifest.csv'}"
        crossval(config, tmp_path / "cv", manifest, "--dry_run")
        assert len(capsys.readouterr().out.splitlines()) == 1


# What the task asks for.
PRETRAINING = [
    "--model.video_mask_ratio=0.5",
    "--model.audio_mask_ratio=0.5",
    "--model.contrast_weight=0.1",
    "--model.temperature=0.07",
]


class TestMistakes:
    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--folds=3"], "has folds 1 to 2"),
            (["--folds=one"], "give numbers, such as 1,3"),
            (["--data.fold=1"], "choose folds with --folds"),
            (["--trainer.default_root_dir=x"], "with --output"),
            (["--ckpt_path", "x.ckpt"], "goes on from its last checkpoint by itself"),
            (["--test_after_fit=false"], "leave --test_after_fit out"),
            (["--model=hicmae.tasks.PretrainingTask", *PRETRAINING], "no scores to compare"),
            (["--data.label=null"], "has no labels"),
            (["--model.nonsense=1"], "nonsense"),
        ],
    )
    def test_options(self, config, tmp_path, refuse, options, words):
        refuse(["--config", config, "--output", tmp_path / "cv", *options], words)
        assert not (tmp_path / "cv").exists()

    def test_without_a_config(self, refuse):
        refuse(["--data.root=x"], "needs --config")

    def test_folds_and_splits_in_one_table(self, config, folded, tmp_path, refuse):
        table = pd.read_csv(folded)
        table["split"] = ["train", "test"] * (len(table) // 2)
        table.to_csv(tmp_path / "both.csv", index=False)
        manifest = f"--data.manifest={tmp_path / 'both.csv'}"
        refuse(["--config", config, manifest], "columns split and fold")

    def test_a_folder_of_0_2(self, config, tmp_path, refuse):
        (tmp_path / "crossval.json").write_text('{"setup": {}, "settings": {}, "clips": "0f"}')
        refuse(["--config", config, "--output", tmp_path], "an older version", "another --output")

    def test_a_folder_in_use(self, config, tmp_path, refuse):
        with locked(tmp_path / "cv"):
            refuse(["--config", config, "--output", tmp_path / "cv"], "is in use by another")

    @pytest.mark.slow
    def test_a_fold_that_fails_tells_how_to_go_on(self, config, tmp_path, refuse):
        options = ["--model.pretrained=gone.ckpt", "--trainer.max_epochs=1", "--folds=1"]
        arguments = ["--config", config, "--output", tmp_path / "cv", *options]
        refuse(arguments, "Fold 1 ended with status 2", "same command goes on")
