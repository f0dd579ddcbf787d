"""Clips that are seen alone, heard alone, or one of the two for part of the time."""

import io

import numpy as np
import pytest
import torch
from coloured_faces import film
from media_factory import numbered_picture, sweep
from odd_media import write_sound
from rich.console import Console
from tiny import CLASSES, tiny_architecture

from hicmae.checkpoints import InputSettings, ModelDescription
from hicmae.errors import DataError
from hicmae.faces.people import NoFaceError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.inference.tables import recognition_table
from hicmae.media import SAMPLE_RATE
from hicmae.media.recording import ArrayRecording, FileRecording
from hicmae.media.watched import WatchedDecoder

SEEN, HEARD, BOTH = [True, False], [False, True], [True, True]


def recognizer(*, stand_ins=True, **options):
    description = ModelDescription(
        "classification",
        tuple(CLASSES),
        tiny_architecture(audio_frames=64),
        stand_ins=stand_ins,
        inputs=InputSettings(stride=4, frame_size=40),
    )
    torch.manual_seed(0)
    model = description.model()
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.weight)  # as large as a trained one's
    return EmotionRecognizer(model, description, **({"faces": "none"} | options))


def clip(pictures=2.0, sound=2.0):
    """So many seconds of pictures and of sound; 0 is none."""
    count = round(25 * pictures)
    frames = np.stack([numbered_picture(index, (48, 40)) for index in range(count)] or [[]])
    waveform = sweep(sound, SAMPLE_RATE) if sound else None
    return ArrayRecording(frames if count else None, 25, waveform, name="clip")


def told(recognition):
    """The words of the table for a terminal."""
    console = Console(file=io.StringIO(), width=150)
    console.print(recognition_table(recognition, "clip"))
    return console.file.getvalue()


def test_clip_with_both_is_answered_alike_with_and_without_the_option():
    plain, able = (recognizer(stand_ins=option).recognize(clip()) for option in (False, True))
    np.testing.assert_array_equal(
        able.people[0].window_scores,
        plain.people[0].window_scores,
    )
    assert able.to_dict() == plain.to_dict()
    assert set(able.to_frame()["used"]) == {"both"}
    assert told(able) == told(plain)
    assert "alone" not in told(able)


@pytest.mark.parametrize(
    ("lacking", "use", "other", "senses"),
    [("sound", "video", "audio", SEEN), ("pictures", "audio", "video", HEARD)],
)
def test_what_is_missing_counts_as_what_is_not_used(lacking, use, other, senses):
    able = recognizer()
    lone = clip(**{lacking: 0})
    found = able.recognize(lone)
    (person,) = found.people
    assert person.window_senses.tolist() == [senses] * len(person.window_scores)
    assert set(found.to_frame()["used"]) == {use}
    whole = able.recognize(clip(), use=use).people[0]
    np.testing.assert_array_equal(person.window_scores, whole.window_scores)
    assert not np.allclose(able.recognize(clip()).people[0].scores, person.scores)
    assert {"video": "picture alone", "audio": "sound alone"}[use] in told(found)
    (embedding,) = able.embed(lone)
    assert embedding.window_senses.tolist() == person.window_senses.tolist()
    layers = getattr(embedding, f"{other}_layers")
    stand_ins = able.model.get_parameter(f"{other}_stand_ins")
    np.testing.assert_array_equal(layers[0], stand_ins.detach())
    with pytest.raises(DataError, match=f"has no {lacking}"):
        recognizer(stand_ins=False).recognize(lone)
    with pytest.raises(DataError, match=f"has no {lacking}"):
        able.recognize(lone, use=other)


def test_pictures_behind_the_end_of_the_sound_are_seen_alone(caplog):
    able = recognizer()
    (person,) = able.recognize(clip(sound=0.8)).people
    begins = person.window_times[:, 0]
    seen_alone = begins + 0.32 >= 0.8  # half of a window
    assert seen_alone.any()
    assert [senses == SEEN for senses in person.window_senses.tolist()] == seen_alone.tolist()
    assert not caplog.records
    (heard,) = able.recognize(clip(sound=0.8), use="audio").people
    assert len(heard.window_scores) == (begins < 0.8).sum()  # of the rest, there is nothing


def test_pictures_before_the_beginning_of_the_sound_are_seen_alone(tmp_path):
    sound = 0.5 * sweep(0.8, SAMPLE_RATE)[None]
    path = write_sound(tmp_path / "late.mkv", [(1.2, sound)], pictures=50)
    with WatchedDecoder(patience=30) as decoder:
        for recording in (FileRecording(path), decoder.open(path)):
            (person,) = recognizer().recognize(recording).people
            told = [senses == SEEN for senses in person.window_senses.tolist()]
            assert set(told) == {True, False}
            assert told == (person.window_times.mean(1) <= 1.2).tolist()


def test_sound_that_is_heard_before_all_pictures_alone_is_told():
    early = clip(sound=0.2)
    early.time_of = lambda frame: 1 + frame / 25
    with pytest.raises(DataError, match="clip has no sound in the time of its pictures"):
        recognizer().recognize(early, use="audio")


class TestFaces:
    """Of films in which red and green squares are faces."""

    SOUND = sweep(4.8, SAMPLE_RATE)

    def made(self, places, *, waveform=SOUND, **options):
        able = recognizer(faces="crop", detector="coloured_faces.Colours", **options)
        return able, film(places, waveform=waveform)

    def test_single_person_out_of_view_is_heard_alone(self):
        places = [{"red": (10, 20, 40)} if 40 <= frame < 90 else {} for frame in range(120)]
        able, recording = self.made(places)
        found = able.recognize(recording)
        (person,) = found.people
        assert (person.start, person.end) == pytest.approx((1.6, 3.6), abs=0.1)
        begins, ends = person.window_times.T
        assert (begins[0], ends[-1]) == pytest.approx((0, 4.8), abs=1e-6)
        assert begins.tolist() == sorted(begins)
        within = (begins >= person.start - 1e-6) & (ends <= person.end + 1e-6)
        assert [senses == BOTH for senses in person.window_senses.tolist()] == within.tolist()
        assert person.window_senses[:, 1].all()
        # Half of the first absence by itself.
        alone = ArrayRecording(None, waveform=self.SOUND[: round(person.start * SAMPLE_RATE)])
        lone = recognizer().recognize(alone).people[0]
        np.testing.assert_allclose(
            lone.window_scores, person.window_scores[: len(lone.window_scores)], atol=1e-5
        )
        assert "sound alone" in told(found)
        assert len(able.recognize(recording, use="video").people[0].window_scores) == within.sum()

    def test_short_absence_and_that_of_one_of_two_are_left_out(self):
        brief = [{"red": (10, 20, 40)} if frame >= 20 else {} for frame in range(120)]
        two = [
            {"red": (10, 20, 40)} | ({"green": (100, 30, 50)} if frame < 60 else {})
            for frame in range(120)
        ]
        for places in (brief, two):
            able, recording = self.made(places)
            for person in able.recognize(recording).people:
                assert person.window_senses.all()

    def test_speech_of_another_is_not_given_to_the_one_who_is_followed(self):
        places = [
            ({"red": (10, 20, 80)} if frame < 60 else {}) | {"green": (110, 30, 30)}
            for frame in range(120)
        ]
        alone, both = self.made(places, most_people=1), self.made(places)
        (person,) = alone[0].recognize(alone[1]).people
        main = both[0].recognize(both[1]).people[0]
        assert person.end == pytest.approx(2.4, abs=0.1)
        np.testing.assert_array_equal(person.window_times, main.window_times)
        assert person.window_senses.all()

    def test_clip_without_a_face_is_heard_if_there_is_sound(self):
        able, recording = self.made([{}] * 40)
        (person,) = able.recognize(recording).people
        assert not person.window_senses[:, 0].any()
        assert not len(person.boxes)
        able, silent = self.made([{}] * 40, waveform=None)
        with pytest.raises(NoFaceError, match="no face was found"):
            able.recognize(silent)
        plain, recording = self.made([{}] * 40, stand_ins=False)
        with pytest.raises(NoFaceError):
            plain.recognize(recording)
