"""What one has to know of a model beside its weights: its shape, what it reads, what it tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from hicmae.errors import CheckpointError, HicmaeError
from hicmae.models import Architecture, Modality, Size, named_changes

Kind = Literal["classification", "regression", "pretraining"]
Activation = Literal["none", "sigmoid", "relu", "tanh"]

CONFIG = "config.json"
"""Name of the description in the folder of a shared model."""

FORMAT = 1  # of the description; raise it when a field changes its meaning


@dataclass(frozen=True, slots=True)
class InputSettings:
    """How clips become a model's input, beside what its architecture says.

    Attributes:
        stride: Distance between the frames of a window, in frames of the clip.
        frame_size: Side in pixels to which the square picture is decoded.
        crop_pct: Central part of that side which is kept, in (0, 1].
    """

    stride: int = 4
    frame_size: int = 160
    crop_pct: float = 1.0


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

    kind: Kind
    outputs: tuple[str, ...]
    architecture: Architecture
    modality: Modality = "audio_visual"
    feature_fusion: bool = True
    activation: Activation = "none"
    inputs: InputSettings = field(default_factory=InputSettings)
    training: Mapping[str, Any] = field(default_factory=dict)

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
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise CheckpointError(
                    f"{path} has format {content['format']}, this program reads {FORMAT}: update "
                    "hicmae, or ask for a file of that format."
                )
            architecture = content["architecture"]
            for name in ("skip_layers", "contrast_layers"):
                architecture[name] = tuple(architecture[name])
            return cls(
                kind=_one_of(content["kind"], get_args(Kind)),
                outputs=tuple(str(name) for name in content["outputs"]),
                architecture=Architecture(**architecture),
                modality=_one_of(content["modality"], get_args(Modality)),
                feature_fusion=bool(content["feature_fusion"]),
                activation=_one_of(content["activation"], get_args(Activation)),
                inputs=InputSettings(**content["inputs"]),
                training=dict(content["training"]),
            )
        except HicmaeError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"{path} is no description of a HiCMAE model ({type(error).__name__}: {error}): it "
                f"belongs beside the weights of a folder that `hicmae convert` wrote."
            ) from error

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
        classes, targets = task.get("class_names"), task.get("target_names")
        kind: Kind = "classification" if classes else "regression" if targets else "pretraining"
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
            architecture=Architecture.of_size(size, **changes),
            modality=task.get("modality", "audio_visual"),
            feature_fusion=task.get("feature_fusion", True),
            activation=task.get("activation", "none"),
            inputs=InputSettings(**inputs),
        )


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise ValueError(f"{value!r} is none of {', '.join(map(str, choices))}")
    return value
