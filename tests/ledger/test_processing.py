import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hicmae.data.manifest import Clip
from hicmae.errors import ConfigError, DataError
from hicmae.ledger import Plan, ResultLog, process

CLIPS = [Clip(id=f"c{index}", video=f"v{index}") for index in range(10)]
QUIET = Console(quiet=True)


def measure(clip):
    """Fails on c3 as on a bad clip, and on c4 as a defect would."""
    if clip.id == "c3":
        raise DataError("v3 is broken.")
    if clip.id == "c4":
        raise ZeroDivisionError("odd")
    return {"status": "ok", "message": "", "process": os.getpid()}


def fill_the_disk(clip):
    raise OSError(28, "No space left on device")


def end_badly(clip):
    if clip.id == "c1":
        os.kill(os.getpid(), signal.SIGSEGV)
    if clip.id == "c2":
        time.sleep(60)
    return {"status": "ok", "message": ""}


@dataclass
class Note:
    """Notes in a file what is worked on."""

    seen: Path

    def __call__(self, clip):
        with self.seen.open("a") as file:
            file.write(f"{clip.id}\n")
        return {"status": "ok", "message": ""}


def done(row):
    return row["status"] == "ok"


def run(folder, function=measure, clips=CLIPS, *, settings=None, chunk=1, **plan):
    log = ResultLog(folder, "task", settings or {})
    options = Plan(**{"jobs": 1} | plan)
    return process(function, clips, log, options, is_done=done, chunk=chunk, console=QUIET)


@pytest.mark.parametrize("place", [{"jobs": 1}, {"jobs": 2}, {"dask": "local", "jobs": 2}])
def test_every_clip_gets_a_row_wherever_the_work_is_done(tmp_path, place):
    rows = run(tmp_path, chunk=3, **place)
    assert set(rows) == {clip.id for clip in CLIPS}
    assert {name for name, row in rows.items() if row["status"] == "ok"} == {
        f"c{index}" for index in (0, 1, 2, 5, 6, 7, 8, 9)
    }
    assert rows["c3"] == {"id": "c3", "status": "error", "message": "v3 is broken."}
    assert rows["c4"]["message"] == "ZeroDivisionError: odd"
    assert os.getpid() not in {row.get("process") for row in rows.values()}


def test_only_what_is_missing_is_done_again(tmp_path):
    run(tmp_path, clips=CLIPS[:5])
    seen = tmp_path / "seen"
    rows = run(tmp_path, Note(seen))
    assert seen.read_text().split() == ["c3", "c4", "c5", "c6", "c7", "c8", "c9"]
    assert all(row["status"] == "ok" for row in rows.values())
    run(tmp_path, Note(seen))
    assert len(seen.read_text().split()) == 7


def test_dry_run_works_on_nothing_and_writes_nothing(tmp_path):
    assert run(tmp_path / "new", dry_run=True) == {}
    assert not (tmp_path / "new").exists()


@given(count=st.integers(1, 7), clips=st.integers(0, 30))
def test_shards_share_the_clips_out(count, clips):
    every = [Clip(id=str(index), video="v") for index in range(clips)]
    parts = []
    for index in range(1, count + 1):
        parts.append([clip.id for clip in Plan(shard=f"{index}/{count}").share(every)])
    assert sorted(name for part in parts for name in part) == sorted(clip.id for clip in every)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_shards_log_into_files_of_their_own(tmp_path):
    first = run(tmp_path, shard="1/2")
    assert set(first) == {"c0", "c2", "c4", "c6", "c8"}
    assert len(run(tmp_path, shard="2/2")) == 10
    assert len(list(tmp_path.glob("task-*-of-2.jsonl"))) == 2


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_wrong_shards_are_told(shard):
    with pytest.raises(ConfigError, match="give i/n"):
        Plan(shard=shard)


def test_half_a_line_is_dropped_and_its_clip_done_again(tmp_path):
    run(tmp_path, clips=CLIPS[:2])
    log = tmp_path / "task.jsonl"
    log.write_text(log.read_text() + '{"id": "c2", "stat')
    rows = run(tmp_path, clips=CLIPS[:3])
    assert rows["c2"]["status"] == "ok"
    assert [json.loads(line)["id"] for line in log.read_text().splitlines()] == ["c0", "c1", "c2"]


def test_other_options_do_not_mix(tmp_path):
    run(tmp_path, settings={"size": 256})
    with pytest.raises(ConfigError, match="made with size 256, not 160"):
        run(tmp_path, settings={"size": 160})
    assert len(run(tmp_path, settings={"size": 256})) == 10


def test_full_disk_stops_everything(tmp_path):
    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, fill_the_disk)
    assert ResultLog(tmp_path, "task", {}).rows() == {}


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_crash_and_a_hang_are_told_of_their_clips_alone(tmp_path, jobs):
    rows = run(tmp_path, end_badly, clips=CLIPS[:4], jobs=jobs, patience=1)
    assert {name: row["message"].split("; ")[0] for name, row in rows.items()} == {
        "c0": "",
        "c1": "c1: the process that worked on it crashed (segmentation fault, SIGSEGV), twice",
        "c2": "c2: the process that worked on it gave no sign of life for 1 s, twice",
        "c3": "",
    }
    assert {name for name, row in rows.items() if row["status"] == "error"} == {"c1", "c2"}


def test_no_scheduler_is_told(tmp_path):
    with pytest.raises(ConfigError, match="No Dask scheduler"):
        run(tmp_path, dask="nonsense://nowhere")


def slow(clip):
    time.sleep(0.15)
    return {"status": "ok", "message": "", "process": os.getpid()}


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_run_goes_on_where_it_stopped(tmp_path, jobs):
    """SIGKILL in the middle: every line that is there counts, and no worker lives on."""
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    script = textwrap.dedent(
        f"""
        import sys
        sys.path[:0] = {paths!r}
        from pathlib import Path
        import test_processing
        if __name__ == "__main__":
            test_processing.run(Path({str(tmp_path)!r}), test_processing.slow, jobs={jobs})
        """
    )
    file = tmp_path / "script.py"
    file.write_text(script)
    running = subprocess.Popen([sys.executable, file])
    log = tmp_path / "task.jsonl"
    patience = time.monotonic() + 60
    while time.monotonic() < patience and not (log.is_file() and log.read_text().count("\n") > 2):
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait(timeout=60)
    before = ResultLog(tmp_path, "task", {}).rows()
    assert 2 < len(before) < 10
    workers = {row["process"] for row in before.values()}
    while time.monotonic() < patience and any(map(is_running, workers)):
        time.sleep(0.05)
    assert not any(map(is_running, workers))
    seen = tmp_path / "seen"
    assert len(run(tmp_path, Note(seen))) == 10
    assert set(seen.read_text().split()) == {clip.id for clip in CLIPS} - set(before)
