"""Which clips are seen and which are heard."""

from __future__ import annotations

import torch
from torch import Tensor

from hicmae.data.batches import Batch
from hicmae.errors import ConfigError, DataError
from hicmae.models import RecognitionModel


def senses_for(model: RecognitionModel, batch: Batch) -> Tensor | None:
    """What a model has to be told of the senses of a batch, bool (B, 2).

    Args:
        model: The model.
        batch: Preprocessed clips; without `senses` they are seen and heard.

    Returns:
        None for a model that reads the same of every clip.

    Raises:
        DataError: A clip lacks what such a model reads.
    """
    if not model.stand_ins:
        require(batch, seen=model.modality != "audio", heard=model.modality != "video")
        return None
    everything = torch.ones(len(batch["id"]), 2, dtype=torch.bool, device=batch["video"].device)
    return batch.get("senses", everything)


def require(batch: Batch, *, seen: bool = True, heard: bool = True) -> None:
    """Refuses clips that lack what is read.

    Raises:
        DataError: A clip does.
    """
    if "senses" not in batch:
        return
    lacks = ~batch["senses"].cpu() & torch.tensor([seen, heard])
    if lacks.any():
        clip, sense = lacks.nonzero()[0].tolist()
        raise DataError(
            f"Clip {batch['id'][clip]} has no {('picture', 'sound')[sense]}, which this model "
            "reads: fine-tune one that can do without by --model.modality_dropout, or leave out "
            "--data.senses."
        )


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
