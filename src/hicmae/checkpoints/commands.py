"""The command `hicmae convert`: models from one format to another, tensor by tensor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hicmae.checkpoints.guessing import GivenFacts
from hicmae.checkpoints.reading import read_model
from hicmae.checkpoints.scores import read_scores
from hicmae.checkpoints.writing import require_free, target_format, write_model
from hicmae.consoles import plain_console
from hicmae.errors import ConfigError

_PUBLISHED = GivenFacts()


def convert(
    source: str | Path,
    target: str | Path,
    *,
    overwrite: bool = False,
    license: str | None = None,
    metrics: str | Path | None = None,
    facts: GivenFacts = _PUBLISHED,
) -> None:
    """Turns a model from one format into another; weights stay the same bit by bit.

    The target's name says its format:

      FOLDER      model.safetensors, config.json and a card README.md: to share, to use everywhere
      FILE.ckpt   a Lightning checkpoint, for hicmae test --ckpt_path
      FILE.pth    the format of the authors' public implementation: tensors alone

      hicmae convert RUN/checkpoints/best.ckpt my-model --license cc-by-nc-4.0
      hicmae convert my-model model.pth
      hicmae convert pretrained.pth my-pretrained
      hicmae convert finetuned.pth my-model --classes anger disgust fear joy neutral sadness

    A file of the public implementation does not say everything of its model. What the shapes of its
    tensors leave open are the options below; left out, they have the published values. The classes
    have to be named, in the order of the rows of the head.

    Args:
        source: Checkpoint file, or folder of a shared model.
        target: FOLDER, FILE.ckpt or FILE.pth to write.
        overwrite: Replace a model that is there already.
        license: Licence of the weights, as model hubs name it: cc-by-nc-4.0.
        metrics: test_metrics.json of this model; that of its run folder is found without.
        facts: What the shapes of tensors do not tell.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    form = target_format(str(target))
    if form == "public":
        for name, value in (("license", license), ("metrics", metrics)):
            if value is not None:
                raise ConfigError(
                    f"--{name} has no place in {target}, which keeps tensors alone: leave it out, "
                    "or name a folder."
                )
    require_free(Path(target), overwrite=overwrite)
    model = read_model(Path(source), facts)
    training = model.description.training.copy()
    if metrics is not None:
        training["test"] = read_scores(Path(metrics))
    if license is not None:
        training["license"] = license
    model = replace(model, description=replace(model.description, training=training))
    write_model(model, Path(target), form, overwrite=overwrite)
    count = sum(tensor.numel() for tensor in model.weights.values())
    names = {"folder": "a model folder", "lightning": "a Lightning checkpoint"}
    plain_console().print(
        f"{source} is now {names.get(form, 'in the public format')}: {target} "
        f"({model.description.kind}, {len(model.weights)} tensors, {count / 1e6:.2f} M parameters)",
        soft_wrap=True,
    )
    if form == "public":
        plain_console().print(
            "It keeps tensors alone: whoever converts it back names outputs, heads and sizes of "
            "the input again.",
            soft_wrap=True,
        )
