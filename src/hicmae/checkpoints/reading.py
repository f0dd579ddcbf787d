"""Models of any of the formats, described, with all their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from hicmae.checkpoints.given import GivenFacts
from hicmae.checkpoints.guessing import describe
from hicmae.checkpoints.models import described_weights, describes_itself
from hicmae.checkpoints.scores import scores_of_run
from hicmae.checkpoints.shapes import check_match, shape_facts
from hicmae.errors import ConfigError
from hicmae.weights.description import ModelDescription, TrainingFacts
from hicmae.weights.reading import (
    flat_embeddings,
    is_safetensors,
    ours_by_name,
    raw_weights,
    read_safetensors,
    read_torch,
)
from hicmae.weights.runs import checkpoint_of


@dataclass(frozen=True)
class Model:
    """A model as files hold it.

    Attributes:
        description: What it is.
        weights: All its tensors by our names, with decoders if there are any.
    """

    description: ModelDescription
    weights: Mapping[str, Tensor]

    @property
    def has_decoders(self) -> bool:
        """Whether it is a pre-trained model that can reconstruct."""
        return any(name.startswith("video_decoder.") for name in self.weights)


def read_model(source: Path, given: GivenFacts | None = None) -> Model:
    """Reads a model of any of the formats.

    Args:
        source: A Lightning checkpoint, the folder of a run, a file of the public implementation, a
            file of tensors, or the folder of a shared model.
        given: What a file does not tell that describes nothing; of others there must be nothing.

    Raises:
        HicmaeError: The file is not readable, does not fit together, or an option is missing,
            superfluous or contradicts it.
    """
    given = given or GivenFacts()
    source = checkpoint_of(source)
    torch_file = not source.is_dir() and not is_safetensors(source)
    content: Any = read_torch(source) if torch_file else None
    if describes_itself(source, content):
        if given.options:
            raise ConfigError(
                f"--{next(iter(given.options))} is for files that do not describe their model; "
                f"{source} does: leave it out."
            )
        description, weights = described_weights(source, content)
        facts = description.training.copy()
        if content:
            facts.update(scores_of_run(source, content))
    else:
        content = content if torch_file else read_safetensors(source)
        unflattened = ours_by_name(raw_weights(content, source), source)
        description = describe(shape_facts(unflattened, source), given, source)
        weights = flat_embeddings(unflattened)
        facts = TrainingFacts(source=source.name)
        if torch_file and isinstance(content.get("epoch"), int):
            facts["epochs"] = content["epoch"] + 1  # the public implementation counts from 0
    description = replace(description, training=facts)
    model = Model(description, weights)
    check_match(description, weights, source, decoders=model.has_decoders)
    return model
