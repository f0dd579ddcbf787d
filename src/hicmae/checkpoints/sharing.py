"""The folder of a shared model: weights, description and card."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from hicmae.checkpoints.card import model_card
from hicmae.errors import CheckpointError
from hicmae.files import whole_file
from hicmae.weights.description import CONFIG, ModelDescription
from hicmae.weights.reading import WEIGHTS

CARD = "README.md"
"""Name of the card in the folder of a shared model."""

FILES = (WEIGHTS, CONFIG, CARD)


def write_folder(
    folder: Path,
    description: ModelDescription,
    weights: Mapping[str, Tensor],
    *,
    overwrite: bool = False,
) -> None:
    """Writes weights, description and card; other files in the folder stay.

    No file takes its name before all three are on the disk.

    Args:
        folder: Where to; it is made.
        description: What `config.json` and the card say.
        weights: Tensors by our names; they are written bit by bit.
        overwrite: Whether files of a model that lies there are replaced.

    Raises:
        CheckpointError: The path is a file, or holds a model that is not to be replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file: name a folder to write the model to.")
    there = [name for name in FILES if (folder / name).exists()]
    if there and not overwrite:
        raise CheckpointError(
            f"{folder} holds {' and '.join(there)} already: name another folder, or replace "
            "them with --overwrite."
        )
    with ExitStack() as files:
        parts = {name: files.enter_context(whole_file(folder / name)) for name in FILES}
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        content = save(whole, metadata={"format": "pt"})
        parts[WEIGHTS].write_bytes(content)
        parts[CONFIG].write_text(description.as_json(), encoding="utf-8")
        card = model_card(description, whole, hashlib.sha256(content).hexdigest())
        parts[CARD].write_text(card, encoding="utf-8")
