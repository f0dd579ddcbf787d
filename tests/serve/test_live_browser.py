"""Camera and microphone in a real browser, which are a clip."""

import importlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.analysis import UploadLimits

pytest.importorskip("gradio", reason="the page needs gradio: pip install 'hicmae[serve]'")

from browsers import WAIT, running_browser
from playwright import sync_api

from hicmae.serve.server import running_page

Build = Callable[..., EmotionRecognizer]


@pytest.fixture(scope="module")
def page_of(
    recognizer_of: Build, talking_face: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], sync_api.Page]]:
    """`page_of()` opens the page in another tab."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks" / "speed")
        fake_devices = importlib.import_module("devices").fake_devices
    devices = fake_devices(talking_face, tmp_path_factory.mktemp("devices"))
    with (
        running_page(recognizer_of(), UploadLimits(), watch=True) as url,
        running_browser(*devices) as browser,
    ):

        def opened() -> sync_api.Page:
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(WAIT)
            page.problems = []
            page.on("pageerror", lambda error: page.problems.append(str(error)))
            page.on(
                "request",
                lambda request: page.problems.append(request.url) if url not in request.url else 0,
            )
            page.goto(url)
            page.get_by_role("button", name="Start").wait_for()
            return page

        yield opened


def nothing_is_held() -> bool:
    """Whether no stream is open within a while."""
    until = time.monotonic() + WAIT / 1000
    while time.monotonic() < until:
        if all(thread.name != "live stream" for thread in threading.enumerate()):
            return True
        time.sleep(0.1)
    return False


def test_a_curve_moves_on_until_it_is_stopped(
    page_of: Callable[[], sync_api.Page], screenshots: Path
) -> None:
    page = page_of()
    page.get_by_role("button", name="Start").click()
    status = page.locator("#live [role=status]").filter(has_text="s behind")
    status.wait_for()
    first = float(page.locator("#live").get_attribute("data-end"))
    page.wait_for_function(f"document.querySelector('#live').dataset.end > {first}")
    assert page.locator("#live .hm-emotion").inner_text().lower() in {"anger", "calm", "joy"}
    curves = page.locator("#live path").evaluate_all("paths => paths.map(p => p.getAttribute('d'))")
    assert len(curves) == 3
    assert all("L" in curve for curve in curves)
    assert page.locator("#live video").evaluate("video => video.videoWidth") == 640
    assert page.get_by_role("alert").count() == 0
    page.screenshot(path=screenshots / "live.png")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Start").wait_for()
    assert nothing_is_held()
    assert page.problems == []
    page.close()


def test_a_closed_tab_leaves_nothing(page_of: Callable[[], sync_api.Page]) -> None:
    page = page_of()
    with page.expect_response(lambda response: "/live/" in response.url):
        page.get_by_role("button", name="Start").click()
    page.close()
    assert nothing_is_held()


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("NotAllowedError", "was not allowed to record"),
        ("NotFoundError", "has no sound, which this model reads"),  # there is a camera
    ],
)
def test_tells_why_there_is_no_camera_or_microphone(
    page_of: Callable[[], sync_api.Page], reason: str, sentence: str
) -> None:
    page = page_of()
    page.evaluate(
        """reason => {
          const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          navigator.mediaDevices.getUserMedia = (wanted) =>
            wanted.audio ? Promise.reject(new DOMException("", reason)) : given(wanted);
        }""",
        reason,
    )
    page.get_by_role("button", name="Start").click()
    page.get_by_role("alert").filter(has_text=sentence).wait_for()
    assert page.get_by_role("button", name="Start").is_visible()
    assert nothing_is_held()
    page.close()


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        (lambda route: route.fulfill(json={"reached": -100.0}), "can be read in time"),
        (lambda route: route.abort(), "does not answer any more"),
    ],
)
def test_begins_again_when_late_and_stops_in_the_end(
    page_of: Callable[[], sync_api.Page], does: Callable[[sync_api.Route], None], sentence: str
) -> None:
    page = page_of()
    asked: list[str] = []
    page.route(
        re.compile("/live/[^/]+$"), lambda route: (asked.append(route.request.url), does(route))
    )
    page.get_by_role("button", name="Start").click()
    page.get_by_role("alert").filter(has_text=sentence).wait_for()
    assert len(set(asked)) == (4 if "time" in sentence else 1)
    assert nothing_is_held()
    page.close()
