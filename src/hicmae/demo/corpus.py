"""Makes the demonstration corpus: synthetic clips of invented speakers, with a manifest.

The clips are for trying the program, not for research: no number measured on them says anything
about real emotions. `python -m hicmae.demo.corpus FOLDER` makes the default corpus.
"""

import argparse
import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeRemainingColumn

from hicmae.demo.face import render_face
from hicmae.demo.performance import (
    EMOTIONS,
    FRAME_RATE,
    SAMPLE_RATE,
    Array,
    ClipKey,
    Performance,
    perform,
)
from hicmae.demo.voice import render_voice
from hicmae.errors import ConfigError, DataError, check_at_least
from hicmae.files import whole_file
from hicmae.machine import processors

MANIFEST_COLUMNS = ("video", "emotion", "subject", "split", "arousal", "valence")
SETTINGS_FILE = "corpus.json"
MANIFEST_FILE = "manifest.csv"
README_FILE = "README.txt"
README = """\
Synthetic demonstration corpus
==============================
Every face and voice in this folder is computed: drawn by formulas and synthesised from random
numbers. No real person is shown or heard, and nobody's emotion was recorded. Use the clips to try
the program; numbers measured on them say nothing about real emotions.

manifest.csv   one row per clip: video, emotion, subject, split, arousal and valence in [-1, 1];
               with blends, the share of every emotion as well
corpus.json    the settings that the clips follow from; equal settings give equal clips
clips/         H.264 video at 25 frames per second with 16 kHz mono AAC sound in mp4

The splits train, val and test have no speaker in common.
"""
# Which emotions are blended, and the percents of the first.
PAIRS = tuple(combinations(EMOTIONS[1:], 2))
PERCENTS = (30, 50, 70)
# Raised whenever the same settings would give other clips.
GENERATOR = 2


@dataclass(frozen=True)
class CorpusSettings:
    """What the clips of a corpus follow from; written to `corpus.json`."""

    speakers: int
    clips_per_emotion: int
    seed: int
    size: int
    seconds: float
    generator: int = GENERATOR
    blends: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """What `corpus.json` says; corpora without blends say nothing of them."""
        return {name: value for name, value in asdict(self).items() if name != "blends" or value}

    def check(self) -> None:
        """Raises `ConfigError` for settings that no corpus can be made with."""
        if self.speakers < 3:
            raise ConfigError(
                f"speakers is {self.speakers}, but train, val and test need at least one each: "
                "give 3 or more."
            )
        check_at_least(1, clips_per_emotion=self.clips_per_emotion)
        check_at_least(0, seed=self.seed)
        if self.size < 32 or self.size % 2:
            raise ConfigError(
                f"size is {self.size}: give an even number of pixels of at least 32, as H.264 "
                "stores colours in pairs of pixels."
            )
        if not 0.5 <= self.seconds <= 60:
            raise ConfigError(f"seconds is {self.seconds}: give a length between 0.5 and 60.")

    @property
    def frame_count(self) -> int:
        """Frames per clip; the sound has exactly the same length."""
        return round(self.seconds * FRAME_RATE)

    def clips(self) -> list[ClipKey]:
        """All clips in the order of the manifest."""
        keys = []
        for speaker in range(self.speakers):
            takes = range(self.clips_per_emotion)
            keys += [ClipKey(self.seed, speaker, name, take) for name in EMOTIONS for take in takes]
            for place, (first, second) in enumerate(PAIRS if self.blends else ()):
                for take in takes:
                    percent = PERCENTS[(speaker + take + place) % len(PERCENTS)]
                    keys.append(ClipKey(self.seed, speaker, first, take, second, percent))
        return keys

    def performance(self, key: ClipKey) -> Performance:
        """The plan of one clip."""
        return perform(key, self.frame_count / FRAME_RATE)

    def split(self, speaker: int) -> str:
        """`train`, `val` or `test`: about the last sixth of the speakers test."""
        held_out = max(1, round(self.speakers / 6))
        if speaker >= self.speakers - held_out:
            return "test"
        return "val" if speaker >= self.speakers - 2 * held_out else "train"


def make_corpus(
    folder: str | Path,
    *,
    speakers: int = 12,
    clips_per_emotion: int = 6,
    seed: int = 0,
    size: int = 112,
    seconds: float = 2.7,
    blends: bool = False,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Makes the synthetic corpus, or completes or reuses one made with the same settings.

    A clip's content depends on the seed, its speaker, emotion and take, its size and its length
    alone. With more than one worker, a script that calls this at its top level must do so under
    `if __name__ == "__main__":`, as processes are spawned.

    Args:
        folder: Where to make it: a new or empty folder, or one that holds a corpus of the same
            settings.
        speakers: Number of invented speakers, at least 3; about a sixth each validate and test.
        clips_per_emotion: Clips per speaker and emotion; there are six emotions.
        seed: Other seeds give other speakers and clips.
        size: Height and width in pixels, even and at least 32.
        seconds: Length of a clip, rounded to whole frames at 25 per second.
        blends: Whether each pair of emotions but neutral is shown as well, as often as an emotion,
            in parts of 30, 50 or 70 percent, and the manifest has the share of every emotion.
        workers: Processes to use; as many as may be used if None.
        progress: Whether to show a progress bar.

    Returns:
        Path of the manifest, a CSV file with the columns `MANIFEST_COLUMNS`; `video` is relative
        to its folder.

    Raises:
        ConfigError: An option is out of its range.
        DataError: The folder holds something else, or cannot be written to.
    """
    check_at_least(1, workers=workers)
    settings = CorpusSettings(
        speakers, clips_per_emotion, seed, size, float(seconds), blends=blends
    )
    settings.check()
    folder = Path(folder)
    _claim(folder, settings)
    missing = [key for key in settings.clips() if not (folder / clip_path(key)).is_file()]
    _make_clips(folder, settings, missing, workers or processors(), progress)
    manifest = folder / MANIFEST_FILE
    if missing or not manifest.is_file():
        _write_text(folder / README_FILE, README)
        _write_text(manifest, _manifest(settings))
    return manifest


def clip_path(key: ClipKey) -> str:
    """Path of a clip within the corpus folder."""
    shown = f"{key.emotion}_{key.blended}_{key.percent}" if key.blended else key.emotion
    return f"clips/{_subject(key)}/{shown}_{key.take}.mp4"


def make_clip(path: Path, settings: CorpusSettings, key: ClipKey) -> None:
    """Renders one clip and writes it whole or not at all.

    Raises:
        DataError: The file cannot be written.
    """
    performance = settings.performance(key)
    frames = render_face(key, performance, settings.size)
    waveform = render_voice(key, performance)
    with _whole_file(path) as part:
        _encode(part, frames, waveform)


def _subject(key: ClipKey) -> str:
    return f"speaker_{key.speaker:02d}"


def _claim(folder: Path, settings: CorpusSettings) -> None:
    """Makes sure that the folder is ours to write to, and says so in `corpus.json`."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file: name a folder for the demonstration corpus.")
    record = folder / SETTINGS_FILE
    if not record.is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise DataError(f"{folder} holds files of something else: name a new or empty folder.")
        _write_text(record, json.dumps(settings.record, indent=2) + "\n")
        return
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    wanted = asdict(settings)
    if not isinstance(found, dict) or found.keys() | {"blends"} != wanted.keys():
        raise DataError(
            f"{record} was not written by the demonstration corpus: name a new or empty folder."
        )
    found = {"blends": False} | found
    if found["generator"] != GENERATOR:
        raise DataError(
            f"{folder} holds a demonstration corpus of another version of HiCMAE, whose clips "
            "differ: delete it, or name another folder."
        )
    different = [name for name, value in wanted.items() if found[name] != value]
    if different:
        were = ", ".join(f"{name}={found[name]}" for name in different)
        raise DataError(
            f"{folder} holds a demonstration corpus made with {were}: use the same settings, "
            "delete it, or name another folder."
        )


def _make_clips(
    folder: Path, settings: CorpusSettings, keys: list[ClipKey], workers: int, progress: bool
) -> None:
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:2], MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), disable=not progress or not keys) as bar:
        task = bar.add_task("Making demonstration clips", total=len(keys))
        if workers == 1 or len(keys) < 2:
            for key in keys:
                make_clip(folder / clip_path(key), settings, key)
                bar.advance(task)
            return
        # Spawned rather than forked: a fork of a process with threads (torch has some) can hang.
        context = get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(keys)), mp_context=context) as pool:
            futures: list[Future[None]] = [
                pool.submit(make_clip, folder / clip_path(key), settings, key) for key in keys
            ]
            try:
                for future in as_completed(futures):
                    future.result()
                    bar.advance(task)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _manifest(settings: CorpusSettings) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    shares = EMOTIONS if settings.blends else ()
    writer.writerow((*MANIFEST_COLUMNS, *shares))
    for key in settings.clips():
        performance = settings.performance(key)
        writer.writerow(
            (
                clip_path(key),
                f"{key.emotion}+{key.blended}" if key.blended else key.emotion,
                _subject(key),
                settings.split(key.speaker),
                f"{performance.arousal:.4f}",
                f"{performance.valence:.4f}",
                *(f"{key.shares.get(name, 0):g}" for name in shares),
            )
        )
    return table.getvalue()


def _write_text(path: Path, text: str) -> None:
    with _whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """Gives a name to write to beside `path`, which becomes `path` once all is written."""
    try:
        with whole_file(path) as part:
            yield part
    except OSError as error:  # FFmpeg's errors with an error number of the system are among them
        raise DataError(
            f"{path} cannot be written ({error.strerror}): free some space or name another folder."
        ) from error


def _encode(path: Path, frames: NDArray[np.uint8], waveform: Array) -> None:
    """Writes frames (T, H, W, 3) and a waveform (L,) as H.264 and AAC in mp4."""
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream(
            "libx264", rate=FRAME_RATE, options={"crf": "26", "preset": "superfast"}
        )
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.thread_count = 1  # the clips are spread over the cores already
        audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 48_000
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(waveform[None, :], format="fltp", layout="mono")
        sound.sample_rate = SAMPLE_RATE
        sound.time_base = Fraction(1, SAMPLE_RATE)
        sound.pts = 0  # stated, so that the encoder's own delay is marked in the file to be skipped
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def main() -> None:
    """Command line of the module."""
    parser = argparse.ArgumentParser(
        prog="python -m hicmae.demo.corpus", description="Make the synthetic demonstration corpus."
    )
    parser.add_argument("folder", type=Path, help="a new or empty folder")
    parser.add_argument("--speakers", type=int, default=12)
    parser.add_argument("--clips-per-emotion", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=112, help="pixels")
    parser.add_argument("--seconds", type=float, default=2.7)
    parser.add_argument("--blends", action="store_true", help="blends of two emotions as well")
    parser.add_argument("--workers", type=int, default=None, help="processes (default: all cores)")
    try:
        manifest = make_corpus(**vars(parser.parse_args()))
    except (ConfigError, DataError) as error:
        parser.exit(1, f"{error}\n")
    print(manifest)


if __name__ == "__main__":
    main()
