"""Mistakes that a user can mend, told in one sentence.

The command line prints such an error without a traceback; everything else that goes wrong is a
defect of the program and keeps its traceback.
"""


class HicmaeError(Exception):
    """Something the user can mend; the message names what is wrong and the way out."""


class DataError(HicmaeError):
    """A clip, label or table that cannot be used; the message names the file or row."""


class ConfigError(HicmaeError):
    """An option or a combination of options that cannot work; the message names the option."""


class CheckpointError(HicmaeError):
    """A checkpoint that cannot be read or fits no part of the model."""
