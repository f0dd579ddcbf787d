"""HiCMAE: hierarchical contrastive masked autoencoder for audio-visual emotion recognition."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hicmae.inference.recognizer import EmotionRecognizer

__all__ = ["EmotionRecognizer", "__version__"]

__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    # Loading a model's libraries takes seconds, which a mere import should not.
    if name == "EmotionRecognizer":
        from hicmae.inference.recognizer import EmotionRecognizer  # noqa: PLC0415

        return EmotionRecognizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
