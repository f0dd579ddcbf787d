"""What one has to know of a model beside its weights: its shape, what it reads, what it tells."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from torch import nn

from hicmae.checkpoints.facts import facts_amiss, facts_of_run
from hicmae.data.options import InputSettings
from hicmae.errors import CheckpointError, HicmaeError
from hicmae.models import ACTIVATIONS, Activation, Architecture, Modality, Size, named_changes

ModelKind = Literal["classification", "regression", "pretraining"]

CONFIG = "config.json"
"""Name of the description in the folder of a shared model."""

FORMAT = 1  # of the description; raise it when a field changes its meaning

# Far above any model that fits a machine: positions of more tokens would fill its memory before
# anything else could be checked.
_LARGEST = 1 << 16
_MOST_TOKENS = 1 << 16

Settings = TypeVar("Settings")


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """A model without its weights.

    Attributes:
        kind: What its outputs are; a pre-trained model has none.
        outputs: Names of the classes or of the regressed values.
        architecture: Its shape.
        modality: What it reads.
        feature_fusion: Whether features are combined over layers by learnt weights.
        activation: What regressed values go through.
        inputs: How clips become its input.
        training: What is known of its training, for people: plain values by name.
    """

    kind: ModelKind
    outputs: tuple[str, ...]
    architecture: Architecture
    modality: Modality = "audio_visual"
    feature_fusion: bool = True
    activation: Activation = "none"
    inputs: InputSettings = field(default_factory=InputSettings)
    training: Mapping[str, Any] = field(default_factory=dict)

    def scoring(self) -> nn.Module:
        """What turns outputs of the model (B, O) into probabilities of classes or into values."""
        if self.kind == "classification":
            return nn.Softmax(-1)
        return ACTIVATIONS[self.activation]()

    def as_json(self) -> str:
        """The description as text, which `from_json` reads."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

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
            description = cls._of_content(json.loads(text), path)
        except CheckpointError:
            raise
        except HicmaeError as error:  # sizes that do not fit together
            raise CheckpointError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise CheckpointError(
                f"{path} is no description of a HiCMAE model ({type(error).__name__}: {error}): it "
                f"belongs beside the weights of a folder that `hicmae convert` wrote."
            ) from error
        description.check(path)
        return description

    @classmethod
    def _of_content(cls, content: Any, path: Path) -> ModelDescription:
        if not isinstance(content, dict):
            raise TypeError("it is no table of names and values")
        if content["format"] != FORMAT:
            raise CheckpointError(
                f"{path} has format {content['format']}, this program reads {FORMAT}: update "
                "hicmae, or ask for a file of that format."
            )
        if not isinstance(content["outputs"], list):
            raise TypeError("outputs is no list")
        return cls(
            kind=_one_of(content["kind"], get_args(ModelKind)),
            outputs=tuple(_typed("outputs", name, str) for name in content["outputs"]),
            architecture=_settings(Architecture, content["architecture"]),
            modality=_one_of(content["modality"], get_args(Modality)),
            feature_fusion=_typed("feature_fusion", content["feature_fusion"], bool),
            activation=_one_of(content["activation"], get_args(Activation)),
            inputs=_settings(InputSettings, content["inputs"]),
            training=dict(content["training"]),
        )

    def check(self, path: Path) -> None:
        """Raises if no model of this project can be so, or none that a machine could hold.

        Args:
            path: Where the description is from, for messages.

        Raises:
            CheckpointError: A value is out of range.
        """
        shape = self.architecture
        tokens = max(math.prod(shape.video_grid), math.prod(shape.audio_grid))
        sizes = {
            item.name: getattr(settings, item.name)
            for settings in (shape, self.inputs)
            for item in fields(settings)
            if item.type == "int"
        }
        least = {"fusion_depth": 0, "decoder_depth": 0}
        wrong = [
            f"{name} is {size}"
            for name, size in sizes.items()
            if not least.get(name, 1) <= size <= _LARGEST
        ]
        if not 0 < shape.mlp_ratio <= _LARGEST:  # not a number is neither
            wrong.append(f"mlp_ratio is {shape.mlp_ratio}")
        if not 0 < self.inputs.crop_pct <= 1:
            wrong.append(f"crop_pct is {self.inputs.crop_pct}")
        if tokens > _MOST_TOKENS:
            wrong.append(f"an input has {tokens} tokens, above {_MOST_TOKENS}")
        if bool(self.outputs) == (self.kind == "pretraining"):
            wrong.append(f"a model of {self.kind} has {len(self.outputs)} outputs")
        if len(set(self.outputs)) < len(self.outputs):
            wrong.append("two outputs have the same name")
        wrong += facts_amiss(self.training)
        if wrong:
            raise CheckpointError(f"{path} describes no model that can be: {wrong[0]}.")

    @classmethod
    def of_run(cls, checkpoint: Mapping[str, Any], path: Path) -> ModelDescription:
        """Describes the model of a training run by what its Lightning checkpoint keeps.

        Args:
            checkpoint: Content of the file.
            path: Where it is from, for messages.

        Raises:
            CheckpointError: The checkpoint keeps no options of a task of this project.
        """
        task = checkpoint.get("hyper_parameters")
        if not isinstance(task, Mapping):
            raise CheckpointError(
                f"{path} does not say what model it is of: give a checkpoint that `hicmae fit` "
                "wrote, or convert the file with `hicmae convert`."
            )
        if "neighbours" in task:
            raise CheckpointError(
                f"{path} holds the neighbours of a probe and no trained head: give a checkpoint of "
                "classification, regression or pre-training."
            )
        try:
            description = cls._of_options(task, checkpoint)
        except HicmaeError as error:  # sizes that do not fit together
            raise CheckpointError(f"{path}: {error}") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"{path} does not say what model it is of ({type(error).__name__}: {error}): give "
                "a checkpoint that `hicmae fit` or `hicmae convert` wrote."
            ) from error
        description.check(path)
        return description

    @classmethod
    def _of_options(
        cls, task: Mapping[str, Any], checkpoint: Mapping[str, Any]
    ) -> ModelDescription:
        """The description that the options of a task and of its data make."""
        classes, targets = task.get("class_names"), task.get("target_names")
        kind: ModelKind = (
            "classification" if classes else "regression" if targets else "pretraining"
        )
        size: Size = task.get("size", "base")
        named = ("skip_layers", "contrast_layers", "fusion_depth", "fusion_order")
        changes = named_changes(
            task.get("architecture"), **{name: task.get(name) for name in named}
        )
        data = checkpoint.get("datamodule_hyper_parameters") or {}
        inputs = {item.name: data[item.name] for item in fields(InputSettings) if item.name in data}
        return cls(
            kind=kind,
            outputs=tuple(str(name) for name in classes or targets or ()),
            architecture=_settings(Architecture, asdict(Architecture.of_size(size, **changes))),
            modality=_one_of(task.get("modality", "audio_visual"), get_args(Modality)),
            feature_fusion=_typed("feature_fusion", task.get("feature_fusion", True), bool),
            activation=_one_of(task.get("activation", "none"), get_args(Activation)),
            inputs=_settings(InputSettings, inputs),
            training=facts_of_run(checkpoint),
        )


def _settings(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Builds a class of plain settings, every one of the type that it is to have."""
    types = get_type_hints(kind)
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise ValueError(f"there is no {unknown[0]}")
    return kind(**{name: _typed(name, value, types[name]) for name, value in values.items()})


def _typed(name: str, value: Any, wanted: Any) -> Any:
    if get_origin(wanted) is tuple:
        return tuple(_typed(name, layer, int) for layer in value)
    if get_origin(wanted) is Literal:
        return _one_of(value, get_args(wanted))
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise TypeError(f"{name} is {value!r:.40} and no {wanted.__name__}")
    return value


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise ValueError(f"{value!r:.40} is none of {', '.join(map(str, choices))}")
    return value
