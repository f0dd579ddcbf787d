"""The command `hicmae`: finds what a command line asks for and tells mistakes in one sentence.

Commands are imported when they are called, so that help comes at once.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple, NoReturn

from rich.table import Table

from hicmae.configs import config_names, describe
from hicmae.consoles import escape_what_cannot_be_shown, plain_console
from hicmae.errors import HicmaeError
from hicmae.imports import quick_imports
from hicmae.machine import settle

DESCRIPTION = """\
Audio-visual emotion recognition with HiCMAE: pre-train on unlabelled talking faces, fine-tune on
labelled ones, test, and recognise emotions in your own video.
"""

EXAMPLES = """\
  hicmae demo                                                everything, on a synthetic corpus
  hicmae fit --config pretrain.yaml --data.root FOLDER       pre-train on VoxCeleb2
  hicmae fit --config finetune/ravdess.yaml --data.root FOLDER --model.pretrained FILE
  hicmae test --ckpt_path RUN/checkpoints/best.ckpt          with the config of its run
  hicmae recognize CLIP.mp4 --checkpoint RUN/checkpoints/best.ckpt
"""


# What a parser says, and what is meant.
_PLAIN = (
    (r'Parser key "[\w.]+"( element \d+)?: ', ""),
    (r"Problem with given class_path '[\w.]+': ", ""),
    (r"<class '(\w+)'>", r"\1"),
    (r"typing\.Literal\[(.*?)\]", r"one of \1"),
    (r"\. Got value: ", ", got "),
    (r"a dot import path string: ", "a class, got "),
    (r" - Expected an? ", " or "),
    (r"^Expected an? ", "expected "),
    (r"^argument (\S+): expected (one|at least one) argument$", r"\1 needs a value"),
    (r"^argument (\S+): invalid (\w+) value: '(.*)'$", r"\1: expected \2, got \3"),
    (r"^argument (\S+): invalid choice: (\S+) \(choose from (.*)\)$", r"\1 is \2: choose \3"),
    (r"^the following arguments are required: ", "required, but not given: "),
    (
        r"Not of type \w+: does not .* v>=(\S+) and v<(\d\S*)(?=,)",
        r"expected a number from \1 to below \2",
    ),
    (r"(?<=[:,] )(?:fit|validate|test|predict)\.", ""),
)


class Command(NamedTuple):
    """One of the commands.

    Attributes:
        about: What it does, in a line.
        place: Module and name of its function, or of the group of commands below it.
    """

    about: str
    place: str


TRAINING = {
    "fit": "pre-train, or fine-tune and test",
    "validate": "measure on the validation clips",
    "test": "measure a checkpoint on the test clips",
    "predict": "write a checkpoint's predictions",
}

COMMANDS = {
    "recognize": Command("emotions in your own clips", "hicmae.inference.commands:recognize"),
    "embed": Command("features of your own clips", "hicmae.inference.commands:embed"),
    "serve": Command("a page that recognises clips", "hicmae.serve.commands:serve"),
    "watch": Command("camera and microphone, recognised live", "hicmae.serve.commands:watch"),
    "visualize": Command("pictures of models and runs", "hicmae.visualize.commands:visualize"),
    "convert": Command("weights from one format to another", "hicmae.checkpoints.commands:convert"),
    "export": Command("a model as ONNX or torch.export", "hicmae.export.commands:export"),
    "crossval": Command("every fold, and a table of scores", "hicmae.evaluation.commands:crossval"),
    "report": Command("runs beside published results", "hicmae.evaluation.commands:report"),
    "data": Command("tables, checks and faces of a corpus", "hicmae.preparation.commands:data"),
    "demo": Command("everything, on a synthetic corpus", "hicmae.demo.run:demo"),
}


def main(arguments: list[str] | None = None) -> None:
    """The console command."""
    settle()  # before a command imports torch
    given = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    escape_what_cannot_be_shown()
    try:
        dispatch(given)
    except KeyboardInterrupt:
        fail("stopped")
    except SystemExit as error:
        if _is_of_class(error, "lightning.pytorch.utilities.exceptions:SIGTERMException"):
            # As a shell reports a process that the signal ended; Lightning's status says success.
            raise SystemExit(128 + signal.SIGTERM) from error
        raise
    except Exception as error:
        sentence = explain(error, given[0])
        if sentence is None or os.environ.get("HICMAE_TRACEBACK"):
            raise
        fail(sentence)


def dispatch(arguments: list[str]) -> None:
    """Runs one of the commands.

    Args:
        arguments: A command and its options.

    Raises:
        HicmaeError: There is no such command, or what the command raises.
    """
    name, options = arguments[0], arguments[1:]
    if name in TRAINING:
        _load("hicmae.training.commands:run")(arguments)
    elif name in COMMANDS:
        _load("hicmae.command_line:run")(_load(COMMANDS[name].place), name, options)
    elif name == "configs":
        show_configs()
    elif name in {"-h", "--help", "help"}:
        show_help()
    elif name == "--version":
        print(version("hicmae"))
    else:
        known = ", ".join((*TRAINING, *COMMANDS, "configs"))
        raise HicmaeError(f"There is no command '{name}': choose {known}.")


def _load(place: str) -> Any:
    """What a module has by a name, given as `module:name`."""
    module, name = place.split(":")
    with quick_imports():
        return getattr(import_module(module), name)


def show_help() -> None:
    """Prints what there is."""
    console = plain_console()
    table = Table(box=None, show_header=False, padding=(0, 2))
    for name, about in TRAINING.items():
        table.add_row(name, about)
    for name, command in COMMANDS.items():
        table.add_row(name, command.about)
    table.add_row("configs", "the project's configs")
    console.print(f"usage: hicmae COMMAND [OPTIONS]\n\n{DESCRIPTION}\nCommands:", soft_wrap=True)
    console.print(table)
    console.print(
        f"\nExamples:\n{EXAMPLES}\nhicmae COMMAND --help shows the options of a command. "
        "HICMAE_TRACEBACK=1 shows where an error arose.",
        soft_wrap=True,
    )


def show_configs() -> None:
    """Prints the names of the project's configs and what they are for."""
    table = Table("config", "what it is for", box=None)
    for name in config_names():
        table.add_row(name, describe(name))
    plain_console().print(table)


def explain(error: BaseException, command: str) -> str | None:
    """One sentence for a mistake of the user's; None for a defect of the program.

    Args:
        error: What was raised.
        command: The command that raised it.
    """
    text = " ".join(str(error).split())
    sentence = None
    if isinstance(error, HicmaeError | FileNotFoundError | PermissionError) or _is_of_class(
        error, "lightning.fabric.utilities.exceptions:MisconfigurationException"
    ):
        sentence = text
    elif (
        _is_of_class(error, "jsonargparse:ArgumentError")
        or "does not validate against" in text.lower()
    ):
        sentence = f"{_main_sentence(str(error))} (hicmae {command} --help shows all options)"
    elif isinstance(error, RuntimeError) and "loading state_dict" in text:
        differences = re.findall(r'(?:key\(s\) in state_dict: "|size mismatch for )([\w.]+)', text)
        sentence = (
            f"The checkpoint is of another model (first difference: {differences[0]}): give "
            "--ckpt_path with the config it was trained with; to start fine-tuning from "
            "pre-trained weights use --model.pretrained."
        )
    elif isinstance(error, pickle.UnpicklingError):
        sentence = (
            "The checkpoint holds objects other than tensors and plain values; it is not loaded, "
            "since unpickling could run foreign code: ask for one that this program wrote."
        )
    elif isinstance(error, OSError) and error.errno is not None:
        sentence = f"{text}: check that the disk has room and the folder can be written"
    return sentence


def _is_of_class(error: BaseException, place: str) -> bool:
    """Whether an error is of a class that is named by module and name, without importing it."""
    module, name = place.split(":")
    # What raised the error has loaded the module of its class.
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(error, kind)


def _main_sentence(message: str) -> str:
    """What matters in a parser's message, which else lists types and whole configs."""
    # "Does not validate against any of the Union subtypes ... Errors: - first - second ..."
    listed = re.search(
        r"Errors:\s*- (.*?)\s*(?:- Expected a <class 'NoneType'>|Given value|$)", message, re.S
    )
    sentence = " ".join((listed[1] if listed else message).split())
    given = re.search(r"Given value: (?!NestedArg|Namespace)(.*)", message)
    if listed and given and not sentence.endswith(given[1]):
        sentence += f". Got value: {given[1]}"
    outer = re.match(r'Parser key "([\w.]+)"', message) if listed else None
    keys = [*([outer[1]] if outer else []), *re.findall(r'Parser key "([\w.]+)"', sentence)]
    for said, plain in _PLAIN:
        sentence = re.sub(said, plain, sentence)
    return f"--{'.'.join(keys)}: {sentence}" if keys else sentence


def fail(sentence: str) -> NoReturn:
    """Prints the sentence and ends with status 2."""
    plain_console(stderr=True).print(f"hicmae: {sentence}", style="bold red", soft_wrap=True)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
