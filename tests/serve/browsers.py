"""A real browser: chromium, without a window, with a camera and a microphone that are none."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("playwright", reason="the browser is driven by playwright: pip install it")

from playwright import sync_api

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
WAIT = 120_000  # milliseconds, beside other tests


@contextmanager
def running_browser(*options: str) -> Iterator[sync_api.Browser]:
    """A browser that was started with these options, too."""
    program = os.environ.get("HICMAE_CHROMIUM") or shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium: install it, or set HICMAE_CHROMIUM to a browser of its kind")
    with sync_api.sync_playwright() as playwright:
        chosen = [*OPTIONS, *options]
        browser = playwright.chromium.launch(executable_path=program, args=chosen)
        yield browser
        browser.close()
