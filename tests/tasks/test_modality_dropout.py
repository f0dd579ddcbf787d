"""Training on clips of which some are not seen and some not heard."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tiny import ARCHITECTURE
from tiny_tasks import MAKERS, Batches, classification, make_batch, tiny_trainer

from hicmae.checkpoints import load_recognition_model
from hicmae.errors import ConfigError, DataError
from hicmae.tasks import NearestNeighbourTask
from hicmae.tasks.senses import dropped

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


def test_model_of_both_refuses_a_clip_that_lacks_one_by_its_name():
    batch = make_batch() | {"senses": torch.tensor([[True, True]] * 3 + [[True, False]])}
    with pytest.raises(DataError, match=r"clip0-3 has no sound.*modality_dropout"):
        classification().view_outputs(batch)
    neighbours = NearestNeighbourTask(
        ["anger", "calm", "joy"], neighbours=1, temperature=1.0, architecture=ARCHITECTURE
    )
    with pytest.raises(DataError, match="clip0-3 has no sound"):
        neighbours.training_step(batch, 0)


def test_model_of_one_sense_takes_clips_without_the_other():
    batch = make_batch() | {"senses": torch.tensor([[True, False]] * 4)}
    task = classification(modality="video").eval()
    assert torch.equal(task.view_outputs(batch), task.view_outputs(make_batch()))
    with pytest.raises(DataError, match="clip0-0 has no sound"):
        classification(modality="audio").view_outputs(batch)


@pytest.mark.parametrize("shares", [(-0.1, 0.2), (0.6, 0.6)])
def test_shares_that_cannot_be_are_refused(shares):
    with pytest.raises(ConfigError, match="modality_dropout is"):
        classification(modality_dropout=shares)


def test_dropout_of_the_only_modality_is_refused():
    with pytest.raises(ConfigError, match="nothing that could stand in"):
        classification(modality="audio", modality_dropout=(0.1, 0.1))
