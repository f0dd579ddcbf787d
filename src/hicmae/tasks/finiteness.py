"""Whether losses are finite, asked of an accelerator without waiting for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor

from hicmae.errors import HicmaeError
from hicmae.tasks.parallel import of_all_processes, summed_over_processes


@dataclass(frozen=True)
class _Step:
    """A step whose loss was asked for.

    Attributes:
        broken: Whether the loss is not finite, here and on how many processes (2), on its way to
            the host.
        arrived: What tells that it is there; None if it is.
        place: Epoch and step.
        clips: Names of this process' clips.
    """

    broken: Tensor
    arrived: torch.cuda.Event | None
    place: str
    clips: Sequence[str]


class LossWatch:
    """Stops all processes if the loss of one of them is not finite.

    On a processor that is before the loss reaches the weights. To look at a loss on an accelerator
    is to wait until it is computed, while nothing further is made ready for it. There the answer is
    looked at a step later, when it has long arrived; until then the weights may be broken, so that
    whoever keeps them has to ask first (`settle`).

    Args:
        late: Whether to look a step later; None where the loss is on a CUDA card.
    """

    def __init__(self, *, late: bool | None = None) -> None:
        self._late = late
        self._waiting: _Step | None = None
        self._refusal: str | None = None

    def ask(self, loss: Tensor, place: str, clips: Sequence[str]) -> None:
        """Asks for a loss; all processes have to.

        Args:
            loss: The loss, a number.
            place: Epoch and step, for the message.
            clips: Names of this process' clips.

        Raises:
            HicmaeError: A loss was not finite: this one, or, where answers come late, one before.
        """
        self.settle()
        here = (~loss.detach().isfinite()).float()
        broken = torch.stack([here, summed_over_processes(here)])
        arrived = None
        if broken.is_cuda:
            broken = broken.to("cpu", non_blocking=True)
            arrived = torch.cuda.Event()
            arrived.record()
        self._waiting = _Step(broken, arrived, place, clips)
        late = loss.is_cuda if self._late is None else self._late
        if not late:
            try:
                self.settle()
            finally:  # the loss went no further
                self.forget()

    def settle(self) -> None:
        """Takes the answer that is still out; all processes have to, since they stop together.

        Raises:
            HicmaeError: A loss was not finite; names the step and the clips. Asked again it says so
                again.
        """
        step, self._waiting = self._waiting, None
        if step is not None:
            if step.arrived is not None:
                step.arrived.synchronize()
            here, anywhere = step.broken.tolist()
            if anywhere:
                self._refusal = _refusal(step.place, of_all_processes(step.clips if here else []))
        if self._refusal is not None:
            raise HicmaeError(self._refusal)

    def forget(self) -> None:
        """Begins anew, with weights that no loss so far has changed."""
        self._waiting = self._refusal = None


def _refusal(place: str, clips: Sequence[Sequence[str]]) -> str:
    names = ", ".join(chain.from_iterable(clips))
    return (
        f"The loss is not finite in {place}, on the clips {names}: "
        "lower --model.learning_rate, train with --trainer.precision bf16-mixed or 32-true, clip "
        "gradients with --trainer.gradient_clip_val, or take out a clip that cannot be learned "
        "from."
    )
