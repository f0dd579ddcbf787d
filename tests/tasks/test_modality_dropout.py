"""Training on clips of which some are not seen and some not heard."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny_tasks import MAKERS, Batches, classification, make_batch, tiny_trainer

from hicmae.checkpoints import load_recognition_model
from hicmae.choices import Senses
from hicmae.data.options import ClipOptions
from hicmae.errors import ConfigError
from hicmae.models import HiCMAE
from hicmae.tasks.senses import check_senses, dropped

HEARD_ALONE = torch.tensor([[False, True]])


def test_so_many_clips_lose_a_sense_and_none_loses_both():
    torch.manual_seed(0)
    both = torch.ones(4000, 2, dtype=torch.bool)
    left = dropped(both, (0.3, 0.1))
    unseen, unheard = (~left).float().mean(dim=0).tolist()
    assert unseen == pytest.approx(0.3, abs=0.03)
    assert unheard == pytest.approx(0.1, abs=0.03)
    assert left.any(dim=1).all()
    assert torch.equal(dropped(both, (0, 0)), both)
    assert dropped(both, (0.5, 0.5)).sum() == 4000
    alone = HEARD_ALONE.expand(1000, 2)
    assert torch.equal(dropped(alone, (0.5, 0.5)), alone)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_fitted_model_answers_on_one_sense(tmp_path, kind):
    make, label = MAKERS[kind]
    lacking = make_batch(label=label) | {"senses": torch.tensor([[True, False]] * 4)}
    data = Batches(train=[make_batch(label=label), lacking], val=[lacking])
    task = make(modality_dropout=(0.9, 0.0), drop_path=0.1)
    before = {name: value.clone() for name, value in task.model.state_dict().items()}
    tiny_trainer(tmp_path, ModelCheckpoint(tmp_path, filename="end")).fit(task, datamodule=data)
    for name in ("video_stand_ins", "audio_stand_ins"):
        assert not torch.equal(task.model.state_dict()[name], before[name])
    again = type(task).load_from_checkpoint(tmp_path / "end.ckpt", weights_only=True)
    model, description = load_recognition_model(tmp_path / "end.ckpt")
    assert description.stand_ins
    clip = make_batch(clips=1)
    outputs = model(clip["video"][:, 0], clip["audio"][:, 0], HEARD_ALONE)
    found = again.eval().view_outputs(clip | {"senses": HEARD_ALONE})[:, 0]
    assert torch.equal(found, outputs)
    # Nothing is dropped but in training.
    assert torch.equal(
        again.view_outputs(clip)[:, 0], model(clip["video"][:, 0], clip["audio"][:, 0])
    )


@pytest.mark.parametrize(
    ("modality", "taken"),
    [
        (None, {"both", "any", "audio", "video"}),  # with the option
        ("audio_visual", {"both"}),
        ("audio", {"both", "audio"}),
        ("video", {"both", "video"}),
    ],
)
def test_data_that_may_lack_what_a_model_reads_is_refused(modality, taken):
    task = classification(**({"modality": modality} if modality else {"modality_dropout": (0, 0)}))
    for senses in get_args(Senses):
        data = SimpleNamespace(clip_options=ClipOptions(senses=senses))
        with nullcontext() if senses in taken else pytest.raises(ConfigError, match="senses is"):
            check_senses(data, task.model)
    pretraining = HiCMAE(task.architecture)
    with pytest.raises(ConfigError, match="reads audio_visual"):
        check_senses(SimpleNamespace(clip_options=ClipOptions(senses="any")), pretraining)


@pytest.mark.parametrize("shares", [(-0.1, 0.2), (0.6, 0.6)])
def test_shares_that_cannot_be_are_refused(shares):
    with pytest.raises(ConfigError, match="modality_dropout is"):
        classification(modality_dropout=shares)


def test_dropout_of_the_only_modality_is_refused():
    with pytest.raises(ConfigError, match="nothing that could stand in"):
        classification(modality="audio", modality_dropout=(0.1, 0.1))
