"""What tabs record is recognised window by window; a slow machine leaves windows out."""

from __future__ import annotations

import copy
import json
import logging
import math
import secrets
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hicmae.errors import DataError, HicmaeError
from hicmae.faces.people import NoFaceError
from hicmae.inference.clips import MissingSenseError
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.inference.results import doubt_words, used_words
from hicmae.inference.windows import frame_step
from hicmae.media.live import LiveStream
from hicmae.media.recording import NOMINAL_FPS
from hicmae.serve.jobs import Job, JobStopped, Line, LineFullError

log = logging.getLogger(__name__)

_NAME = "Your recording"
_HELD = 1.5  # windows, since cameras that are slow in dim light have longer ones
_TOLD_AFTER = 4  # windows that pass; others' turns are short, but their clips may be long
_MOST_TABS = 4  # each holds its pictures
_LARGEST_PIECE = 1 << 22  # bytes
_DEVICES = {"sound": "microphone", "pictures": "camera"}
_DEFECT = (
    "The program met a defect, which is told where the page was started. Start again; if it comes "
    "again, report it."
)


class Watching:
    """One tab in which camera and microphone are watched.

    A window of the last seconds is recognised when the one before is answered and its time has
    come, by whoever's turn it is in the line; what passes meanwhile is left out.

    Args:
        recognizer: What answers.
        line: Where windows wait among the clips of others.
        owner: Whose the windows are.
    """

    def __init__(self, recognizer: EmotionRecognizer, line: Line, owner: str) -> None:
        self._recognizer = copy.copy(recognizer)
        self._recognizer.most_people = 1
        self._line = line
        self._owner = owner
        self._job: Job | None = None
        window = self._length(NOMINAL_FPS) / NOMINAL_FPS
        self._hop = window / 2 if recognizer.hop is None else recognizer.hop
        self._reached = window - self._hop
        self._stream = LiveStream(_NAME, _HELD * window)

    @property
    def is_over(self) -> bool:
        """Whether nothing comes of the tab any more."""
        return self._stream.is_over

    def take(self, piece: bytes) -> dict[str, Any]:
        """Takes the next piece of the recording, and tells what is new.

        Args:
            piece: Some tenths of a second, as the browser recorded them.

        Returns:
            Up to when it is "reached" by the decoder, in seconds; and "start", "end" and "scores"
            of a window that was answered, how its emotion is "named", what "doubts" it, how many
            were "missed" before it and, of a model that may lack a sense, what was "used" if not
            both; or a "note" on why there is none.

        Raises:
            HicmaeError: It cannot go on.
        """
        if self._stream.failure is not None:
            raise self._stream.failure
        self._stream.feed(piece)
        news: dict[str, Any] = {}
        reached = self._stream.end
        if self._job is not None:
            news = self._answer(self._job)
        elif reached >= self._reached + self._hop:
            news = self._ask()
        elif self._stream.is_over:
            raise DataError("Nothing has come for a while: start again.")
        return {"reached": reached} | news

    def end(self) -> None:
        """Forgets everything."""
        if self._job is not None:
            self._job.stop()
        self._stream.close()

    def _ask(self) -> dict[str, Any]:
        job = Job(self._owner, self._recognize)
        try:
            self._line.join(job)
        except LineFullError as error:
            job.stop()
            return {"note": str(error)}
        self._job = job
        return {}

    def _answer(self, job: Job) -> dict[str, Any]:
        if not job.future.done():
            late = self._stream.end - self._reached > _TOLD_AFTER * self._hop
            waits = late and self._line.before(job)
            return {"note": "Waiting: others come first."} if waits else {}
        self._job = None
        try:
            answer: dict[str, Any] = json.loads(job.future.result(timeout=0))
        except (CancelledError, JobStopped):
            return {}
        return answer

    def _recognize(self, tell: Callable[[float], None]) -> str:
        # Only now, so that the newest window is taken however long this has waited.
        recording = self._stream.recording(self._length)
        missed = math.floor((recording.duration - self._reached) / self._hop + 0.5) - 1
        self._reached = recording.duration
        try:
            found = self._recognizer.recognize(recording, progress=tell)
        except NoFaceError:
            return json.dumps({"note": "No face in view.", "end": recording.duration})
        except MissingSenseError as error:
            raise DataError(
                f"{_NAME} has no {error.lacking}, which this model reads: connect a "
                f"{_DEVICES[error.lacking]}, then start again."
            ) from error
        (person,) = found.people
        window = {
            "start": recording.time_of(0),
            "end": recording.duration,
            "scores": person.scores.tolist(),
            "named": found.emotion,
            "doubts": doubt_words(person.sure, person.unfamiliarity),
            "missed": max(missed, 0),
        }
        if self._recognizer.model.stand_ins:
            window["used"] = used_words(person.window_senses)
        return json.dumps(window)

    def _length(self, fps: float) -> int:
        """Frames from the beginning of a window to its end."""
        description = self._recognizer.description
        step = frame_step(description.inputs.stride, fps)
        return description.architecture.num_frames * step


class WatchedTabs:
    """All tabs that are watched, by names that cannot be guessed.

    Args:
        recognizer: What answers.
        line: Where windows wait.
    """

    def __init__(self, recognizer: EmotionRecognizer, line: Line) -> None:
        self._recognizer = recognizer
        self._line = line
        self._tabs: dict[str, Watching] = {}

    def routes(self) -> list[Route]:
        """Where a tab begins, sends what it records, and ends."""
        return [
            Route("/live", self._begin, methods=["POST"]),
            Route("/live/{name}", self._take, methods=["POST"]),
            Route("/live/{name}/end", self._end, methods=["POST"]),
        ]

    def forget_ended(self) -> None:
        """Forgets tabs that are gone without a word."""
        for name in [name for name, tab in list(self._tabs.items()) if tab.is_over]:
            self._forget(name)

    def close(self) -> None:
        """Forgets all tabs."""
        for name in list(self._tabs):
            self._forget(name)

    async def _begin(self, _: Request) -> Response:
        self.forget_ended()
        if len(self._tabs) >= _MOST_TABS:
            return _error(f"{_MOST_TABS} tabs are watched already: stop one of them first.")
        name = secrets.token_urlsafe(16)
        self._tabs[name] = Watching(self._recognizer, self._line, name)
        return JSONResponse({"name": name})

    async def _take(self, request: Request) -> Response:
        name = request.path_params["name"]
        piece = bytearray()
        try:
            async for part in request.stream():
                piece += part
                if len(piece) > _LARGEST_PIECE:
                    self._forget(name)
                    return _error("Too much came at once: start again.")
        except ClientDisconnect:
            return Response(status_code=400)
        tab = self._tabs.get(name)
        if tab is None:
            return _error("This has ended: start again.")
        try:
            return JSONResponse(tab.take(bytes(piece)))
        except HicmaeError as error:
            message = str(error)
        except Exception:
            log.exception("A tab could not be watched")
            message = _DEFECT
        self._forget(name)
        return _error(message)

    async def _end(self, request: Request) -> Response:
        self._forget(request.path_params["name"])
        return JSONResponse({})

    def _forget(self, name: str) -> None:
        tab = self._tabs.pop(name, None)
        if tab is not None:
            tab.end()


def _error(message: str) -> Any:
    return JSONResponse({"error": message})
