"""Logistic regression on pre-trained features: a recogniser from few labelled clips."""

from __future__ import annotations

from hicmae.errors import ConfigError
from hicmae.models import UNCHANGED, ArchitectureChanges, FusionOrder, Modality, Pooling, Size
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
        size: Published size of the model: tiny, small or base.
        architecture: Fields of the architecture that differ from the size's.
        modality: What the model reads: audio_visual, audio or video.
        feature_fusion: Whether features are means over all layers of an encoder; else they are the
            last layer's.
        pooling: mean or statistics; see `RecognitionTask`.
        fusion_depth: Layers of the fusion encoder, in place of what `architecture` says.
        fusion_order: cross_then_self or self_then_cross, in place of what `architecture` says.
        pretrained: A Lightning, public-implementation or safetensors file whose features are read;
            without one, the weights are as drawn, which is the yardstick.

    Raises:
        ConfigError: There are no labels, or options do not fit together.
    """

    probe = "logistic regression"
    overlay = "probe/logistic.yaml"

    def __init__(
        self,
        class_names: list[str],
        *,
        penalty: float,
        size: Size = "base",
        architecture: ArchitectureChanges = UNCHANGED,
        modality: Modality = "audio_visual",
        feature_fusion: bool = True,
        pooling: Pooling = "mean",
        fusion_depth: int | None = None,
        fusion_order: FusionOrder | None = None,
        pretrained: str | None = None,
    ) -> None:
        if not penalty > 0:
            raise ConfigError(
                f"penalty is {penalty}: give a number above 0, such as 0.001 to hold weights back "
                "hardly at all."
            )
        super().__init__(
            class_names,
            size=size,
            architecture=architecture,
            modality=modality,
            feature_fusion=feature_fusion,
            pooling=pooling,
            fusion_depth=fusion_depth,
            fusion_order=fusion_order,
            pretrained=pretrained,
        )
        self.penalty = penalty

    def learn(self, known: LabelledFeatures) -> None:
        """Sets the head to the best answer for the training clips; of none it stays as drawn."""
        if not len(known.targets):
            return
        weight, bias = logistic_regression(*known, len(self.class_names), self.penalty)
        self.model.head.load_state_dict({"weight": weight, "bias": bias})
