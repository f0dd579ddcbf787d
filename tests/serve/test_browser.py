"""The page in a real browser: chromium, without a window."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.analysis import UploadLimits

pytest.importorskip("gradio", reason="the page needs gradio: pip install 'hicmae[serve]'")

from browsers import WAIT, running_browser
from playwright import sync_api

from hicmae.serve.server import running_page


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with running_browser() as browser:
        yield browser


def test_clips_are_recognised_in_a_browser(
    browser: sync_api.Browser,
    recognizer_of: Callable[..., EmotionRecognizer],
    talking_face: Path,
    screenshots: Path,
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is no video" * 100)
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(12_000_000))
    problems: list[str] = []
    requests: list[str] = []
    with running_page(recognizer_of(), UploadLimits(max_seconds=20, max_megabytes=10)) as url:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(WAIT)
        page.on("console", lambda said: problems.append(said.text) if said.type == "error" else 0)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))

        def upload(path: Path) -> None:
            page.locator("#clip input[type=file]").set_input_files(path)

        def ask(path: Path) -> None:
            with page.expect_response(lambda response: path.name in response.url):  # its preview
                upload(path)
            page.get_by_role("button", name="Recognise").click()

        page.goto(url)
        page.get_by_role("button", name="Recognise").wait_for()
        page.screenshot(path=screenshots / "page-start.png")

        page.get_by_role("button", name="Recognise").click()
        page.get_by_role("alert").filter(has_text="There is no clip").wait_for()

        ask(talking_face)
        page.locator(".hm-emotion").wait_for()
        assert page.locator(".hm-emotion").inner_text().lower() in {"anger", "calm", "joy"}
        assert page.locator(".hm-headline").inner_text().count(talking_face.name) == 1
        assert page.get_by_role("alert").count() == 0
        for title in ("Over the whole clip", "Over time", "Which modality said what"):
            assert page.get_by_role("heading", name=title).is_visible()
        widths = page.locator("#answer img").evaluate_all(
            "images => images.map(image => image.naturalWidth)"
        )
        assert len(widths) > 8
        assert all(widths)  # none is broken
        assert page.locator(".hm-curve svg").bounding_box()["height"] > 80
        page.locator("#clip video").wait_for(state="detached")  # ready for the next one
        plays_beside_its_curve(page)
        page.screenshot(path=screenshots / "page-answer.png", full_page=True)

        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=screenshots / "page-phone.png", full_page=True)
        page.emulate_media(color_scheme="dark")
        page.set_viewport_size({"width": 1280, "height": 900})

        ask(broken)
        message = page.get_by_role("alert").filter(has_text="broken.mp4")
        message.wait_for()
        assert "Traceback" not in message.inner_text()
        assert page.locator(".hm-emotion").count() == 0
        page.screenshot(path=screenshots / "page-message.png")

        upload(large)
        page.get_by_text("exceed").first.wait_for()
        page.screenshot(path=screenshots / "page-too-large.png")

        page.context.close()
    assert [problem for problem in problems if not is_known(problem)] == []
    assert [place for place in requests if not place.startswith((url, "data:", "blob:"))] == []


def plays_beside_its_curve(page: sync_api.Page) -> None:
    """The clip, which the server does not have any more."""
    video, line = page.locator(".hm-player video"), page.locator(".hm-now")
    page.wait_for_function("document.querySelector('.hm-player video').readyState >= 2")
    assert video.get_attribute("src").startswith("blob:")
    curve = page.locator(".hm-curve").bounding_box()
    left, right, seconds = video.evaluate(
        "video => [...['left', 'right'].map(side => "
        "Number(document.querySelector('.hm-curve').dataset[side])), video.duration]"
    )

    def place_of_line() -> float:
        """Where the line is on the time axis, from 0 to 1."""
        box = line.bounding_box()
        share = (box["x"] + box["width"] / 2 - curve["x"]) / curve["width"]
        return (share - left) / (right - left)

    assert place_of_line() == pytest.approx(0, abs=0.02)
    middle = curve["x"] + curve["width"] * (left + right) / 2
    page.mouse.click(middle, curve["y"] + curve["height"] / 2)
    page.wait_for_function("document.querySelector('.hm-player video').currentTime > 0.3")
    assert video.evaluate("video => video.currentTime") == pytest.approx(seconds / 2, rel=0.1)
    page.wait_for_function("!document.querySelector('.hm-player video').seeking")
    assert place_of_line() == pytest.approx(0.5, abs=0.02)
    video.evaluate("video => { video.muted = true; return video.play(); }")
    page.wait_for_function("document.querySelector('.hm-player video').ended")
    assert place_of_line() > 0.9


def is_known(problem: str) -> bool:
    """What is no defect of the page.

    Gradio's player fetches a converter from another host for the broken file; it may not. A preview
    that still loads when the job takes its clip is refused the rest.
    """
    return problem == "Failed to fetch" or problem.endswith("403 (Forbidden)")


def test_a_job_is_cancelled_in_a_browser(
    browser: sync_api.Browser,
    recognizer_of: Callable[..., EmotionRecognizer],
    talking_face: Path,
    screenshots: Path,
) -> None:
    recognizer, opened = recognizer_of(), threading.Event()
    score = recognizer.score

    def held(*inputs: object, **options: object) -> object:
        assert opened.wait(WAIT / 1000)
        return score(*inputs, **options)

    recognizer.score = held
    with running_page(recognizer, UploadLimits()) as url, ExitStack() as at_end:
        at_end.callback(opened.set)
        pages = []
        for name in ("runs", "waits"):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            at_end.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(WAIT)
            page.goto(url)
            page.locator("#clip input[type=file]").set_input_files(talking_face)
            page.locator("#clip video").wait_for()
            page.get_by_role("button", name="Recognise").click()
            page.get_by_role("button", name="Cancel").wait_for()
            page.wait_for_timeout(500)
            page.screenshot(path=screenshots / f"page-{name}.png")
            pages.append(page)
        first, second = pages
        assert second.get_by_text("Waiting: 1 clip is before yours.").is_visible()
        first.close()
        opened.set()
        second.locator(".hm-emotion").wait_for()
        opened.clear()
        second.locator("#clip input[type=file]").set_input_files(talking_face)
        second.locator("#clip video").wait_for()
        second.get_by_role("button", name="Recognise").click()
        second.get_by_role("button", name="Cancel").click()
        opened.set()
        second.get_by_text("Cancelled; the clip was deleted.").wait_for()
        assert second.get_by_role("button", name="Recognise").is_visible()
        assert not second.get_by_role("button", name="Cancel").is_visible()


def test_the_camera_opens_in_a_browser(
    browser: sync_api.Browser, recognizer_of: Callable[..., EmotionRecognizer], screenshots: Path
) -> None:
    with running_page(recognizer_of(), UploadLimits()) as url:
        context = browser.new_context(permissions=["camera", "microphone"])
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.goto(url)
        page.get_by_role("button", name="Capture from camera").click()
        page.get_by_text("Click to Access Webcam").click()
        page.get_by_role("button", name="start recording").wait_for()
        page.wait_for_function("document.querySelector('#clip video')?.videoWidth > 0")
        page.screenshot(path=screenshots / "page-camera.png")
        context.close()
