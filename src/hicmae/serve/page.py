"""The page itself: what is on it, and what happens between a click and the answer."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import gradio as gr

from hicmae.errors import HicmaeError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.serve.analysis import UploadLimits, analyse
from hicmae.serve.gradio_inside import keep_local
from hicmae.serve.jobs import Job, JobStopped, Line
from hicmae.serve.live_panel import live_html
from hicmae.serve.panels import about_html, answer_html, hint_box, message_box, progress_box
from hicmae.serve.uploads import Taken, Uploads

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.2  # seconds, at a job that is shown
# Of functions that take no turns and show no progress of gradio's; the line of jobs does both.
_QUIET: dict[str, Any] = {
    "api_visibility": "private",
    "concurrency_limit": None,
    "show_progress": "hidden",
}
_HINT = "Drop a clip, choose one, or record yourself; then press Recognise."


def build_page(
    recognizer: EmotionRecognizer,
    limits: UploadLimits,
    uploads: Uploads,
    line: Line,
    *,
    watch: bool = False,
) -> gr.Blocks:
    """The page of a recogniser.

    Args:
        recognizer: What answers, one clip at a time.
        limits: Which clips are taken.
        uploads: The clips.
        line: Where jobs wait.
        watch: Whether the tab for camera and microphone is in front.
    """
    with gr.Blocks(title="HiCMAE: emotions in a clip", analytics_enabled=False) as page:
        gr.HTML(
            '<div class="hm-title"><h1>Emotions in a clip</h1><p>Which expression do a face and a '
            "voice show? The model answers, and shows what it saw, heard and looked at.</p></div>"
        )
        with gr.Tabs(selected="live" if watch else "clip"):
            with gr.Tab("A clip", id="clip"):
                _fill_clip_tab(page, recognizer, limits, uploads, line)
            with gr.Tab("Live", id="live"):
                gr.HTML(live_html(recognizer.description))
        gr.HTML(about_html(recognizer.judge))
    page.queue(max_size=None, api_open=False)
    return page


def _fill_clip_tab(
    page: gr.Blocks,
    recognizer: EmotionRecognizer,
    limits: UploadLimits,
    uploads: Uploads,
    line: Line,
) -> None:
    """Where clips are given and answered for."""
    heard = recognizer.description.modality != "video"
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
            keep_local(clip)
            ask = gr.Button("Recognise", variant="primary", elem_id="ask")
            cancel = gr.Button("Cancel", visible=False, elem_id="cancel")
            gr.HTML(
                '<p class="hm-small">The clip stays on the computer that runs this page, and '
                "is deleted there as soon as the answer is given, or when you cancel or leave."
                "</p>"
            )
        with gr.Column(scale=5, min_width=320):
            answer = gr.HTML(hint_box(_HINT), elem_id="answer")

    asked = gr.State()

    def begin(path: str | None, request: gr.Request) -> tuple[None, Job | str]:
        try:
            taken = uploads.take(path)
            return None, _join(line, request.session_hash or "", taken, recognizer, limits)
        except HicmaeError as error:
            return None, message_box(str(error))

    async def follow(job: Job | str | None) -> AsyncIterator[dict[Any, Any]]:
        if not isinstance(job, Job):
            yield {answer: job or hint_box(_HINT)}
            return
        buttons = {ask: gr.Button(visible=False), cancel: gr.Button(visible=True)}
        try:
            while not job.future.done():
                yield {answer: progress_box(line.before(job), job.share)} | buttons
                buttons = {}
                await asyncio.sleep(_LOOK_EVERY)
        finally:  # also when nobody listens any more
            job.stop()
        buttons = {ask: gr.Button(visible=True), cancel: gr.Button(visible=False)}
        yield {answer: _outcome(job), asked: None} | buttons

    # Two steps, since the clip may not be skipped as an output: see keep_local.
    ask.click(
        begin,
        inputs=clip,
        outputs=[clip, asked],
        js="(clip) => window.hicmae.keep(clip)",
        scroll_to_output=True,
        **_QUIET,
    ).then(follow, inputs=asked, outputs=[answer, ask, cancel, asked], **_QUIET)

    def hold(path: str | None, request: gr.Request) -> None:
        if path and request.session_hash:
            uploads.hold(request.session_hash, path)

    def release(request: gr.Request) -> None:
        uploads.release(request.session_hash or "")

    def stop(request: gr.Request) -> None:
        line.stop(request.session_hash or "")

    def leave(request: gr.Request) -> None:
        stop(request)
        release(request)

    clip.change(hold, inputs=clip, **_QUIET)
    clip.clear(release, **_QUIET)
    cancel.click(stop, **_QUIET)
    page.unload(leave)


def _join(
    line: Line, owner: str, taken: Taken, recognizer: EmotionRecognizer, limits: UploadLimits
) -> Job:
    """A job in the line, at whose end its clip is removed, however it ends."""

    def work(tell: Callable[[float], None]) -> str:
        try:
            return answer_html(analyse(recognizer, taken.path, limits, progress=tell))
        except HicmaeError as error:
            return message_box(_without_folder(str(error), taken.path))

    job = Job(owner, work)
    job.future.add_done_callback(lambda _: taken.remove())
    try:
        line.join(job)
    except HicmaeError:
        job.stop()
        raise
    return job


def _outcome(job: Job) -> str:
    """What is shown of a job that is over."""
    try:
        return job.future.result(timeout=0)
    except (CancelledError, JobStopped):
        return hint_box(f"Cancelled; the clip was deleted. {_HINT}")
    except Exception:
        log.exception("A clip could not be answered for")
        return message_box(
            "This clip met a defect of the program, which is told where the page was started. "
            "Other clips are not concerned."
        )


def _without_folder(message: str, clip: Path) -> str:
    """A message with the name of a clip in place of where this server put it."""
    return message.replace(str(clip), clip.name).replace(f"{clip.parent}{os.sep}", "")
