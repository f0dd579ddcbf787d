"""What some options let one choose from.

Apart from the modules that act on a choice, whose libraries take seconds to load: the help of a
command lists choices without them.
"""

from typing import Literal

Faces = Literal["crop", "none"]
"""Whether each face is looked for and cut out, or the centre square of the picture is taken."""

Use = Literal["both", "audio", "video"]
"""What an audio-visual model is given of a clip."""

USED: dict[Use, str] = {"both": "both", "audio": "sound alone", "video": "picture alone"}
"""What a clip was recognised by, in words for people."""

Senses = Literal["both", "any", "audio", "video"]
"""What clips of a data set have, and what of it is shown to a model."""


def use_of(seen: bool, heard: bool) -> Use:
    """The word for what of a clip was seen and heard, of which one is true."""
    return "both" if seen and heard else "video" if seen else "audio"


Per = Literal["window", "clip"]
"""What a row of features stands for."""

Layout = Literal["tsne", "umap", "pca"]
"""How features are laid out in a plane."""

ExportFormat = Literal["onnx", "torch-export"]
"""What a model is exported as."""

Activation = Literal["none", "sigmoid", "relu", "tanh"]
"""What regressed values go through."""

FusionOrder = Literal["cross_then_self", "self_then_cross"]
"""What comes first in a layer of the fusion encoder."""
