"""Mistakes that a user can mend, told in one sentence.

The command line prints such an error without a traceback; everything else that goes wrong is a
defect of the program and keeps its traceback.
"""

from collections.abc import Mapping


class HicmaeError(Exception):
    """Something the user can mend; the message names what is wrong and the way out."""


class DataError(HicmaeError):
    """A clip, label or table that cannot be used; the message names the file or row."""


class PicturesMissingError(DataError):
    """A file whose pictures are wanted and that has none."""


class SoundMissingError(DataError):
    """A file whose sound is wanted and that has none."""


class ConfigError(HicmaeError):
    """An option or a combination of options that cannot work; the message names the option."""


class CheckpointError(HicmaeError):
    """A checkpoint that cannot be read or fits no part of the model."""


def check_ranges(options: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Refuses options out of their ranges; those that are None are left alone.

    Args:
        options: What has them as attributes.
        limits: The least and the most of each, by its name.

    Raises:
        ConfigError: One is below its least or above its most.
    """
    for name, (least, most) in limits.items():
        value = getattr(options, name)
        if value is not None and not least <= value <= most:
            raise ConfigError(f"{name} is {value}; give a number from {least:g} to {most:g}.")


def check_at_least(least: int, prefix: str = "", **values: float | None) -> None:
    """Refuses options below their least; those that are None are left alone.

    Args:
        least: The least of each.
        prefix: What stands before their names where users give them, such as "data.".
        **values: The options.

    Raises:
        ConfigError: One is below.
    """
    for name, value in values.items():
        if value is not None and value < least:
            raise ConfigError(f"{prefix}{name} is {value}; give {least} or more.")
