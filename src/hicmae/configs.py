"""Finding the project's configs by name, in a checkout and in an installed package."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from hicmae.errors import ConfigError


def config_folder() -> Path:
    """Where the project's configs lie."""
    installed = Path(__file__).parent / "configs"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs"


def config_names() -> list[str]:
    """Names of all configs of the project, such as `finetune/ravdess.yaml`."""
    folder = config_folder()
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))


def describe(name: str) -> str:
    """What a config is for: its first comment line."""
    first = (config_folder() / name).read_text(encoding="utf-8").split("\n", 1)[0]
    return first.lstrip("# ").strip()


def find_config(name: str) -> str:
    """The path of a config: a file in reach of the current folder, else one of the project's.

    Args:
        name: A path, or the name of one of the project's configs; `.yaml` may be left out.

    Raises:
        ConfigError: There is neither.
    """
    if Path(name).is_file():
        return name
    names = config_names()
    for candidate in (name, f"{name}.yaml"):
        if candidate in names:
            return str(config_folder() / candidate)
    close = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names)}."
    raise ConfigError(
        f"There is no config {name}, neither in this folder nor among the project's: {hint}"
    )


def resolve_arguments(arguments: list[str], checkpoint_of: Callable[[str], str] = str) -> list[str]:
    """Replaces the names behind every `--config` of a command line by paths.

    A command line with a checkpoint and without a config gets the config of the checkpoint's run.
    Configs come before all options, which override them wherever they stand.

    Args:
        arguments: The command line.
        checkpoint_of: Gives the file that is meant by what stands behind `--ckpt_path`.
    """
    configs: list[str] = []
    others: list[str] = []
    checkpoint = ""
    for argument, option, value in _options(arguments):
        if value and option == "--config":
            configs.append(f"--config={find_config(value)}")
        elif value and option == "--ckpt_path":
            checkpoint = checkpoint_of(value)
            others.append(f"--ckpt_path={checkpoint}")
        else:
            others.append(argument)
    if checkpoint and checkpoint != "last" and not configs:
        config = Path(checkpoint).parent.parent / "config.yaml"
        if config.is_file():
            configs.append(f"--config={config}")
    command = 1 if others and not others[0].startswith("-") else 0
    return [*others[:command], *configs, *others[command:]]


def _options(arguments: list[str]) -> list[tuple[str, str, str]]:
    """Every argument with the option and value it carries; `--option value` becomes one."""
    joined = []
    waiting = ""
    for argument in arguments:
        if waiting:
            joined.append(f"{waiting}={argument}")
            waiting = ""
        elif argument in {"--config", "-c", "--ckpt_path"}:
            waiting = "--config" if argument == "-c" else argument
        else:
            joined.append(argument)
    if waiting:
        joined.append(waiting)
    return [(argument, *argument.partition("=")[::2]) for argument in joined]
