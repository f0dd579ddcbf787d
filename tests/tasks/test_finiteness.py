"""Losses that are not finite, and what they may reach; several processes are in test_parallel."""

import math

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from test_parallel import Recorder, Steps, clips, make_task, make_trainer

from hicmae.errors import HicmaeError
from hicmae.tasks.finiteness import LossWatch


@pytest.fixture
def poisoned():
    return clips(0, 3) | {"audio": torch.full((3, 1, 1, 32, 32), math.nan)}


class TestLateAnswers:
    """Losses that are looked at a step later, as those on a card are."""

    @pytest.fixture
    def task(self):
        task = make_task(learning_rate=0.1)
        task.loss_watch = LossWatch(late=True)
        return task

    def fit(self, task, batches, *callbacks, **options):
        with pytest.raises(HicmaeError, match="not finite in epoch 0, step 1, on the clips clip0"):
            make_trainer(*callbacks, devices=1, **options).fit(task, datamodule=Steps([batches]))

    def test_the_next_step_stops_and_names_the_broken_one(self, task, poisoned):
        seen = Recorder()
        self.fit(task, [clips(0, 3), poisoned, clips(3, 2), clips(0, 3)], seen)
        assert len(seen.losses) == 2  # the third stops before it reaches the weights

    def test_no_checkpoint_is_written(self, task, poisoned, tmp_path):
        kept = ModelCheckpoint(tmp_path, every_n_train_steps=1, save_top_k=-1, filename="{step}")
        self.fit(task, [clips(0, 3), poisoned, clips(3, 2)], kept)
        assert [path.name for path in tmp_path.iterdir()] == ["step=1.ckpt"]
        with pytest.raises(HicmaeError, match="not finite"):
            task.trainer.save_checkpoint(tmp_path / "after.ckpt")
        assert not (tmp_path / "after.ckpt").exists()

    def test_the_last_step_is_looked_at_too(self, task, poisoned):
        self.fit(task, [clips(0, 3), poisoned])

    def test_a_new_run_begins_anew(self, task, poisoned):
        self.fit(task, [clips(0, 3), poisoned])
        fresh = make_task()
        fresh.loss_watch = task.loss_watch
        make_trainer(devices=1).fit(fresh, datamodule=Steps([[clips(0, 3)]]))


def test_a_checkpoint_can_be_kept_of_weights_that_no_broken_loss_reached(poisoned, tmp_path):
    task = make_task()
    run = make_trainer(devices=1)
    with pytest.raises(HicmaeError):
        run.fit(task, datamodule=Steps([[poisoned]]))
    run.save_checkpoint(tmp_path / "kept.ckpt")
