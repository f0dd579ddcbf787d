"""What can be wrong with a clip: missing, broken, silent, too short, of two lengths."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from hicmae.data.manifest import Clip
from hicmae.errors import DataError
from hicmae.ledger import DONE, Row
from hicmae.media import SAMPLE_RATE, VideoReader, read_audio
from hicmae.media.members import is_there
from hicmae.preparation.lead_ins import find_lead_ins
from hicmae.preparation.options import CheckOptions

MISSING = "missing"
BROKEN_VIDEO = "broken video"
BROKEN_SOUND = "broken sound"
SILENT = "silent"
SHORT = "too short"
LENGTHS_DIFFER = "lengths differ"
UNCHECKED = "could not be checked"
PROBLEMS = (MISSING, BROKEN_VIDEO, BROKEN_SOUND, SILENT, SHORT, LENGTHS_DIFFER, UNCHECKED)

PROBLEM = "problem"
"""Status of a clip with at least one of the problems."""

_CHUNK = 64


def inspect(clip: Clip, *, options: CheckOptions, folder_fps: float = 25.0) -> Row:
    """Opens a clip and measures it.

    Args:
        clip: The clip.
        options: What counts as a problem.
        folder_fps: Frames per second of clips that are folders of images.

    Returns:
        `status` ("ok" or "problem"), `problems` (their names, divided by ";"), `message`, and what
        could be measured of `frames`, `fps`, `stated_fps` (of the header), `variable_rate`
        (whether frames are shown at irregular times), `width`, `height`, `video_seconds`,
        `black_start`, `black_end`, `frozen_start`, `frozen_end` (frames, as `LeadIns` has them),
        `audio_seconds` and `peak` (of 1).
    """
    row: Row = {}
    found: dict[str, str] = {}
    sound = clip.sound
    gone = [path for path in dict.fromkeys((clip.video, sound)) if not is_there(path)]
    if gone:
        found[MISSING] = f"{' and '.join(gone)} does not exist"
    if clip.video not in gone:
        try:
            row |= _picture(clip, options, folder_fps)
        except DataError as error:
            found[BROKEN_VIDEO] = str(error)
    if sound not in gone:
        try:
            row |= _sound(clip)
        except DataError as error:
            found[BROKEN_SOUND] = str(error)
    found |= _measured_problems(row, options)
    return {
        "status": PROBLEM if found else DONE,
        "problems": ";".join(found),
        "message": " ".join(found.values()),
        **row,
    }


def _picture(clip: Clip, options: CheckOptions, folder_fps: float) -> Row:
    with VideoReader(clip.video, start=clip.start, end=clip.end, folder_fps=folder_fps) as reader:
        count = reader.frame_count
        whole = (0, 0, reader.height, reader.width)
        if options.decode == "ends":
            reader.read(sorted({0, count // 2, count - 1}), size=16, region=whole)
        else:
            for first in range(0, count, _CHUNK):
                reader.read(range(first, min(first + _CHUNK, count)), size=16, region=whole)
        stated = reader.timeline.stated_fps
        return {
            "frames": count,
            "fps": round(reader.fps, 3),
            "stated_fps": stated and round(stated, 3),
            "variable_rate": not reader.timeline.regular,
            "width": reader.width,
            "height": reader.height,
            "video_seconds": round(reader.timeline.end, 3),
            **asdict(find_lead_ins(reader)),
        }


def _sound(clip: Clip) -> Row:
    start, end = clip.sound_segment
    waveform = read_audio(clip.sound, start=start, end=end)
    return {
        "audio_seconds": round(len(waveform) / SAMPLE_RATE, 3),
        "peak": round(float(np.abs(waveform).max(initial=0.0)), 5),
    }


def _measured_problems(row: Row, options: CheckOptions) -> dict[str, str]:
    found: dict[str, str] = {}
    frames: int | None = row.get("frames")
    picture: Any = row.get("video_seconds")
    sound: Any = row.get("audio_seconds")
    if sound is not None and row["peak"] < options.silence:
        found[SILENT] = f"The sound never exceeds {row['peak']} of 1."
    too_short = []
    if frames is not None and frames < options.min_frames:
        too_short.append(f"{frames} frames")
    if sound is not None and sound < options.min_sound:
        too_short.append(f"{sound} s of sound")
    if too_short:
        found[SHORT] = f"The clip has only {' and '.join(too_short)}."
    limit: Any = options.max_length_difference
    if None not in (limit, picture, sound) and abs(picture - sound) >= limit:
        found[LENGTHS_DIFFER] = f"The picture lasts {picture} s and the sound {sound} s."
    return found
