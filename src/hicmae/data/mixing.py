"""Mixup and cutmix of the clips of a batch, with their classes."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from hicmae.data.batches import Batch, MixedTarget
from hicmae.errors import ConfigError

UNMIXABLE = (
    "mixup and cutmix mix classes, and the clips have {}: set mixup and cutmix of "
    "data.augmentation to 0."
)


class Mixing(nn.Module):
    """Mixes the clips of a batch with each other by mixup or cutmix, drawn anew for every batch.

    Mixup adds two clips up with the weights λ and 1 − λ. Cutmix replaces a box of the picture, the
    same in all frames, by that of another clip; λ is the share of the picture that remains.
    The target is mixed with the same λ. So is the spectrogram under "both", added up in either
    case: a box has no meaning in it, and the sum keeps λ exact where a span of time would round it.
    Under "video" the sound of the first clip remains, as in the reference implementation, which a
    recogniser of sound alone would be taught wrong classes by.

    A mixed clip is seen if one of the two is, and likewise heard.

    A batch of fewer than two clips stays as it is. Odd batches mix like even ones.

    Args:
        mixup: Both parameters of the Beta distribution of λ for mixup; 0 is no mixup.
        cutmix: The same for cutmix.
        probability: Probability of a batch to be mixed.
        switch: Probability of cutmix where both are on.
        mix: Whether "both" modalities are mixed or the "video" alone.
    """

    def __init__(
        self,
        *,
        mixup: float,
        cutmix: float,
        probability: float = 1.0,
        switch: float = 0.5,
        mix: Literal["both", "video"] = "both",
    ) -> None:
        super().__init__()
        if min(mixup, cutmix) < 0 or not max(mixup, cutmix):
            raise ConfigError(
                f"mixup is {mixup} and cutmix is {cutmix}; give numbers from 0 (off), one above 0."
            )
        if not (0 <= probability <= 1 and 0 <= switch <= 1):
            raise ConfigError(
                f"mix_probability is {probability} and mix_switch is {switch}; give numbers in "
                "[0, 1]."
            )
        if mix not in {"both", "video"}:
            raise ConfigError(f"mix is {mix!r}; choose both or video.")
        self.mixup: Any = v2.MixUp(alpha=mixup) if mixup else None
        self.cutmix: Any = v2.CutMix(alpha=cutmix) if cutmix else None
        self.probability = probability
        self.switch = switch
        self.mix = mix

    def forward(self, batch: Batch) -> Batch:
        """Mixes a batch.

        Args:
            batch: `video` (B, V, 3, T, S, S), `audio` (B, V, 1, F, M) and `target`, int64 (B,)
                or float32 (B, K), with whatever else.

        Returns:
            A new batch with mixed `video`, which is written to, `audio` and a `MixedTarget`, or the
            same batch where nothing is mixed.

        Raises:
            ConfigError: There are no labels.
        """
        target = batch.get("target")
        if not isinstance(target, Tensor):
            raise ConfigError(UNMIXABLE.format("no labels"))
        if len(target) < 2 or torch.rand(()) >= self.probability:
            return batch
        video, audio = batch["video"], batch["audio"]
        if self._cuts():
            frame = torch.empty(3, *video.shape[-2:], device="meta")
            drawn = self.cutmix.make_params([frame])
            left, top, right, bottom = drawn["box"]
            share = drawn["lam_adjusted"]
            _take_from_neighbours(video[..., top:bottom, left:right], 1.0)
        else:
            share = self.mixup.make_params([])["lam"]
            _take_from_neighbours(video, 1 - share)
        own = torch.eye(len(target), device=target.device)
        shares = own.lerp(own.roll(1, 0), 1 - share)
        if self.mix == "both":
            audio = (shares.to(audio) @ audio.flatten(1)).view_as(audio)
        mixed: Batch = {**batch, "audio": audio, "target": MixedTarget(target, shares)}
        if "senses" in batch:
            neighbours = batch["senses"].roll(1, 0)
            if self.mix == "video":
                neighbours[:, 1] = False
            mixed["senses"] = batch["senses"] | neighbours
        return mixed

    def _cuts(self) -> bool:
        """Whether it is cutmix this time."""
        if self.mixup is None or self.cutmix is None:
            return self.mixup is None
        return bool(torch.rand(()) < self.switch)


def _take_from_neighbours(clips: Tensor, share: float) -> None:
    """Gives each of the clips (B, ...) a share of the one before it, in place."""
    if clips.device.type != "cpu":
        clips.lerp_(clips.roll(1, 0), share)
        return
    # Another batch of fresh memory would take longer than the mixing.
    last = clips[-1].clone()
    for place in range(len(clips) - 1, 0, -1):
        clips[place].lerp_(clips[place - 1], share)
    clips[0].lerp_(last, share)
