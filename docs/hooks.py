"""Parts of pages that are made of the program itself when the site is built.

A page asks for one with a line such as `<!-- made: command-line -->`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hicmae.cli import COMMANDS, TRAINING, dispatch
from hicmae.configs import config_folder, config_names, describe
from hicmae.evaluation.published import PublishedCorpus, PublishedResult, published_corpora

WIDTH = 100  # of help texts, in characters
# Corpora that come with face crops, which their data modules read by default.
_CROPPED = {"MAFWDataModule", "DFEWDataModule"}
_EXAMPLE = Path(__file__).parents[1] / "examples" / "run_onnx.py"
_MARK = re.compile(r"^<!-- made: ([\w-]+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts in what a page asks for; called by mkdocs for every page."""
    return _MARK.sub(lambda mark: PARTS[mark[1]](), markdown)


@cache
def help_text(*command: str) -> str:
    """What `hicmae COMMAND --help` prints.

    Args:
        *command: Name of a command, and of a command below it; none for `hicmae --help`.
    """
    printed = StringIO()
    surroundings = {**os.environ, "COLUMNS": str(WIDTH), "LINES": "50", "NO_COLOR": "1"}
    with (
        patch.dict(os.environ, surroundings),
        patch.object(sys, "argv", ["hicmae"]),
        redirect_stdout(printed),
    ):
        try:
            dispatch([*command, "--help"])
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"hicmae {' '.join(command)} --help failed") from end
    lines = [line.rstrip() for line in printed.getvalue().splitlines()]
    return "\n".join(lines).strip("\n")


def commands_below(command: str) -> list[str]:
    """The commands of a command, such as `faces` of `data`."""
    _, found, listed = help_text(command).partition("Available subcommands:")
    return re.findall(r"^    ([a-z][\w-]*) {2,}\S", listed, re.MULTILINE) if found else []


def all_commands() -> list[tuple[str, ...]]:
    """Every command with a help text of its own, such as ("data", "faces")."""
    listed: list[tuple[str, ...]] = [(name,) for name in TRAINING]
    for name in COMMANDS:
        listed += [(name,), *((name, part) for part in commands_below(name))]
    return listed


def command_line() -> str:
    """A section for every command, with its help."""
    abouts = {**TRAINING, **{name: command.about for name, command in COMMANDS.items()}}
    parts = []
    for command in all_commands():
        parts.append(f"{'#' * (len(command) + 1)} hicmae {' '.join(command)}\n")
        if len(command) == 1:
            about = abouts[command[0]]
            parts.append(f"{about[0].upper()}{about[1:]}.\n")
        text = "\n".join(f"    {line}" for line in help_text(*command).splitlines())
        opened = "" if command[0] in TRAINING else "+"
        parts.append(f'???{opened} quote "hicmae {" ".join(command)} --help"\n')
        parts.append(f"    ```text\n{text}\n    ```\n")
    return "\n".join(parts)


def configs() -> str:
    """A table of the project's configs."""
    lines = ["| config | what it is for |", "| --- | --- |"]
    lines += [f"| `{name}` | {describe(name)} |" for name in config_names()]
    return "\n".join(lines)


def published_tables() -> str:
    """A table for every corpus with a published result, and a command for every row."""
    return "\n".join(_corpus_section(corpus) for corpus in published_corpora().values())


def _corpus_section(corpus: PublishedCorpus) -> str:
    faces = faces_command(corpus)
    lines = [
        f"### {corpus.corpus}\n",
        f"Clips, labels and folds: [page of the corpus](corpora/{_page(corpus)}.md). Selection in "
        f"the publication: {corpus.selection}.\n",
        *(["Face crops:\n", _code(faces)] if faces else []),
    ]
    rows: dict[str, list[PublishedResult]] = {}
    for row in corpus.results:
        rows.setdefault(row_command(corpus, replace(row, fold=None)), []).append(row)
    for command, results in rows.items():
        first = results[0]
        lines += [f"**{first.model}, {first.modality}**\n", _code(command)]
        lines += ["| command | published, % | source | ours |", "| --- | --- | --- | --- |"]
        for row in results:
            scores = ", ".join(
                f"{name.replace('_', ' ')} {value:.2f}" for name, value in row.scores.items()
            )
            which = f"with `--folds {row.fold}`" if row.fold else "as above"
            lines.append(f"| {which} | {scores} | {row.source} | not run |")
        lines.append("")
    return "\n".join(lines)


def _code(command: str) -> str:
    """A block with one command, wrapped before an option."""
    lines, line = [], ""
    for part in re.split(r" (?=--)", command):
        if line and len(line) + len(part) > WIDTH - 16:
            lines.append(line + " \\")
            line = " "
        line += f" {part}" if line else part
    return "```bash\n" + "\n".join([*lines, line]) + "\n```\n"


def faces_command(corpus: PublishedCorpus) -> str | None:
    """The command that cuts out the faces first; None where the corpus has face crops."""
    if corpus.data_class in _CROPPED:
        return None
    name = corpus.name
    return f"hicmae data faces --config finetune/{name}.yaml --data.root ROOT --output faces/{name}"


def row_command(corpus: PublishedCorpus, row: PublishedResult) -> str:
    """The command whose result would stand beside a published row."""
    config = corpus.name
    size = {"T": "tiny", "S": "small"}.get(row.model[-1] if row.of_hicmae else "", "base")
    words = ["hicmae crossval", f"--config finetune/{config}.yaml"]
    if row.modality in {"audio", "video"}:
        words.append(f"--config ablations/{row.modality}-only.yaml")
    faces = faces_command(corpus)
    words.append(f"--data.manifest faces/{config}/manifest.csv" if faces else "--data.root ROOT")
    if size != "base":
        words.append(f"--model.size {size}")
    words.append(f"--model.pretrained pretrained-{size}.ckpt")
    # A folder for each kind of row: settings must not differ within one.
    if row.modality in {"audio", "video"} or size != "base":
        kind = "" if row.modality == "audio + video" else f"-{row.modality}"
        words.append(f"--output runs/crossval-{config}-{size}{kind}")
    if row.fold:
        words.append(f"--folds {row.fold}")
    return " ".join(words)


def _page(corpus: PublishedCorpus) -> str:
    folder = Path(__file__).parent / "corpora"
    names = [path.stem for path in folder.glob("*.md") if corpus.name.startswith(path.stem)]
    return max(names, key=len)


def published_ablations() -> str:
    """The ablations of which a number is published, with the commands of each."""
    parts = []
    for name, number, commands in ablations():
        parts.append(f"**`{name}`**: {describe(name).removeprefix('Ablation: ')}\n")
        parts += [_code(command) for command in commands]
        parts.append("| published WAR on MAFW | ours |\n| --- | --- |")
        parts.append(f"| {number} | not run |\n")
    return "\n".join(parts)


def ablations() -> list[tuple[str, str, list[str]]]:
    """Name, published number with its source, and commands of every ablation that has one."""
    found = []
    for name in config_names():
        if not name.startswith("ablations/"):
            continue
        text = (config_folder() / name).read_text(encoding="utf-8")
        number = re.search(r"^# WAR on MAFW after fine-tuning: (.*published: .*)\.$", text, re.M)
        if number:
            commands = re.findall(r"^# (hicmae .*)$", text, re.M)
            found.append((name, number[1], commands))
    return found


PARTS: dict[str, Callable[[], str]] = {
    "help": lambda: f"```text\n{help_text()}\n```",
    "command-line": command_line,
    "configs": configs,
    "run-onnx": lambda: f"```python\n{_EXAMPLE.read_text(encoding='utf-8')}```",
    "published-tables": published_tables,
    "published-ablations": published_ablations,
}
