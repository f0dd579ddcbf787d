"""Commands as a shell runs them."""

from hicmae.cli import main


def tell(*arguments: object) -> int:
    """The exit status of `hicmae` with these arguments."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0
