"""From anyone's clips to emotions over time, and to features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args, overload

import torch
from torch import Tensor

from hicmae.choices import Faces, Use
from hicmae.data.batches import Batch
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.errors import CheckpointError, ConfigError, check_at_least
from hicmae.faces import FaceOptions
from hicmae.faces.people import (
    PersonTrack,
    Progress,
    whole_picture,
)
from hicmae.inference.clips import Clip, each, is_one, senses, takes_sounds
from hicmae.inference.devices import usable_device
from hicmae.inference.hub import HubModel
from hicmae.inference.judging import Judge
from hicmae.inference.results import Embedding, Floats, Recognition
from hicmae.inference.shown import Showing, people_of, senses_of
from hicmae.inference.window_table import WindowTable
from hicmae.inference.windows import (
    InputWindow,
    frame_step,
    in_batches,
    raw_batch,
    read_windows,
)
from hicmae.media import SAMPLE_RATE
from hicmae.media.recording import NOMINAL_FPS, Recording
from hicmae.models import RecognitionModel
from hicmae.weights.description import ModelDescription, ModelKind

_SEARCH_SHARE = 0.5  # of the progress told, for finding faces


class EmotionRecognizer(HubModel):
    """Recognises emotions in clips of any length, of one person or several.

    A clip is read in windows as long as those that the model was trained on, one after the other;
    memory does not grow with its length but for some bytes a frame. The score of a person over the
    whole clip is the mean over windows. A window's sound is what is heard from its first frame to
    one step of the model behind its last; in a window that begins behind the end of the sound
    there is silence, which is logged once.

    A model trained with `modality_dropout` takes clips without sound, without pictures and without
    a face, and windows without sound for half of their time or more by their pictures alone. Of a
    single person who is out of view for more than a second, it goes on with the sound alone.
    `window_senses` of the results tells what was used.

    With `faces="crop"` the face of each person is found, followed and cut out as `hicmae data
    faces` does for training. With `faces="none"` the centre square of the picture is taken, as
    `hicmae predict` takes it: a clip of exactly one window then gives the same scores as there with
    `--data.audio_by time`.

    Args:
        model: The model.
        description: What it is.
        faces: "crop" looks for faces; "none" takes clips that are face crops already.
        device: "cpu", "cuda", "mps", or "auto" for the best there is.
        batch_size: Windows the model sees at once.
        hop: Seconds between the beginnings of two windows; None is half a window.
        detector: "mtcnn" or the path of a class; see `FaceOptions`.
        most_people: How many people of a clip are followed, the main ones first.
        calibrated: As for `Judge.of`.
        wanted_error: As for `Judge.of`.

    Attributes:
        model: The model, in evaluation mode, on the device.
        description: What it is.
        judge: Makes answers of its scores.

    Raises:
        ConfigError: An option is out of its range, or the device is not there.
    """

    def __init__(
        self,
        model: RecognitionModel,
        description: ModelDescription,
        *,
        faces: Faces = "crop",
        device: str = "cpu",
        batch_size: int = 8,
        hop: float | None = None,
        detector: str = "mtcnn",
        most_people: int = 4,
        calibrated: bool = True,
        wanted_error: float | None = None,
    ) -> None:
        if faces not in get_args(Faces):
            raise ConfigError(f"faces is '{faces}': choose {' or '.join(get_args(Faces))}.")
        check_at_least(1, batch_size=batch_size, most_people=most_people)
        if hop is not None and not 0 < hop < float("inf"):
            raise ConfigError(f"hop is {hop}; give a positive number of seconds.")
        self.device = usable_device(device)
        self.model = model.eval().to(self.device)
        self.description = description
        self._scoring = description.scoring()
        self.judge = Judge.of(description, calibrated=calibrated, wanted_error=wanted_error)
        self.faces: Faces = faces
        self.batch_size = batch_size
        self.hop = hop
        self.most_people = most_people
        # People who come and go matter here more than the time that looking for them takes.
        self.face_options = FaceOptions(detector=detector, detect_every=3, whole_every=2)
        shape = description.architecture
        self.preprocessor = BatchPreprocessor(
            image_size=shape.image_size,
            audio_frames=shape.audio_frames,
            mel_bins=shape.mel_bins,
            crop_pct=description.inputs.crop_pct,
        ).to(self.device)
        self._shown = Showing(
            self.model,
            self.preprocessor.filter_bank,
            round(shape.num_frames * description.inputs.stride / NOMINAL_FPS * SAMPLE_RATE),
        )

    @property
    def kind(self) -> ModelKind:
        """What the outputs are: "classification", "regression" or, without any, "pretraining"."""
        return self.description.kind

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the classes or of the regressed values (O)."""
        return self.description.outputs

    # A path may be a clip or a folder of clips, which only the disk can tell.
    @overload
    def recognize(
        self, clip: Recording, *, use: Use = ..., progress: Progress | None = ...
    ) -> Recognition: ...
    @overload
    def recognize(  # type: ignore[overload-overlap]  # a str is a sequence of str, too
        self, clip: str | Path, *, use: Use = ..., progress: Progress | None = ...
    ) -> Recognition | Any: ...
    @overload
    def recognize(
        self, clip: Sequence[Clip], *, use: Use = ..., progress: Progress | None = ...
    ) -> list[Recognition]: ...
    def recognize(
        self,
        clip: Clip | Sequence[Clip],
        *,
        use: Use = "both",
        progress: Progress | None = None,
    ) -> Recognition | list[Recognition]:
        """Recognises the emotions in a clip, or in several.

        Args:
            clip: A video or sound file, a folder of images, a `Recording`, a list of those, or a
                folder of media files.
            use: "audio" gives an audio-visual model the sound and no pictures, "video" the pictures
                and silence: a probe of what each tells this model, not another model. One trained
                with `modality_dropout` knows clips without them.
            progress: Is told what share is done, from 0 to 1.

        Returns:
            What was recognised; a list for a list or a folder of media files, in its order.

        Raises:
            CheckpointError: The model was only pre-trained.
            ConfigError: The model does not read what `use` names.
            DataError: A clip cannot be read, shows no face, or lacks the sound or the pictures that
                the model reads.
        """
        if self.kind == "pretraining":
            raise CheckpointError(
                "The model was only pre-trained and has no trained head to recognise with: "
                "fine-tune it, or take its features with embed."
            )
        sounds = takes_sounds(self.description, use)
        found = each(clip, partial(self._recognize, use), progress, sounds_alone=sounds)
        return found[0] if is_one(clip) else found

    def embed(
        self,
        clip: Clip | Sequence[Clip],
        *,
        use: Use = "both",
        progress: Progress | None = None,
    ) -> list[Embedding]:
        """Gives the features of every person in a clip, or in several.

        Args:
            clip: As for `recognize`.
            use: As for `recognize`.
            progress: As for `recognize`.

        Returns:
            Features of every person, clip by clip, the main person of a clip first.

        Raises:
            ConfigError: As for `recognize`.
            DataError: As for `recognize`.
        """
        sounds = takes_sounds(self.description, use)
        found = each(clip, partial(self._embed, use), progress, sounds_alone=sounds)
        return [embedding for embeddings in found for embedding in embeddings]

    def windows(
        self, recording: Recording, *, use: Use = "both", progress: Progress | None = None
    ) -> tuple[list[PersonTrack], Iterator[InputWindow]]:
        """Finds the people of a clip, and reads what the model sees and hears of them.

        Args:
            recording: The clip.
            use: As for `recognize`; what is not used is not read.
            progress: Is told what share of the search for faces is done.

        Returns:
            The people, the main one first, and their windows in order of time, which are read as
            they are asked for.

        Raises:
            ConfigError: As for `recognize`.
            DataError: As for `recognize`; pictures and sound are read later.
        """
        lacking = self.model.stand_ins
        sees, hears = senses(recording, self.description.modality, use, lacking=lacking)
        people = whole_picture(recording)
        if sees and self.faces == "crop":
            people, sees = people_of(
                recording,
                self.face_options,
                most=self.most_people,
                heard_alone=lacking and hears,
                progress=progress,
            )
        inputs, num_frames = self.description.inputs, self.description.architecture.num_frames
        step = frame_step(inputs.stride, recording.fps)
        hop = num_frames * step / 2 if self.hop is None else self.hop * recording.fps
        return people, read_windows(
            recording,
            people,
            num_frames=num_frames,
            step=step,
            hop=max(round(hop), 1),
            size=inputs.frame_size,
            sees=sees,
            hears=hears,
            lacking=lacking,
        )

    def batches(
        self, recording: Recording, *, use: Use = "both", progress: Progress | None = None
    ) -> tuple[list[PersonTrack], Iterator[tuple[list[InputWindow], Tensor, Tensor]]]:
        """As `windows`, in batches as the model takes them.

        Args:
            recording: The clip.
            use: As for `recognize`.
            progress: Is told what share is done, from 0 to 1, after every picture searched, window
                read and batch worked on; what it raises stops the passage there.

        Returns:
            The people, and windows with what `preprocess` makes of them; raises as `windows` does.
        """
        tell = progress or (lambda _share: None)
        people, windows = self.windows(
            recording, use=use, progress=lambda share: tell(_SEARCH_SHARE * share)
        )
        searched = _SEARCH_SHARE if people[0].faces is not None else 0.0
        lists = in_batches(
            windows,
            self.batch_size,
            duration=recording.duration,
            progress=lambda share: tell(searched + (1 - searched) * share),
        )
        return people, ((batch, *self.preprocess(batch)) for batch in lists)

    def preprocess(self, windows: Sequence[InputWindow]) -> tuple[Tensor, Tensor]:
        """Turns windows into what the model reads, on the device.

        Args:
            windows: B windows, at least 1.

        Returns:
            Normalised frames (B, 3, T, S, S) and spectrograms (B, 1, F, M).
        """
        with torch.inference_mode():
            batch: Batch = self.preprocessor(raw_batch(windows, self.device))
        return batch["video"][:, 0], batch["audio"][:, 0]

    def score(
        self, video: Tensor, audio: Tensor, use: Use = "both", senses: Tensor | None = None
    ) -> tuple[Floats, Floats]:
        """Runs the model.

        Args:
            video: From `preprocess`, (B, 3, T, S, S).
            audio: From `preprocess`, (B, 1, F, M).
            use: As for `recognize`: "audio" takes grey pictures in place of `video`, "video"
                silence in place of `audio`, or what the model learnt to stand in for them.
            senses: From `senses_of`; None is all of both.

        Returns:
            Raw probabilities of the classes or values of the targets (B, O), and the joint features
            (B, D) that they are of, float32.
        """
        with torch.inference_mode():
            features = self.model.features(*self._shown(video, audio, use, senses))
            scores: Tensor = self._scoring(self.model.head(features).float())
        return scores.cpu().numpy(), features.float().cpu().numpy()

    def _recognize(self, use: Use, recording: Recording, progress: Progress | None) -> Recognition:
        table = self._read(
            recording,
            use,
            progress,
            lambda video, audio, senses: list(self.score(video, audio, use, senses)),
        )
        return Recognition(
            source=recording.source,
            kind=self.kind,
            target_kind=self.description.target_kind,
            blends=self.description.blends,
            outputs=self.outputs,
            duration=recording.duration,
            people=tuple(self.judge.person(track, recording, table) for track in table.people),
            spread=self.judge.spread,
        )

    def _embed(self, use: Use, recording: Recording, progress: Progress | None) -> list[Embedding]:
        def features(video: Tensor, audio: Tensor, senses: Tensor | None) -> list[Floats]:
            with torch.inference_mode():
                found = self.model.all_features(*self._shown(video, audio, use, senses))
            return [part.float().cpu().numpy() for part in found if part is not None]

        table = self._read(recording, use, progress, features)
        sees, hears = self.model.video_encoder is not None, self.model.audio_encoder is not None
        embeddings = []
        for person in table.people:
            times, (joint, *layers) = table.of(person.number)
            embeddings.append(
                Embedding(
                    source=recording.source,
                    person=person.number,
                    window_times=times,
                    joint=joint,
                    video_layers=layers[0] if sees else None,
                    audio_layers=layers[-1] if hears else None,
                    window_senses=table.senses_of(person.number),
                )
            )
        return embeddings

    def _read(
        self,
        recording: Recording,
        use: Use,
        progress: Progress | None,
        compute: Callable[[Tensor, Tensor, Tensor | None], list[Floats]],
    ) -> WindowTable:
        """What the model computes of every window of a clip."""
        people, batches = self.batches(recording, use=use, progress=progress)
        return WindowTable.gathered(
            people,
            (
                (windows, compute(video, audio, senses_of(self.model, windows)))
                for windows, video, audio in batches
            ),
        )
