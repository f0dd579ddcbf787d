"""From the faces of some frames to the landmarks of one person, or of each, in all frames.

Faces that overlap from one look at the clip to the next are one person. The person who fits the
policy best over the whole clip is taken, and nobody else while that person is in the clip. Another
sequence of faces goes on where the person's ends only if it begins there and then, as after a cut
or a quick move, or in the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hicmae.faces.detection import Array, Face

FacePolicy = Literal["largest", "central", "left", "right"]
"""Whose face: the largest, the nearest to the middle, or the largest in one half of the picture."""

SAME_OVERLAP = 0.3
"""Intersection over union of one face at two looks that follow each other is above this."""

_SAME_SIZE = 1.5  # how much the side of a face may change where it is lost and found again
_QUICK = 2  # looks within which a face that begins takes over from one that ends
_SHORTEST = 3  # looks; what is seen less often is a chance find and takes over from nobody


@dataclass(frozen=True, eq=False)
class Track:
    """The landmarks of one person.

    Attributes:
        landmarks: (T, 5, 2) in every frame, in pixels.
        looks: Positions among the frames looked at in which the face was found, ascending.
        jumps: How often the face went on somewhere else at once, as at cuts.
    """

    landmarks: Array
    looks: list[int]
    jumps: int


@dataclass(frozen=True, eq=False)
class _Chain:
    """Faces of one person, and the looks at which they were found."""

    looks: list[int]
    faces: list[Face]

    def overlaps_in_time(self, other: _Chain) -> bool:
        return self.looks[0] <= other.looks[-1] and other.looks[0] <= self.looks[-1]


def track_face(
    detections: Sequence[Sequence[Face]],
    frames: Sequence[int],
    frame_count: int,
    picture: tuple[int, int],
    *,
    policy: FacePolicy = "largest",
    smoothing: float = 0.0,
) -> Track | None:
    """Follows one person through a clip.

    Frames between those looked at, or where the face was not found, get landmarks by linear
    interpolation; those before the first and after the last find get its landmarks.

    Args:
        detections: Faces found at each look.
        frames: The frame of each look, ascending.
        frame_count: Frames of the clip.
        picture: (width, height) in pixels.
        policy: Whose face is followed.
        smoothing: Standard deviation, in frames, of the Gaussian that landmarks are smoothed with.

    Returns:
        The track, or None if no face was found.
    """
    chains = _link([_in_half(faces, picture, policy) for faces in detections])
    if not chains:
        return None
    chains.sort(key=lambda chain: _weight(chain, picture, policy), reverse=True)
    stretches = _stretches(_followed(chains))
    landmarks = np.empty((frame_count, 5, 2))
    begin = 0
    for index, stretch in enumerate(stretches):
        end = frame_count
        if index + 1 < len(stretches):
            end = (frames[stretch.looks[-1]] + frames[stretches[index + 1].looks[0]] + 1) // 2
        landmarks[begin:end] = _smooth(_landmarks(stretch, frames, begin, end), smoothing)
        begin = end
    looks = [look for stretch in stretches for look in stretch.looks]
    return Track(landmarks, looks, len(stretches) - 1)


@dataclass(frozen=True, eq=False)
class Stay:
    """A time without a longer break in which one person is in view.

    Attributes:
        begin: First frame in which the face was found.
        end: The frame behind the last such frame.
        landmarks: (`end` - `begin`, 5, 2) in every frame, in pixels.
    """

    begin: int
    end: int
    landmarks: Array


def track_people(
    detections: Sequence[Sequence[Face]],
    frames: Sequence[int],
    frame_count: int,
    *,
    most: int,
    longest_gap: int,
    smoothing: float = 0.0,
) -> list[list[Stay]]:
    """Follows everyone in a clip, each only while in view.

    People are told apart by their place alone: whoever comes back to about the same place at about
    the same size counts as the one who left it, and after a cut or a jump elsewhere there is
    someone new. Who is seen at fewer than 3 looks in a row is a chance find, unless there is
    nobody else.

    Args:
        detections: Faces found at each look.
        frames: The frame of each look, ascending.
        frame_count: Frames of the clip.
        most: How many people are followed, those who are seen largest and longest first.
        longest_gap: Frames for which a face may be lost, in the midst of a stay and at the ends of
            the clip, without the person being out of view.
        smoothing: Standard deviation, in frames, of the Gaussian that landmarks are smoothed with.

    Returns:
        The stays of each person in order of time; nobody if no face was found.
    """
    chains = sorted(_link(detections), key=_size_and_time, reverse=True)
    people = [_parts(person, frames, longest_gap) for person in _people(chains)]
    lasting = [[part for part in parts if len(part.looks) >= _SHORTEST] for parts in people]
    people = [parts for parts in lasting if parts] or people
    people.sort(key=lambda parts: sum(map(_size_and_time, parts)), reverse=True)
    return [_stays(parts, frames, frame_count, longest_gap, smoothing) for parts in people[:most]]


def _size_and_time(chain: _Chain) -> float:
    return sum(face.side for face in chain.faces)


def _people(chains: Sequence[_Chain]) -> list[_Chain]:
    """Joins chains that are in the same place one after the other; the best chains come first."""
    people: list[list[_Chain]] = []
    for chain in chains:
        for person in people:
            if not any(chain.overlaps_in_time(other) for other in person) and _has_place(
                person, chain
            ):
                person.append(chain)
                person.sort(key=lambda item: item.looks[0])
                break
        else:
            people.append([chain])
    return [
        _Chain([look for c in person for look in c.looks], [f for c in person for f in c.faces])
        for person in people
    ]


def _has_place(person: Sequence[_Chain], chain: _Chain) -> bool:
    before = [other for other in person if other.looks[-1] < chain.looks[0]]
    after = [other for other in person if other.looks[0] > chain.looks[-1]]
    return bool(before and _same_place(before[-1].faces[-1], chain.faces[0])) or bool(
        after and _same_place(chain.faces[-1], after[0].faces[0])
    )


def _parts(chain: _Chain, frames: Sequence[int], longest_gap: int) -> list[_Chain]:
    """A chain, broken where the face was lost for long."""
    parts = [_Chain([], [])]
    for look, found in zip(chain.looks, chain.faces, strict=True):
        if parts[-1].looks and frames[look] - frames[parts[-1].looks[-1]] > longest_gap:
            parts.append(_Chain([], []))
        parts[-1].looks.append(look)
        parts[-1].faces.append(found)
    return parts


def _stays(
    parts: Sequence[_Chain],
    frames: Sequence[int],
    frame_count: int,
    longest_gap: int,
    smoothing: float,
) -> list[Stay]:
    stays = []
    for part in parts:
        begin, end = frames[part.looks[0]], frames[part.looks[-1]] + 1
        if part is parts[0] and begin <= longest_gap:
            begin = 0
        if part is parts[-1] and frame_count - end <= longest_gap:
            end = frame_count
        landmarks = _landmarks(part, frames, begin, end)
        stays.append(Stay(begin, end, _smooth(landmarks, smoothing)))
    return stays


def _landmarks(chain: _Chain, frames: Sequence[int], begin: int, end: int) -> Array:
    """Landmarks of every frame from `begin` to `end` - 1."""
    times = np.array([frames[look] for look in chain.looks])
    return _between(times, np.stack([face.landmarks for face in chain.faces]), begin, end)


def _in_half(faces: Sequence[Face], picture: tuple[int, int], policy: FacePolicy) -> list[Face]:
    middle = picture[0] / 2
    if policy == "left":
        return [face for face in faces if face.centre[0] < middle]
    if policy == "right":
        return [face for face in faces if face.centre[0] >= middle]
    return list(faces)


def _link(detections: Sequence[Sequence[Face]]) -> list[_Chain]:
    """Puts every face to the chain whose last face it overlaps most, or begins a new one."""
    chains: list[_Chain] = []
    # A chain may go on however long ago it ended: all of them are compared at once, as an hour with
    # many cuts has hundreds.
    ends = np.empty((4, sum(map(len, detections))))  # box of the last face of every chain
    for look, faces in enumerate(detections):
        if not faces:
            continue
        shares = overlaps(ends[:, : len(chains)], np.array([face.box for face in faces]).T)
        places = np.argwhere(shares > SAME_OVERLAP)
        best_first = np.argsort(-shares[tuple(places.T)], kind="stable")
        linked: set[Face] = set()
        for number, place in places[best_first].tolist():
            chain, face = chains[number], faces[place]
            if face not in linked and chain.looks[-1] < look:
                chain.looks.append(look)
                chain.faces.append(face)
                ends[:, number] = face.box
                linked.add(face)
        for face in faces:
            if face not in linked:
                ends[:, len(chains)] = face.box
                chains.append(_Chain([look], [face]))
    return chains


def overlaps(ones: Array, others: Array) -> Array:
    """Intersection over union (N, M) of boxes whose corners are the columns (4, N) and (4, M)."""
    left, top, right, bottom = ones[:, :, None]
    shared = _area(
        np.maximum(left, others[0]),
        np.maximum(top, others[1]),
        np.minimum(right, others[2]),
        np.minimum(bottom, others[3]),
    )
    union = _area(left, top, right, bottom) + _area(*others) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _area(left: Array, top: Array, right: Array, bottom: Array) -> Array:
    area: Array = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    return area


def _weight(chain: _Chain, picture: tuple[int, int], policy: FacePolicy) -> float:
    """How well a chain fits the policy, added up over its faces, so that lasting ones win."""
    if policy == "central":
        middle = np.array(picture) / 2
        reach = float(np.linalg.norm(middle))
        return sum(1 - float(np.linalg.norm(face.centre - middle)) / reach for face in chain.faces)
    return _size_and_time(chain)


def _followed(chains: list[_Chain]) -> list[_Chain]:
    """The best chain and those that go on from it, in order of time; `chains` are best first."""
    taken = [chains[0]]
    waiting = [chain for chain in chains[1:] if len(chain.looks) >= _SHORTEST]
    while True:
        for chain in waiting:
            if any(chain.overlaps_in_time(other) for other in taken):
                continue
            before = [other for other in taken if other.looks[-1] < chain.looks[0]]
            after = [other for other in taken if other.looks[0] > chain.looks[-1]]
            if (before and _goes_on(before[-1], chain)) or (after and _goes_on(chain, after[0])):
                break
        else:
            return taken
        waiting.remove(chain)
        taken = sorted([*taken, chain], key=lambda item: item.looks[0])


def _goes_on(one: _Chain, other: _Chain) -> bool:
    return other.looks[0] - one.looks[-1] <= _QUICK or _same_place(one.faces[-1], other.faces[0])


def _same_place(one: Face, other: Face) -> bool:
    """Whether a face that was lost is likely the one found: near, and of similar size."""
    smaller, larger = sorted((one.side, other.side))
    distance = float(np.linalg.norm(one.centre - other.centre))
    return distance <= larger <= _SAME_SIZE * smaller


def _stretches(chains: list[_Chain]) -> list[_Chain]:
    """Joins chains between which the face stayed in its place, so that no jump is seen there."""
    stretches = [chains[0]]
    for chain in chains[1:]:
        last = stretches[-1]
        if _same_place(last.faces[-1], chain.faces[0]):
            stretches[-1] = _Chain(last.looks + chain.looks, last.faces + chain.faces)
        else:
            stretches.append(chain)
    return stretches


def _between(times: Array, points: Array, begin: int, end: int) -> Array:
    """Values (N, 5, 2) at `times` (N,) as values at every frame from `begin` to `end` - 1."""
    wanted = np.arange(begin, end)
    flat = points.reshape(len(points), -1)
    columns = [np.interp(wanted, times, column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(wanted), *points.shape[1:])


def _smooth(values: Array, deviation: float) -> Array:
    """Gaussian mean over the first axis; at the ends over what there is."""
    reach = min(round(3 * deviation), len(values) - 1)
    if deviation <= 0 or reach < 1:
        return values
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    inside = slice(reach, reach + len(values))
    weight = np.convolve(np.ones(len(values)), kernel)[inside]
    flat = values.reshape(len(values), -1)
    smooth = [np.convolve(column, kernel)[inside] / weight for column in flat.T]
    return np.stack(smooth, axis=1).reshape(values.shape)
