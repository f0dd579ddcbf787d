"""Tabs of browsers without the browsers: what the script of the page tells its server."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx

LONGEST = 120  # seconds for anything to happen, beside other tests


class Tab:
    """A tab in which a page is open, until it is closed."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=LONGEST, trust_env=False)
        self.session = os.urandom(6).hex()
        config = self.http.get("/config").json()
        names = {item["id"]: item["props"].get("elem_id") for item in config["components"]}
        self.functions = {
            (names.get(target), event): function["id"]
            for function in config["dependencies"]
            for target, event in function["targets"]
        }
        self.open = ExitStack()

    def __enter__(self) -> Self:
        beat = self.http.stream("GET", f"/gradio_api/heartbeat/{self.session}")
        self.beats = self.open.enter_context(beat).iter_lines()  # whose end closes the stream
        next(self.beats)
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()
        self.http.close()

    def upload(self, path: Path) -> str:
        """Where the server puts a file."""
        with path.open("rb") as file:
            answer = self.http.post("/gradio_api/upload", files={"files": (path.name, file)})
        (place,) = answer.raise_for_status().json()
        return place

    def tell(self, element: str | None, event: str, *values: object) -> str:
        """Tells the server of something that happened to an element, and gives the number of it."""
        query = {
            "data": list(values),
            "fn_index": self.functions[element, event],
            "session_hash": self.session,
        }
        answer = self.http.post("/gradio_api/queue/join", json=query)
        return answer.raise_for_status().json()["event_id"]

    def ask(self, place: str) -> Iterator[str]:
        """What the page shows after "recognise the clip at this place", up to the end.

        Between, the numbers of other things told, once they are done.
        """
        begun = self.tell("ask", "click", clip_at(place))
        followed = ""
        until = time.monotonic() + LONGEST
        session = {"session_hash": self.session}
        while time.monotonic() < until:
            with self.http.stream("GET", "/gradio_api/queue/data", params=session) as stream:
                for line in stream.iter_lines():
                    if time.monotonic() > until:
                        break
                    message = json.loads(line[6:]) if line[:5] == "data:" else {}
                    over = message.get("msg") == "process_completed"
                    if over and not message["success"]:
                        raise RuntimeError(str(message["output"]))
                    if over and message["event_id"] == begun:
                        assert message["output"]["data"][0] is None  # ready for the next clip
                        followed = self.tell(None, "then", None)
                    elif message.get("event_id") == followed and "output" in message:
                        yield str(message["output"]["data"][0])
                        if over:
                            return
                    elif over:
                        yield message["event_id"]
        raise AssertionError("no answer came")

    def answer(self, path: Path) -> str:
        """What the page shows in the end of a file that is uploaded and asked about."""
        return list(self.ask(self.upload(path)))[-1]


def clip_at(place: str) -> dict:
    """A clip as a value of the input of the page."""
    return {"path": place, "meta": {"_type": "gradio.FileData"}}
