"""The command `hicmae convert`: models from one format to another, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

from hicmae.checkpoints.given import GivenFacts
from hicmae.imports import quick_imports

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
    with quick_imports():  # within, so that help comes at once
        from hicmae.checkpoints import converting  # noqa: PLC0415

    converting.convert(
        source, target, overwrite=overwrite, license=license, metrics=metrics, facts=facts
    )
