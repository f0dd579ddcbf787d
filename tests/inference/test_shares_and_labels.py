"""Models that tell shares or several labels: what is said of a clip, drawn and exported."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from rich.console import Console
from tiny import CLASSES
from tiny_models import write_model

from hicmae.answers.blends import Blends
from hicmae.checkpoints import load_recognition_model
from hicmae.checkpoints.card import model_card
from hicmae.errors import CheckpointError
from hicmae.export.graph import ClipModel
from hicmae.inference.drawing import Annotator
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.inference.results import Person, Recognition, named
from hicmae.inference.tables import recognition_table
from hicmae.serve.analysis import UploadLimits, analyse
from hicmae.serve.panels import about_html, answer_html


@pytest.fixture(scope="module", params=["distribution", "labels"])
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    return request.param, write_model(folder, target_kind=request.param)


def recognition_of(scores, kind, blends=None):
    windows = np.array(scores, np.float32)
    times = np.arange(len(windows), dtype=np.float32)
    boxes = np.zeros((0, 4), np.float32)
    seen = np.ones((len(windows), 2), bool)
    spans = np.stack([times, times + 1], axis=1)
    end = float(len(windows))
    person = Person(1, 0.0, end, windows.mean(0), spans, windows, boxes[:, 0], boxes, seen)
    return Recognition("clip", "classification", tuple(CLASSES), end, (person,), kind, blends)


def text_of(recognition):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(recognition_table(recognition, "clip"))
    return console.export_text()


def test_labels_are_those_from_a_half_on():
    scores = np.array([0.5, 0.2, 0.9], np.float32)
    assert named(CLASSES, scores, "labels") == "anger + joy"
    assert named(CLASSES, scores / 10, "labels") == "none"
    assert named(CLASSES, scores, "distribution") == named(CLASSES, scores, "class") == "joy"


def test_blends_are_told_by_the_thresholds_of_the_model():
    blends = Blends(("anger", "joy"), (0.3, 0.1))
    windows = [[0.35, 0.05, 0.6], [0.5, 0.05, 0.45], [0.28, 0.1, 0.62], [0.1, 0.5, 0.4]]
    told = recognition_of(windows, "distribution", blends)
    names = [told.named(scores) for scores in told.people[0].window_scores]
    assert names == ["joy 70 + anger 30", "anger 50 + joy 50", "joy", "calm"]
    assert told.emotion == told.to_dict()["people"][0]["blend"] == "joy 70 + anger 30"
    table = told.to_frame()
    assert list(table["blend"]) == names
    assert list(table.columns[-3:]) == CLASSES
    text = text_of(told)
    assert "1.0-2.0 s anger 50 + joy 50" in text
    assert "2.0-3.0 s joy 62%" in text
    plain = recognition_of(windows, "distribution")
    assert "blend" not in plain.to_frame()
    pictures = [
        Annotator(one, 640, 360, 25.0).annotate(np.zeros((360, 640, 3), np.uint8), 1.0)
        for one in (told, plain)
    ]
    assert (pictures[0] != pictures[1]).any()


def test_the_table_names_labels_window_by_window_and_stretch_by_stretch():
    few = text_of(recognition_of([[0.8, 0.1, 0.7], [0.1, 0.2, 0.3]], "labels"))
    assert "0.0-1.0 s anger + joy" in few
    assert "1.0-2.0 s none" in few
    many = text_of(recognition_of([[0.8, 0.1, 0.7]] * 5 + [[0.8, 0.1, 0.2]] * 5, "labels"))
    assert "0.0-5.0 s anger + joy" in many
    assert "5.0-10.0 s anger" in many
    shares = text_of(recognition_of([[0.3, 0.6, 0.1]], "distribution"))
    assert "calm 60%" in shares


def test_curves_of_labels_are_lines_and_not_a_stack():
    """Scores that sum to more than 1 would leave a stack of areas."""
    paper = []
    for kind, scores in (("labels", [0.9, 0.8, 0.7]), ("distribution", [0.5, 0.3, 0.2])):
        annotator = Annotator(recognition_of([scores] * 3, kind), 640, 360, 25.0)
        page = annotator.annotate(np.zeros((360, 640, 3), np.uint8), 1.0)
        strip = page[360:].reshape(-1, 3)
        paper.append((strip == page[-1, 0]).all(1).mean())
    assert paper[0] > paper[1] + 0.2


def test_scores_of_a_clip_and_of_a_graph_are_shares_or_yes_and_no(model, clip_factory):
    kind, folder = model
    clip = clip_factory("kinds.mp4", seconds=1.0, size=(48, 48))
    recognizer = EmotionRecognizer.from_pretrained(str(folder), faces="none")
    told = recognizer.recognize(clip)
    assert told.target_kind == kind
    total = sum(told.scores.values())
    assert total == pytest.approx(1, abs=1e-5) if kind == "distribution" else 0 < total < 3
    graph = ClipModel(*load_recognition_model(folder))
    out = graph(**graph.example(1, 8000))
    act = torch.softmax if kind == "distribution" else lambda logits, _: logits.sigmoid()
    torch.testing.assert_close(out["scores"], act(out["logits"], -1))


def test_the_page_and_the_card_say_what_the_numbers_are(model, clip_factory):
    kind, folder = model
    clip = clip_factory("kinds.mp4", seconds=1.0, size=(48, 48))
    recognizer = EmotionRecognizer.from_pretrained(str(folder), faces="none")
    answer = analyse(recognizer, clip, UploadLimits())
    (person,) = answer.people
    scores = np.array([0.6, 0.1, 0.7], np.float32)
    people = (dataclasses.replace(person, scores=scores),)
    page = answer_html(dataclasses.replace(answer, people=people))
    about = about_html(recognizer.judge)
    card = model_card(recognizer.description, {}, "0")
    if kind == "labels":
        assert "anger + joy" in page
        assert "by itself" in about
        assert "label from 0.5" in card
    else:
        assert '<span class="hm-emotion">joy</span>' in page
        assert "add up to 100" in about
        assert "sum to 1" in card


def test_a_shared_model_tells_blends_on_the_page_and_of_a_clip(tmp_path, clip_factory):
    blends = Blends(tuple(CLASSES), (0.0, 1.0))
    folder = write_model(tmp_path / "model", target_kind="distribution", blends=blends)
    recognizer = EmotionRecognizer.from_pretrained(str(folder), faces="none")
    clip = clip_factory("kinds.mp4", seconds=1.0, size=(48, 48))
    largest = sorted(CLASSES, key=recognizer.recognize(clip).scores.get)[1:]
    first, second = sorted(largest, key=CLASSES.index)
    blend = f"{first} 50 + {second} 50"
    assert recognizer.recognize(clip).emotion == blend
    page = answer_html(analyse(recognizer, clip, UploadLimits()))
    assert f'<span class="hm-emotion">{blend}</span>' in page
    assert 'class="hm-share"' not in page


@pytest.mark.parametrize(
    ("blends", "words"),
    [(Blends(("rage",), (0.1, 0.1)), "blends are of rage"), (Blends((), (0.1, 2.0)), "thresholds")],
)
def test_blends_that_no_model_can_have_are_refused(blends, words, tmp_path):
    folder = write_model(tmp_path / "model", target_kind="distribution", blends=blends)
    with pytest.raises(CheckpointError, match=words):
        load_recognition_model(folder)
