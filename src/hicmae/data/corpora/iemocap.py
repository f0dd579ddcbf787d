"""IEMOCAP: ten actors in five dyadic sessions, rated emotions, utterances inside dialogs."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.data.manifest import complete_manifest
from hicmae.errors import ConfigError, DataError
from hicmae.media.listing import files_by_stem

log = logging.getLogger(__name__)

LeftActor = Literal["marked", "unmarked", "female"]

# [6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]
_UTTERANCE = re.compile(
    r"\[\s*(\d+\.?\d*)\s*-\s*(\d+\.?\d*)\s*\]\s+"
    r"((Ses0([1-5])([FM])_\w+)_([FM])\w{3})\s+(\w+)\b"
)
_CLASSES = {
    4: {"hap": "happy", "exc": "happy", "sad": "sad", "neu": "neutral", "ang": "angry"},
    6: {
        "hap": "happy",
        "sad": "sad",
        "neu": "neutral",
        "ang": "angry",
        "exc": "excited",
        "fru": "frustrated",
    },
}
# Rated emotions of the corpus, with "other" and "no agreement" (xxx).
_LABELS = ("ang", "hap", "exc", "sad", "neu", "fru", "fea", "sur", "dis", "oth", "xxx")


@dataclass(frozen=True)
class IEMOCAP(Corpus):
    """Interactive Emotional Dyadic Motion Capture database, labelled by the raters' consensus.

    An utterance is a stretch of a dialog's video and a sound file of its own, since the sound of
    the video mixes both actors. The picture shows the two side by side; `side` is the half with
    the speaker. Fold k tests Session k.

    Attributes:
        classes: 4, with excited counted as happy, or 6, with excited and frustrated.
        left_actor: Who sits in the left half of the picture: the actor who wears the face markers
            and whom the dialog's name tells ("marked", as most public scripts have it), the other
            one ("unmarked"), or the woman ("female"). "marked" and "female" differ in dialogs
            named after the man alone.

    Raises:
        ConfigError: An option has none of its values.
    """

    classes: Literal[4, 6] = 4
    left_actor: LeftActor = "marked"

    name: ClassVar[str] = "IEMOCAP"
    layout: ClassVar[str] = (
        "Session1 to Session5, each with dialog/avi/DivX/<dialog>.avi, "
        "dialog/EmoEvaluation/<dialog>.txt and sentences/wav/<dialog>/<utterance>.wav"
    )
    citation: ClassVar[str] = (
        "C. Busso, M. Bulut, C.-C. Lee, A. Kazemzadeh, E. Mower, S. Kim, J. N. Chang, S. Lee and "
        "S. S. Narayanan, IEMOCAP: Interactive emotional dyadic motion capture database, Language "
        "Resources and Evaluation 42(4), 335-359, 2008"
    )
    licence: ClassVar[str] = (
        "for research only; by release form to the SAIL laboratory of the University of Southern "
        "California"
    )

    def __post_init__(self) -> None:
        if self.classes not in _CLASSES:
            raise ConfigError(f"data.classes is {self.classes}; IEMOCAP is used with 4 or 6.")
        if self.left_actor not in ("marked", "unmarked", "female"):
            raise ConfigError(
                f"data.left_actor is {self.left_actor!r}; give marked, unmarked or female."
            )

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the lists of EmoBox and MERTools; six classes have no published protocol."""
        if self.classes == 6:
            return ExpectedCounts()
        return ExpectedCounts(
            clips=5531,
            test_clips=(1085, 1023, 1151, 1031, 1241),
            class_clips=MappingProxyType(
                {"happy": 1636, "sad": 1084, "neutral": 1708, "angry": 1103}
            ),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Order of MERTools; that of the reference implementation is not published."""
        return tuple(dict.fromkeys(_CLASSES[self.classes].values()))

    @property
    def fold_count(self) -> int:
        """One session is tested at a time."""
        return 5

    def manifest(self, root: Path) -> pd.DataFrame:
        """Lists the utterances of the classes in use; see `Corpus.manifest`."""
        release = self.find(root, "Session[1-5]", what="session").parent
        rows: list[dict[str, Any]] = []
        for session in sorted(release.glob("Session[1-5]")):
            rows += self._rows(session)
        if not rows:
            labels = ", ".join(_CLASSES[self.classes])
            raise self.nothing_found(release, f"utterance labelled {labels}")
        rows.sort(key=lambda row: str(row["id"]))
        return complete_manifest(pd.DataFrame(rows))

    def _rows(self, session: Path) -> list[dict[str, Any]]:
        """The utterances of a session in the classes in use."""
        texts = self.find(session, "dialog/EmoEvaluation", what="folder of labels")
        labelled = [row for text in sorted(texts.glob("Ses*.txt")) for row in _read(text)]
        if not labelled:
            raise self.nothing_found(texts, "labelled utterance (Ses*.txt)")
        classes = _CLASSES[self.classes]
        utterances = [row for row in labelled if row["label"] in classes]
        other = len(labelled) - len(utterances)
        log.info("IEMOCAP: %d utterances of %s have no class in use.", other, session.name)
        videos = self._files(session / "dialog" / "avi", ".avi", utterances, "dialog")
        sounds = self._files(session / "sentences" / "wav", ".wav", utterances, "id")
        return [
            {
                "id": row["id"],
                "video": str(videos[row["dialog"]]),
                "audio": str(sounds[row["id"]]),
                "start": row["start"],
                "end": row["end"],
                # The sound file is the utterance already.
                "audio_start": None,
                "audio_end": None,
                "subject": f"Ses0{row['session']}{row['speaker']}",
                "fold": row["session"],
                "side": self._side(row["marked"], row["speaker"]),
                "emotion": classes[row["label"]],
            }
            for row in utterances
        ]

    def _files(
        self, folder: Path, suffix: str, utterances: list[dict[str, Any]], column: str
    ) -> dict[str, Path]:
        """The files of a folder by stem, with one for every value of the column."""
        files = files_by_stem(folder, (suffix,))
        needed = dict.fromkeys(row[column] for row in utterances)
        missing = [f"{name}{suffix}" for name in needed if name not in files]
        if missing:
            raise self.files_missing(missing, len(needed), folder)
        return files

    def _side(self, marked: str, speaker: str) -> str:
        """The half of the picture that shows the speaker; both are F or M."""
        left = {"marked": marked, "unmarked": "M" if marked == "F" else "F", "female": "F"}
        return "left" if speaker == left[self.left_actor] else "right"


def _read(text: Path) -> Iterator[dict[str, Any]]:
    """The utterances of a dialog's label file; the single raters' lines are passed over."""
    # Raters' comments are free text of any encoding.
    lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.startswith("["):
            continue
        parts = _UTTERANCE.match(line)
        if parts is None:
            raise DataError(
                f"IEMOCAP: {text}, line {number} is not '[<start> - <end>] <utterance> <emotion> "
                f"[...]': {line.strip()[:60]!r}."
            )
        start, end, utterance, dialog, session, marked, speaker, label = parts.groups()
        if label not in _LABELS:
            raise DataError(
                f"IEMOCAP: {text}, line {number} gives {utterance} the emotion {label!r}; "
                f"expected one of {', '.join(_LABELS)}."
            )
        yield {
            "id": utterance,
            "dialog": dialog,
            "session": session,
            "marked": marked,
            "speaker": speaker,
            "start": float(start),
            "end": float(end),
            "label": label,
        }
