"""What the page tells of a clip, and how."""

import dataclasses
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from hicmae.errors import DataError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.analysis import Answer, UploadLimits, analyse
from hicmae.serve.panels import about_html, answer_html, message_box, progress_box

Build = Callable[..., EmotionRecognizer]


class Tags(HTMLParser):
    """Collects the tags of HTML and refuses text outside of Unicode's plain characters."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(html)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"img", "input"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str, kind: str = "") -> int:
        return sum(
            name == tag and kind in (attributes.get("class") or "")
            for name, attributes in self.tags
        )


# ---- what is told of a clip -----------------------------------------------------------------


@pytest.fixture(scope="module")
def answer(recognizer_of: Build, clip: Path) -> Answer:
    return analyse(recognizer_of(), clip, UploadLimits())


def test_tells_the_same_as_recognize(answer: Answer, recognizer_of: Build, clip: Path) -> None:
    recognition = recognizer_of().recognize(clip)
    (person,), (expected,) = answer.people, recognition.people
    assert answer.duration == recognition.duration
    np.testing.assert_array_equal(person.window_times, expected.window_times)
    np.testing.assert_allclose(person.window_scores, expected.window_scores, atol=1e-5)
    np.testing.assert_allclose(person.scores, expected.scores, atol=1e-5)


def test_progress_begins_at_nothing_without_a_search_and_ends_at_all(
    recognizer_of: Build, clip: Path
) -> None:
    shares: list[float] = []
    analyse(recognizer_of(), clip, UploadLimits(), shares.append)
    assert shares == sorted(shares)
    assert shares[0] < 0.3
    assert shares[-1] == 1.0


def test_looks_closely_at_the_window_of_the_strongest_emotion(answer: Answer) -> None:
    (person,) = answer.people
    assert len(person.window_times) > 3
    main = person.scores.argmax()
    place = person.window_scores[:, main].argmax()
    assert (person.moment.start, person.moment.end) == pytest.approx(person.window_times[place])
    both = person.moment.scores["both"]
    np.testing.assert_allclose(both, person.window_scores[place], atol=1e-5)
    assert set(person.moment.scores) == {"both", "audio", "video"}
    assert not np.allclose(both, person.moment.scores["audio"])
    assert not np.allclose(both, person.moment.scores["video"])
    assert person.moment.frames.shape == (4, 32, 32, 3)  # after the crop, as the model sees it
    assert person.moment.video_map.shape == (2, 2, 2)
    assert person.moment.audio_map.shape == (2, 2)


def test_looks_closely_at_the_window_farthest_from_the_mean_of_values(
    recognizer_of: Build, clip: Path
) -> None:
    recognizer = recognizer_of(kind="regression", outputs=("arousal", "valence"))
    answer = analyse(recognizer, clip, UploadLimits())
    (person,) = answer.people
    distance = np.abs(person.window_scores - person.scores).max(axis=1)
    assert person.moment.start == pytest.approx(person.window_times[distance.argmax(), 0])
    page = answer_html(answer)
    assert f"{person.scores[0]:+.2f}" in page
    assert "%</em>" not in page  # values are no shares
    Tags(page)


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_a_model_of_one_modality_is_not_asked_about_the_other(
    modality: str, recognizer_of: Build, clip: Path
) -> None:
    answer = analyse(recognizer_of(modality=modality), clip, UploadLimits())
    moment = answer.people[0].moment
    assert set(moment.scores) == {"both"}
    assert (moment.video_map is None) == (modality == "audio")
    assert (moment.audio_map is None) == (modality == "video")
    page = answer_html(answer)
    assert "Which modality" not in page
    assert ("Where the model looks" in page) == (modality == "video")
    assert ("Where the model listens" in page) == (modality == "audio")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 2.0}, "at most 1 s"),
        ({"seconds": 0.8, "sound": False}, "no sound"),
        ({"seconds": 0.8, "picture": False}, "no pictures"),
    ],
)
def test_refuses_clips_before_the_model_runs(
    options: dict[str, object],
    message: str,
    recognizer_of: Build,
    clip_factory: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recognizer = recognizer_of()
    name = f"refused-{'-'.join(options)}.mp4"
    monkeypatch.setattr(recognizer, "windows", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(DataError, match=message):
        analyse(recognizer, clip_factory(name, **options), UploadLimits(max_seconds=1.0))


# ---- how it is shown ------------------------------------------------------------------------


def test_shows_every_part_with_all_pictures_inside(answer: Answer) -> None:
    page = answer_html(answer)
    tags = Tags(page)
    best = answer.outputs[int(answer.people[0].scores.argmax())]
    assert f'<span class="hm-emotion">{best}</span>' in page
    assert tags.count("div", "hm-bar") >= 4 * (1 + len(answer.outputs))  # whole clip and 3 probes
    assert tags.count("svg") == tags.count("video") == 1
    (axis,) = [found for _, found in tags.tags if found.get("class") == "hm-curve"]
    assert float(axis["data-start"]) == 0
    assert float(axis["data-end"]) == pytest.approx(answer.duration, abs=0.05)
    assert 0 < float(axis["data-left"]) < 0.3
    assert 0.9 < float(axis["data-right"]) <= 1
    for title in ("Over the whole clip", "Over time", "The picture", "The sound", "modality"):
        assert title in page
    images = [attributes["src"] or "" for tag, attributes in tags.tags if tag == "img"]
    assert len(images) == 4 + 4 + 2  # frames, heat over them, two spectrograms
    assert all(source.startswith("data:image/") for source in images)
    assert not tags.count("script")
    assert "hm-tabs" not in page


def test_a_clip_of_one_window_plays_without_a_curve(
    recognizer_of: Build, clip_factory: Callable[..., Path]
) -> None:
    clip = clip_factory("short.mp4", seconds=0.4)
    page = answer_html(analyse(recognizer_of(), clip, UploadLimits()))
    assert Tags(page).count("video") == 1
    assert "hm-curve" not in page


def test_says_how_many_come_first_and_what_is_done() -> None:
    assert "1 clip is before yours" in progress_box(1, 0.0)
    assert "3 clips are before yours" in progress_box(3, 0.0)
    page = progress_box(0, 0.42)
    assert "42%" in page
    assert Tags(page).count("div", "hm-progress") == 1


def test_clip_that_lacks_a_sense_says_what_was_used(
    recognizer_of: Build, clip: Path, clip_factory: Callable[..., Path]
) -> None:
    able = recognizer_of(stand_ins=True)
    silent = clip_factory("silent.mp4", seconds=1.0, sound=False)
    page = answer_html(analyse(able, silent, UploadLimits()))
    assert "· picture alone" in page
    assert "Where the model looks" in page
    assert "What the model heard" not in page
    page = answer_html(analyse(able, clip_factory("voice.wav", seconds=1.0), UploadLimits()))
    assert "· sound alone" in page
    assert "Where the model listens" in page
    assert "What the model saw" not in page
    page = answer_html(analyse(able, clip, UploadLimits()))
    assert "· sound alone" not in page
    assert "learnt to do with one of the two" in page
    with pytest.raises(DataError, match="has no sound"):
        analyse(recognizer_of(), silent, UploadLimits())


def test_several_people_have_a_tab_each(answer: Answer) -> None:
    (person,) = answer.people
    second = dataclasses.replace(person, number=2, scores=person.scores[::-1])
    both = Answer(answer.name, answer.kind, answer.outputs, answer.duration, True, (person, second))
    tags = Tags(answer_html(both))
    assert tags.count("input") == tags.count("label") == tags.count("section", "hm-panel") == 2
    assert sum("checked" in attributes for _, attributes in tags.tags) == 1
    ids = [attributes["id"] for tag, attributes in tags.tags if tag == "input"]
    assert ids == [attributes["for"] for tag, attributes in tags.tags if tag == "label"]


def test_names_from_files_are_no_markup(recognizer_of: Build, clip: Path) -> None:
    evil = "<script>alert(1)</script>\"'<img src=x>"
    recognizer = recognizer_of(
        outputs=(evil, "calm", "joy"), training={"data": {"module": evil, "label": evil}}
    )
    answer = analyse(recognizer, clip, UploadLimits())
    renamed = Answer(
        evil, answer.kind, answer.outputs, answer.duration, answer.crops_faces, answer.people
    )
    for page in (answer_html(renamed), about_html(recognizer.judge), message_box(evil)):
        assert "&lt;script&gt;" in page
        tags = Tags(page)
        assert not tags.count("script")
        assert all(
            (attributes.get("src") or "data:").startswith("data:") for _, attributes in tags.tags
        )


def test_many_classes_are_folded_away(recognizer_of: Build, clip: Path) -> None:
    names = tuple(f"class {number}" for number in range(12))
    page = answer_html(analyse(recognizer_of(outputs=names), clip, UploadLimits()))
    assert Tags(page).count("details") == 4
    assert "4 more" in page
    assert "The 5 most probable of 12" in page


def test_says_what_the_model_learned_from(recognizer_of: Build) -> None:
    page = about_html(recognizer_of(training={"data": {"corpus": "CREMA-D"}}).judge)
    assert "clips of CREMA-D" in page
    assert "does not say" in about_html(recognizer_of().judge)
