"""The page itself: what is on it, and the server that shows it and keeps nothing."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hicmae.errors import ConfigError, HicmaeError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.analysis import UploadLimits, analyse
from hicmae.serve.panels import about_html, answer_html, hint_box, message_box

_FORGET_AFTER = 600  # seconds, for uploads that are never asked about
_LOOK_EVERY = 60  # seconds
_LONGEST_QUEUE = 16

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
# Routes of gradio that this page has no use for: programs call functions through the first three,
# editing recordings on the server leaves files behind, and the proxy fetches from other hosts.
_CLOSED = tuple(
    f"/gradio_api/{route}" for route in ("api/", "call/", "run/", "process_recording", "proxy=")
)

_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")


def build_page(recognizer: EmotionRecognizer, limits: UploadLimits) -> gr.Blocks:
    """The page of a recogniser.

    Args:
        recognizer: What answers, one clip at a time.
        limits: Which clips are taken.
    """
    description = recognizer.description
    heard = description.modality != "video"
    with gr.Blocks(title="HiCMAE: emotions in a clip", analytics_enabled=False) as page:
        gr.HTML(
            '<div class="hm-title"><h1>Emotions in a clip</h1><p>Which expression do a face and a '
            "voice show? The model answers, and shows what it saw, heard and looked at.</p></div>"
        )
        with gr.Row(elem_classes="hm-page"):
            with gr.Column(scale=2, min_width=300, elem_classes="hm-input"):
                clip = gr.Video(
                    sources=["upload", "webcam"],
                    label=f"A clip of at most {limits.max_seconds:g} s and "
                    f"{limits.max_megabytes:g} MB" + (", with sound" if heard else ""),
                    include_audio=True,
                    height=300,
                    elem_id="clip",
                )
                _keep_local(clip)
                ask = gr.Button("Recognise", variant="primary", elem_id="ask")
                gr.HTML(
                    '<p class="hm-small">The clip stays on the computer that runs this page, and '
                    "is deleted there as soon as the answer is given.</p>"
                )
            with gr.Column(scale=5, min_width=320):
                answer = gr.HTML(
                    hint_box("Drop a clip, choose one, or record yourself; then press Recognise."),
                    elem_id="answer",
                )
                gr.HTML(about_html(description))

        def respond(path: str | None, progress: gr.Progress = gr.Progress()) -> tuple[str, None]:  # noqa: B008
            place = Path(path or "")
            if not place.is_file():
                return message_box("There is no clip: drop, choose or record one first."), None
            try:
                progress(0.0, desc="Looking at the clip")
                result = analyse(
                    recognizer, place, limits, lambda share: progress(share, desc="Recognising")
                )
                return answer_html(result), None
            except HicmaeError as error:
                return message_box(_without_folder(str(error), place)), None
            finally:
                _forget(place)

        ask.click(
            respond,
            inputs=clip,
            outputs=[answer, clip],
            api_visibility="private",
            concurrency_limit=1,
            show_progress_on=answer,
            scroll_to_output=True,
        )
    page.queue(max_size=_LONGEST_QUEUE, api_open=False, default_concurrency_limit=1)
    return page


@contextmanager
def running_page(
    recognizer: EmotionRecognizer,
    limits: UploadLimits,
    host: str = "127.0.0.1",
    port: int | None = None,
) -> Iterator[str]:
    """Serves the page while the context lasts.

    Uploads go to a temporary folder of this server alone, which is gone afterwards. One page can
    run at a time in a process.

    Args:
        recognizer: What answers.
        limits: Which clips are taken.
        host: Address to listen at.
        port: Port to listen at; any free one if None.

    Yields:
        Where the page is.

    Raises:
        ConfigError: The port is taken or the host is none of this computer.
    """
    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="hicmae-serve-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()  # gradio compares resolved paths with it
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        page = build_page(recognizer, limits)
        stopped = threading.Event()
        threading.Thread(target=_forget_unasked, args=(folder, stopped), daemon=True).start()
        try:
            yield _launch(page, limits, host, port)
        finally:
            stopped.set()
            page.close(verbose=False)
            if before is None:
                del os.environ["GRADIO_TEMP_DIR"]
            else:
                os.environ["GRADIO_TEMP_DIR"] = before


def _launch(page: gr.Blocks, limits: UploadLimits, host: str, port: int | None) -> str:
    try:
        _, url, _ = page.launch(
            server_name=host,
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
            css_paths=Path(__file__).with_name("page.css"),
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            app_kwargs={"middleware": [Middleware(_Guard)]},
        )
    except OSError as error:
        raise ConfigError(
            f"The page cannot be served at {host}, port {port}: the port is taken, or the address "
            "is none of this computer; choose others with --port and --host."
        ) from error
    return url


def forget_old(folder: Path, seconds: float) -> None:
    """Deletes files that have not changed for some time.

    Args:
        folder: Folder of uploads.
        seconds: For how long.
    """
    places = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    for place in places:
        with suppress(FileNotFoundError):  # answered in the meantime
            if time.time() - place.stat().st_mtime > seconds:
                _forget(place)


def _forget_unasked(folder: Path, stopped: threading.Event) -> None:
    """Looks after uploads that nobody asks about, or that were broken off."""
    while not stopped.wait(_LOOK_EVERY):
        forget_old(folder, _FORGET_AFTER)


def _keep_local(clip: gr.Video) -> None:
    """Makes an input refuse to have the server fetch a clip from an address.

    The method is replaced in the one component: gradio writes a stub file beside the source of
    every class derived from its own.
    """
    take_uploaded = clip.async_move_resource_to_block_cache

    async def take(place: str | Path | None) -> str | None:
        if "://" in str(place):
            raise gr.Error("Clips are not fetched from addresses: upload the file.")
        return await take_uploaded(place)

    vars(clip)["async_move_resource_to_block_cache"] = take


class _Guard:
    """Closes routes that the page does not use, and lets a browser load nothing from elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        closed = scope["path"].startswith(_CLOSED)
        app: Any = PlainTextResponse("not here", status_code=404) if closed else self.app
        await app(scope, receive, send_with_headers)


def _forget(clip: Path) -> None:
    """Deletes an upload and the folder that gradio made for it."""
    clip.unlink(missing_ok=True)
    with suppress(OSError):  # another upload of the same content is in there
        clip.parent.rmdir()


def _without_folder(message: str, clip: Path) -> str:
    """A message with the name of a clip in place of where this server put it."""
    return message.replace(str(clip), clip.name).replace(f"{clip.parent}{os.sep}", "")
