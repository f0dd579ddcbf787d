"""Logistic regression on pre-trained features: a recogniser from few labelled clips."""

from __future__ import annotations

from typing import Any

from hicmae.errors import ConfigError
from hicmae.objectives.logistic_regression import logistic_regression
from hicmae.tasks.frozen import FrozenFeaturesTask, LabelledFeatures


class LogisticRegressionTask(FrozenFeaturesTask):
    """Learns a linear head on pre-trained features by logistic regression, in one pass or a few.

    The encoders stay as `pretrained` gives them; see `FrozenFeaturesTask`. The head is the one best
    answer for the mean features of the training clips, with their weights held back by `penalty`,
    so that nothing depends on learning rates, steps or the order of clips. What `fit` leaves in
    `checkpoints/last.ckpt` is a recogniser like any other.

    Args:
        class_names: The classes in the order of their indices. On the command line they come from
            the data.
        penalty: How strongly weights are held back; see `logistic_regression`.
        **frozen: See `FrozenFeaturesTask`.

    Raises:
        ConfigError: There are no labels, or options do not fit together.
    """

    probe = "logistic regression"
    overlay = "probe/logistic.yaml"

    def __init__(self, class_names: list[str], *, penalty: float, **frozen: Any) -> None:
        if not penalty > 0:
            raise ConfigError(
                f"penalty is {penalty}: give a number above 0, such as 0.001 to hold weights back "
                "hardly at all."
            )
        super().__init__(class_names, **frozen)
        self.penalty = penalty

    def learn(self, known: LabelledFeatures) -> None:
        """Sets the head to the best answer for the training clips; of none it stays as drawn."""
        if not len(known.targets):
            return
        weight, bias = logistic_regression(*known, len(self.class_names), self.penalty)
        self.model.head.load_state_dict({"weight": weight, "bias": bias})
