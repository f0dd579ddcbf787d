"""What of the machine a process may use."""

import os
import signal

import pytest
from shell import run_python

from hicmae import machine
from hicmae.ledger import Plan


def usable(monkeypatch, count):
    """Lets the process run on so many processors, as Python 3.13 tells it."""
    monkeypatch.setattr(os, "process_cpu_count", lambda: count, raising=False)


def control_groups(tmp_path, own, files):
    (tmp_path / "own").write_text(own)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "cgroup", tmp_path / "own"


class TestProcessors:
    def test_without_the_calls_of_linux(self, monkeypatch):
        monkeypatch.delattr(os, "process_cpu_count", raising=False)
        monkeypatch.delattr(os, "sched_getaffinity", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: 6)
        monkeypatch.setattr(machine, "cpu_quota", lambda: None)
        assert machine.processors() == 6
        assert Plan().processes == 6
        monkeypatch.setattr(os, "cpu_count", lambda: None)
        assert machine.processors() == 1

    @pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity")
    def test_those_that_it_may_run_on(self, monkeypatch):
        monkeypatch.setattr(machine, "cpu_quota", lambda: None)
        monkeypatch.setattr(os, "cpu_count", lambda: 64)
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(before)})
        try:
            assert machine.processors() == 1
        finally:
            os.sched_setaffinity(0, before)

    @pytest.mark.parametrize(
        ("quota", "expected"), [(None, 8), (0.5, 1), (2.0, 2), (2.5, 3), (9.0, 8)]
    )
    def test_no_more_than_the_share_of_a_container(self, monkeypatch, quota, expected):
        usable(monkeypatch, 8)
        monkeypatch.setattr(machine, "cpu_quota", lambda: quota)
        assert machine.processors() == expected


class TestQuota:
    @pytest.mark.parametrize(
        ("own", "files", "expected"),
        [
            ("0::/\n", {"cpu.max": "250000 100000\n"}, 2.5),
            ("0::/\n", {"cpu.max": "max 100000\n"}, None),
            ("0::/a/b\n", {"a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000"}, 1.0),
            # Version 1, in a container that sees its own group as the root.
            (
                "5:memory:/x\n4:cpu,cpuacct:/docker/7\n",
                {
                    "cpu,cpuacct/cpu.cfs_quota_us": "150000",
                    "cpu,cpuacct/cpu.cfs_period_us": "100000",
                },
                1.5,
            ),
            ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
            ("4:cpuset:/\n", {"cpuset/cpu.max": "100000 100000"}, None),
            ("", {}, None),
        ],
    )
    def test_of_control_groups(self, tmp_path, own, files, expected):
        assert machine.cpu_quota(*control_groups(tmp_path, own, files)) == expected

    def test_elsewhere(self, tmp_path):
        assert machine.cpu_quota(tmp_path / "none", tmp_path / "none") is None


class TestSettling:
    def test_threads_soon_sleep(self, monkeypatch):
        usable(monkeypatch, 8)
        monkeypatch.setattr(machine, "cpu_quota", lambda: None)
        environment = {}
        machine.settle(environment)
        assert environment == {"GOMP_SPINCOUNT": "10000", "OMP_WAIT_POLICY": "PASSIVE"}

    def test_no_more_threads_than_a_container_gets_time(self, monkeypatch):
        usable(monkeypatch, 8)
        monkeypatch.setattr(machine, "cpu_quota", lambda: 2.0)
        environment = {}
        machine.settle(environment)
        assert environment["OMP_NUM_THREADS"] == "2"

    @pytest.mark.parametrize(
        "own",
        [
            {"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "5"},
            {"GOMP_SPINCOUNT": "1000", "OMP_NUM_THREADS": "5"},
            {"KMP_BLOCKTIME": "200", "OMP_NUM_THREADS": "5"},
        ],
    )
    def test_what_the_user_set_stays(self, monkeypatch, own):
        usable(monkeypatch, 8)
        monkeypatch.setattr(machine, "cpu_quota", lambda: 2.0)
        environment = dict(own)
        machine.settle(environment)
        assert environment == own


def test_commands_settle_and_an_import_does_not():
    show = "import os; print(os.environ.get('OMP_WAIT_POLICY'))"
    assert run_python(f"import hicmae, hicmae.cli; {show}").strip() == "None"
    ran = run_python(f"from hicmae.cli import main; main(['--version']); {show}")
    assert ran.split()[-1] == "PASSIVE"
    own = run_python(
        f"from hicmae.cli import main; main(['--version']); {show}", OMP_WAIT_POLICY="ACTIVE"
    )
    assert own.split()[-1] == "ACTIVE"


WITHOUT_UNIX = """
import os, signal, sys
sys.modules["fcntl"] = None
for name in ("SIGUSR1", "SIGUSR2", "SIGHUP"):
    delattr(signal, name)
for name in ("sched_getaffinity", "process_cpu_count"):
    if hasattr(os, name):
        delattr(os, name)
"""


def test_folds_are_locked_without_fcntl(tmp_path):
    code = f"""{WITHOUT_UNIX}
from pathlib import Path
from hicmae.errors import ConfigError
from hicmae.evaluation.fold_runs import locked
folder = Path({str(tmp_path)!r})
with locked(folder) as inherited:
    print("first", inherited)
    try:
        with locked(folder):
            print("both")
    except ConfigError as error:
        print(error)
with locked(folder):
    print("again")
"""
    first, refused, again = run_python(code).splitlines()
    assert first == "first ()"
    assert "is in use by another hicmae crossval" in refused
    assert again == "again"


def test_a_run_begins_without_the_signal_of_slurm(monkeypatch):
    from hicmae.training.resuming import ExactResume  # noqa: PLC0415

    before = signal.getsignal(signal.SIGUSR1)
    monkeypatch.delattr(signal, "SIGUSR1")
    ExactResume().on_train_start(None, None)
    monkeypatch.undo()
    assert signal.getsignal(signal.SIGUSR1) == before
