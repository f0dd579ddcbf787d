"""Runs that are stopped at any step and go on: the same weights, bit for bit."""

import json
import os
import signal
import stat

import pandas as pd
import pytest
import torch
from interruption import in_a_process
from tiny import keep

from hicmae.errors import CheckpointError
from hicmae.training.resuming import AtomicCheckpoints, newest_checkpoint

OPTIONS = {
    "pretrain": {
        "data": {"augmentation": {"class_path": "hicmae.data.augmentation.PretrainingAugmentation"}}
    },
    "classify": {
        "model": {"drop_path": 0.3, "label_smoothing": 0.1},
        "data": {"augmentation": {"class_path": "hicmae.data.augmentation.FinetuningAugmentation"}},
    },
}
EVERY_STEP = keep(every_n_train_steps=1, save_last=True, filename="step")
# Four batches an epoch and two of validation.
EPOCHS, BATCHES = 3, 4


@pytest.fixture
def folder(tmp_path):
    """The current folder of the runs of a test."""
    return tmp_path


@pytest.fixture(scope="session")
def write_config(write_config):
    """`write_config(kind, *callbacks, **options of the trainer)` writes a config."""

    def write(kind, *callbacks, **trainer):
        options = OPTIONS[kind]
        return str(
            write_config(
                kind,
                model={"learning_rate": 0.05} | options.get("model", {}),
                data={"batch_size": 2} | options["data"],
                trainer={
                    "default_root_dir": "runs",
                    "max_epochs": EPOCHS,
                    "num_sanity_val_steps": 2,
                    "callbacks": list(callbacks) or [EVERY_STEP],
                    **trainer,
                },
                test_after_fit=False,
            )
        )

    return write


def sending(number, batch, moment="train_batch_start"):
    """Options that make a run send itself a signal."""
    callback = {
        "class_path": "interruption.SendSignal",
        "init_args": {"number": int(number), "batch": batch, "moment": moment},
    }
    return [f"--trainer.callbacks+={json.dumps(callback)}"]


def finish(config, folder, *options, **settings):
    """A run to its end; gives its last checkpoint."""
    status, printed = in_a_process(["fit", "--config", config, *options], folder, **settings)
    assert status == 0, printed
    return load(newest_checkpoint(folder / "runs"))


def load(path):
    return torch.load(path, weights_only=True)


def assert_same(one, two):
    """The same weights, optimiser and schedule, bit for bit, and the same place."""
    assert one["global_step"] == two["global_step"]
    assert one["lr_schedulers"] == two["lr_schedulers"]
    assert one["state_dict"].keys() == two["state_dict"].keys()
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name
    moments = [file["optimizer_states"][0]["state"] for file in (one, two)]
    for index, states in moments[0].items():
        for name, value in states.items():
            assert torch.equal(value, moments[1][index][name]), (index, name)


def logged(folder, name):
    """The values of a metric by step over all runs of a folder, the latest ones where twice."""
    tables = [pd.read_csv(path) for path in sorted((folder / "runs").rglob("metrics.csv"))]
    rows = pd.concat([table for table in tables if name in table])[["step", name]].dropna()
    return rows.groupby("step")[name].last().to_dict()


@pytest.fixture(scope="session")
def whole(write_config, tmp_path_factory):
    """`whole(task)` is an uninterrupted run: its folder and its last checkpoint."""
    done = {}

    def run(task):
        if task not in done:
            folder = tmp_path_factory.mktemp("whole")
            done[task] = folder, finish(write_config(task), folder)
        return done[task]

    return run


# When runs are killed, one after the other: at which of their batches and at which moment of it.
KILLS = {
    0: [
        (1, "train_batch_start"),  # before any checkpoint: anew
        (3, "train_batch_start"),  # two steps are done
        (2, "validation_batch_end"),  # the whole epoch is, its validation is not
        (1, "train_batch_end"),  # one more step is done and not yet on the disk
        (3, "train_batch_start"),
    ],
    2: [(3, "train_batch_start"), (5, "train_batch_start")],
}


@pytest.mark.parametrize(
    ("task", "workers"),
    [("pretrain", 0), ("classify", 0), pytest.param("pretrain", 2, marks=pytest.mark.slow)],
)
def test_killed_at_any_step_and_resumed(task, workers, write_config, whole, folder):
    config = write_config(task)
    options = ["--ckpt_path=last", f"--data.num_workers={workers}"]
    for batch, moment in KILLS[workers]:
        status, printed = in_a_process(
            ["fit", "--config", config, *options, *sending(signal.SIGKILL, batch, moment)], folder
        )
        assert status == -signal.SIGKILL, printed
    steps = [load(path)["global_step"] for path in sorted((folder / "runs").rglob("last.ckpt"))]
    assert steps == {0: [2, 4, 4, 6], 2: [2, 6]}[workers]
    reference, expected = whole(task)
    assert_same(finish(config, folder, *options), expected)
    for name in ("train/loss_step", "val/loss"):
        assert logged(folder, name) == logged(reference, name)


@pytest.mark.parametrize("batch", [2, 3, 4])
def test_sigterm_saves_and_the_run_goes_on(batch, write_config, folder):
    """Three batches are accumulated: within them, after them, at the end of the epoch."""
    config = write_config("classify", EVERY_STEP, accumulate_grad_batches=3)
    status, printed = in_a_process(
        ["fit", "--config", config, *sending(signal.SIGTERM, batch)], folder
    )
    assert status == 128 + signal.SIGTERM, printed
    saved = newest_checkpoint(folder / "runs")
    assert f"--ckpt_path {saved.relative_to(folder)}" in " ".join(printed.split())
    resumed = finish(config, folder, "--ckpt_path=last")
    whole = folder / "whole"
    whole.mkdir()
    assert_same(resumed, finish(config, whole))
    for name in ("train/loss_step", "val/loss"):
        assert logged(folder, name) == logged(whole, name)


@pytest.mark.parametrize(
    ("batch", "moment"), [(2, "train_batch_start"), (4, "validation_batch_end")]
)
def test_slurm_saves_and_puts_the_job_back(batch, moment, write_config, whole, folder):
    """Within an epoch and within its validation; the job starts again by the same command."""
    requeue = folder / "bin" / "scontrol"
    requeue.parent.mkdir()
    requeue.write_text('#!/bin/sh\necho "$@" > requeued.txt\n')
    requeue.chmod(requeue.stat().st_mode | stat.S_IXUSR)
    environment = {
        "SLURM_NTASKS": "1",
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NAME": "pretrain",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
        "SLURM_PROCID": "0",
        "SLURM_NODELIST": "localhost",
        "PATH": f"{requeue.parent}:{os.environ['PATH']}",
    }
    config = write_config("classify", keep(save_last=True))
    signals = [*sending(signal.SIGUSR1, batch, moment), *sending(signal.SIGKILL, batch + 1)]
    status, printed = in_a_process(
        ["fit", "--config", config, *signals], folder, environment=environment
    )
    assert status == -signal.SIGKILL, printed
    assert (folder / "requeued.txt").read_text() == "requeue 17\n"
    assert load(folder / "runs" / "hpc_ckpt_1.ckpt")["global_step"] == batch
    reference, expected = whole("classify")
    assert_same(finish(config, folder, environment=environment), expected)
    assert logged(folder, "val/loss") == logged(reference, "val/loss")


def test_best_score_and_patience_outlive_a_kill(write_config, folder):
    """A rate of zero: every epoch is as good as the first, of which one is killed."""
    best = keep(monitor="val/loss", filename="best", save_last=True)
    stop = {
        "class_path": "lightning.pytorch.callbacks.EarlyStopping",
        "init_args": {"monitor": "val/loss", "patience": 3},
    }
    config = write_config("classify", best, stop, max_epochs=9)
    still = "--model.learning_rate=1.0e-30"
    status, printed = in_a_process(
        ["fit", "--config", config, still, *sending(signal.SIGKILL, 2 * BATCHES + 1)], folder
    )
    assert status == -signal.SIGKILL, printed
    finish(config, folder, still, "--ckpt_path=last", "--test_after_fit=true")
    assert len(logged(folder, "val/loss")) == 4
    assert len(list((folder / "runs").rglob("best.ckpt"))) == 1
    assert len(list((folder / "runs").rglob("test_metrics.json"))) == 1


@pytest.mark.parametrize("batch", [3, BATCHES + 1])
def test_run_limited_by_steps(batch, write_config, folder):
    every_epoch = keep(save_last=True, save_on_train_epoch_end=True)
    config = write_config("pretrain", every_epoch, EVERY_STEP, max_epochs=-1, max_steps=10)
    status, printed = in_a_process(
        ["fit", "--config", config, *sending(signal.SIGKILL, batch)], folder
    )
    assert status == -signal.SIGKILL, printed
    resumed = finish(config, folder, "--ckpt_path=last")
    whole = folder / "whole"
    whole.mkdir()
    assert_same(resumed, finish(config, whole))


class TestCheckpointFiles:
    """What is on the disk, whatever happens."""

    def test_full_disk_leaves_the_last_good_checkpoint(self, write_config, whole, folder):
        config = write_config("classify")
        in_a_process(["fit", "--config", config, *sending(signal.SIGKILL, 6)], folder)
        good = newest_checkpoint(folder / "runs")
        status, printed = in_a_process(
            ["fit", "--config", config, "--ckpt_path=last"], folder, file_size=20_000
        )
        assert status == 2, printed
        sentence = " ".join(printed.split())
        assert "could not be written (File too large): make room" in sentence
        assert "Traceback" not in sentence
        assert newest_checkpoint(folder / "runs") == good
        assert {path.suffix for path in (folder / "runs").rglob("checkpoints/*")} == {".ckpt"}
        assert_same(finish(config, folder, "--ckpt_path=last"), whole("classify")[1])

    def test_folder_that_cannot_be_written(self, write_config, folder):
        (folder / "occupied").write_text("a file")
        status, printed = in_a_process(
            ["fit", "--config", write_config("classify"), "--trainer.default_root_dir=occupied"],
            folder,
        )
        assert status == 2, printed
        assert "Traceback" not in printed
        assert "occupied" in printed

    def test_older_one_stays_whole_until_the_new_one_is(self, tmp_path):
        path = tmp_path / "checkpoints" / "last.ckpt"
        files = AtomicCheckpoints()
        files.save_checkpoint({"step": 1}, path)

        class Interrupted(dict):
            def __reduce__(self):
                raise OSError(28, "No space left on device")

        with pytest.raises(CheckpointError, match=r"last\.ckpt could not be .*No space left"):
            files.save_checkpoint({"step": 2, "more": Interrupted()}, path)
        assert load(path) == {"step": 1}
        assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]

    def test_mistakes_of_the_program_are_not_taken_for_a_full_disk(self, tmp_path):
        with pytest.raises((AttributeError, TypeError, RuntimeError)) as caught:
            AtomicCheckpoints().save_checkpoint({"function": lambda: None}, tmp_path / "x.ckpt")
        assert not isinstance(caught.value, CheckpointError)

    def test_newest_of_all_runs(self, tmp_path):
        assert newest_checkpoint(tmp_path) is None
        names = ["version_0/checkpoints/last.ckpt", "version_1/checkpoints/last-v1.ckpt"]
        others = ["version_1/checkpoints/best.ckpt", "version_1/checkpoints/last.ckpt.part"]
        for age, name in enumerate([*names, "hpc_ckpt_2.ckpt", *others]):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (age, age))
        assert newest_checkpoint(tmp_path) == tmp_path / "hpc_ckpt_2.ckpt"
        (tmp_path / "hpc_ckpt_2.ckpt").unlink()
        assert newest_checkpoint(tmp_path) == tmp_path / names[1]


def test_last_of_nothing_is_told(write_config, folder):
    status, printed = in_a_process(
        ["test", "--config", write_config("classify"), "--ckpt_path=last"], folder
    )
    assert status == 2
    assert "There is no last.ckpt in runs or below it" in printed
