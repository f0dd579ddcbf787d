"""The server of the page, which keeps nothing: routes, headers, folders, and their end."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hicmae.errors import ConfigError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.addresses import in_url, is_loopback, refusal
from hicmae.serve.analysis import UploadLimits
from hicmae.serve.gradio_inside import UNUSED_ROUTES, put_uploads_below
from hicmae.serve.jobs import Line
from hicmae.serve.live import WatchedTabs
from hicmae.serve.page import build_page
from hicmae.serve.uploads import CurrentFolder, FolderForEach, Uploads

_FORGET_AFTER = 600  # seconds, for uploads that are never asked about
_LOOK_EVERY = 60  # seconds
_LONGEST_LINE = 16

# The page's own scripts come from this server, its pictures also from within the page; gradio makes
# functions of the templates of its components, and workers and previews of blobs.
_CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'self'"
)
_HEADERS = (
    (b"content-security-policy", _CONTENT_POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


@contextmanager
def running_page(
    recognizer: EmotionRecognizer,
    limits: UploadLimits,
    host: str = "127.0.0.1",
    port: int | None = None,
    *,
    watch: bool = False,
) -> Iterator[str]:
    """Serves the page while the context lasts.

    Uploads go to a temporary folder of this server alone, which is gone afterwards. One page can
    run at a time in a process.

    Args:
        recognizer: What answers.
        limits: Which clips are taken.
        host: Address to listen at.
        port: Port to listen at; any free one if None.
        watch: Whether the page shows camera and microphone first.

    Yields:
        Where the page is.

    Raises:
        ConfigError: The port is taken or the host is none of this computer.
    """
    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="hicmae-serve-", ignore_cleanup_errors=True) as name:
        uploads = Uploads(Path(name).resolve())  # gradio compares resolved paths with it
        line = Line(_LONGEST_LINE)
        os.environ["GRADIO_TEMP_DIR"] = str(uploads.incoming)
        tabs = WatchedTabs(recognizer, line)
        page = build_page(recognizer, limits, uploads, line, watch=watch)
        stopped = threading.Event()
        threading.Thread(target=_forget_unasked, args=(uploads, tabs, stopped), daemon=True).start()
        try:
            yield _launch(page, limits, uploads, tabs, host=host, port=port)
        finally:
            stopped.set()
            tabs.close()
            line.close()
            page.close(verbose=False)
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before


def _launch(
    page: gr.Blocks,
    limits: UploadLimits,
    uploads: Uploads,
    tabs: WatchedTabs,
    *,
    host: str,
    port: int | None,
) -> str:
    here = Path(__file__)
    scripts = [here.with_name(name).read_text(encoding="utf-8") for name in ("page.js", "live.js")]
    try:
        app, url, _ = page.launch(
            server_name=in_url(host),
            server_port=port,
            prevent_thread_lock=True,
            share=False,
            quiet=True,
            max_file_size=round(limits.max_megabytes * 2**20),
            theme=gr.themes.Default(
                primary_hue="blue",
                neutral_hue="slate",
                font=_FONT,
                font_mono=("ui-monospace", "monospace"),
            ),
            css_paths=here.with_name("page.css"),
            head="".join(f"<script>{script}</script>" for script in scripts),
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            app_kwargs={
                "middleware": [
                    Middleware(_Guard, only_here=is_loopback(host)),
                    Middleware(FolderForEach, uploads),
                ],
                "routes": tabs.routes(),
            },
        )
    except OSError as error:
        raise ConfigError(
            f"The page cannot be served at {host}, port {port}: the port is taken, or the address "
            "is none of this computer; choose others with --port and --host."
        ) from error
    put_uploads_below(CurrentFolder(uploads), app)
    return url


def _forget_unasked(uploads: Uploads, tabs: WatchedTabs, stopped: threading.Event) -> None:
    """Looks after uploads that nobody asks about, and tabs that are gone."""
    while not stopped.wait(_LOOK_EVERY):
        uploads.forget_old(_FORGET_AFTER)
        tabs.forget_ended()


class _Guard:
    """Closes the page to other sites, and routes that it does not use.

    Args:
        app: What answers the rest.
        only_here: Whether the page listens for this computer alone.
    """

    def __init__(self, app: ASGIApp, *, only_here: bool) -> None:
        self.app = app
        self.only_here = only_here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        app: Any = self.app
        if reason := refusal(scope["method"], Headers(scope=scope), only_here=self.only_here):
            app = PlainTextResponse(reason, status_code=403)
        elif scope["path"].startswith(UNUSED_ROUTES):
            app = PlainTextResponse("not here", status_code=404)
        await app(scope, receive, send_with_headers)
