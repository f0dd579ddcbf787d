"""The waiting line, and where clips lie meanwhile."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from hicmae.errors import DataError
from hicmae.serve.jobs import Job, JobStopped, Line, LineFullError

pytest.importorskip("gradio", reason="the page needs gradio: pip install 'hicmae[serve]'")

from hicmae.serve.uploads import Uploads

LONGEST = 10  # seconds for anything to happen


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line(longest=3)
    yield line
    line.close()


class Held:
    """Work that waits until it is let go, and tells before and after."""

    def __init__(self) -> None:
        self.begun, self.free = threading.Event(), threading.Event()

    def __call__(self, tell: Callable[[float], None]) -> str:
        tell(0.25)
        self.begun.set()
        assert self.free.wait(LONGEST)
        tell(0.75)
        return "done"


def test_jobs_are_done_in_order_one_at_a_time(line: Line) -> None:
    works = [Held(), Held(), Held()]
    jobs = [Job(f"owner {number}", work) for number, work in enumerate(works)]
    for job in jobs:
        line.join(job)
    assert works[0].begun.wait(LONGEST)
    assert [line.before(job) for job in jobs] == [0, 1, 2]
    assert jobs[0].share == 0.25
    with pytest.raises(LineFullError, match="Too many clips are waiting"):
        line.join(Job("late", Held()))
    assert not works[1].begun.is_set()
    for job, work in zip(jobs, works, strict=True):
        assert work.begun.wait(LONGEST)
        work.free.set()
        assert job.future.result(LONGEST) == "done"
    assert [line.before(job) for job in jobs] == [0, 0, 0]


def test_stopped_jobs_make_way(line: Line) -> None:
    running, waiting, other = Held(), Held(), Held()
    jobs = [Job("gone", running), Job("gone", waiting), Job("here", other)]
    over: list[int] = []
    for number, job in enumerate(jobs):
        job.future.add_done_callback(lambda _, number=number: over.append(number))
        line.join(job)
    assert running.begun.wait(LONGEST)
    line.stop("gone")
    assert over == [1]  # the one that waited, at once
    assert line.before(jobs[2]) == 1
    with pytest.raises(CancelledError):
        jobs[1].future.result(LONGEST)
    running.free.set()
    with pytest.raises(JobStopped):
        jobs[0].future.result(LONGEST)
    other.free.set()
    assert jobs[2].future.result(LONGEST) == "done"
    assert not waiting.begun.is_set()


def test_a_failure_is_told_to_who_waits_for_it_alone(line: Line) -> None:
    jobs = [Job("a", lambda _: str(1 / 0)), Job("b", lambda _: "done")]
    for job in jobs:
        line.join(job)
    with pytest.raises(ZeroDivisionError):
        jobs[0].future.result(LONGEST)
    assert jobs[1].future.result(LONGEST) == "done"


def test_a_closed_line_leaves_nobody_waiting() -> None:
    line = Line(longest=3)
    jobs = [Job("a", forever), Job("b", lambda _: "done")]
    for job in jobs:
        line.join(job)
    line.close()
    for job in jobs:
        with pytest.raises((CancelledError, JobStopped)):
            job.future.result(LONGEST)
    with pytest.raises(LineFullError):
        line.join(Job("late", lambda _: "done"))


def forever(tell: Callable[[float], None]) -> str:
    """Works until it is stopped, or for as long as a test may take."""
    until = time.monotonic() + LONGEST
    while time.monotonic() < until:
        tell(0.5)
        time.sleep(0.01)
    return "was not stopped"


# ---- clips ----------------------------------------------------------------------------------


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path)


def upload(uploads: Uploads, age: float = 0.0) -> Path:
    """A clip as gradio puts it there, some seconds ago."""
    folder = uploads.new_folder()
    clip = folder / "hash of what is in it" / "talk.mp4"
    clip.parent.mkdir()
    clip.write_bytes(b"clip")
    os.utime(folder, (time.time() - age, time.time() - age))
    return clip


def test_a_taken_clip_is_out_of_reach(uploads: Uploads) -> None:
    first, second = upload(uploads), upload(uploads)
    taken = uploads.take(str(first))
    assert taken.path.read_bytes() == b"clip"
    assert taken.path.name == "talk.mp4"
    assert not taken.path.is_relative_to(uploads.incoming)
    assert second.is_file()
    with pytest.raises(DataError, match="There is no clip"):
        uploads.take(str(first))
    taken.remove()
    assert not taken.path.exists()
    assert second.is_file()


def test_nothing_but_uploads_is_taken(uploads: Uploads, tmp_path: Path) -> None:
    clip = upload(uploads)
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    places = [secret, uploads.incoming, clip.parents[1], uploads.incoming / ".." / secret.name]
    for place in [None, "", *map(str, places), f"{clip.parent}/../../../secret.txt"]:
        with pytest.raises(DataError, match="There is no clip"):
            uploads.take(place)
    uploads.hold("me", str(secret))
    uploads.release("me")
    assert secret.is_file()
    assert clip.is_file()


def test_an_owner_holds_the_newest_clip(uploads: Uploads) -> None:
    old, new, theirs = upload(uploads, age=5), upload(uploads), upload(uploads)
    uploads.hold("them", str(theirs))
    for clip in (new, old):  # as the page may tell it
        uploads.hold("me", str(clip))
    assert not old.exists()
    assert new.is_file()
    taken = uploads.take(str(new))
    uploads.release("me")
    assert taken.path.is_file()
    assert theirs.is_file()
    uploads.release("them")
    assert not theirs.exists()


def test_forgets_clips_that_are_never_asked_about(uploads: Uploads) -> None:
    old, new, held = upload(uploads, age=100), upload(uploads), upload(uploads, age=100)
    taken = uploads.take(str(held))
    uploads.forget_old(50)
    assert not old.parents[1].exists()
    assert new.is_file()
    assert taken.path.is_file()
