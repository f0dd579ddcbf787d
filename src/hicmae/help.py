"""How help texts look."""

from argparse import RawDescriptionHelpFormatter

from jsonargparse import DefaultHelpFormatter


class HelpFormatter(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """Keeps the line breaks of the description."""
