"""Compiling goes through in one graph, and keeps losses and gradients."""

import pytest
import torch
from tiny import ARCHITECTURE, tiny_architecture
from torch import nn

from hicmae.models import RecognitionModel
from hicmae.objectives.masking import random_mask, tube_mask
from hicmae.tasks import PretrainingTask
from hicmae.tasks.parallel import checkpoint_activations

SHAPE = tiny_architecture()


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def inputs(clips=3):
    rng = torch.Generator().manual_seed(0)
    side = SHAPE.image_size
    video = torch.randn(clips, 3, SHAPE.num_frames, side, side, generator=rng)
    audio = torch.randn(clips, 1, SHAPE.audio_frames, SHAPE.mel_bins, generator=rng)
    rows, columns = SHAPE.audio_grid
    masks = (
        tube_mask(clips, SHAPE.video_grid, 0.5, rng),
        random_mask(clips, rows * columns, 0.5, rng),
    )
    return video, audio, *masks


class Losses(nn.Module):
    """All losses of pre-training."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.task = PretrainingTask(
            video_mask_ratio=0.5,
            audio_mask_ratio=0.5,
            contrast_weight=0.1,
            temperature=0.07,
            learning_rate=0.1,
            architecture=ARCHITECTURE,
        )

    def forward(self, *batch):
        return self.task._losses(*batch)[0]["loss"]


class Logits(nn.Module):
    """The loss of fine-tuning."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.model = RecognitionModel(SHAPE, 3)

    def forward(self, video, audio, *_):
        logits = self.model(video, audio)
        return nn.functional.cross_entropy(logits, torch.arange(len(video)))


def loss_and_gradients(function, module, batch):
    module.zero_grad()
    loss = function(*batch)
    loss.backward()
    gradients = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
    return loss.detach(), torch.cat(gradients)


@pytest.mark.parametrize(
    ("kind", "checkpointing"),
    [(Losses, False), (Losses, True), (Logits, False)],
    ids=["pretraining", "pretraining-checkpointed", "recognition"],
)
def test_training_compiles_without_graph_breaks(kind, checkpointing):
    module, batch = kind(), inputs()
    expected = loss_and_gradients(module, module, batch)
    if checkpointing:
        checkpoint_activations(module)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(loss_and_gradients(compiled, module, batch), expected)


def test_stochastic_depth_compiles_without_graph_breaks():
    torch.manual_seed(0)
    model = RecognitionModel(SHAPE, 3, drop_path=0.5).train()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    video, audio, *_ = inputs()
    compiled(video, audio).sum().backward()
    assert all(p.grad is not None for p in model.head.parameters())
