"""AVCAffe as a data module."""

from typing import Any, Literal

from hicmae.data.corpora.avcaffe import AVCAffe
from hicmae.data.datamodules.corpus import CorpusDataModule


class AVCAffeDataModule(CorpusDataModule):
    """Short clips of people at remote work: five classes of arousal or valence, one split.

    Clips are judged by task of a person: their outputs are averaged before they are scored.

    Args:
        root: Folder of the corpus.
        fold: The corpus has one split: 1.
        target: What is learned, arousal or valence.
        drop_silent: Whether to leave out the clips that the corpus lists as having no sound.
        **kwargs: Options of `CorpusDataModule`.
    """

    telling_options = (*CorpusDataModule.telling_options, "target")

    def __init__(
        self,
        root: str,
        fold: int = 1,
        *,
        target: Literal["arousal", "valence"] = "arousal",
        drop_silent: bool = True,
        **kwargs: Any,
    ) -> None:
        corpus = AVCAffe(target=target, drop_silent=drop_silent)
        super().__init__(corpus=corpus, root=root, fold=fold, **kwargs)
