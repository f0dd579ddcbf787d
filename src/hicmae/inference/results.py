"""What a recogniser tells of a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from hicmae.answers.blends import Blends
from hicmae.choices import USED, use_of
from hicmae.data.options import TargetKind
from hicmae.weights.description import ModelKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False, slots=True)
class Person:
    """One person of a clip, or the whole picture where no faces are looked for.

    Attributes:
        number: 1 for the person who is seen largest and longest, and so on.
        start: When the person comes into view, in seconds.
        end: When the person leaves, in seconds.
        scores: Probabilities of the classes or values of the targets, the mean over windows (O,).
        window_times: Start and end of every window in seconds (W, 2), in order.
        window_scores: Scores of every window (W, O).
        box_times: Time of every frame that has a box, in seconds (N,).
        boxes: What the model saw of these frames, as left, top, width and height in pixels of the
            picture (N, 4); none where no faces are looked for. A tilted face has the upright square
            around its crop.
        window_senses: Whether every window was seen and whether it was heard, bool (W, 2).
        sure: Whether the model is sure enough for the wanted error; None if none is wanted.
        unfamiliarity: How far the person lies from what the model has learnt from: above 1, farther
            than 95 % of the validation clips. None if that is not known.
    """

    number: int
    start: float
    end: float
    scores: Floats
    window_times: Floats
    window_scores: Floats
    box_times: Floats
    boxes: Floats
    window_senses: npt.NDArray[np.bool_]
    sure: bool | None = None
    unfamiliarity: float | None = None

    @property
    def doubts(self) -> dict[str, Any]:
        """What is known of `sure` and `unfamiliarity`, by name."""
        known = {"sure": self.sure, "unfamiliarity": self.unfamiliarity}
        return {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True, eq=False, slots=True)
class Recognition:
    """The emotions of the people in a clip.

    Attributes:
        source: The clip, as it was given.
        kind: "classification" or "regression".
        outputs: Names of the classes or of the targets (O).
        duration: Length of the clip in seconds.
        people: Who is in view, the main person first; never empty.
        target_kind: Whether classes exclude each other, share the clip or are labels.
        blends: How shares are told as blends of two; None if they are not.
        spread: How far values of the targets were off on validation clips, as standard deviations
            (O,); nothing of classes, or where that is not known.
    """

    source: str
    kind: ModelKind
    outputs: tuple[str, ...]
    duration: float
    people: tuple[Person, ...]
    target_kind: TargetKind = "class"
    blends: Blends | None = None
    spread: tuple[float, ...] = ()

    @property
    def scores(self) -> dict[str, float]:
        """Scores of the main person over the whole clip, by name."""
        return self.scores_of(self.people[0])

    @property
    def emotion(self) -> str | None:
        """What the main person shows, as `named` has it; None for regression."""
        if self.kind != "classification":
            return None
        return self.named(self.people[0].scores)

    def named(self, scores: Floats) -> str:
        """What is answered by scores (O,) of classes; see `named`."""
        return named(self.outputs, scores, self.target_kind, self.blends)

    def scores_of(self, person: Person) -> dict[str, float]:
        """Scores of a person over the whole clip, by name."""
        return dict(zip(self.outputs, map(float, person.scores), strict=True))

    def to_frame(self) -> pd.DataFrame:
        """A row for every person and window: source, person, start, end, used, the outputs.

        Where they are known, `sure` and `unfamiliarity` of the person and the `blend` of the window
        come before the outputs.
        """
        return window_table(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "source": self.source,
            "kind": self.kind,
            "duration": self.duration,
            **(
                {"spread": dict(zip(self.outputs, self.spread, strict=True))} if self.spread else {}
            ),
            "people": [
                {
                    "person": person.number,
                    "start": person.start,
                    "end": person.end,
                    **person.doubts,
                    **self._blend(person.scores),
                    "scores": self.scores_of(person),
                    "windows": [
                        {"start": start, "end": end, "used": use_of(*senses)}
                        | self._blend(scores)
                        | {"scores": dict(zip(self.outputs, scores.tolist(), strict=True))}
                        for (start, end), senses, scores in zip(
                            person.window_times.tolist(),
                            person.window_senses.tolist(),
                            person.window_scores,
                            strict=True,
                        )
                    ],
                }
                for person in self.people
            ],
        }

    def _blend(self, scores: Floats) -> dict[str, str]:
        """The cell `blend` of scores (O,), where shares are told as blends."""
        return {"blend": self.named(scores)} if self.blends else {}


def used_words(window_senses: npt.NDArray[np.bool_]) -> str:
    """What windows (W, 2) were judged by, in words for people; nothing where it was always both."""
    used = {use_of(*senses) for senses in window_senses.tolist()}
    words = " and ".join(USED[use] for use in sorted(used - {"both"}))
    return f"in part {words}" if "both" in used and words else words


def has_share(told: str, outputs: Sequence[str], target_kind: TargetKind) -> bool:
    """Whether what `named` gave is a class with a share: no blend, which has two, and no labels."""
    return target_kind != "labels" and told in outputs


def named(
    outputs: Sequence[str], scores: Floats, target_kind: TargetKind, blends: Blends | None = None
) -> str:
    """The class with the largest score (O,), or a blend of two: `anger 70 + fear 30`.

    Of labels all from 0.5 on: `anger + fear`, `none`.
    """
    if blends is not None:
        return blends.named(outputs, torch.from_numpy(scores))
    if target_kind != "labels":
        return outputs[int(np.argmax(scores))]
    given = [name for name, score in zip(outputs, scores, strict=True) if score >= 0.5]
    return " + ".join(given) or "none"


def doubt_words(sure: bool | None, unfamiliarity: float | None) -> list[str]:
    """What speaks against an answer, in words for people; nothing if nothing is known to.

    Args:
        sure: As of a `Person`.
        unfamiliarity: As of a `Person`.
    """
    words = [] if sure in {None, True} else ["not sure"]
    if unfamiliarity is not None and unfamiliarity > 1:
        words.append("unlike anything this model has learnt")
    return words


def window_table(recognition: dict[str, Any]) -> pd.DataFrame:
    """What `Recognition.to_frame` gives, of what `Recognition.to_dict` gave."""
    import pandas as pd  # noqa: PLC0415 (takes time, for tables alone)

    rows = [
        {
            "source": recognition["source"],
            "person": person["person"],
            "start": window["start"],
            "end": window["end"],
            "used": window.get("used"),  # older ledgers do not tell
            **{name: person[name] for name in ("sure", "unfamiliarity") if name in person},
            **({"blend": window["blend"]} if "blend" in window else {}),
            **window["scores"],
        }
        for person in recognition["people"]
        for window in person["windows"]
    ]
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False, slots=True)
class Embedding:
    """Features of one person of a clip; see `hicmae.models.Features` for what they are.

    Attributes:
        source: The clip, as it was given.
        person: Number of the person, as in `Recognition`.
        window_times: Start and end of every window in seconds (W, 2).
        joint: What the head reads: hierarchical video, hierarchical audio, fused video and fused
            audio side by side, normalised (W, 4 · C), or the feature of the one modality (W, C).
        video_layers: Mean token of every layer of the video encoder (W, L, C), or None.
        audio_layers: Mean token of every layer of the audio encoder (W, L, C), or None.
        window_senses: Whether every window was seen and whether it was heard, bool (W, 2). What was
            not there has the features that the model learnt to stand in for it.
    """

    source: str
    person: int
    window_times: Floats
    joint: Floats
    video_layers: Floats | None
    audio_layers: Floats | None
    window_senses: npt.NDArray[np.bool_]
