"""AVCAffe: 106 people at remote work, who say after each task how they felt."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.errors import DataError
from hicmae.media.listing import VIDEO_SUFFIXES

log = logging.getLogger(__name__)

_CLASSES = {
    "arousal": ("Excited", "Wide-awake", "Neutral", "Dull", "Calm"),
    "valence": ("Pleasant", "Pleased", "Neutral", "Unsatisfied", "Unpleasant"),
}
_CLIP = re.compile(r"((aiim\d{3})_task_\d)_.+")
_LISTED = re.compile(r"aiim\d{3}(_task_\d(_.+)?)?")
_TEST_PEOPLE = frozenset(
    f"aiim{number:03d}"
    for first in (1, 13, 43, 53, 57, 63, 67, 77, 99, 107)
    for number in (first, first + 1)
)


@dataclass(frozen=True)
class AVCAffe(Corpus):
    """Short clips of people at nine tasks, one of five classes for arousal or for valence.

    A person rates a whole task, so that the clips of a task share its label, and they are judged
    together: `group` is `aiimNNN_task_K`, the first three parts of a clip's name. There is one
    split: the 20 people whom the corpus' own loader holds out are for testing, all others for
    training, but for those in the corpus' validation list who are not for testing.

    Attributes:
        target: What is learned, arousal or valence.
        drop_silent: Whether to leave out the clips that the corpus lists as having no sound.
    """

    target: Literal["arousal", "valence"] = "arousal"
    drop_silent: bool = True

    name: ClassVar[str] = "AVCAffe"
    layout: ClassVar[str] = (
        "videos/shorter_segments/aiim001/task_1/aiim001_task_1_clip_001.avi, ground_truths/"
        "arousal.txt and valence.txt, info/no_audio_files.txt and val.txt, below data or not"
    )
    folders: ClassVar[str] = r"aiim\d{3}(_task_\d)?|task_\d"
    citation: ClassVar[str] = (
        "P. Sarkar, A. Posen and A. Etemad, AVCAffe: A Large Scale Audio-Visual Dataset of "
        "Cognitive Load and Affect for Remote Work, AAAI 2023"
    )
    licence: ClassVar[str] = (
        "academic licence for permanent staff; access by request, Borealis doi:10.5683/SP3/PSWY62"
    )

    @property
    def expected(self) -> ExpectedCounts:
        """The clips of the corpus; how many of them have sound is not published."""
        return ExpectedCounts(clips=None if self.drop_silent else 58_112)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the corpus' own loader."""
        return _CLASSES[self.target]

    @property
    def label_column(self) -> str:
        """The target's own column."""
        return self.target

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the labelled clips below `root`; see `Corpus.clips`."""
        clips = self._clips(root)
        labels = self._labels(root)
        if self.drop_silent:
            silent = self._silent(root)
            _tell(len(clips.keys() & silent), "have no sound and are left out")
            clips = {name: path for name, path in clips.items() if name not in silent}
        validation = self._validation(root)
        rows = []
        tasks = set()
        for name in sorted(clips):
            group, subject = _parts(name)
            tasks.add(group)
            if group not in labels:
                continue
            split = "train"
            if subject in _TEST_PEOPLE:
                split = "test"
            elif not validation.isdisjoint((name, group, subject)):
                split = "val"
            rows.append(
                {
                    "id": name,
                    "video": str(clips[name]),
                    "subject": subject,
                    "split": split,
                    "group": group,
                    self.target: labels[group],
                }
            )
        _tell(len(clips) - len(rows), f"are of tasks without {self.target} and are left out")
        if labels.keys() - tasks:
            log.info("AVCAffe: %d labelled tasks have no clip.", len(labels.keys() - tasks))
        if not rows:
            raise DataError(
                f"{self.name}: of {len(clips)} clips below {root} none is of a task with a label; "
                f"expected {self.layout}."
            )
        return pd.DataFrame(rows)

    def _clips(self, root: Path) -> dict[str, Path]:
        folder = self.find(
            root,
            "videos/shorter_segments",
            "data/videos/shorter_segments",
            "shorter_segments",
            what="folder of the short clips",
        )
        files = self.files(
            folder,
            (".avi",),
            VIDEO_SUFFIXES,
            name=lambda path: path.stem if _CLIP.fullmatch(path.stem) else str(path),
        )
        clips = {name: path for name, path in files.items() if _CLIP.fullmatch(name)}
        if not clips:
            raise self.nothing_found(folder, "clip aiimNNN_task_K_clip_CCC.avi")
        others = len(files) - len(clips)
        _tell(others, f"below {folder} are not named aiimNNN_task_K_... and are left out")
        return clips

    def _labels(self, root: Path) -> dict[str, str]:
        """Classes by task of a person; lines without a comma are no labels."""
        path = self._text_file(root, "ground_truths", f"{self.target}.txt", "list of labels")
        classes = {name.casefold(): name for name in self.class_names}
        labels: dict[str, str] = {}
        for line, text in _lines(path):
            task, comma, label = (part.strip() for part in text.partition(","))
            if not comma or not label:
                continue
            if label.casefold() not in classes:
                raise DataError(
                    f"{self.name}: {path}, line {line}: {label!r} is none of the classes "
                    f"{', '.join(self.class_names)}."
                )
            name = classes[label.casefold()]
            if labels.setdefault(task, name) != name:
                raise DataError(
                    f"{self.name}: {path}, line {line}: {task} is {name}, and {labels[task]} in an "
                    "earlier line."
                )
        return labels

    def _silent(self, root: Path) -> set[str]:
        path = self._text_file(
            root,
            "info",
            "no_audio_files.txt",
            "list of clips without sound, needed unless data.drop_silent is false",
        )
        return {_listed_name(text) for _, text in _lines(path)}

    def _validation(self, root: Path) -> set[str]:
        """People, tasks and clips in the corpus' validation list."""
        try:
            path = self._text_file(root, "info", "val.txt", "validation list")
        except DataError:
            log.info("AVCAffe: there is no info/val.txt, so no clip is for validation.")
            return set()
        listed = set()
        for line, text in _lines(path):
            name = _listed_name(text)
            if _LISTED.fullmatch(name) is None:
                log.warning(
                    "AVCAffe: %s, line %d is passed over: %r is no person (aiim003), task "
                    "(aiim003_task_1) or clip.",
                    path,
                    line,
                    text,
                )
            elif name[:7] not in _TEST_PEOPLE:
                listed.add(name)
        return listed

    def _text_file(self, root: Path, folder: str, name: str, what: str) -> Path:
        places = (folder, f"{folder}/*", f"data/{folder}", f"data/{folder}/*")
        return self.find(root, *(f"{place}/{name}" for place in places), what=what)


def _parts(name: str) -> tuple[str, str]:
    """Group and person of a clip."""
    person, task, number, _ = name.split("_", 3)
    return f"{person}_{task}_{number}", person


def _listed_name(text: str) -> str:
    """A name without the folders before it and the suffix behind it."""
    return text.replace("\\", "/").rpartition("/")[2].removesuffix(".avi")


def _lines(path: Path) -> list[tuple[int, str]]:
    """Stripped lines that are not empty, with their numbers."""
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]


def _tell(count: int, what: str) -> None:
    if count:
        log.info("AVCAffe: %d clips %s.", count, what)
