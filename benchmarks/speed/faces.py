"""How long the search for faces takes, and how far what it finds lies from a search of every frame.

    python benchmarks/speed/faces.py

Each way follows people through the same clips on one core, decoding included: whole pictures of
every frame, which is what the others are compared with; whole pictures of every third frame; and
the settings of `hicmae recognize` and `hicmae data faces`, where only some pictures are searched as
a whole.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from clips import clips_for
from measure import CLIPS, Report, run

from hicmae.errors import ConfigError
from hicmae.faces import FaceOptions, build_detector
from hicmae.faces.searching import find_faces, frames_to_search
from hicmae.faces.tracking import Stay, Track, track_face, track_people
from hicmae.media import VideoReader

EXACT, USUAL = "every frame", "every third"
RECOGNITION, PREPARATION = "as recognize: 3, 2", "as data faces: 6, 8"
WAYS = {
    EXACT: {"detect_every": 1, "whole_every": 1},
    USUAL: {"detect_every": 3, "whole_every": 1},
    RECOGNITION: {"detect_every": 3, "whole_every": 2},
    PREPARATION: {"detect_every": 6, "whole_every": 8},
}
FOLDERS = ("grid_talkers", "ravdess", "java_sed", "presenters")  # heads and shoulders
GAP = 1.0  # seconds for which a face may be lost without its person being out of view


@dataclass
class Found:
    """What was found in a clip.

    Attributes:
        seconds: Of the processor.
        track: The main person.
        people: Everyone.
    """

    seconds: float
    track: Track | None
    people: list[list[Stay]]


def main(options: argparse.Namespace, report: Report) -> None:
    """Measures and reports."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    try:
        build_detector("mtcnn", FaceOptions().min_face)
    except ConfigError as error:
        raise SystemExit(str(error)) from error
    with tempfile.TemporaryDirectory() as scratch:
        clips = choose(report, Path(scratch), each=1 if options.smallest else 16)
        follow(clips[0], WAYS[PREPARATION])  # warm
        found = {name: [follow(clip, way) for clip in clips] for name, way in WAYS.items()}
    rows: list[list[str | float]] = []
    shifts, speed = {}, {}
    for name, results in found.items():
        shift = np.array([displacement(*pair) for pair in zip(results, found[EXACT], strict=True)])
        shifts[name] = float(np.nanmedian(shift))
        others = sum(
            len(one.people) != len(other.people)
            for one, other in zip(results, found[EXACT], strict=True)
        )
        seconds = sum(result.seconds for result in results)
        speed[name] = sum(result.seconds for result in found[USUAL]) / seconds
        worst, lost = float(np.nanmax(shift)), float(np.isnan(shift).sum())
        milliseconds = 1e3 * seconds / len(clips)
        rows.append([name, milliseconds, speed[name], shifts[name], worst, lost, others])
    columns = ["way", "ms a clip", f"× {USUAL}", "moved %", "worst %", "lost", "other people"]
    report.table(f"Searching {len(clips)} clips, one core", columns, rows)
    report.note(
        "moved: landmarks of the main person, mean over a clip, in percent of the distance of the "
        f"eyes, from where a search of {EXACT} puts them (median and worst clip); lost: clips in "
        "which only one of both found somebody; other people: clips with another number of people."
    )
    report.target(f"data faces: times as fast as {USUAL}", speed[PREPARATION], 3, "×")
    what = "landmarks moved, of the distance of the eyes, median clip"
    report.target(f"data faces: {what}", shifts[PREPARATION], 5, "%", most=True)
    report.target(f"recognize: {what}", shifts[RECOGNITION], 5, "%", most=True)


def choose(report: Report, folder: Path, each: int) -> list[Path]:
    """Real clips of every folder that is there, evenly spread over it, else synthetic ones."""
    clips = []
    for name in FOLDERS:
        paths = sorted(path for path in (CLIPS / name).rglob("*.mp*") if path.is_file())
        clips += paths[:: max(len(paths) // each, 1)][:each]
    if clips:
        report.note(f"Clips: {len(clips)} real ones of {', '.join(FOLDERS)}.")
        return clips
    return [Path(video) for video in clips_for(report, folder, each)["video"]]


def follow(clip: Path, way: dict[str, Any]) -> Found:
    """Looks for faces in a clip and follows people through it."""
    options = FaceOptions(**way)
    begin = time.process_time()
    with VideoReader(clip) as reader:
        looks = frames_to_search(reader.frame_count, options.detect_every)
        whole = (0, 0, reader.height, reader.width)
        pictures = (picture for _, picture in reader.pictures(looks, region=whole))
        faces = list(find_faces(pictures, options))
        seconds = time.process_time() - begin
        count, smoothing = reader.frame_count, options.smooth * reader.fps
        track = track_face(faces, looks, count, (reader.width, reader.height), smoothing=smoothing)
        gap = round(GAP * reader.fps)
        people = track_people(faces, looks, count, most=4, longest_gap=gap)
    return Found(seconds, track, people)


def displacement(one: Found, other: Found) -> float:
    """Mean distance of the main person's landmarks, in percent of the distance of the eyes.

    Not a number where only one of two found somebody.
    """
    if one.track is None or other.track is None:
        return 0.0 if one.track is other.track else float("nan")
    ours, exact = one.track.landmarks, other.track.landmarks
    eyes = np.linalg.norm(exact[:, 1] - exact[:, 0], axis=-1)
    return float(100 * (np.linalg.norm(ours - exact, axis=-1).mean(axis=-1) / eyes).mean())


if __name__ == "__main__":
    run(main, "faces", __doc__)
