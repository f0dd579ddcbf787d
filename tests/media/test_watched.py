"""Clips that a child decodes are the clips decoded here, and its end is told."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from media_factory import numbered_picture, write_clip, write_image

from hicmae.errors import ConfigError, DataError
from hicmae.media import watched
from hicmae.media.recording import FileRecording
from hicmae.media.watched import WatchedDecoder


class Deadly(watched._Decoding):
    """Ends badly where the name of a clip says so."""

    def pictures(self, frames, room):
        name = self._recording.path.stem
        if frames[0] > 0 and name in signal.Signals.__members__:
            os.kill(os.getpid(), signal.Signals[name])
        if name == "hang":
            time.sleep(60)
        return super().pictures(frames, room)


@pytest.fixture
def decoder():
    with WatchedDecoder(patience=30) as decoder:
        yield decoder


def read(recording):
    """All pictures, between which sound is asked for, some of them at one size, and all sound."""
    whole = (0, 0, recording.height, recording.width)
    found = []
    for index, picture in recording.pictures(range(recording.frame_count), region=whole):
        found.append((index, picture))
        if index % 10 == 9 and recording.has_sound:
            found.append((index, recording.sound(index * 100, index * 100 + 1000)))
    some = [0, 3, recording.frame_count - 1]
    found += recording.pictures(some, size=20, region="left")
    if recording.has_sound:
        found.append((-1, recording.sound(0, 16_000 * 60)))
    return found


@pytest.mark.parametrize("name", ["mp4", "webm", "flv", "with_wav", "images", "large"])
def test_pictures_and_sound_are_the_same_bit_for_bit(
    decoder, clip_factory, tmp_path, monkeypatch, name
):
    sound = None
    if name == "images":
        path = tmp_path / "images"
        path.mkdir()
        for index in range(40):
            write_image(path / f"{index}.png", numbered_picture(index))
    elif name == "with_wav":
        path = clip_factory("seen.mp4", seconds=2.0, sound=False)
        sound = clip_factory("heard.wav", seconds=2.5)
    else:
        suffix = "mp4" if name == "large" else name
        path = clip_factory(f"watched.{suffix}", seconds=2.0, size=(96, 64))
    if name == "large":  # than the room for a block
        monkeypatch.setattr(watched, "_ROOM", 5000)
        decoder = WatchedDecoder(patience=30)
    try:
        theirs = decoder.open(path, sound=sound)
        ours = FileRecording(path, sound=sound)
        names = ("source", "fps", "frame_count", "width", "height", "has_video", "has_sound")
        assert [getattr(theirs, n) for n in names] == [getattr(ours, n) for n in names]
        assert theirs.duration == ours.duration
        for (index, expected), (there, found) in zip(read(ours), read(theirs), strict=True):
            assert index == there
            np.testing.assert_array_equal(found, expected)
    finally:
        decoder.close()


def outcome(recording):
    frames = []
    with pytest.raises(DataError) as told:
        frames.extend(index for index, _ in recording.pictures(range(recording.frame_count)))
    return frames, str(told.value)


def test_damage_is_told_at_the_same_frame(decoder, clip_factory, tmp_path):
    content = bytearray(clip_factory("watched.mp4", seconds=2.0, size=(96, 64)).read_bytes())
    place = len(content) // 2
    content[place : place + 4000] = bytes(4000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    assert outcome(decoder.open(path)) == outcome(FileRecording(path))
    with pytest.raises(DataError, match="no media file"):
        decoder.open(Path(__file__))
    sound_alone = decoder.open(clip_factory("heard.wav", seconds=2.5))
    with pytest.raises(DataError, match="has no pictures"):
        next(sound_alone.pictures([0]))


def test_a_crash_and_a_hang_are_told_and_the_next_clip_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(watched, "_Decoding", Deadly)
    told = {}
    with WatchedDecoder(patience=1) as decoder:
        for name in ("SIGSEGV", "SIGABRT", "hang", "good"):
            path = write_clip(tmp_path / f"{name}.mp4", seconds=1.0, size=(32, 32))
            recording = decoder.open(path)
            try:
                told[name] = len(list(recording.pictures(range(recording.frame_count))))
            except DataError as error:
                told[name] = str(error).removeprefix(f"{path}: the process that decoded it ")
            else:
                continue
            with pytest.raises(RuntimeError, match="cannot be read on"):
                next(recording.pictures([0]))
    way_out = "; replace it or take it out."
    assert told == {
        "SIGSEGV": f"crashed (segmentation fault, SIGSEGV){way_out}",
        "SIGABRT": f"crashed (aborted by a library, SIGABRT){way_out}",
        "hang": f"gave no sign of life for 1 s{way_out}",
        "good": 25,
    }


def test_pictures_cannot_be_mixed_up(decoder, clip_factory):
    recording = decoder.open(clip_factory("watched.mp4", seconds=2.0, size=(96, 64)))
    first = recording.pictures(range(50))
    next(first)
    next(recording.pictures([7]))
    with pytest.raises(RuntimeError, match="one passage"):
        list(first)


def test_patience_is_positive():
    with pytest.raises(ConfigError, match="patience is 0"):
        WatchedDecoder(patience=0)
