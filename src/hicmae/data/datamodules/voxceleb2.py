"""VoxCeleb2 as a data module, for pre-training."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from lightning.pytorch.utilities import rank_zero_info

from hicmae.data.corpora.voxceleb2 import VoxCeleb2
from hicmae.data.datamodules.corpus import CorpusDataModule
from hicmae.data.options import AudioAlignment
from hicmae.errors import check_at_least
from hicmae.media import Region


class VoxCeleb2DataModule(CorpusDataModule):
    """Unlabelled talking faces of VoxCeleb2 dev.

    Args:
        root: Folder of the corpus, or one below it down to its `mp4`.
        fold: The corpus has no folds: 1.
        audio_root: Tree of sound, laid out as the videos are; null means the folder `aac` beside
            `mp4` or elsewhere below the root.
        val_speakers: Speakers held out for validation, drawn by `seed`, but at most a tenth of
            them (one of fewer than 20); 0, as published, trains on all and does not validate.
        region: Part of the source frame to decode, as top, left, height, width in pixels; as
            published, rows 0 to 160 and columns 32 to 192 of 224 x 224 pixels.
        audio_by: How the sound of a view is cut: by "time" in seconds, as published, or in
            "proportion" to its place among the frames.
        max_length_difference: Seconds by which picture and sound may differ in length before the
            clip counts as unreadable (published cleaning rule); null accepts any difference.
        **kwargs: Options of `CorpusDataModule`.
    """

    def __init__(
        self,
        root: str,
        *,
        fold: int = 1,
        audio_root: str | None = None,
        val_speakers: int = 0,
        region: Region | None = (0, 32, 160, 160),
        audio_by: AudioAlignment = "time",
        max_length_difference: float | None = 0.1,
        **kwargs: Any,
    ) -> None:
        # The splits come from val_speakers alone.
        super().__init__(
            corpus=VoxCeleb2(audio_root=audio_root),
            root=root,
            fold=fold,
            views=1,
            val_split="from_train",
            val_fraction=0.0,
            region=region,
            audio_by=audio_by,
            max_length_difference=max_length_difference,
            **kwargs,
        )
        check_at_least(0, "data.", val_speakers=val_speakers)
        self.val_speakers = val_speakers

    @property
    def files_are_listed(self) -> bool:
        """A million files are not looked for at every start; `on_error` says what is done then."""
        return True

    def build_table(self) -> pd.DataFrame:
        """Lists the corpus and holds out validation speakers."""
        table = super().build_table()
        speakers = table["subject"].unique()
        most = min(max(len(speakers) // 10, 1), len(speakers) - 1)
        if self.val_speakers > most:
            rank_zero_info(
                f"{self.source} has {len(speakers)} speakers, of whom {most} instead of "
                f"{self.val_speakers} (data.val_speakers) are held out for validation."
            )
        order = np.random.default_rng(self.seed).permutation(len(speakers))
        held_out = table["subject"].isin(speakers[order[: min(self.val_speakers, most)]])
        split = pc.if_else(pa.array(held_out), "val", "train")
        table["split"] = pd.Series(split, dtype="str")
        return table
