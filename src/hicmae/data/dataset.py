"""Clips of a manifest as raw frames and waveforms, and the order in which they are drawn."""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from torch.utils.data import Dataset, DistributedSampler

from hicmae.data.batches import ClipData, ClipItem
from hicmae.data.cache import ClipCache
from hicmae.data.manifest import Clip
from hicmae.data.options import ClipOptions
from hicmae.data.sampling import Window, evaluation_windows, random_window
from hicmae.errors import DataError, PicturesMissingError, SoundMissingError
from hicmae.media import SAMPLE_RATE, VideoReader, read_audio
from hicmae.media.colour import rgb_matrix
from hicmae.media.pieces import Waveform
from hicmae.media.recording import NOMINAL_FPS

_DEFAULTS = ClipOptions()
_GREY = 128  # in pictures that are not there; in planes, it is no colour as well


class ClipKey(NamedTuple):
    """Which clip is read, for what.

    Attributes:
        clip: Its index in the data set.
        epoch: With the clip it draws the random views.
        place: Where the clip comes in its process and epoch, from 0; None if nobody counts.
    """

    clip: int
    epoch: int = 0
    place: int | None = None


class ClipDataset(Dataset[ClipItem]):
    """The clips of a manifest.

    Args:
        table: A complete manifest.
        options: How its clips are read.
        rows: Positions of the clips in it, int64 (N,); None means all of them.
        views: Views V of an evaluated clip, spread over it; None gives `repeats` random views, for
            training.
        repeats: Random views R of a training clip, which are drawn independently of each other and
            decoded together; the first is the same whatever R. If one of them cannot be read, the
            clip cannot. Evaluated clips have `views`.
        targets: Label of every row, int64 (N,) or float32 (N, K); None for unlabelled clips.
        cache: Keeps decoded clips on disk.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        options: ClipOptions = _DEFAULTS,
        *,
        rows: npt.NDArray[np.int64] | None = None,
        views: int | None = None,
        repeats: int = 1,
        targets: npt.NDArray[Any] | None = None,
        cache: ClipCache | None = None,
    ) -> None:
        # Columns of Arrow lie in a few blocks of memory that worker processes share; Python strings
        # would be copied into each of them page by page as their reference counts change.
        self._columns = {field.name: pa.array(table[field.name]) for field in fields(Clip)}
        self._grouped = bool(table["group"].notna().any())
        self._rows = np.arange(len(table)) if rows is None else rows
        self._targets = targets
        self.options = options
        self._views = views
        self._repeats = repeats
        self._cache = cache
        self._planar = options.pixels == "yuv420" and cache is None

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._rows)

    def evaluated(self, views: int, most: int) -> Self:
        """The same clips as they are tested, evenly spread over these if they are too many.

        Args:
            views: Views of each clip.
            most: Clips to give at most.
        """
        chosen = np.linspace(0, len(self) - 1, min(len(self), most)).round().astype(np.int64)
        other = copy.copy(self)
        other._rows, other._views = self._rows[chosen], views
        other._targets = None if self._targets is None else self._targets[chosen]
        return other

    def clip(self, index: int) -> Clip:
        """What the manifest says of a clip.

        Args:
            index: Place of the clip in this dataset.
        """
        row = int(self._rows[index])
        return Clip(**{name: column[row].as_py() for name, column in self._columns.items()})

    def __getitem__(self, key: ClipKey | tuple[int, int] | int) -> ClipItem:
        """Reads one clip.

        Args:
            key: Index of the clip and epoch, which draw the random views, so that they do not
                depend on the worker that reads them. A bare index means epoch 0.

        Returns:
            The clip; V is R in training. An unreadable one under "skip" gives `skipped` and `empty`
            in place of its data.

        Raises:
            DataError: The clip cannot be read, under "raise".
        """
        index, epoch, place = ClipKey(key) if isinstance(key, int) else ClipKey(*key)
        clip = self.clip(index)
        item: ClipItem = {"id": clip.id, "index": index}
        if place is not None:
            item["drawn"] = epoch, place
        if self._grouped:
            item["group"] = clip.group
        try:
            item = {**item, **self._read(clip, index, epoch)}
        except DataError as error:
            if self.options.on_error == "raise":
                raise
            return {**item, "skipped": str(error), "empty": self._nothing()}
        if self._targets is not None:
            item["target"] = self._targets[index]
        return item

    def _nothing(self) -> dict[str, npt.NDArray[Any]]:
        size = self.options.frame_size
        picture = (size * 3 // 2, size) if self._planar else (size, size, 3)
        shape = (0, self._views or 1, self.options.num_frames, *picture)
        empty: dict[str, npt.NDArray[Any]] = {"frames": np.empty(shape, np.uint8)}
        if self._planar:
            empty["rgb_matrix"] = np.empty((0, 3, 4), np.float32)
        if self._targets is not None:
            empty["target"] = self._targets[:0]
        return empty

    def _read(self, clip: Clip, index: int, epoch: int) -> ClipData:
        try:
            return self._read_pictures(clip, index, epoch)
        except PicturesMissingError:
            if self.options.senses not in {"any", "audio"}:
                raise
            return self._read_sound(clip, index, epoch)

    def _read_pictures(self, clip: Clip, index: int, epoch: int) -> ClipData:
        """What is read of a clip with pictures, and maybe with sound."""
        region = self.options.region if self.options.region is not None else clip.side
        segment: dict[str, Any] = {
            "start": clip.start,
            "end": clip.end,
            "folder_fps": self.options.folder_fps,
        }
        read: ClipData = {}
        if self._cache is not None:
            cache = self._cache
            waveform = self._heard(lambda: cache.waveform(clip.sound, *clip.sound_segment))
            pictures, begin, fps = self._cache.frames(clip.video, region=region, **segment)
            self._check_lengths(clip.video, begin + len(pictures) / fps, waveform)
            windows = self._windows(len(pictures), index, epoch)
            read["frames"] = pictures[np.array([window.frames for window in windows])]
        else:
            with VideoReader(clip.video, **segment) as reader:
                begin, fps = reader.timeline.begin, reader.fps
                if clip.one_source:
                    waveform = self._heard(reader.sound)
                else:
                    start, end = clip.sound_segment
                    waveform = self._heard(lambda: read_audio(clip.sound, start=start, end=end))
                self._check_lengths(clip.video, reader.timeline.end, waveform)
                windows = self._windows(reader.frame_count, index, epoch)
                wanted = [frame for window in windows for frame in window.frames]
                if self._planar:
                    frames, read["rgb_matrix"] = reader.read_planes(
                        wanted, size=self.options.frame_size, region=region
                    )
                else:
                    frames = reader.read(wanted, size=self.options.frame_size, region=region)
            read["frames"] = frames.reshape(len(windows), -1, *frames.shape[1:])
        if waveform is None:
            read["waveform"] = [np.zeros(0, np.float32)] * len(windows)
        else:
            # Of pictures that begin late the sound before them is no part.
            waveform = waveform[round(begin * SAMPLE_RATE) :]
            read["waveform"] = [
                self._sound_of(window, waveform, fps, clip.video) for window in windows
            ]
        if self.options.senses != "both":
            read["senses"] = self.options.senses != "audio", waveform is not None
        return read

    def _heard(self, read: Callable[[], Waveform]) -> Waveform | None:
        """A waveform; None where it is not shown to a model, or is not there and may be missing."""
        if self.options.senses == "video":
            return None
        try:
            return read()
        except SoundMissingError:
            if self.options.senses == "any":
                return None
            raise

    def _read_sound(self, clip: Clip, index: int, epoch: int) -> ClipData:
        """What is read of a clip without pictures, whose windows count 25 frames a second."""
        if self._cache is not None:
            waveform = self._cache.waveform(clip.sound, *clip.sound_segment)
        else:
            start, end = clip.sound_segment
            waveform = read_audio(clip.sound, start=start, end=end)
        frame_count = max(round(len(waveform) / SAMPLE_RATE * NOMINAL_FPS), 1)
        windows = self._windows(frame_count, index, epoch)
        shape = (len(windows), *self._nothing()["frames"].shape[2:])
        read: ClipData = {
            "frames": np.full(shape, _GREY, np.uint8),
            "waveform": [
                self._sound_of(window, waveform, NOMINAL_FPS, clip.sound) for window in windows
            ],
            "senses": (False, True),
        }
        if self._planar:
            read["rgb_matrix"] = rgb_matrix(0, full_range=True)
        return read

    def _check_lengths(self, video: str, picture_seconds: float, waveform: Waveform | None) -> None:
        if waveform is None:
            return
        limit = self.options.max_length_difference
        sound_seconds = len(waveform) / SAMPLE_RATE
        if limit is not None and abs(picture_seconds - sound_seconds) >= limit:
            raise DataError(
                f"{video}: picture ({picture_seconds:.2f} s) and sound ({sound_seconds:.2f} s) "
                f"differ in length by {limit} s or more; take the clip out or raise "
                "max_length_difference."
            )

    def _windows(self, frame_count: int, index: int, epoch: int) -> list[Window]:
        if self._views is not None:
            return evaluation_windows(
                frame_count, self.options.num_frames, self.options.stride, self._views
            )
        rng = np.random.default_rng([self.options.seed, epoch, index])
        return [
            random_window(frame_count, self.options.num_frames, self.options.stride, rng)
            for _ in range(self._repeats)
        ]

    def _sound_of(self, window: Window, waveform: Waveform, fps: float, video: str) -> Waveform:
        if self.options.audio_by == "proportion":
            return waveform[window.samples(len(waveform))]
        first = round(window.frames[0] / fps * SAMPLE_RATE)
        last = round((window.frames[-1] + self.options.stride) / fps * SAMPLE_RATE)
        if first >= len(waveform):
            raise DataError(
                f"{video}: its sound ends before the picture at {first / SAMPLE_RATE:.2f} s; take "
                "the clip out or set max_length_difference."
            )
        return waveform[first:last]


class ClipSampler(DistributedSampler[ClipKey]):
    """Gives each process its clips.

    Training clips are shuffled by seed and epoch and cut to the same number for every process.
    Evaluated clips come in order, every `num_replicas`-th one, and none twice, so that metrics over
    all processes are those over the clips; processes may differ by one clip. Their epoch is always
    0, so that what is drawn for them stays the same.

    A trainer calls `set_epoch` and, this being a DistributedSampler, puts no other in its place.

    Args:
        clip_count: Clips of the split.
        num_replicas: Number of processes.
        rank: This process, from 0.
        shuffle: Whether the clips are for training.
        seed: Draws the order, with the epoch.
        block: Neighbouring clips that are shuffled among each other, block after block in random
            order; None shuffles all.
        done: The epoch in which a run is resumed and the clips of this process that it has behind
            it in that epoch; they are left out there.
    """

    def __init__(
        self,
        clip_count: int,
        *,
        num_replicas: int,
        rank: int,
        shuffle: bool,
        seed: int = 0,
        block: int | None = None,
        done: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(
            range(clip_count),  # type: ignore[arg-type]  # only its length is asked for
            num_replicas,
            rank,
            shuffle,
            seed,
            drop_last=shuffle,
        )
        self.clip_count = clip_count
        self.block = block
        self.done_epoch, self.done_clips = done
        # A resumed trainer has workers read ahead before it calls `set_epoch`.
        self.set_epoch(self.done_epoch)

    def __len__(self) -> int:
        """Clips of this process per whole epoch."""
        if self.shuffle:
            return self.clip_count // self.num_replicas
        return len(range(self.rank, self.clip_count, self.num_replicas))

    def __iter__(self) -> Iterator[ClipKey]:
        """Clips of this process in this epoch, but for those that are done."""
        order: Sequence[int] | npt.NDArray[np.int64] = range(self.clip_count)
        epoch = self.epoch if self.shuffle else 0
        if self.shuffle:
            rng = np.random.default_rng([self.seed, self.epoch])
            order = self._shuffled(rng)[: len(self) * self.num_replicas]
        done = self.done_clips if epoch == self.done_epoch else 0
        for place, index in enumerate(order[self.rank :: self.num_replicas][done:], done):
            yield ClipKey(int(index), epoch, place)

    def _shuffled(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        if self.block is None:
            return rng.permutation(self.clip_count)
        blocks = np.arange(self.clip_count) // self.block
        turn = rng.permutation(-(-self.clip_count // self.block))
        return np.lexsort((rng.random(self.clip_count), turn[blocks]))
