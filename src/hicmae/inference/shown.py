"""What of a clip is shown to a model, which may have learnt to do without picture or sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hicmae.choices import Use
from hicmae.data.filter_bank import FilterBank
from hicmae.faces import FaceOptions
from hicmae.faces.people import NoFaceError, PersonTrack, Progress, find_people, whole_picture
from hicmae.inference.windows import InputWindow
from hicmae.media.recording import Recording
from hicmae.models import RecognitionModel


def people_of(
    recording: Recording,
    options: FaceOptions,
    *,
    most: int,
    heard_alone: bool,
    progress: Progress | None,
) -> tuple[list[PersonTrack], bool]:
    """Finds the people of a clip.

    Args:
        recording: The clip.
        options: As for `find_people`.
        most: As for `find_people`.
        heard_alone: Whether a person may be heard without being in view. That is said of the only
            one of the clip; of several, also of those beyond `most`, it is not known who speaks.
        progress: As for `find_people`.

    Returns:
        The people, and whether there is a face to be seen; without one, the whole clip is of one
        person, who is heard.

    Raises:
        NoFaceError: There is no face, and nobody may be heard alone.
        DataError: As for `find_people`.
    """
    try:
        # Whether a person is the only one, the search for one person would not tell.
        searched = max(most, 2) if heard_alone else most
        people = find_people(recording, options, most=searched, progress=progress)
    except NoFaceError:
        if not heard_alone:
            raise
        return whole_picture(recording), False
    if heard_alone and len(people) == 1:
        people = [people[0].heard_out_of_view(recording)]
    return people[:most], True


def senses_of(model: RecognitionModel, windows: Sequence[InputWindow]) -> Tensor | None:
    """What a model has to be told of windows, bool (B, 2); None if it reads the same of all."""
    return torch.tensor([window.senses for window in windows]) if model.stand_ins else None


@dataclass(frozen=True, slots=True)
class Showing:
    """What a model is called with.

    Attributes:
        model: The model.
        filter_bank: Makes spectrograms for it.
        samples: Samples of a window's sound.
    """

    model: RecognitionModel
    filter_bank: FilterBank
    samples: int

    def __call__(
        self, video: Tensor, audio: Tensor, use: Use, senses: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Pictures, sound and maybe senses, without what is not to be used.

        A model without stand-ins gets grey pictures or silence in its place.

        Args:
            video: Normalised frames (B, 3, T, H, W).
            audio: Normalised spectrograms (B, 1, T', F).
            use: What is to be used.
            senses: From `senses_of`; None is all of both.
        """
        if self.model.stand_ins:
            shown = torch.tensor([use != "audio", use != "video"]).expand(len(video), 2)
            shown = shown if senses is None else shown & senses
            return video, audio, shown.to(video.device)
        if use == "audio":
            video = torch.zeros_like(video)
        elif use == "video":
            silence = torch.zeros(1, self.samples, device=audio.device)
            length = torch.tensor([self.samples], device=audio.device)
            audio = self.filter_bank(silence, length).expand_as(audio)
        return video, audio
