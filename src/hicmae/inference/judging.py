"""From what a model makes of windows to an answer: calibrated, and doubted where that is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from hicmae.answers import threshold_of
from hicmae.faces.people import PersonTrack, box_track
from hicmae.inference.results import Floats, Person
from hicmae.inference.window_table import WindowTable
from hicmae.media.recording import Recording
from hicmae.weights.description import ModelDescription


@dataclass(frozen=True, eq=False, slots=True)
class Verdict:
    """The answer about one person.

    Attributes:
        scores: Over all windows (O,).
        window_scores: Of every window (W, O).
        sure: Whether it is sure enough for the wanted error; None if none is wanted.
        unfamiliarity: How far the person lies from the training clips, above 1 farther than 95 % of
            the validation clips; None if that is not known.
    """

    scores: Floats
    window_scores: Floats
    sure: bool | None
    unfamiliarity: float | None


@dataclass(frozen=True, slots=True)
class Judge:
    """What is known of a model's answers, and what is asked of them.

    Attributes:
        description: What the model is.
        calibrated: Whether scores are given calibrated.
        threshold: Least calibrated confidence of an answer that counts as sure; None counts none.
    """

    description: ModelDescription
    calibrated: bool = True
    threshold: float | None = None

    @classmethod
    def of(
        cls, description: ModelDescription, *, calibrated: bool, wanted_error: float | None
    ) -> Self:
        """The judge of a model.

        Args:
            description: What the model is.
            calibrated: Whether scores are given calibrated, where that can be.
            wanted_error: Share of wrong answers that is borne among the sure ones; None for none.

        Raises:
            ConfigError: The error cannot be wanted of this model.
        """
        if wanted_error is None:
            return cls(description, calibrated)
        return cls(description, calibrated, threshold_of(description.reliability, wanted_error))

    @property
    def spread(self) -> tuple[float, ...]:
        """Standard deviations of the errors of values (O,); nothing of classes or if unknown."""
        known = self.description.reliability
        return known.spread if known and self.calibrated else ()

    def told(self, scores: Floats) -> Floats:
        """Scores (..., O) as they are given, of those of the model."""
        return self._calibrated(scores) if self.calibrated else scores

    def verdict(self, scores: Floats, features: Floats, senses: npt.NDArray[np.bool_]) -> Verdict:
        """The answer about a person.

        Args:
            scores: What the model gave for every window (W, O).
            features: Its joint features (W, D).
            senses: Whether every window was seen and whether it was heard (W, 2).
        """
        mean = scores.mean(axis=0)
        sure = None if self.threshold is None else self._calibrated(mean).max() >= self.threshold
        known = self.description.reliability
        reads = [self.description.modality != sense for sense in ("audio", "video")]
        whole = features[senses[:, reads].all(axis=1)]  # others lack what training clips had
        unfamiliarity = None
        if known is not None and known.familiarity is not None and len(whole):
            unfamiliarity = float(known.familiarity.unfamiliarity(whole.mean(0, keepdims=True))[0])
        return Verdict(
            scores=self.told(mean),
            window_scores=self.told(scores),
            sure=None if sure is None else bool(sure),
            unfamiliarity=unfamiliarity,
        )

    def person(
        self,
        track: PersonTrack,
        recording: Recording,
        table: WindowTable,
    ) -> Person:
        """What is told of a person.

        Args:
            track: Where the person is.
            recording: The clip.
            table: Scores and features of its windows.
        """
        times, (scores, features) = table.of(track.number)
        senses = table.senses_of(track.number)
        verdict = self.verdict(scores, features, senses)
        box_times, boxes = box_track(track, recording, self.description.inputs.crop_pct)
        return Person(
            number=track.number,
            start=recording.time_of(track.stays[0][0]),
            end=recording.time_of(track.stays[-1][1]),
            scores=verdict.scores,
            window_times=times,
            window_scores=verdict.window_scores,
            box_times=box_times,
            boxes=boxes,
            window_senses=senses,
            sure=verdict.sure,
            unfamiliarity=verdict.unfamiliarity,
        )

    def _calibrated(self, scores: Floats) -> Floats:
        known = self.description.reliability
        return scores if known is None else known.calibrated(torch.from_numpy(scores)).numpy()
