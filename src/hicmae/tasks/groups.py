"""Clips that are judged together, such as the pieces of a long recording."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from hicmae.errors import DataError
from hicmae.tasks.parallel import of_all_processes


class Group(NamedTuple):
    """What a group of clips is judged by.

    Attributes:
        name: Name of the group; of a clip without one, that of the clip.
        clips: Number of clips.
        output: Mean of their outputs (O,).
        target: Class index () or mean of their values (K,).
    """

    name: str
    clips: int
    output: Tensor
    target: Tensor


class _Clip(NamedTuple):
    """Plain numbers, which pass between processes far quicker than as many little tensors."""

    group: str | None
    name: str
    output: list[float]
    target: int | list[float]


class GroupedOutputs:
    """Keeps the outputs of clips until a whole set is seen, and merges those of a group.

    A group may be spread over batches and over processes.
    """

    def __init__(self) -> None:
        self._clips: list[_Clip] = []

    def add(
        self, groups: Sequence[str | None], names: Sequence[str], outputs: Tensor, targets: Tensor
    ) -> None:
        """Adds the clips of a batch.

        Args:
            groups: Group of every clip; a clip without one is a group of its own.
            names: Name of every clip.
            outputs: Their outputs (B, O), averaged over views.
            targets: Class indices (B,) or values (B, K).
        """
        rows = zip(groups, names, outputs.tolist(), targets.tolist(), strict=True)
        self._clips += [_Clip(*row) for row in rows]

    def merge(self) -> list[Group]:
        """The groups of all processes, the same and in the same order in each of them.

        Every process has to call this, also one that saw no clip.

        Raises:
            DataError: Clips of a group are of different classes.
        """
        members: dict[tuple[str, bool], list[_Clip]] = {}
        for clip in chain.from_iterable(of_all_processes(self._clips)):
            key = (clip.name, False) if clip.group is None else (clip.group, True)
            members.setdefault(key, []).append(clip)
        return [_merged(name, clips) for (name, _), clips in members.items()]

    def reset(self) -> None:
        """Forgets all clips."""
        self._clips = []


def _merged(name: str, clips: list[_Clip]) -> Group:
    targets = torch.tensor([clip.target for clip in clips])
    if targets.is_floating_point():
        target = targets.mean(0)
    else:
        target = targets[0]
        for clip in clips:
            if clip.target != clips[0].target:
                raise DataError(
                    f"Group {name}: its clips {clips[0].name} and {clip.name} are of different "
                    "classes; give the clips of a group one class, or put them in several groups."
                )
    output = torch.tensor([clip.output for clip in clips]).mean(0)
    return Group(name, len(clips), output, target)
