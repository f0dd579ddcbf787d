"""Child processes that crash, end, fall silent or lose their parent."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hicmae.errors import ConfigError, DataError
from hicmae.workers import ChildError, Worker, each, sign_of_life


def act(item):
    """Does what an item says; other items are given back with the process that saw them."""
    if isinstance(item, signal.Signals):
        os.kill(os.getpid(), item)
    if item == "exit":
        os._exit(3)
    if item == "sleep":
        time.sleep(60)
    if item == "work":
        for _ in range(12):
            time.sleep(0.25)
            sign_of_life()
    if item == "mistake":
        raise DataError("v3 is broken.")
    if item == "odd":
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd")
    return item, os.getpid()


def test_every_item_is_answered_and_each_end_of_a_child_is_told():
    items = ["a", signal.SIGSEGV, "b", signal.SIGABRT, "exit", "work", signal.SIGKILL, "sleep"]
    answers = dict(each(act, [*items, "c"], processes=2, patience=2))
    assert {str(answers[name][0]) for name in ("a", "b", "c", "work")} == {"a", "b", "c", "work"}
    assert {item: str(told) for item, told in answers.items() if isinstance(told, ChildError)} == {
        signal.SIGSEGV: "crashed (segmentation fault, SIGSEGV)",
        signal.SIGABRT: "crashed (aborted by a library, SIGABRT)",
        signal.SIGKILL: "was killed (as when memory runs out, SIGKILL)",
        "exit": "ended by itself (exit status 3)",
        "sleep": "gave no sign of life for 2 s",
    }


def crash_once(path):
    """Crashes but for the second time, as if memory ran out beside others."""
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "there"


def test_a_suspect_is_tried_once_more(tmp_path):
    path = tmp_path / "tried"
    assert list(each(crash_once, [path], processes=2)) == [(path, "there")]


def test_what_the_function_raises_is_raised():
    for item, kind in (("mistake", DataError), ("odd", UnicodeDecodeError)):
        with pytest.raises(kind) as raised:
            list(each(act, [item], processes=1))
        assert "in act" in "".join(raised.value.__notes__)


def test_no_core_is_dumped_and_ctrl_c_is_left_to_the_parent():
    worker = Worker(limits)
    try:
        worker.send(None)
        core, interrupt, end = worker.answer()
    finally:
        worker.close()
    assert core == (0, 0)
    assert interrupt == signal.SIG_IGN
    assert end == signal.SIG_DFL


def limits(_):
    signals = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    return resource.getrlimit(resource.RLIMIT_CORE), *signals


def test_what_cannot_begin_is_told():
    with pytest.raises(ConfigError, match="could not begin"):
        list(each(Unreadable(), ["a"], processes=1))


class Unreadable:
    __module__ = "nowhere"

    def __call__(self, item):
        return item

    def __reduce__(self):
        return os._exit, (4,)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_child_at_work_ends_with_its_parent(tmp_path):
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_workers import act, note
from hicmae.workers import each
if __name__ == "__main__":
    list(each(note, [{str(tmp_path / "child")!r}], processes=1))
"""
    (tmp_path / "script.py").write_text(script)
    parent = subprocess.Popen([sys.executable, tmp_path / "script.py"])
    try:
        patience = time.monotonic() + 60
        while time.monotonic() < patience and not (tmp_path / "child").exists():
            time.sleep(0.02)
        child = int((tmp_path / "child").read_text())
    finally:
        parent.kill()
        parent.wait(10)
    while time.monotonic() < patience and is_running(child):
        time.sleep(0.02)
    assert not is_running(child)


def note(path):
    written = Path(f"{path}.part")
    written.write_text(str(os.getpid()))
    written.rename(path)
    time.sleep(60)


@pytest.mark.parametrize("user", ["decoder", "loader"])
def test_a_temporary_folder_too_deep_for_sockets_is_told(tmp_path, write_config, user):
    deep = tmp_path / ("t" * 90)
    deep.mkdir()
    options = ["recognize", "nothing.mp4", "--checkpoint", "nothing"]
    if user == "loader":
        options = ["fit", "--config", str(write_config("classify"))]
        options += ["--data.num_workers", "1", "--trainer.default_root_dir", str(tmp_path)]
    answer = subprocess.run(
        [sys.executable, "-m", "hicmae.cli", *options],
        env={**os.environ, "TMPDIR": str(deep)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    last = answer.stderr.strip().splitlines()[-1]
    assert last.startswith(f"hicmae: Child processes cannot have sockets in {deep} (AF_UNIX path")
