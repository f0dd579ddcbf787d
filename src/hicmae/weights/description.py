"""What one has to know of a model beside its weights: its shape, what it reads, what it tells."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from torch import nn
from typing_extensions import TypedDict

from hicmae.answers import Reliability
from hicmae.answers.blends import Blends
from hicmae.data.options import InputSettings, TargetKind
from hicmae.errors import CheckpointError, HicmaeError
from hicmae.models import (
    ACTIVATIONS,
    Activation,
    Architecture,
    Modality,
    Pooling,
    RecognitionModel,
    feature_width,
)

ModelKind = Literal["classification", "regression", "pretraining"]

CONFIG = "config.json"
"""Name of the description in the folder of a shared model."""

DESCRIPTION = "description"
"""Key of the description in a Lightning checkpoint; None there is of a model that has none."""

FORMAT = 1  # of the description; raise it when a field changes its meaning

_LATER = ("pooling", "stand_ins", "target_kind", "blends", "reliability")  # than version 0.2

# Far above any model that fits a machine: positions of more tokens would fill its memory before
# anything else could be checked.
_LARGEST = 1 << 16
_MOST_TOKENS = 1 << 16


class TrainingFacts(TypedDict, total=False):
    """What is known of a model's training, for people: plain values, without paths of a machine.

    Attributes:
        source: Name of the file that it was converted from.
        task: Class of the task.
        options: Options of the task, as far as the description does not hold them.
        pretrained: Name of the file that the training started from.
        data: Which clips were learned from: `module` (class of the data module), `corpus`,
            `manifest`, and options of the data module.
        epochs: Epochs behind it.
        steps: Optimiser steps behind it.
        validation: Score that chose the checkpoint, by name.
        test: Scores by name.
        license: Of the weights, as model hubs name it.
    """

    __pydantic_config__ = ConfigDict(extra="allow", strict=True)  # type: ignore[misc]

    source: str
    task: str
    options: dict[str, Any]
    pretrained: str
    data: dict[str, Any]
    epochs: int
    steps: int
    validation: dict[str, float]
    test: dict[str, float]
    license: str


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model without its weights.

    Attributes:
        kind: What its outputs are; a pre-trained model has none.
        outputs: Names of the classes or of the regressed values.
        architecture: Its shape.
        modality: What it reads.
        feature_fusion: Whether features are combined over layers by learnt weights.
        pooling: What a layer's feature is; see `RecognitionModel`.
        stand_ins: Whether a clip may lack its picture or its sound.
        activation: What regressed values go through.
        target_kind: What its classes are to a clip: it is of one, its shares sum to 1, or each may
            be there or not.
        blends: How its shares are told as blends of two; None if they are not.
        inputs: How clips become its input.
        training: What is known of its training.
        reliability: What validation showed of its answers; None if nothing.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    kind: ModelKind
    outputs: tuple[str, ...]
    architecture: Architecture
    modality: Modality = "audio_visual"
    feature_fusion: bool = True
    pooling: Pooling = "mean"
    stand_ins: bool = False
    activation: Activation = "none"
    target_kind: TargetKind = "class"
    blends: Blends | None = None
    inputs: InputSettings = field(default_factory=InputSettings)
    training: TrainingFacts = field(default_factory=TrainingFacts)
    reliability: Reliability | None = None

    def model(self) -> RecognitionModel:
        """A model of this shape, whose weights are as drawn."""
        return RecognitionModel(
            self.architecture,
            len(self.outputs),
            modality=self.modality,
            feature_fusion=self.feature_fusion,
            pooling=self.pooling,
            stand_ins=self.stand_ins,
        )

    def scoring(self) -> nn.Module:
        """What turns outputs of the model (B, O) into probabilities of classes or into values."""
        if self.kind == "classification":
            return nn.Sigmoid() if self.target_kind == "labels" else nn.Softmax(-1)
        return ACTIVATIONS[self.activation]()

    def as_plain(self) -> dict[str, Any]:
        """The description as plain values, which `from_plain` reads."""
        content = {"format": FORMAT, **asdict(self)}
        for option in fields(self):  # without what older versions do not know, where they can
            if option.name in _LATER and content[option.name] == option.default:
                del content[option.name]
        return content

    def as_json(self) -> str:
        """The description as text, which `from_json` reads."""
        return json.dumps(self.as_plain(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path) -> ModelDescription:
        """Reads a description.

        Args:
            text: What `as_json` gave.
            path: Where it is from, for messages.

        Raises:
            CheckpointError: It is not a description, is incomplete or does not fit together.
        """
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(_refusal(path, str(error))) from error
        return cls.from_plain(content, path)

    @classmethod
    def from_plain(cls, content: Any, path: Path) -> ModelDescription:
        """Reads a description; see `from_json`.

        Args:
            content: What `as_plain` gave.
            path: Where it is from, for messages.
        """
        if not isinstance(content, Mapping) or "format" not in content:
            raise CheckpointError(_refusal(path, "it is no table of names and values"))
        if content["format"] != FORMAT:
            raise CheckpointError(
                f"{path} has format {content['format']!r:.40}, this program reads {FORMAT}: update "
                "hicmae, or ask for a file of that format."
            )
        values = {name: value for name, value in content.items() if name != "format"}
        try:
            # Strict as it is, pydantic takes tables for classes in JSON alone.
            description = _ADAPTER.validate_json(json.dumps(values))
        except ValidationError as error:
            raise CheckpointError(_refusal(path, _first_mistake(error))) from error
        except HicmaeError as error:  # sizes that do not fit together
            raise CheckpointError(f"{path}: {error}") from error
        except (TypeError, ValueError, RecursionError) as error:  # no plain values
            raise CheckpointError(_refusal(path, str(error))) from error
        description.check(path)
        return description

    def check(self, path: Path) -> None:
        """Raises if no model of this project can be so, or none that a machine could hold.

        Args:
            path: Where the description is from, for messages.

        Raises:
            CheckpointError: A value is out of range.
        """
        shape = self.architecture
        tokens = max(math.prod(shape.video_grid), math.prod(shape.audio_grid))
        least = {"fusion_depth": 0, "decoder_depth": 0}
        wrong = [
            f"{name} is {size}"
            for settings in (shape, self.inputs)
            for name, size in asdict(settings).items()
            if isinstance(size, int) and not least.get(name, 1) <= size <= _LARGEST
        ]
        if not 0 < shape.mlp_ratio <= _LARGEST:  # not a number is neither
            wrong.append(f"mlp_ratio is {shape.mlp_ratio}")
        if not 0 < self.inputs.crop_pct <= 1:
            wrong.append(f"crop_pct is {self.inputs.crop_pct}")
        if tokens > _MOST_TOKENS:
            wrong.append(f"an input has {tokens} tokens, above {_MOST_TOKENS}")
        if bool(self.outputs) == (self.kind == "pretraining"):
            wrong.append(f"a model of {self.kind} has {len(self.outputs)} outputs")
        alone = self.modality != "audio_visual" or self.pooling != "mean"
        if self.stand_ins and (alone or self.kind == "pretraining"):
            wrong.append(f"nothing can stand in for a stream in a model of {self.modality}")
        if self.blends and (mistake := self.blends.mistake(self.outputs)):
            wrong.append(mistake)
        if len(set(self.outputs)) < len(self.outputs):
            wrong.append("two outputs have the same name")
        features = feature_width(shape.width, self.modality, self.pooling)
        known = self.reliability
        if known and (mistake := known.mistake(len(self.outputs), features)):
            wrong.append(mistake)
        if wrong:
            raise CheckpointError(f"{path} describes no model that can be: {wrong[0]}.")


_ADAPTER = TypeAdapter(ModelDescription)


def reliability_of(content: Any) -> Reliability | None:
    """What a description, as plain values, says of the reliability of answers; None if nothing."""
    if not isinstance(content, Mapping) or content.get("reliability") is None:
        return None
    return ModelDescription.from_plain(content, Path("the checkpoint")).reliability


def _refusal(path: Path, reason: str) -> str:
    return (
        f"{path} holds no description of a HiCMAE model ({reason}): give a checkpoint that "
        "`hicmae fit` wrote or a folder that `hicmae convert` wrote."
    )


def _first_mistake(error: ValidationError) -> str:
    """The first of the mistakes that pydantic found, in words."""
    first = error.errors(include_url=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{name} is missing"
    if first["type"] == "unexpected_keyword_argument":
        return f"there is no {name}"
    wanted = first["msg"].removeprefix("Input should be ")
    return f"{name} is {first['input']!r:.40} and not {wanted}"


def plain(value: Any) -> Any:
    """A value as JSON has it; of a path only the last part is kept."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return PurePath(str(value)).name
