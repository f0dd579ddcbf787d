"""Clips one after the other in this process, as for a model on one device."""

from dataclasses import dataclass
from io import StringIO

import pytest
from rich.console import Console

from hicmae.errors import ConfigError, DataError
from hicmae.ledger import Plan, ResultLog, process_here


@dataclass(frozen=True)
class Item:
    id: str


ITEMS = [Item(f"c{number}") for number in range(5)]


def double(item, tell):
    tell(0.5)
    if item.id == "c2":
        raise DataError("c2 is broken.")
    return 2 * int(item.id[1:])


def run(log, compute=double, *, plan=None, console=None, **options):
    return process_here(
        compute,
        lambda item, result: {"status": "ok", "message": "", "twice": result},
        ITEMS,
        log,
        plan or Plan(),
        is_done=lambda row: row["status"] == "ok",
        label=lambda item: item.id,
        console=console or Console(quiet=True),
        **options,
    )


def test_a_bad_clip_is_a_row_and_is_tried_again(tmp_path):
    rows = run(ResultLog(tmp_path, "task", {}))
    assert [rows[item.id].get("twice") for item in ITEMS] == [0, 2, None, 6, 8]
    assert rows["c2"] == {"id": "c2", "status": "error", "message": "c2 is broken."}
    seen = []

    def mended(item, tell):
        seen.append(item.id)
        return 4

    rows = run(ResultLog(tmp_path, "task", {}), mended)
    assert seen == ["c2"]
    assert [rows[item.id]["twice"] for item in ITEMS] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("error", [ConfigError("wrong"), ZeroDivisionError()])
def test_what_is_no_matter_of_a_clip_stops_the_run(tmp_path, error):
    def wrong(item, tell):
        if item.id == "c1":
            raise error
        return 0

    log = ResultLog(tmp_path, "task", {})
    with pytest.raises(type(error)):
        run(log, wrong)
    assert set(log.rows()) == {"c0"}


def test_a_bad_clip_stops_the_run_if_asked_to(tmp_path):
    log = ResultLog(tmp_path, "task", {})
    with pytest.raises(DataError, match="c2 is broken"):
        run(log, stop_at_failure=True)
    assert set(log.rows()) == {"c0", "c1"}


def test_without_a_log_all_is_done_and_nothing_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert len(run(None)) == len(run(None)) == len(ITEMS)
    assert not list(tmp_path.iterdir())


def test_shards(tmp_path):
    log = ResultLog(tmp_path, "task", {})
    assert set(run(log, plan=Plan(shard="2/2"))) == {"c1", "c3"}
    assert set(run(log, plan=Plan(shard="1/2"))) == {item.id for item in ITEMS}


def test_the_bar_tells_which_clip_and_how_far(tmp_path):
    terminal = Console(file=StringIO(), force_terminal=True, width=100)
    run(ResultLog(tmp_path, "task", {}), console=terminal)
    shown = terminal.file.getvalue()
    assert "4 of 5: c3" in shown
    assert "70%" in shown  # half of the fourth of five
