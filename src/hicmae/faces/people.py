"""Who is in view in a clip, when, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

import av
import numpy as np
import numpy.typing as npt

from hicmae.errors import DataError
from hicmae.faces.alignment import align, in_picture, similarity, template
from hicmae.faces.detection import Array, Face
from hicmae.faces.options import FaceOptions
from hicmae.faces.searching import find_faces, frames_to_search
from hicmae.faces.tracking import Stay, track_people
from hicmae.media import PictureConverter
from hicmae.media.recording import Picture, Recording

Progress = Callable[[float], None]
"""Is told what share is done, from 0 to 1."""

_LONGEST_GAP = 1.0  # seconds for which a face may be lost without its person being out of view


class NoFaceError(DataError):
    """A clip that shows no face."""


@dataclass(frozen=True, eq=False)
class PersonTrack:
    """A person of a clip, or its whole picture.

    Attributes:
        number: 1 for the person who is seen largest and longest, and so on.
        stays: When the person is in view: (begin, end) in frames, ascending; `end` is the frame
            behind the last.
        absences: When the person is out of view and heard all the same, likewise.
        faces: How the face is cut out, or None where the centre square of the picture is taken.
    """

    number: int
    stays: tuple[tuple[int, int], ...]
    faces: FaceCrops | None = None
    absences: tuple[tuple[int, int], ...] = ()

    def heard_out_of_view(self, recording: Recording) -> PersonTrack:
        """The same person, who is the only one, with the absences that are no mere gaps."""
        edges = [0, *chain.from_iterable(self.stays), recording.frame_count]
        gaps = zip(edges[::2], edges[1::2], strict=True)
        least = _LONGEST_GAP * recording.fps
        return replace(self, absences=tuple((b, e) for b, e in gaps if e - b > least))


class FaceCrops:
    """The upright face of one person, as `hicmae data faces` cuts it out for training.

    Args:
        stays: Landmarks of the face while it is in view.
        size: Side of the aligned crop in pixels.
        margin: What is added on every side of the face, as a share of its height.
    """

    def __init__(self, stays: list[Stay], size: int, margin: float) -> None:
        self.size = size
        self._begins = np.array([stay.begin for stay in stays])
        target = template(size, margin)
        self._transforms = [similarity(stay.landmarks, target) for stay in stays]
        self._converters: dict[int, PictureConverter] = {}

    def crop(self, picture: Picture, frame: int, size: int) -> Picture:
        """Cuts the face out of a picture.

        Args:
            picture: uint8 RGB (H, W, 3), the whole picture.
            frame: Its number; the person must be in view.
            size: Side of the crop to give.

        Returns:
            uint8 RGB (size, size, 3).
        """
        face = align(picture, self._transform(frame), self.size)
        convert = self._converters.setdefault(size, PictureConverter("a face", size))
        return convert(av.VideoFrame.from_ndarray(face, format="rgb24"))

    def boxes(self, kept: float = 1.0) -> Array:
        """The upright squares around the crops of all frames in view.

        Args:
            kept: Central part of a crop's side that the model sees, in (0, 1].

        Returns:
            (N, 4) left, top, width and height in pixels, from the top left corner of the picture,
            beyond which they may reach.
        """
        reach = (np.array([-0.5, 0.5]) * kept + 0.5) * self.size - 0.5
        corners = np.array([(x, y) for x in reach for y in reach])
        transforms = np.concatenate(self._transforms)
        points = in_picture(corners, transforms)
        least, most = points.min(axis=1) + 0.5, points.max(axis=1) + 0.5
        return np.concatenate([least, most - least], axis=1)

    def _transform(self, frame: int) -> Array:
        stay = int(np.searchsorted(self._begins, frame, side="right")) - 1
        return self._transforms[stay][frame - self._begins[stay]]


def whole_picture(recording: Recording) -> list[PersonTrack]:
    """One "person" from the beginning to the end: the centre square, or sound alone."""
    return [PersonTrack(1, ((0, recording.frame_count),))]


def find_people(
    recording: Recording, options: FaceOptions, *, most: int, progress: Progress | None = None
) -> list[PersonTrack]:
    """Finds everyone who is in view, in one passage through the clip.

    Held are one picture and the faces that were found.

    Args:
        recording: The clip.
        options: How faces are found and cut out; `face`, `write` and quality do not matter.
        most: How many people are followed, those who are seen largest and longest first.
        progress: Is told what share of the clip is done.

    Raises:
        NoFaceError: There is no face.
        DataError: Pictures cannot be read.
        ConfigError: The detector cannot be used.
    """
    looks = frames_to_search(recording.frame_count, options.detect_every)
    everything = (0, 0, recording.height, recording.width)
    pictures = (picture for _, picture in recording.pictures(looks, region=everything))
    detections: list[list[Face]] = []
    for faces in find_faces(pictures, options):
        detections.append(faces)
        if progress is not None:
            progress(len(detections) / len(looks))
    people = track_people(
        detections,
        looks,
        recording.frame_count,
        most=most,
        longest_gap=round(_LONGEST_GAP * recording.fps),
        smoothing=options.smooth * recording.fps,
    )
    if not people:
        raise NoFaceError(
            f"{recording.source}: no face was found in any of the {len(looks)} frames looked at; "
            "if its pictures are faces already, take them as they are with faces='none' "
            "(--faces none)."
        )
    return [
        PersonTrack(
            number,
            tuple((stay.begin, stay.end) for stay in stays),
            FaceCrops(stays, options.size, options.margin),
        )
        for number, stays in enumerate(people, start=1)
    ]


def box_track(
    person: PersonTrack, recording: Recording, kept: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Times (N,) and boxes (N, 4) of the frames in which a person is in view, if there are any."""
    if person.faces is None:
        return np.zeros(0, np.float32), np.zeros((0, 4), np.float32)
    times = [recording.time_of(f) for begin, end in person.stays for f in range(begin, end)]
    return np.array(times, np.float32), person.faces.boxes(kept).astype(np.float32)
