"""What a model's answers are worth: calibration, doubt, clips unlike those it has learnt from."""

from hicmae.answers.familiarity import Familiarity
from hicmae.answers.reliability import Reliability, threshold_of
from hicmae.answers.selection import RiskCoverage

__all__ = ["Familiarity", "Reliability", "RiskCoverage", "threshold_of"]
