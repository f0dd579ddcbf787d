"""What some options let one choose from.

Apart from the modules that act on a choice, whose libraries take seconds to load: the help of a
command lists choices without them.
"""

from typing import Literal

Faces = Literal["crop", "none"]
"""Whether each face is looked for and cut out, or the centre square of the picture is taken."""

Use = Literal["both", "audio", "video"]
"""What an audio-visual model is given of a clip."""

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
