"""What consoles are told: names as they are, and escapes where the console lacks their signs."""

import io
import sys

import pytest
from rich.progress import Progress
from rich.table import Table

from hicmae.consoles import escape_what_cannot_be_shown, plain_console, shows_all_signs

NAMES = ("Interview [dQw4w9] [/b].mp4", "a :heart: b.mp4", "[bold]Größe[/bold] 中.mp4")


def test_names_are_printed_as_they_are():
    page = io.StringIO()
    console = plain_console(file=page, width=100, stderr=True)
    table = Table(*NAMES, title=NAMES[0])
    table.add_row(*NAMES)
    for printed in (table, *NAMES):
        console.print(printed)
    assert [page.getvalue().count(name) for name in NAMES] == [4, 3, 3]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_signs_that_a_console_lacks_are_escaped(encoding, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, "strict"))
    escape_what_cannot_be_shown()
    console = plain_console(width=100, force_terminal=True)
    with Progress(console=console) as progress:
        progress.add_task("…", total=1)
        console.print(Table(NAMES[2], "\udcff"))
    sys.stdout.flush()
    shown = written.getvalue().decode(encoding)
    assert ("中" if encoding == "utf-8" else "\\u4e2d") in shown
    assert "\\udcff" in shown
    assert shows_all_signs() == (encoding == "utf-8")


def test_streams_of_other_kinds_are_left_alone(monkeypatch):
    for stream in (None, io.StringIO()):
        monkeypatch.setattr(sys, "stdout", stream)
        escape_what_cannot_be_shown()
        assert not shows_all_signs()
