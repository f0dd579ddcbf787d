"""VoxCeleb2, development part: a million talking faces without labels, for pre-training."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts

log = logging.getLogger(__name__)

# A sound file beside the video, or in its place in the tree of sound, best first: the reference
# implementation converts each m4a to a wav next to it, which is quicker to read.
_SOUND_SUFFIXES = (".wav", ".m4a", ".WAV", ".M4A")
_SPEAKER = re.compile(r"id\d+")
_DEPTH = 5
"""Folders from the root to the speakers, at most: root, corpus, archive, dev, mp4."""


@dataclass(frozen=True)
class VoxCeleb2(Corpus):
    """VoxCeleb2 dev: 1,092,009 clips of 5,994 speakers.

    Sound is taken from the tree of sound, else from beside the video, else from inside it.

    Attributes:
        audio_root: Tree of sound, laid out as the videos are; None means the folder `aac` beside
            `mp4` or, if each archive has a folder of its own, elsewhere below the root.
    """

    audio_root: str | None = None

    name: ClassVar[str] = "VoxCeleb2"
    layout: ClassVar[str] = (
        "dev/mp4/<speaker>/<video>/<clip>.mp4, below the folder of its archive or not, with the "
        "sound in dev/aac/<speaker>/<video>/<clip>.m4a, beside the mp4 as .m4a or .wav, or inside "
        "it"
    )
    citation: ClassVar[str] = (
        "J. S. Chung, A. Nagrani and A. Zisserman, VoxCeleb2: Deep Speaker Recognition, "
        "Interspeech 2018"
    )
    licence: ClassVar[str] = "access by request to the University of Oxford or KAIST"

    @property
    def expected(self) -> ExpectedCounts:
        """The clips of the development part."""
        return ExpectedCounts(clips=1_092_009)

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the clips below `root` (a folder above the tree `mp4`, or that tree).

        Folders are read once each, without looking at the files in them, so that a million clips
        take seconds on a local disk. See `Corpus.clips`.
        """
        self.check_root(root)
        usual = [path for path in (root / "dev" / "mp4", root / "mp4") if path.is_dir()]
        videos = [*_trees(root, "mp4"), *usual, root][0]
        beside = videos.parent / "aac"
        elsewhere = beside if beside.is_dir() else [*_trees(root, "aac"), beside][0]
        sounds = str(self.audio_root or elsewhere)
        log.info("VoxCeleb2: videos of %s, sound of %s.", videos, sounds)
        columns: dict[str, list[str | None]] = {"id": [], "video": [], "audio": [], "subject": []}
        sources: Counter[str] = Counter()
        for speaker, folder, names in _folders(videos):
            files = [name for name in names if name.lower().endswith(".mp4")]
            if not files:
                continue
            relative = f"{speaker}/{folder}"
            here = f"{videos}/{relative}"
            there = f"{sounds}/{relative}"
            names_here, names_there = set(names), set(_names(there))
            for name in files:
                stem = name[:-4]
                audio, source = _sound(stem, there, names_there, here, names_here)
                sources[source] += 1
                columns["id"].append(f"{relative}/{stem}")
                columns["video"].append(f"{here}/{name}")
                columns["audio"].append(audio)
                columns["subject"].append(speaker)
        if not columns["id"]:
            raise self.nothing_found(root, "<speaker>/<video>/<clip>.mp4")
        log.info("VoxCeleb2: sound of %s.", ", ".join(f"{n} clips {s}" for s, n in sources.items()))
        return pd.DataFrame(columns)


def _trees(root: Path, name: str) -> list[Path]:
    """The folders of speakers below a folder whose name holds this one.

    The shallowest is first, and the trees of the test part, which lies beside the development part
    in many copies, are last.
    """
    found: list[Path] = []
    level = [root]
    for _ in range(_DEPTH):
        below = {folder: _names(str(folder), folders=True) for folder in level}
        for folder, names in below.items():
            parts = folder.relative_to(root).parts
            if any(name in part for part in parts) and any(map(_SPEAKER.fullmatch, names)):
                found.append(folder)
        level = [
            folder / inner
            for folder, names in below.items()
            for inner in names
            if not _SPEAKER.fullmatch(inner)
        ]
    return sorted(found, key=lambda folder: "test" in str(folder.relative_to(root)))


def _sound(
    stem: str, there: str, names_there: set[str], here: str, names_here: set[str]
) -> tuple[str | None, str]:
    """The sound file of a clip (None: inside the video) and in words where it was found."""
    for folder, names, place in (
        (there, names_there, "in the tree of sound"),
        (here, names_here, "beside the video"),
    ):
        for suffix in _SOUND_SUFFIXES:
            if stem + suffix in names:
                return f"{folder}/{stem}{suffix}", place
    return None, "inside the video"


def _folders(root: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Speaker, video and the names of the files, of every folder two levels down, in order."""
    for speaker in _names(str(root), folders=True):
        for video in _names(f"{root}/{speaker}", folders=True):
            yield speaker, video, _names(f"{root}/{speaker}/{video}")


def _names(folder: str, *, folders: bool = False) -> list[str]:
    """Sorted names of the entries of a folder that are not hidden; none if it does not exist."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                entry.name
                for entry in entries
                if entry.name[0] != "." and (not folders or entry.is_dir())
            )
    except FileNotFoundError:
        return []
