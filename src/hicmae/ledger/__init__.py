"""A ledger of work over many clips: what is done, with which settings, and what went wrong.

The log of results is the only state. A clip counts as done when its line is in the log, and its
line is written after its files, so that a killed run redoes at most the clips in hand.
"""

from hicmae.ledger.log import DONE, FAILED, ResultLog, Row
from hicmae.ledger.outcomes import all_there, in_order, save_problems
from hicmae.ledger.plan import Plan
from hicmae.ledger.processing import Tell, process, process_here
from hicmae.ledger.settings import is_output, refuse_other_settings, write_settings

__all__ = [
    "DONE",
    "FAILED",
    "Plan",
    "ResultLog",
    "Row",
    "Tell",
    "all_there",
    "in_order",
    "is_output",
    "process",
    "process_here",
    "refuse_other_settings",
    "save_problems",
    "write_settings",
]
