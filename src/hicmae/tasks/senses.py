"""Which clips are seen and which are heard."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hicmae.data.batches import Batch
from hicmae.errors import ConfigError
from hicmae.models import RecognitionModel
from hicmae.tasks.training_data import ReadData


def check_senses(data: object, model: nn.Module) -> None:
    """Refuses data whose clips may lack what a model reads.

    Args:
        data: The data module of a run.
        model: A model of `hicmae.models`.

    Raises:
        ConfigError: They may.
    """
    modality = getattr(model, "modality", "audio_visual")
    if not isinstance(data, ReadData) or getattr(model, "stand_ins", False):
        return
    senses = data.clip_options.senses
    if senses not in {"both", modality}:
        raise ConfigError(
            f"data.senses is {senses}, but this model reads {modality}: leave it out, or fine-tune "
            "a model that can do without one by --model.modality_dropout '[0.25, 0.25]'."
        )


def senses_for(model: RecognitionModel, batch: Batch) -> Tensor | None:
    """What a model has to be told of the senses of a batch, bool (B, 2).

    Args:
        model: The model.
        batch: Preprocessed clips; without `senses` they are seen and heard.

    Returns:
        None for a model that reads the same of every clip.
    """
    if not model.stand_ins:
        return None
    everything = torch.ones(len(batch["id"]), 2, dtype=torch.bool, device=batch["video"].device)
    return batch.get("senses", everything)


def check_shares(shares: tuple[float, float]) -> None:
    """Raises a ConfigError unless so many clips can lose a sense."""
    if min(shares) < 0 or sum(shares) > 1:
        raise ConfigError(
            f"modality_dropout is {list(shares)}: give two shares from 0, of clips without picture "
            "and of clips without sound, that sum to 1 at most."
        )


def dropped(senses: Tensor, shares: tuple[float, float]) -> Tensor:
    """Takes one sense from some of the clips that have both.

    The draws come from torch's global generator on the CPU, whatever the device.

    Args:
        senses: Whether each clip is seen and whether it is heard, bool (B, 2).
        shares: How many clips lose their picture, and how many their sound.
    """
    draw = torch.rand(len(senses)).to(senses.device)
    lost = torch.stack([draw < shares[0], draw >= 1 - shares[1]], dim=1)
    return senses & ~(lost & senses.all(dim=1, keepdim=True))
