"""Every corpus and variant by the command line: table, check, fine-tuning, test, predictions."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fakes import crema_d, dfew
from fakes.avcaffe import write_avcaffe
from fakes.blemore import write_blemore
from fakes.crema_d import write_crema_d
from fakes.dfew import write_dfew
from fakes.enterface05 import write_enterface05
from fakes.iemocap import write_iemocap
from fakes.mafw import write_mafw
from fakes.meld import write_meld
from fakes.mer2023 import write_mer2023
from fakes.msp_improv import write_msp_improv
from fakes.ravdess import write_ravdess
from fakes.savee import write_savee
from fakes.voxceleb2 import BROKEN, write_voxceleb2
from fakes.werewolf_xl import write_werewolf_xl
from tiny import ARCHITECTURE

from hicmae.cli import dispatch
from hicmae.configs import config_names
from hicmae.data.datamodules import RAVDESSDataModule
from hicmae.data.manifest import read_manifest
from hicmae.errors import ConfigError, DataError
from hicmae.training.commands import run


def write_ravdess_of_every_fold(root):
    return write_ravdess(root, actors=(1, 6, 9, 14, 17, 24))


def write_avcaffe_with_validation(root):
    return write_avcaffe(root, validation=("aiim001", "aiim006"))


def write_mafw_43(root):
    return write_mafw(root, classes=43)


FAKES = {
    "mafw": write_mafw,
    "mafw-43": write_mafw_43,
    "mafw-labels": write_mafw_43,
    "dfew": write_dfew,
    "mer2023": write_mer2023,
    "crema-d": write_crema_d,
    "crema-d-4": write_crema_d,
    "msp-improv": write_msp_improv,
    "ravdess": write_ravdess_of_every_fold,
    "iemocap": write_iemocap,
    "iemocap-6": write_iemocap,
    "werewolf-xl": write_werewolf_xl,
    "avcaffe-arousal": write_avcaffe_with_validation,
    "avcaffe-valence": write_avcaffe_with_validation,
    "meld": write_meld,
    "enterface05": write_enterface05,
    "savee": write_savee,
    "blemore": write_blemore,
}
UNPUBLISHED = {"mafw-43", "mafw-labels", "avcaffe-arousal", "avcaffe-valence"}
WITHOUT_CORPUS = {"manifest", "manifest-labels", "manifest-regression"}

SMALL_DATA = [
    "--data.frame_size=32",
    "--data.image_size=32",
    "--data.audio_frames=64",
    "--data.mel_bins=32",
    "--data.num_workers=0",
]
SHAPE = ARCHITECTURE | {"num_frames": 16, "audio_frames": 64}
SMALL_RUN = [
    *SMALL_DATA,
    "--data.batch_size=4",
    f"--model.architecture={SHAPE}",
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--trainer.precision=32",
    "--trainer.max_epochs=1",
    "--trainer.num_sanity_val_steps=0",
    "--trainer.enable_progress_bar=false",
]


pytestmark = pytest.mark.usefixtures("as_command")


@pytest.fixture(scope="session")
def fake(tmp_path_factory):
    """`fake(writer)` writes a miniature once per session; gives its folder and its clips."""
    written = {}

    def make(writer):
        if writer not in written:
            root = tmp_path_factory.mktemp(writer.__name__)
            written[writer] = root, writer(root)
        return written[writer]

    return make


def status_of(*arguments):
    """The exit status of a command."""
    try:
        dispatch(list(map(str, arguments)))
    except SystemExit as leaving:
        return leaving.code
    return 0


def test_every_corpus_has_a_miniature():
    named = {Path(name).stem for name in config_names() if name.startswith("finetune/")}
    assert named - WITHOUT_CORPUS == set(FAKES)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAKES)
def test_from_the_download_to_predictions(name, fake, tmp_path, capsys):
    root, clips = fake(FAKES[name])
    source = [f"--config=finetune/{name}.yaml", f"--data.root={root}"]

    assert status_of("data", "manifest", *source, "--output=m.csv") == 0
    table = read_manifest("m.csv")
    # The miniature tells the clips of the usual variant; four classes are fewer, six are more.
    agree = {"crema-d-4": set.issubset, "iemocap-6": set.issuperset}.get(name, set.__eq__)
    assert agree(set(table["id"]), set(clips))
    assert f"{len(table)} clips" in capsys.readouterr().out

    # A miniature lacks most clips of the published protocol, if there is one, as a check must tell.
    status = status_of("data", "check", *source, "--output=check", "--jobs=1", *SMALL_DATA)
    report = Path("check/report.txt").read_text()
    assert "No clip has a problem." in report
    assert status == int(name not in UNPUBLISHED)
    assert ("of the published protocol are not there" in report) == bool(status)
    assert len(pd.read_csv("check/clips.csv")) == len(table)
    assert pd.read_csv("check/counts.csv")["clips"].sum() == len(table)
    assert ("are left out whether they are there" in report) == (
        name[:4] in {"mafw", "crem", "msp-", "meld", "ente"}
    )
    assert Path("check/contact-sheet.png").stat().st_size > 10_000

    folder = f"--trainer.default_root_dir={tmp_path / 'runs'}"
    fitted = run(["fit", *source, *SMALL_RUN, folder])
    data = fitted.datamodule
    for fold in range(1, data.fold_count + 1):
        splits = data.splits_of(fold)
        parts = [set(rows["id"]) for rows in (splits.train, splits.val, splits.test)]
        assert all(parts), f"fold {fold} has an empty part"
        assert sum(map(len, parts)) == len(set.union(*parts)) == len(table)
        people = [set(rows["subject"].dropna()) for rows in (splits.train, splits.val, splits.test)]
        assert sum(map(len, people)) == len(set.union(*people)), f"fold {fold} mixes people"

    checkpoint = f"--ckpt_path={Path(fitted.trainer.log_dir) / 'checkpoints' / 'best.ckpt'}"
    tested = run(["test", checkpoint, "--data.manifest=m.csv", folder])
    predicted = run(["predict", checkpoint, folder])
    wanted = set(data.splits.test["id"])
    for done, file in (
        (fitted, "test_predictions"),
        (tested, "test_predictions"),
        (predicted, "predictions"),
    ):
        rows = pd.read_csv(Path(done.trainer.log_dir) / f"{file}.csv", dtype={"id": str})
        assert set(rows["id"]) == wanted
    results = [Path(done.trainer.log_dir, "test_metrics.json") for done in (fitted, tested)]
    assert results[0].read_text() == results[1].read_text()


def test_a_clip_without_a_file_is_told_or_left_out(tmp_path):
    clips = write_ravdess(tmp_path / "RAVDESS", actors=(1, 24))
    for path in (tmp_path / "RAVDESS").rglob(f"03-{clips[-1]}.wav"):
        path.unlink()
    source = ["data", "check", "--config=finetune/ravdess.yaml", "--data.root=RAVDESS"]
    options = ["--output=check", "--jobs=1", *SMALL_DATA]
    with pytest.raises(DataError, match=r"or give `--data\.missing leave_out`"):
        dispatch([*source, *options])
    assert status_of(*source, *options, "--data.missing=leave_out") == 1
    report = " ".join(Path("check/report.txt").read_text().split())
    assert f"1 listed clips lack a file and are left out: {clips[-1]}." in report
    assert pd.read_csv("check/clips.csv")["id"].tolist() == clips[:-1]
    with pytest.raises(ConfigError, match=r"data\.missing is 'skip'; give raise or leave_out"):
        RAVDESSDataModule("RAVDESS", missing="skip")


def votes_in_crema_d():
    return {
        f"{actor}_{rest}": crema_d.VOTES.get(rest[4:7], crema_d.OTHER_VOTES)
        for actor, clips in crema_d.CLIPS.items()
        for rest in clips
    }


def votes_in_dfew():
    return {f"{number:05d}": dfew.votes_of(number, label) for number, label in dfew.CLIPS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "votes"), [("crema-d", votes_in_crema_d), ("dfew", votes_in_dfew)]
)
def test_votes_from_the_download_to_the_predictions(name, votes, fake, tmp_path):
    root, _ = fake(FAKES[name])
    source = [f"--config=finetune/{name}.yaml", f"--data.root={root}", "--data.target=votes"]
    done = run(["fit", *source, *SMALL_RUN, f"--trainer.default_root_dir={tmp_path}"])
    folder = Path(done.trainer.log_dir)
    scores = json.loads((folder / "test_metrics.json").read_text())
    assert {"test/KL", "test/cosine", "test/WAR"} <= scores.keys()
    answers = pd.read_csv(folder / "test_predictions.csv", dtype={"id": str})
    given = np.array([votes()[clip] for clip in answers["id"]], dtype=float)
    found = answers[[f"{name}_target" for name in done.datamodule.class_names]]
    np.testing.assert_allclose(found, given / given.sum(axis=1, keepdims=True), rtol=1e-6)


@pytest.mark.slow
def test_voxceleb2_from_the_download_to_pretraining(fake, tmp_path):
    root, clips = fake(write_voxceleb2)
    source = ["--config=pretrain.yaml", f"--data.root={root}", "--data.val_speakers=1"]
    assert status_of("data", "manifest", *source, "--output=m.parquet") == 0
    assert read_manifest("m.parquet")["id"].tolist() == sorted([*clips, *BROKEN])

    assert status_of("data", "check", *source, "--output=check", "--jobs=1", *SMALL_DATA) == 1
    problems = pd.read_csv("check/problems.csv").set_index("id")
    assert set(problems.index) == set(BROKEN)
    assert problems.loc["id00012/21Uxsk56VDQ/00003", "problems"] == "broken video"
    assert problems.loc["id00012/0fijmz4vTVU/00001", "problems"] == "lengths differ"

    done = run(
        [
            "fit",
            *source,
            *SMALL_RUN,
            "--data.manifest=check/manifest.csv",
            "--data.on_error=raise",
            f"--trainer.default_root_dir={tmp_path / 'runs'}",
        ]
    )
    assert done.datamodule.table["id"].tolist() == clips
    assert done.trainer.global_step >= 1
