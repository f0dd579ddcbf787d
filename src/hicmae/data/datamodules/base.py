"""The audio-visual data module that all others are thin over."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from hicmae.choices import Senses
from hicmae.data.augmentation import Augmentation
from hicmae.data.batches import Batch, PreparedBatch, RawBatch
from hicmae.data.cache import ClipCache
from hicmae.data.corpora.base import ExpectedCounts
from hicmae.data.datamodules.loading import LoadingOptions, PrepareOn, clip_loader, ready_batch
from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import check_files, check_manifest
from hicmae.data.options import AudioAlignment, ClipOptions, ErrorPolicy, InputSettings, Pixels
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.data.splits import Splits, ValidationPolicy, make_splits
from hicmae.data.targets import Labelling, TargetKind
from hicmae.errors import ConfigError, DataError, check_at_least
from hicmae.media import Region
from hicmae.media.members import member_of

log = logging.getLogger(__name__)

_SPLITS_OF_STAGE = {
    "fit": ("train", "val"),
    "validate": ("val",),
    "test": ("test",),
    "predict": ("test",),
}


class AudioVisualDataModule(LightningDataModule, ABC):
    """Clips with sound, from a manifest to normalised batches on the device.

    A batch that a task sees holds `video` (B, V, 3, T, S, S), `audio` (B, V, 1, F, M), `target`
    int64 (B,) or float32 (B, K) where there are labels, `group` where clips are judged in groups,
    `id`, `index` and `skipped`. V is 1 in training and pre-training and `views` else; B counts a
    training clip `repeats` times, and is 0 if every clip of the batch was skipped.

    Args:
        root: Folder of the corpus.
        fold: Fold of the cross-validation that is tested, from 1.
        batch_size: Clips per batch and device.
        repeats: Random windows R of every training clip in its batch, each with its sound, its
            augmentation and its mask, from one reading of the clip: repeated sampling in
            pre-training (Feichtenhofer et al., 2022), repeated augmentation in fine-tuning (Hoffer
            et al., 2020). The model sees `batch_size` × R samples a step, and so many enter the
            scaling of the learning rate; device memory grows alike. An epoch has as many steps as
            with 1, and sees every clip R times. What it saves is decoding, of which a full
            `cache_dir` leaves none. The contrast of pre-training takes the windows of a clip for
            different clips, negatives of each other, though they may overlap and, in a clip shorter
            than a window, coincide. Validation and test ignore it.
        num_workers: Processes that decode clips; 0 decodes in the main one.
        seed: Draws the order of the clips, their random views, their augmentation, and the
            validation rows that are held out.
        on_error: What an unreadable clip does: "raise" stops the run; "skip" leaves it out, warns
            once and counts it.
        num_frames: Frames T per view.
        stride: Distance between the frames of a view, in frames of the clip.
        frame_size: Side of the decoded square frames in pixels.
        image_size: Side S of the model's frames in pixels.
        crop_pct: Central part of the frame's side that evaluation keeps, in (0, 1].
        views: Temporal views V per evaluated clip.
        audio_frames: Time steps F of the spectrogram, 10 ms each.
        mel_bins: Frequencies M of the spectrogram.
        region: Part of the source frame to decode, as top, left, height, width in pixels; null is
            its centre square.
        audio_by: How the sound of a view is cut: in "proportion" to its place among the frames, or
            by "time" in seconds.
        max_length_difference: Seconds by which picture and sound may differ in length before the
            clip counts as unreadable; null accepts any difference.
        folder_fps: Frames per second of clips that are folders of images.
        senses: "both" asks for picture and sound; "any" takes, for `modality_dropout`, silent files
            too, and rows with a file in `audio` and none in `video`; "audio" and "video" ask for
            that alone and hide the other, to train or to test on one sense.
        pixels: How frames travel from the decoder to the device: as "rgb", or as "yuv420", the
            brightness and colour of most codecs, which is half the bytes and becomes RGB on the
            device. Pixels then differ by 1 or 2 of 255 on average (docs/speed.md); a cache holds
            RGB in any case.
        cache_dir: Folder that keeps decoded clips between epochs and runs; null keeps none.
        val_split: Where validation rows come from: "from_train" takes those of the corpus or, where
            it names none, holds out training subjects; "same_as_test" selects on the test rows, as
            the reference implementation does, which makes the score of the best epoch optimistic;
            "own" insists on those of the corpus.
        val_fraction: Part of the training subjects (of the rows, where subjects are unknown) that
            "from_train" holds out; 0 trains without validation.
        train_fraction: Part of the training rows to use, drawn per class (of shares, the largest),
            for experiments with few labels.
        augmentation: What training clips go through; null trains on them as they are.
        pin_memory: Whether batches are put in pinned memory; null means if there is a CUDA device.
        prefetch: Batches that each worker prepares ahead.
        shuffle_block: Neighbouring training clips that are shuffled among each other: they are
            drawn block by block, blocks in random order, so that a pack on a disk that is slow to
            jump is read one shard after another; null shuffles all.
        prepare_on: Where frames are cut and spectrograms made: on the "device", or in the "workers"
            that read the clips, which take a copy of `augmentation` when a loader is made and hand
            over bytes. Numbers drawn are the same. "auto" is workers, if there are any, where the
            model is on a processor, and else the device.

    Attributes:
        telling_options: Options that say which clips are learned from.
        skipped_clips: Message of every clip skipped so far in this process, by id.
    """

    telling_options: ClassVar[tuple[str, ...]] = ("fold", "train_fraction", "val_split", "views")

    def __init__(
        self,
        *,
        root: str,
        fold: int = 1,
        batch_size: int = 8,
        repeats: int = 1,
        num_workers: int = 4,
        seed: int = 0,
        on_error: ErrorPolicy = "raise",
        num_frames: int = 16,
        stride: int = 4,
        frame_size: int = 160,
        image_size: int = 160,
        crop_pct: float = 1.0,
        views: int = 2,
        audio_frames: int = 256,
        mel_bins: int = 128,
        region: Region | None = None,
        audio_by: AudioAlignment = "proportion",
        max_length_difference: float | None = None,
        folder_fps: float = 25.0,
        senses: Senses = "both",
        pixels: Pixels = "rgb",
        cache_dir: str | None = None,
        val_split: ValidationPolicy = "from_train",
        val_fraction: float = 0.1,
        train_fraction: float = 1.0,
        augmentation: Augmentation | None = None,
        pin_memory: bool | None = None,
        prefetch: int = 2,
        shuffle_block: int | None = None,
        prepare_on: PrepareOn = "auto",
    ) -> None:
        super().__init__()
        # Not for the logger: a model and a data module with an option of the same name would clash.
        self.save_hyperparameters(ignore=["augmentation", "corpus"], logger=False)
        check_at_least(1, "data.", fold=fold, repeats=repeats, views=views)
        if not 0 <= val_fraction < 1:
            raise ConfigError(f"data.val_fraction is {val_fraction}; give a number in [0, 1).")
        if not 0 < train_fraction <= 1:
            raise ConfigError(f"data.train_fraction is {train_fraction}; give a number in (0, 1].")
        self.root = Path(root).expanduser()
        self.fold = fold
        self.batch_size = batch_size
        self.repeats = repeats
        self.num_workers = num_workers
        self.seed = seed
        self.views = views
        self.val_split = val_split
        self.val_fraction = val_fraction
        self.train_fraction = train_fraction
        self.pin_memory = pin_memory
        self.prefetch = prefetch
        self.shuffle_block = shuffle_block
        self.prepare_on = prepare_on
        self._loading_options()
        self.clip_options = ClipOptions(
            num_frames=num_frames,
            stride=stride,
            frame_size=frame_size,
            on_error=on_error,
            seed=seed,
            region=region,
            folder_fps=folder_fps,
            audio_by=audio_by,
            max_length_difference=max_length_difference,
            senses=senses,
            pixels=pixels,
        )
        self.cache_dir = cache_dir
        self.preprocessor = BatchPreprocessor(
            image_size=image_size,
            audio_frames=audio_frames,
            mel_bins=mel_bins,
            crop_pct=crop_pct,
            augmentation=augmentation,
        )
        self.skipped_clips: dict[str, str] = {}
        self._datasets: dict[str, ClipDataset] = {}

    @property
    @abstractmethod
    def source(self) -> str:
        """What the clips come from, as messages call it."""

    @abstractmethod
    def build_table(self) -> pd.DataFrame:
        """Lists all clips as a complete manifest, without opening media.

        Raises:
            DataError: The folder or table is missing or wrong.
        """

    @property
    def class_names(self) -> list[str] | None:
        """Classes in order of their index; None unless the task is classification."""
        return None

    @property
    def target_names(self) -> list[str] | None:
        """Regressed columns in order; None unless the task is regression."""
        return None

    @property
    def target_kind(self) -> TargetKind:
        """Whether a clip is of one class, a mixture of them, or has any number as labels."""
        return "class"

    @property
    def label_column(self) -> str | None:
        """Column of the table that holds the class names; None where each has its own column."""
        return None

    @property
    def labelling(self) -> Labelling:
        """How the table says what a model is to give."""
        kind = self.target_kind if self.class_names else "values"
        return Labelling(kind, self.class_names or self.target_names or [], self.label_column)

    @property
    def fold_count(self) -> int:
        """Folds of the cross-validation; 1 where there is one split."""
        return int(self.table["fold"].max()) if self.table["fold"].notna().any() else 1

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the published protocol, as far as there is one."""
        return ExpectedCounts()

    @property
    def subjects_may_repeat(self) -> bool:
        """Whether the published folds let a person be in training and in test."""
        return False

    @property
    def files_are_listed(self) -> bool:
        """Whether the table was made by listing the files, so that they need not be looked for."""
        return False

    @property
    def num_outputs(self) -> int:
        """Outputs of a recogniser: classes or regressed values; 0 without labels."""
        return len(self.labelling.names)

    @cached_property
    def table(self) -> pd.DataFrame:
        """All clips, as a complete, checked manifest."""
        table = self.build_table()
        check_manifest(table, self.source)
        return table

    @cached_property
    def splits(self) -> Splits:
        """The rows of each split of the fold in use."""
        return self.splits_of(self.fold)

    def splits_of(self, fold: int) -> Splits:
        """The rows of each split of any fold, from 1."""
        return make_splits(
            self.table,
            source=self.source,
            fold=fold,
            val_split=self.val_split,
            val_fraction=self.val_fraction,
            train_fraction=self.train_fraction,
            strata=self.labelling.strata(self.table),
            seed=self.seed,
        )

    def describe_inputs(self) -> InputSettings:
        """How clips become the input of a model that learns from them."""
        read = self.clip_options
        return InputSettings(read.stride, read.frame_size, self.preprocessor.crop_pct)

    def describe_training(self) -> dict[str, Any]:
        """Which clips are learned from, in plain values by name, for a model's description."""
        options = {name: self.hparams.get(name) for name in self.telling_options}
        told = {name: value for name, value in options.items() if value is not None}
        return {**told, "module": type(self).__name__}

    def steps_per_epoch(self, world_size: int = 1) -> int:
        """Training batches of one process in one epoch, known before any loader exists.

        Args:
            world_size: Number of processes.
        """
        clips = len(self.splits.train_rows) // world_size
        # A last, smaller batch is dropped, unless it is the only one.
        return max(clips // self.batch_size, min(clips, 1))

    def setup(self, stage: str) -> None:
        """Finds the rows of the stage's splits and checks their files and labels.

        Args:
            stage: "fit", "validate", "test" or "predict".

        Raises:
            DataError: A split is missing, a file does not exist, or a label is none of the classes.
        """
        for name in _SPLITS_OF_STAGE[stage]:
            if name not in self._datasets:
                self._datasets[name] = self._dataset(name)
        rank_zero_info(f"{self.source}: {self.splits.policy}.")

    def _dataset(self, split: str) -> ClipDataset:
        rows = self.splits.rows(split)
        if not len(rows) and not (split == "val" and self.val_fraction == 0):
            raise DataError(
                f"{self.source} has no {split} rows ({self.splits.policy}); choose another fold, "
                "name the split of the rows in a split column, or change data.val_split."
            )
        packed = len(rows) and member_of(self.table["video"].iloc[rows[0]])
        if packed and self.clip_options.region is not None:
            raise ConfigError(
                f"data.region is {self.clip_options.region}, but {self.source} is a pack, whose "
                "clips are cut already; set --data.region null."
            )
        if not self.files_are_listed:
            check_files(self.table.iloc[rows], self.source)
        labelled, size = self.num_outputs > 0, self.clip_options.frame_size
        return ClipDataset(
            self.table,
            self.clip_options,
            rows=rows,
            # Without labels nothing is averaged over views; a random one, drawn once per clip,
            # keeps validation alike to training, where windows differ in their place in the clip.
            views=self.views if labelled and split != "train" else None,
            repeats=self.repeats if split == "train" else 1,
            targets=self.labelling.targets(self.table.iloc[rows], self.source),
            cache=ClipCache(self.cache_dir, size) if self.cache_dir else None,
        )

    def train_dataloader(self) -> DataLoader[RawBatch]:
        """Shuffled training clips, `repeats` random windows of each as samples of their own."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[RawBatch] | Sequence[DataLoader[RawBatch]]:
        """Validation clips in order; no loader if nothing is held out."""
        return self._loader("val") if len(self._datasets["val"]) else []

    def test_dataloader(self) -> DataLoader[RawBatch]:
        """Test clips in order."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[RawBatch]:
        """Test clips in order."""
        return self._loader("test")

    def _loader(self, split: str) -> DataLoader[RawBatch]:
        return clip_loader(
            self._datasets[split],
            self._loading_options(),
            self.preprocessor,
            self.trainer,
            split=split,
            source=self.source,
        )

    def _loading_options(self) -> LoadingOptions:
        names = (field.name for field in fields(LoadingOptions))
        return LoadingOptions(**{name: getattr(self, name) for name in names})

    def on_after_batch_transfer(
        self, batch: RawBatch | PreparedBatch, dataloader_idx: int
    ) -> Batch:
        """Turns clips into what a model reads, on the device; training clips are augmented."""
        del dataloader_idx
        self._report(batch["skipped"])
        preprocessor = self.preprocessor.to(batch["index"].device)
        return ready_batch(batch, preprocessor, self.trainer, self.seed)

    def _report(self, skipped: Sequence[tuple[str, str]]) -> None:
        for clip, message in skipped:
            if clip not in self.skipped_clips:
                self.skipped_clips[clip] = message
                log.warning("Clip %s is skipped: %s", clip, message)

    def teardown(self, stage: str) -> None:
        """Tells how many clips were skipped."""
        del stage
        if self.skipped_clips:
            log.warning("%s: %d clips were skipped.", self.source, len(self.skipped_clips))
