"""The face of a clip as a clip of its own: upright, in the middle, of one size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from hicmae.data.manifest import Clip
from hicmae.errors import DataError
from hicmae.faces.alignment import align, similarity, source_region, template, within_region
from hicmae.faces.detection import Array, Picture
from hicmae.faces.options import FaceOptions
from hicmae.faces.searching import find_faces, frames_to_search
from hicmae.faces.tracking import FacePolicy, Track, track_face
from hicmae.files import whole_file, whole_folder
from hicmae.media import SAMPLE_RATE, VideoReader
from hicmae.media.containers import audio_stream, open_container
from hicmae.preparation.audio import read_sound, write_wav
from hicmae.preparation.face_writing import write_frames, write_video
from hicmae.preparation.lead_ins import shown_frames
from hicmae.preparation.outputs import output_path

NO_FACE = "no face"
"""Status of a clip in which nobody was found; nothing is written for it."""


def crop_face(clip: Clip, *, output: Path, options: FaceOptions) -> dict[str, Any]:
    """Cuts the face of one clip out.

    `write: video` makes `output`/clips/<id>.mp4 (H.264 at the clip's mean frame rate; sound as AAC,
    one channel of 16 kHz, which is what the models hear), `write: frames` makes
    `output`/frames/<id>/000001.jpg and so on and `output`/audio/<id>.wav. Both appear whole or not
    at all. A clip without a sound track is written without sound.

    Args:
        clip: The clip; of a segment only that part is used.
        output: Folder of the crops.
        options: How.

    Returns:
        Row with `status` ("ok" or "no face"), `video` and `audio` (what was written, relative to
        `output`, or ""; `audio` is "" if the sound lies in the video), `sound` (whether there is
        any), `frames`, `fps`, `detected` (share of the frames looked at with the face), `face_size`
        (median distance of the eyes in source pixels), `jumps` (how often the face went on
        elsewhere at once, as at cuts), `trimmed_start` and `trimmed_end` (seconds that were left
        out) and `message`.

    Raises:
        DataError: Picture or sound cannot be read, or the id cannot name a file.
        ConfigError: The detector cannot be used.
    """
    folder, suffix = ("clips", ".mp4") if options.write == "video" else ("frames", "")
    target = output_path(output / folder, clip.id, suffix)
    with VideoReader(
        clip.video, start=clip.start, end=clip.end, folder_fps=options.folder_fps or 25.0
    ) as reader:
        frames = shown_frames(reader) if options.trim else range(reader.frame_count)
        times = reader.timeline
        # What is left out at an end is left out of the sound too.
        start = times.time_of(frames.start) if frames.start else 0.0
        end = times.time_of(frames.stop) if frames.stop < reader.frame_count else None
        begin = 0.0 if frames.start else times.begin
        track, looks = _find(reader, frames, clip.side, options)
        row: dict[str, Any] = {
            "status": "ok",
            "video": "",
            "audio": "",
            "sound": False,
            "frames": len(frames),
            "fps": round(reader.fps, 3),
            "detected": 0.0,
            "face_size": 0.0,
            "jumps": 0,
            "trimmed_start": round(start, 3),
            "trimmed_end": 0.0 if end is None else round(times.end - end, 3),
            "message": "",
        }
        if track is None:
            policy = clip.side or options.face
            where = f" in the {policy} half" if policy in ("left", "right") else ""
            message = f"No face was found{where} in any of the {looks} frames looked at."
            return {**row, "status": NO_FACE, "message": message}

        eyes = np.linalg.norm(track.landmarks[:, 1] - track.landmarks[:, 0], axis=-1)
        sound = _sound_between(clip, start, end) if _has_sound(clip) else None
        row |= {
            "video": target.relative_to(output).as_posix(),
            "sound": sound is not None,
            "detected": round(len(track.looks) / looks, 3),
            "face_size": round(float(np.median(eyes)), 1),
            "jumps": track.jumps,
            "message": "" if sound is not None else "The clip has no sound track.",
        }
        pictures = _crops(reader, frames, track.landmarks, options)
        if options.write == "video":
            with whole_file(target) as part:
                write_video(
                    part,
                    pictures,
                    begin=begin,
                    fps=reader.fps,
                    size=options.size,
                    waveform=sound,
                    sample_rate=SAMPLE_RATE,
                    crf=options.crf,
                )
            return row
        with whole_folder(target, ".jpg") as part:
            write_frames(part, pictures, quality=options.quality)
            if sound is not None:
                wav = output_path(output / "audio", clip.id, ".wav")
                row["audio"] = wav.relative_to(output).as_posix()
                with whole_file(wav) as part_of_sound:
                    # Images cannot tell that they begin late.
                    write_wav(part_of_sound, sound[round(begin * SAMPLE_RATE) :], SAMPLE_RATE)
        return row


def _find(
    reader: VideoReader, frames: range, side: str | None, options: FaceOptions
) -> tuple[Track | None, int]:
    """The track of the face, and the number of frames looked at."""
    places = frames_to_search(len(frames), options.detect_every)
    searched = [frames[place] for place in places]
    track = track_face(
        list(find_faces(_pictures(reader, searched), options)),
        places,
        len(frames),
        (reader.width, reader.height),
        policy=options.face if side is None else cast(FacePolicy, side),
        smoothing=options.smooth * reader.fps,
    )
    return track, len(places)


def _crops(
    reader: VideoReader, frames: range, landmarks: Array, options: FaceOptions
) -> Iterator[Picture]:
    """The upright face of every frame."""
    transforms = similarity(landmarks, template(options.size, options.margin))
    region = source_region(transforms, options.size, reader.width, reader.height)
    transforms = within_region(transforms, region)
    pictures = _pictures(reader, frames, region)
    for picture, transform in zip(pictures, transforms, strict=True):
        yield align(picture, transform, options.size)


def _pictures(
    reader: VideoReader,
    frames: list[int] | range,
    region: tuple[int, int, int, int] | None = None,
) -> Iterator[Picture]:
    """Frames one by one, none of which is held; a region of None is the whole picture."""
    region = region or (0, 0, reader.height, reader.width)
    for _, picture in reader.pictures(frames, region=region):
        yield picture


def _sound_between(clip: Clip, start: float, end: float | None) -> npt.NDArray[np.float32]:
    """A part of the sound of a clip, by seconds from its start; an end of None is its own.

    Raises:
        DataError: The sound is broken, or ends before.
    """
    sound = read_sound(clip)
    part = sound[round(start * SAMPLE_RATE) : None if end is None else round(end * SAMPLE_RATE)]
    if len(sound) and not len(part):
        raise DataError(
            f"{clip.sound} has no sound behind {start:.2f} s, where the pictures begin that are "
            "not black or frozen; take the clip out, or leave --trim out."
        )
    return part


def _has_sound(clip: Clip) -> bool:
    """Whether a clip names a sound file, or its video has a sound track."""
    if clip.audio is not None:
        return True
    if Path(clip.video).is_dir():
        return False
    with open_container(Path(clip.video)) as container:
        return audio_stream(container) is not None
