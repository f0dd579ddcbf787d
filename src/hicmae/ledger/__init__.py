"""A ledger of work over many clips: what is done, with which settings, and what went wrong.

The log of results is the only state. A clip counts as done when its line is in the log, and its
line is written after its files, so that a killed run redoes at most the clips in hand. The folds of
a cross-validation are kept in the same way.
"""

from hicmae.ledger.log import DONE, FAILED, ResultLog, Row, read_rows
from hicmae.ledger.outcomes import all_there, in_order, save_problems
from hicmae.ledger.plan import Plan
from hicmae.ledger.processing import Tell, go_on, process, process_here
from hicmae.ledger.settings import is_output, write_settings

__all__ = [
    "DONE",
    "FAILED",
    "Plan",
    "ResultLog",
    "Row",
    "Tell",
    "all_there",
    "go_on",
    "in_order",
    "is_output",
    "process",
    "process_here",
    "read_rows",
    "save_problems",
    "write_settings",
]
