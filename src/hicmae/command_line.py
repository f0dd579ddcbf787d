"""Commands as functions: help is what a function documents, options are what it annotates.

Parameters that may be given by place are the arguments of a command, keyword parameters its
options, and `*` takes what is for another command. Of a list there is one value or more. Switches,
such as `--overwrite`, need no value. A dataclass stands for an option for each of its fields.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from difflib import get_close_matches
from importlib import import_module
from inspect import Parameter, getdoc, signature
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from docstring_parser import parse as parse_docstring
from jsonargparse import (
    ArgumentError,
    ArgumentParser,
    DefaultHelpFormatter,
    Namespace,
)

from hicmae.configs import resolve_arguments

Function = Callable[..., object]

Repeated = Annotated[list[str] | None, "repeated"]
"""An option with one value, which may be given several times."""


@dataclass(frozen=True)
class FromConfig:
    """Marks what a config makes an object of: `Annotated[Class | None, FromConfig()]`.

    A class whose libraries take long is given as "module:name", and `Any` is annotated. Help then
    comes without its options.

    Attributes:
        late: Such a class.
        alone: Class of which the command makes an object where no config and no class is named.
        first: Argument of the command that is then the first one of this class.
    """

    late: str | None = None
    alone: type | str | None = None
    first: str = "source"


# What the config of a run may hold beside such a section.
_OTHER_SECTIONS = (
    "model",
    "trainer",
    "seed_everything",
    "test_after_fit",
    "optimizer",
    "lr_scheduler",
    "ckpt_path",
    "weights_only",
)

# Python callers may give a path as what it is.
_AS_TEXT: dict[Any, Any] = {str | Path: str, str | Path | None: str | None}


class HelpFormatter(argparse.RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the line breaks of the description."""


@dataclass(frozen=True)
class Group:
    """A command with commands below it.

    Attributes:
        description: What its help says before it lists them.
        commands: Their functions, by name.
        metavar: What stands for such a name in the help.
    """

    description: str
    commands: Mapping[str, Function]
    metavar: str


def run(command: Function | Group, name: str, arguments: Sequence[str]) -> None:
    """Calls a function with what a command line says, or prints help.

    Args:
        command: The function, or a group of them.
        name: How the command is called behind `hicmae`.
        arguments: What stands behind the name. Where nothing does and something has to, help is
            printed.

    Raises:
        ArgumentError: An option that does not exist or does not fit.
        HicmaeError: A mistake that the user can mend, from the function.
        SystemExit: Help was printed, or the function ends with a status of its own; with status 1
            if it gives False.
    """
    if isinstance(command, Group):
        if arguments and arguments[0] in command.commands:
            chosen = arguments[0]
            run(command.commands[chosen], f"{name} {chosen}", arguments[1:])
        else:
            _group_parser(command, name).parse_args(list(arguments) or ["--help"])
        return
    parser, options, others = parse(command, name, arguments)
    values = parser.instantiate(options).as_dict()
    for parameter in _parameters(command):
        mark = _mark(parameter.annotation)
        if mark is not None and mark.alone and isinstance(given := values[parameter.name], dict):
            first, values[mark.first] = values[mark.first], None
            alone = _class(mark.alone)
            values[parameter.name] = None if first is None else alone(first, **given)
        if _has_fields(parameter.annotation):
            parts = {part.name: values.pop(part.name) for part in fields(parameter.annotation)}
            values[parameter.name] = parameter.annotation(**parts)
    if command(*others, **values) is False:
        raise SystemExit(1)


def parse(
    function: Function, name: str, arguments: Sequence[str]
) -> tuple[ArgumentParser, Namespace, list[str]]:
    """Reads the command line of a function.

    Args:
        function: The function.
        name: How its command is called behind `hicmae`.
        arguments: What stands behind the name.

    Returns:
        The parser, what it read, and what is for another command.

    Raises:
        ArgumentError: An option that does not exist or does not fit.
        ConfigError: There is no such config.
        SystemExit: Help was printed.
    """
    parameters = [parameter for parameter, _ in _options(function)]
    own, others = _split(parameters, arguments)
    if not arguments and any(_is_required(parameter) for parameter in parameters):
        own = ["--help"]
    reads_config = any(
        _mark(parameter.annotation) is not None and _alone(parameter, own) is None
        for parameter in parameters
    )
    parser = function_parser(function, name, own)
    try:
        options = parser.parse_args(resolve_arguments(own) if reads_config else own)
    except ArgumentError as error:
        raise ArgumentError(None, _with_way_out(str(error), function, parser)) from error
    if reads_config:
        for section in ("config", *_OTHER_SECTIONS):
            del options[section]
    return parser, options, others


def function_parser(function: Function, name: str, arguments: Sequence[str] = ()) -> ArgumentParser:
    """The parser of a function's options.

    Args:
        function: A function whose keyword parameters are all annotated and documented.
        name: How the command is called behind `hicmae`.
        arguments: What it is to parse, which may be without a config.
    """
    documentation = getdoc(function) or ""
    parser = _parser(name, documentation.partition("\n\nArgs:")[0])
    _add_all(parser, function, arguments)
    return parser


def _group_parser(group: Group, name: str) -> ArgumentParser:
    parser = _parser(name, group.description)
    commands = parser.add_subcommands(metavar=group.metavar)
    for below, function in group.commands.items():
        part = _parser(f"{name} {below}", "")  # a command below it reads its options itself
        commands.add_subcommand(below, part, help=(getdoc(function) or "").partition("\n")[0])
    return parser


def _parser(name: str, description: str) -> ArgumentParser:
    return ArgumentParser(
        prog=f"hicmae {name}",
        description=description,
        formatter_class=HelpFormatter,
        exit_on_error=False,
        allow_abbrev=False,
    )


def _parameters(function: Function) -> list[Parameter]:
    """The parameters of a function, or the fields of a dataclass, with their types.

    Modules may give types as text, and name what a function returns without importing it.
    """
    parameters = signature(function).parameters
    if _has_fields(function):
        kinds = get_type_hints(function)
        return [
            parameter.replace(annotation=kinds[name], kind=Parameter.KEYWORD_ONLY)
            for name, parameter in parameters.items()
        ]
    given = {name: parameter.annotation for name, parameter in parameters.items()}
    kinds = get_type_hints(
        SimpleNamespace(__annotations__=given), function.__globals__, include_extras=True
    )
    return [parameter.replace(annotation=kinds[name]) for name, parameter in parameters.items()]


def _options(function: Function) -> list[tuple[Parameter, str]]:
    """Every parameter with what is documented of it; for a dataclass those of its fields."""
    told = _told(function)
    options = []
    for parameter in _parameters(function):
        if _has_fields(parameter.annotation):
            options += _options(parameter.annotation)
        else:
            options.append((parameter, told[parameter.name]))
    return options


def _told(function: Function) -> dict[str, str]:
    """What is documented of every parameter or field."""
    parts = parse_docstring(getdoc(function) or "").params
    return {part.arg_name.lstrip("*"): " ".join((part.description or "").split()) for part in parts}


def _is_required(parameter: Parameter) -> bool:
    return parameter.default is Parameter.empty and parameter.kind is not Parameter.VAR_POSITIONAL


def _add_all(parser: Any, function: Function, arguments: Sequence[str]) -> None:
    """Adds the options of a function, or of a dataclass."""
    told = _told(function)
    for parameter in _parameters(function):
        if _has_fields(parameter.annotation):
            title = (getdoc(parameter.annotation) or "").partition("\n")[0].rstrip(".")
            _add_all(parser.add_argument_group(title), parameter.annotation, arguments)
        elif (alone := _alone(parameter, arguments)) is not None:
            first = next(iter(signature(alone).parameters))
            parser.add_class_arguments(alone, parameter.name, skip={first}, instantiate=False)
        elif parameter.kind is not Parameter.VAR_POSITIONAL:
            _add(parser, parameter, told[parameter.name], arguments)


def _add(parser: Any, parameter: Parameter, told: str, arguments: Sequence[str]) -> None:
    """Adds what a parameter is on a command line."""
    name, kind = parameter.name, parameter.annotation
    if (mark := _mark(kind)) is not None:
        parser.add_argument("--config", action="config", help="Config of a run.")
        if mark.late is not None and arguments and _named(arguments) <= {"-h", "--help"}:
            told += f" Its options are those of a class: --{name}.help CLASS lists them."
            parser.add_argument(f"--{name}", metavar="CONFIG | CLASS | .OPTION VALUE", help=told)
            return
        made = _class(mark.late) if mark.late else get_args(get_args(kind)[0])[0]
        parser.add_subclass_arguments(made, name, required=False)
        for section in _OTHER_SECTIONS:
            parser.add_argument(f"--{section}", type=Any, help=argparse.SUPPRESS)
        return
    settings: dict[str, Any] = {"help": told, "type": _AS_TEXT.get(kind, kind)}
    if parameter.kind is Parameter.KEYWORD_ONLY:
        flag = f"--{name}"
        settings |= (
            {"required": True} if _is_required(parameter) else {"default": parameter.default}
        )
    else:
        flag = name
        settings["metavar"] = name.upper()
        if not _is_required(parameter):
            settings |= {"nargs": "?", "default": parameter.default}
    if kind is bool:
        settings |= {"nargs": "?", "const": True}
    elif kind == Repeated:
        settings |= {"type": str, "action": "append"}
    elif (item := _item(kind)) is not None:
        settings |= {"type": _AS_TEXT.get(item, item), "nargs": "+"}
        if flag == name:
            settings["metavar"] = name.upper().removesuffix("S")
    parser.add_argument(flag, **settings)


def _item(kind: Any) -> Any:
    """What a list is of, which may be left out; None for what is no list."""
    for part in (kind, *get_args(kind)):
        if get_origin(part) in {list, Sequence}:
            return get_args(part)[0]
    return None


def _has_fields(kind: Any) -> bool:
    return is_dataclass(kind)


def _mark(kind: Any) -> FromConfig | None:
    """How a config makes an object; None for what is no such parameter."""
    return next((mark for mark in get_args(kind)[1:] if isinstance(mark, FromConfig)), None)


def _alone(parameter: Parameter, arguments: Sequence[str]) -> type | None:
    """The class that is meant where arguments name neither a config nor a class; None elsewhere."""
    mark, option = _mark(parameter.annotation), f"--{parameter.name}"
    named = _named(arguments)
    if mark is None or mark.alone is None or named <= {"-h", "--help"}:
        return None
    return None if named & {"--config", option, f"{option}.help"} else _class(mark.alone)


def _named(arguments: Sequence[str]) -> set[str]:
    return {word.partition("=")[0] for word in arguments}


def _class(given: type | str) -> Any:
    """A class, or what stands by the name "module:name"."""
    if not isinstance(given, str):
        return given
    module, name = given.split(":")
    return getattr(import_module(module), name)


def _split(
    parameters: Sequence[Parameter], arguments: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Spells switches out, and parts a command's own options from what is for another command."""
    passes_on = any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters)
    options = {f"--{parameter.name}": parameter.annotation is bool for parameter in parameters}
    own, others = [], []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if options.get(word):
            value = waiting.pop(0) if waiting and waiting[0] in {"true", "false"} else "true"
            own.append(f"{word}={value}")
        elif not passes_on or word in {"-h", "--help"} or word.partition("=")[0] in options:
            own.append(word)
            if passes_on and word in options:
                own += waiting[:1]
                del waiting[:1]
        else:
            others.append(word)
    return own, others


def _with_way_out(message: str, function: Function, parser: ArgumentParser) -> str:
    """Adds what is meant by an option that is missing, or which may be by one that is not there."""
    if missing := re.fullmatch(r"(the following arguments are required: )(.*)", message):
        told = {parameter.name: told for parameter, told in _options(function)}
        names = (f"{name} ({told[name].rstrip('.')})" for name in missing[2].split(", "))
        return missing[1] + ", ".join(names)
    unknown = re.match(r"unrecognized arguments: (--[\w.]+)", message)
    options = [f"--{name}" for name in parser.get_defaults().keys()]  # noqa: SIM118 (no mapping)
    close = get_close_matches(unknown[1], options, n=1) if unknown else []
    return f"{message}; did you mean {close[0]}?" if close else message
