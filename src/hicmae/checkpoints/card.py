"""The card of a shared model: what a reader has to know before using it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from huggingface_hub import ModelCardData
from torch import Tensor

from hicmae.answers.blends import Blends
from hicmae.data import corpora
from hicmae.data.corpora.base import Corpus
from hicmae.models import feature_width
from hicmae.weights.description import ModelDescription

NO_LICENSE = "other"
"""What hubs call a licence that is none of those they list."""

_TARGET_KINDS = {
    "class": "",
    "distribution": " Their probabilities are shares of a mixture and sum to 1.",
    "labels": " Each has a probability of its own, and is a label from 0.5 on.",
}
_KINDS = {
    "classification": "recognises {count} classes",
    "regression": "estimates {count} values",
    "pretraining": "was pre-trained without labels and gives features; it has no head",
}
_SENSES = {
    "audio_visual": "the face and the voice of a person",
    "video": "the face of a person, without sound",
    "audio": "the voice of a person, without picture",
}
_PARTS = {
    "video_encoder": "video encoder",
    "audio_encoder": "audio encoder",
    "fusion_encoder": "fusion encoder",
    "video_decoder": "video decoder",
    "audio_decoder": "audio decoder",
}

_INTENDED = """\
## Intended use

Research on audio-visual emotion recognition, teaching, and comparison with other models, on
recordings of people who agreed to be analysed.

A score says how much a recording resembles those that annotators or actors labelled so. It is no
measurement of what a person feels: expressions differ between people, situations and cultures, they
can be played or hidden, and annotators disagree. This is not mind reading.

## Misuse and limits

- Not for decisions on people: hiring or judging staff, grading or watching pupils, policing, border
  control, credit, insurance, medical diagnosis or treatment.
- Not for analysing people who do not know of it or did not agree.
- In the European Union, Regulation (EU) 2024/1689 (the AI Act) prohibits systems that infer
  emotions at work and in education, except for medical or safety reasons (Article 5(1)(f)), and
  asks those who use emotion recognition elsewhere to tell the people concerned (Article 50(3)).
  Other law, such as that on biometric and personal data, applies beside it.
- Accuracy differs between groups of people (age, gender, skin colour, language, dialect,
  disability) and with light, camera, microphone and background noise. The training data does not
  represent everyone, and a score says nothing about other groups and recordings: measure on your
  own before drawing conclusions.
"""

_CITATION = """\
## Citation

```bibtex
@article{sun2024hicmae,
  title   = {{HiCMAE}: Hierarchical Contrastive Masked Autoencoder for self-supervised Audio-Visual Emotion Recognition},
  author  = {Sun, Licai and Lian, Zheng and Liu, Bin and Tao, Jianhua},
  journal = {Information Fusion},
  volume  = {108},
  pages   = {102382},
  year    = {2024}
}
```
"""  # noqa: E501 (an entry is copied as it is)


def model_card(description: ModelDescription, weights: Mapping[str, Tensor], digest: str) -> str:
    """The card, as Markdown behind the front matter that model hubs read.

    Args:
        description: The model.
        weights: Its tensors by name.
        digest: SHA-256 of the file of weights, in hexadecimal digits.
    """
    parts = [
        f"---\n{_front_matter(description)}\n---\n",
        _introduction(description),
        _use(description),
        _inputs(description),
        _architecture(description, weights),
        _training(description),
        _scores(description),
        _INTENDED,
        _licence(description),
        f"## Integrity\n\nSHA-256 of `model.safetensors`:\n\n```\n{digest}\n```\n",
        _CITATION,
    ]
    return "\n".join(part for part in parts if part)


def _front_matter(description: ModelDescription) -> str:
    learns = description.kind != "pretraining"
    data = ModelCardData(
        library_name="hicmae",
        license=description.training.get("license", NO_LICENSE),
        pipeline_tag="video-classification" if learns else "feature-extraction",
        tags=[
            "hicmae",
            "emotion-recognition",
            description.modality.replace("_", "-"),
            description.kind,
        ],
    )
    return data.to_yaml()


def _introduction(description: ModelDescription) -> str:
    does = _KINDS[description.kind].format(count=len(description.outputs))
    text = (
        f"# HiCMAE: {_title(description)}\n\n"
        f"This model reads {_SENSES[description.modality]} and {does}. It is a hierarchical "
        "contrastive masked autoencoder (HiCMAE) for audio-visual emotion recognition.\n"
    )
    if description.kind == "classification":
        text += f"\nClasses, in this order: {_listed(description.outputs)}."
        text += _TARGET_KINDS[description.target_kind] + "\n"
        if description.blends:
            text += f"\n{_blending(description.blends)}\n"
    elif description.kind == "regression":
        text += f"\nValues, in this order: {_listed(description.outputs)}"
        through = description.activation
        text += f", through {through}.\n" if through != "none" else ".\n"
    return text


def _blending(blends: Blends) -> str:
    presence, salience = blends.thresholds
    return (
        f"Of {_listed(blends.classes)}, two may be named as a blend: where the second largest "
        f"share is {presence:g} or more, in equal parts if the two differ by {salience:g} or less, "
        "else as 70 and 30 percent."
    )


def _title(description: ModelDescription) -> str:
    corpus = _corpus(description)
    name = f", {corpus.name}" if corpus else ""
    return {
        "classification": f"emotion classes{name}",
        "regression": f"emotion dimensions{name}",
        "pretraining": f"pre-trained{name}",
    }[description.kind]


def _use(description: ModelDescription) -> str:
    learns = description.kind != "pretraining"
    call = (
        'print(recognizer.recognize("clip.mp4").scores)'
        if learns
        else 'features = recognizer.embed("clip.mp4")'
    )
    command = (
        "hicmae recognize clip.mp4 --checkpoint MODEL"
        if learns
        else "hicmae embed clip.mp4 --checkpoint MODEL --output features.npz"
    )
    return (
        "## How to use\n\n"
        "MODEL is the folder of this file, or its name on a model hub.\n\n"
        "```python\n"
        "from hicmae import EmotionRecognizer\n"
        'recognizer = EmotionRecognizer.from_pretrained("MODEL")\n'
        f"{call}\n"
        "```\n\n"
        f"```bash\n{command}\n```\n\n"
        "It starts further training with `hicmae fit --config CONFIG --model.pretrained MODEL`, "
        "MODEL being a folder.\n"
    )


def _inputs(description: ModelDescription) -> str:
    shape, inputs = description.architecture, description.inputs
    lines = ["## Inputs and outputs\n"]
    if description.modality != "audio":
        kept = "" if inputs.crop_pct == 1 else f", of which the central {inputs.crop_pct:.2%}"
        lines.append(
            f"- Video: {shape.num_frames} frames, each {inputs.stride} frames after the one "
            f"before, of one face, {shape.image_size} × {shape.image_size} pixels (decoded to "
            f"{inputs.frame_size} × {inputs.frame_size}{kept})."
        )
    if description.modality != "video":
        lines.append(
            f"- Sound: {shape.audio_frames / 100:.2f} s at 16 kHz as a log-mel spectrogram of "
            f"{shape.audio_frames} × {shape.mel_bins}."
        )
    if description.stand_ins:
        lines.append("- Either may be missing: the model has learnt to do without one of the two.")
    width = feature_width(shape.width, description.modality, description.pooling)
    gives = {
        "classification": f"{len(description.outputs)} probabilities",
        "regression": f"{len(description.outputs)} values",
        "pretraining": "no emotion",
    }[description.kind]
    lines.append(f"- Output: {gives}; as features, {width} numbers.")
    return "\n".join(lines) + "\n"


def _architecture(description: ModelDescription, weights: Mapping[str, Tensor]) -> str:
    shape = description.architecture
    sizes = dict.fromkeys([*_PARTS.values(), "head"], 0)
    for name, tensor in weights.items():
        sizes[_PARTS.get(name.split(".")[0], "head")] += tensor.numel()
    rows = [(part, f"{count:,}") for part, count in sizes.items() if count]
    rows.append(("all", f"{sum(sizes.values()):,}"))
    facts = [
        ("width, heads", f"{shape.width}, {shape.heads}"),
        ("layers of each encoder", f"{shape.depth}"),
    ]
    if description.modality == "audio_visual" and description.pooling == "mean":
        order = shape.fusion_order.replace("_", " ")
        facts.append(("layers of the fusion encoder", f"{shape.fusion_depth} ({order})"))
    if description.pooling == "statistics":
        facts.append(("feature of a layer", "mean of its tokens, and their deviation over time"))
    facts.append(("hidden width of MLPs", f"{int(shape.width * shape.mlp_ratio)}"))
    if description.modality != "audio":
        facts.append(
            ("video token", f"{shape.tubelet_size} × {shape.patch_size} × {shape.patch_size}")
        )
    if description.modality != "video":
        facts.append(("audio token", f"{shape.patch_size} × {shape.patch_size}"))
    if sizes["video decoder"]:
        facts += [
            ("decoders: width, heads", f"{shape.decoder_width}, {shape.decoder_heads}"),
            ("decoders: layers", f"{shape.decoder_depth}"),
            ("layers that feed the decoders", _listed(shape.skip_layers) or "none"),
            ("layers contrasted", _listed(shape.contrast_layers) or "none"),
        ]
    types = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in weights.values()})
    facts.append(("numbers", ", ".join(types)))
    return (
        "## Architecture\n\n"
        + _table(("architecture", ""), facts)
        + "\n"
        + _table(("part", "parameters"), rows)
    )


def _training(description: ModelDescription) -> str:
    facts = description.training
    data = facts.get("data", {})
    corpus = _corpus(description)
    lines = ["## Training\n"]
    if corpus is not None:
        lines.append(f"- Data: {corpus.name}. Its licence and access: {corpus.licence}.")
        lines.append(f"- Its citation: {corpus.citation}.")
    elif data:
        table = f" of the table {data['manifest']}" if "manifest" in data else ""
        lines.append(f"- Data: clips{table}; corpus, licence and speakers are not recorded here.")
    else:
        lines.append("- Data: not recorded in the checkpoint that this model was converted from.")
    chosen = {n: v for n, v in data.items() if n not in {"module", "corpus", "manifest"}}
    if chosen:
        lines.append(f"- Which clips: {_pairs(chosen)}.")
    if "pretrained" in facts:
        lines.append(f"- It started from pre-trained weights: {facts['pretrained']}.")
    length = [f"{facts[unit]} {unit}" for unit in ("epochs", "steps") if unit in facts]
    if length:
        lines.append(f"- Length: {', '.join(length)}.")
    if facts.get("options"):
        lines.append(f"- Options: {_pairs(facts['options'])}.")
    if "source" in facts:
        lines.append(f"- Converted from {facts['source']}, in the format of the public code.")
    return "\n".join(lines) + "\n"


def _scores(description: ModelDescription) -> str:
    if description.kind == "pretraining":
        return ""
    facts = description.training
    found = [
        (f"{name} ({words})", f"{score:.4f}")
        for scores, words in (
            (facts.get("test", {}), "test"),
            (facts.get("validation", {}), "validation, chose the checkpoint"),
        )
        for name, score in scores.items()
    ]
    if not found:
        return "## Scores\n\nNone are recorded: measure with `hicmae test` before relying on it.\n"
    return (
        "## Scores\n\n"
        + _table(("score", "value"), found)
        + "\nOf one run on one split. WAR is the accuracy, UAR the recall averaged over classes, "
        "CCC concordance, PCC correlation.\n"
    )


def _licence(description: ModelDescription) -> str:
    license = description.training.get("license")
    corpus = _corpus(description)
    text = "## Licence\n\n"
    if license is None:
        text += (
            "No licence is stated for these weights: ask whoever shares them what you may do. "
            "(`hicmae convert --license` states one.) "
        )
    else:
        text += f"The weights: {license}. "
    text += "The terms of the training data may bind what is made from it"
    return text + (f" ({corpus.name}: {corpus.licence}).\n" if corpus else ".\n")


def _corpus(description: ModelDescription) -> type[Corpus] | None:
    """The corpus that a model was trained with, where it is one of this project's."""
    name = description.training.get("data", {}).get("corpus")
    for found in pkgutil.iter_modules(corpora.__path__):
        importlib.import_module(f"{corpora.__name__}.{found.name}")
    return next((corpus for corpus in Corpus.__subclasses__() if corpus.name == name), None)


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in values)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} {_listed(value) if isinstance(value, list) else value}"
        for name, value in sorted(values.items())
    )


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [head, ("---", "---:"), *rows]
    return "\n".join(f"| {left} | {right} |" for left, right in lines) + "\n"
