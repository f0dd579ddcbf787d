"""Mixup and cutmix of the clips of a batch, with their classes."""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from hicmae.data.batches import Batch, MixedTarget
from hicmae.errors import ConfigError


class Mixing(nn.Module):
    """Mixes the clips of a batch with each other by mixup or cutmix, drawn anew for every batch.

    Mixup adds two clips up with the weights λ and 1 − λ. Cutmix replaces a box of the picture, the
    same in all frames, by that of another clip; λ is the share of the picture that remains.
    The target is mixed with the same λ. So is the spectrogram under "both", added up in either
    case: a box has no meaning in it, and the sum keeps λ exact where a span of time would round it.
    Under "video" the sound of the first clip remains, as in the reference implementation, which a
    recogniser of sound alone would be taught wrong classes by.

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
        self.mixup = v2.MixUp(alpha=mixup) if mixup else None
        self.cutmix = v2.CutMix(alpha=cutmix) if cutmix else None
        self.probability = probability
        self.switch = switch
        self.mix = mix

    def forward(self, batch: Batch) -> Batch:
        """Mixes a batch.

        Args:
            batch: `video` (B, V, 3, T, S, S), `audio` (B, V, 1, F, M) and `target`, int64 (B,),
                with whatever else.

        Returns:
            A new batch with mixed `video` and `audio` and a `MixedTarget`, or the same batch where
            nothing is mixed.

        Raises:
            ConfigError: The targets are no classes.
        """
        target = batch.get("target")
        if not isinstance(target, Tensor) or target.is_floating_point():
            raise ConfigError(
                "mixup and cutmix mix classes, and the clips have "
                f"{'no labels' if target is None else 'numbers to regress'}: set mixup and cutmix "
                "of data.augmentation to 0."
            )
        if len(target) < 2 or torch.rand(()) >= self.probability:
            return batch
        # Mixed like one-hot classes, rows of the identity tell the share of each clip.
        own = torch.eye(len(target), device=target.device)
        video, audio = batch["video"], batch["audio"]
        pictures = tv_tensors.Video(video.flatten(1, 2))  # (B, V * 3, T, S, S)
        mixed, shares = self._draw()(pictures, own)
        if self.mix == "both":
            audio = (shares.to(audio) @ audio.flatten(1)).view_as(audio)
        return {
            **batch,
            "video": mixed.as_subclass(Tensor).view_as(video),
            "audio": audio,
            "target": MixedTarget(target, shares),
        }

    def _draw(self) -> Any:
        if self.mixup is None or self.cutmix is None:
            return self.mixup or self.cutmix
        return self.cutmix if torch.rand(()) < self.switch else self.mixup
