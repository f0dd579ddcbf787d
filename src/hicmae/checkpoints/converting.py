"""What `hicmae convert` does once its options are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hicmae.checkpoints.given import GivenFacts
from hicmae.checkpoints.reading import read_model
from hicmae.checkpoints.scores import read_scores
from hicmae.checkpoints.writing import require_free, target_format, write_model
from hicmae.consoles import plain_console
from hicmae.errors import ConfigError


def convert(
    source: str | Path,
    target: str | Path,
    *,
    overwrite: bool,
    license: str | None,
    metrics: str | Path | None,
    facts: GivenFacts,
) -> None:
    """Turns a model from one format into another; see `hicmae.checkpoints.commands.convert`."""
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
