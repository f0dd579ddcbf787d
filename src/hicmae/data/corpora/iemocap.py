"""IEMOCAP: ten actors in five dyadic sessions, rated emotions, utterances inside dialogs."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.errors import ConfigError, DataError
from hicmae.media.listing import VIDEO_SUFFIXES

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
    folders: ClassVar[str] = r"DivX|Ses0[1-5][FM]_\w+"
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
        """Counts of the lists of EmoBox and MERTools; of the raters' consensus for six classes."""
        if self.classes == 6:
            sizes = (595, 1084, 1708, 1103, 1041, 1849)
            return ExpectedCounts(
                clips=7380, class_clips=dict(zip(self.class_names, sizes, strict=True))
            )
        return ExpectedCounts(
            clips=5531,
            test_clips=(1085, 1023, 1151, 1031, 1241),
            class_clips=dict(zip(self.class_names, (1636, 1084, 1708, 1103), strict=True)),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Order of MERTools; that of the reference implementation is not published."""
        return tuple(dict.fromkeys(_CLASSES[self.classes].values()))

    @property
    def fold_count(self) -> int:
        """One session is tested at a time."""
        return 5

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the utterances of the classes in use; see `Corpus.clips`."""
        places = self.find_all(root, "Session[1-5]", what="session")
        sessions = {place.name: place for place in reversed(places)}
        parts = [self._utterances(sessions[name]) for name in sorted(sessions)]
        table = pd.concat(parts, ignore_index=True)
        if table.empty:
            labels = ", ".join(_CLASSES[self.classes])
            raise self.nothing_found(places[0].parent, f"utterance labelled {labels}")
        return table.sort_values("id", ignore_index=True)

    def _utterances(self, session: Path) -> pd.DataFrame:
        """The utterances of a session in the classes in use."""
        texts = self.find(session, "dialog/EmoEvaluation", what="folder of labels")
        labelled = [row for text in sorted(texts.glob("Ses*.txt")) for row in _read(text)]
        if not labelled:
            raise self.nothing_found(texts, "labelled utterance (Ses*.txt)")
        classes = _CLASSES[self.classes]
        rows = [
            {
                "id": row["id"],
                "dialog": row["dialog"],
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
            for row in labelled
            if row["label"] in classes
        ]
        other = len(labelled) - len(rows)
        log.info("IEMOCAP: %d utterances of %s have no class in use.", other, session.name)
        if not rows:
            return pd.DataFrame()
        table = pd.DataFrame(rows)
        place = self.find(session, "dialog/avi", what="folder of dialog videos")
        videos = self.files(place, (".avi",), VIDEO_SUFFIXES, wanted=table["dialog"])
        table = self.with_files(table, "video", videos, place, key="dialog", suffix=".avi")
        place = self.find(session, "sentences/wav", what="folder of sentence sounds")
        sounds = self.files(place, (".wav",), wanted=table["id"])
        table = self.with_files(table, "audio", sounds, place, suffix=".wav")
        return table.drop(columns="dialog")

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
