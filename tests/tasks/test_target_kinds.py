"""Clips that are mixtures of classes, or have several labels: losses, scores, files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import CLASSES, keep
from tiny_tasks import make_batch, tiny_task, tiny_trainer
from torch.utils.data import DataLoader

from hicmae.answers.blends import BlendRule, Blends
from hicmae.checkpoints.reading import read_model
from hicmae.cli import main
from hicmae.errors import CheckpointError, ConfigError
from hicmae.evaluation.scores import outputs_of, read_run_predictions, scores_of
from hicmae.objectives.classification import classification_loss
from hicmae.tasks.metrics import DistributionMetrics, LabelMetrics
from hicmae.training.commands import run
from hicmae.weights.runs import checkpoint_of

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0]])
SHARES = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.0, 1.0]])


class TestLosses:
    def test_kl_is_cross_entropy_less_entropy_with_the_same_slope(self):
        slopes, losses = [], []
        for name in ("cross_entropy", "kl"):
            logits = LOGITS.clone().requires_grad_()
            losses.append(classification_loss(name, logits, SHARES, label_smoothing=0.1))
            losses[-1].backward()
            slopes.append(logits.grad)
        torch.testing.assert_close(*slopes)
        smooth = 0.9 * SHARES + 0.1 / 3
        entropy = torch.special.entr(smooth).sum(1).mean()
        torch.testing.assert_close(losses[0] - losses[1], entropy)

    def test_kl_of_a_perfect_answer_is_nothing(self):
        loss = classification_loss("kl", SHARES.clamp(min=1e-9).log(), SHARES)
        assert loss.item() == pytest.approx(0, abs=1e-6)

    def test_smoothed_yes_and_no_meet_halfway(self):
        target = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
        loss = classification_loss("bce", LOGITS, target, label_smoothing=0.2)
        p = LOGITS.sigmoid()
        wanted = 0.8 * target + 0.1
        costs = -(wanted * p.log() + (1 - wanted) * (1 - p).log())
        torch.testing.assert_close(loss, costs.mean())

    @pytest.mark.parametrize(("kind", "loss"), [("class", "bce"), ("labels", "kl")])
    def test_a_loss_that_does_not_fit_is_told(self, kind, loss):
        with pytest.raises(ConfigError, match=f"loss is {loss}"):
            tiny_task("classify", target_kind=kind, loss=loss)


class TestScores:
    """Against values by hand; UAR, WAR and F1 are those of classes."""

    def test_shares(self):
        metrics = DistributionMetrics(3)
        answers = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
        targets = torch.tensor([[0.3, 0.7, 0.0], [0.6, 0.0, 0.4]])
        for answer, target in zip(answers.split(1), targets.split(1), strict=True):
            metrics.update(answer, target)
        scores, matrix = metrics.compute()
        kl = torch.special.xlogy(targets, targets / answers).sum(1).mean()
        assert scores["KL"].item() == pytest.approx(kl.item(), rel=1e-5)
        cosine = torch.cosine_similarity(answers, targets).mean().item()
        assert scores["cosine"].item() == pytest.approx(cosine, rel=1e-5)
        assert scores["WAR"] == 0.5
        assert matrix.tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
        metrics.reset()
        metrics.update(targets, targets)
        assert metrics.compute()[0]["KL"] == 0

    def test_labels(self):
        metrics = LabelMetrics(2)
        answers = torch.tensor([[0.9, 0.6], [0.6, 0.2], [0.2, 0.4]])
        metrics.update(answers, torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 0.0]]))
        scores, matrix = metrics.compute()
        # Of the first, ranks 1 and 3 of 3 are right: (1/1 + 2/3) / 2; of the second, rank 1.
        assert scores["mAP"].item() == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
        assert scores["F1_macro"].item() == pytest.approx((0.5 + 1) / 2)
        assert scores["exact"].item() == pytest.approx(1 / 3)
        assert matrix is None

    def test_labels_that_no_clip_has_are_left_out_and_named(self, recwarn):
        """They have no recall, and would count as 0 however good the answers are."""
        known = torch.tensor([[1.0, 0, 0], [0, 0, 1], [1, 0, 1], [0, 0, 0]])
        task, batch = tiny_task("classify", target_kind="labels"), make_batch() | {"target": known}
        with torch.no_grad():
            answers = task.eval()(batch)
        others = LabelMetrics(2)
        others.update(answers[:, ::2], known[:, ::2])
        clips = DataLoader([batch], batch_size=None)
        logged = tiny_trainer().validate(task, clips, verbose=False)[0]
        for name in ("mAP", "F1_macro"):
            assert logged[f"val/{name}"] == pytest.approx(others.compute()[0][name].item())
        told = [str(warning.message) for warning in recwarn]
        assert [words for words in told if "label" in words or "positive" in words] == [
            "No val clip has the label calm: val/mAP and val/F1_macro are means over the others."
        ]

    def test_labels_of_which_no_clip_has_any_have_no_mean(self):
        metrics = LabelMetrics(2)
        metrics.update(torch.rand(3, 2), torch.zeros(3, 2))
        scores = metrics.compute()[0]
        assert scores["mAP"].isnan()
        assert scores["F1_macro"].isnan()


@pytest.fixture(scope="module")
def table(corpus, tmp_path_factory):
    """The tiny corpus with votes for each class, and with labels in one cell and in columns."""
    rows = pd.read_csv(corpus / "manifest.csv", dtype=str)
    for place, name in enumerate(CLASSES):
        rows[name] = [(index * (place + 1)) % 5 + place for index in range(len(rows))]
        rows[f"has {name}"] = (rows[name] > 2).astype(int)
    rows["emotions"] = ["anger; joy" if index % 2 else "calm" for index in range(len(rows))]
    path = tmp_path_factory.mktemp("table") / "clips.csv"
    rows.to_csv(path, index=False)
    return path


@pytest.fixture
def fit(write_config, table, corpus, tmp_path, as_command):
    def run_fit(*options, monitor, **data):
        given = {"manifest": str(table), "root": str(corpus), "label": None, **data}
        keeper = keep(filename="best", monitor=f"val/{monitor}", mode="max")
        trainer = {"callbacks": [keeper], "enable_progress_bar": False, "max_epochs": 1}
        config = write_config("classify", data=given, trainer=trainer)
        done = run(
            ["fit", f"--config={config}", *options, f"--trainer.default_root_dir={tmp_path}"]
        )
        return Path(done.trainer.log_dir)

    return run_fit


MIXING = ("--data.augmentation=FinetuningAugmentation", "--data.augmentation.mixup=0.8")


@pytest.mark.parametrize("loss", ["cross_entropy", "kl"])
def test_shares_from_the_table_to_the_predictions(fit, table, loss):
    folder = fit(f"--model.loss={loss}", *MIXING, monitor="WAR", distribution=CLASSES)
    scores = json.loads((folder / "test_metrics.json").read_text())
    assert {"test/KL", "test/cosine", "test/UAR", "test/WAR"} <= scores.keys()
    answers = read_run_predictions(folder)
    np.testing.assert_allclose(answers[CLASSES].sum(axis=1), 1, rtol=1e-5)
    votes = pd.read_csv(table).set_index("id").loc[answers["id"], CLASSES]
    shares = votes.div(votes.sum(axis=1), axis=0)
    np.testing.assert_allclose(answers[[f"{name}_target" for name in CLASSES]], shares, rtol=1e-6)
    # What the test logs is of the answers that are told, which are calibrated.
    assert read_model(checkpoint_of(folder)).description.reliability.temperature != 1
    told, true = torch.tensor(answers[CLASSES].to_numpy()), torch.tensor(shares.to_numpy())
    kl = torch.special.xlogy(true, true / told).sum(1).mean().item()
    assert scores["test/KL"] == pytest.approx(kl, rel=1e-3)
    assert answers["target"].tolist() == shares.idxmax(axis=1).tolist()
    assert answers["prediction"].tolist() == answers[CLASSES].idxmax(axis=1).tolist()
    description = read_model(checkpoint_of(folder)).description
    assert (description.kind, description.target_kind) == ("classification", "distribution")


@pytest.mark.parametrize("labels", ["emotions", [f"has {name}" for name in CLASSES]])
def test_labels_from_the_table_to_the_predictions(fit, table, labels):
    folder = fit(*MIXING, "--model.label_smoothing=0.1", monitor="mAP", labels=labels)
    scores = json.loads((folder / "test_metrics.json").read_text())
    assert {"test/mAP", "test/F1_macro", "test/exact"} <= scores.keys()
    answers = read_run_predictions(folder)
    known = pd.read_csv(table, keep_default_na=False).set_index("id").loc[answers["id"]]
    classes = CLASSES if labels == "emotions" else labels
    if labels == "emotions":
        assert answers["targets"].tolist() == known["emotions"].tolist()
    else:
        true = answers[[f"{name}_target" for name in labels]]
        assert (true.to_numpy() == known[labels].to_numpy()).all()
    for _, row in answers.iterrows():
        said = [name for name in classes if row[name] >= 0.5]
        assert row["predictions"] == "; ".join(said)
    model = read_model(checkpoint_of(folder))
    assert model.description.target_kind == "labels"
    scored = model.description.scoring()(torch.tensor([[0.0, 0.0, 0.0]]))
    assert scored.tolist() == [[0.5, 0.5, 0.5]]


@pytest.mark.parametrize(
    ("monitor", "data", "way_out"),
    [
        ("WAR", {"labels": "emotions"}, "manifest-labels.yaml, .* val/mAP"),
        ("mAP", {"distribution": CLASSES}, "manifest.yaml, .* val/WAR"),
    ],
)
def test_scores_of_other_targets_are_refused_before_training(fit, monitor, data, way_out, tmp_path):
    with pytest.raises(ConfigError, match=f"monitors val/{monitor}, which is not .*{way_out}"):
        fit(monitor=monitor, **data)
    assert not list(tmp_path.rglob("metrics.csv"))


def test_thresholds_of_blends_are_fitted_on_validation_and_kept(fit):
    folder = fit("--model.blends=[anger, calm]", monitor="blend", distribution=CLASSES)
    checkpoint = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
    kept = checkpoint["state_dict"]["blend_rule.thresholds"]
    described = read_model(checkpoint_of(folder)).description.blends
    assert described == Blends(("anger", "calm"), tuple(kept.tolist()))
    answers = read_run_predictions(folder)
    rule = BlendRule(CLASSES, ["anger", "calm"])
    shares = torch.tensor(answers[CLASSES].to_numpy(), dtype=torch.float32)
    rule.thresholds.copy_(kept)
    assert [cell["blend"] for cell in rule.columns(shares, None)] == answers["blend"].tolist()
    scores = json.loads((folder / "test_metrics.json").read_text())
    written = scores_of(answers, *outputs_of(answers))
    assert written["presence"] == pytest.approx(100 * scores["test/presence"])
    assert written["KL"] == pytest.approx(scores["test/KL"], rel=1e-4)


def test_thresholds_may_be_missing_or_unwanted():
    mixture = {"target_kind": "distribution"}
    plain, blending = (tiny_task("classify", **mixture, **o) for o in ({}, {"blends": CLASSES}))
    weights = blending.state_dict()
    plain.on_load_checkpoint({"state_dict": weights})
    plain.load_state_dict(weights)
    with pytest.warns(UserWarning, match="no thresholds of blends: 0.1"):
        blending.on_load_checkpoint({"state_dict": weights})
    blending.load_state_dict(weights)


@pytest.mark.parametrize(
    "options", [{"blends": ["anger", "rage"], "target_kind": "distribution"}, {"blends": CLASSES}]
)
def test_blends_that_do_not_fit_are_told(options):
    with pytest.raises(ConfigError, match="blends are anger"):
        tiny_task("classify", **options)


def test_labels_are_not_taken_for_classes():
    labels, classes = (tiny_task("classify", target_kind=kind) for kind in ("labels", "class"))
    saved = {"state_dict": labels.state_dict(), "hyper_parameters": dict(labels.hparams)}
    with pytest.raises(CheckpointError, match="target_kind labels, and that of the data is class"):
        classes.on_load_checkpoint(saved)


def test_neighbours_refuse_shares_in_a_sentence(write_config, table, corpus, as_command, capsys):
    data = {"manifest": str(table), "root": str(corpus), "label": None, "distribution": CLASSES}
    config = write_config("classify", data=data)
    options = ["--config=probe/nearest.yaml", "--trainer.logger=false"]
    with pytest.raises(SystemExit) as caught:
        main(["fit", f"--config={config}", *options])
    assert caught.value.code == 2
    assert "shares or several labels" in capsys.readouterr().err
