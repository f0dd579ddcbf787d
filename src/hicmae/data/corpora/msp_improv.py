"""MSP-IMPROV: twelve actors in six dyadic sessions, rated emotions."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import pandas as pd

from hicmae.data.corpora.base import Corpus, ExpectedCounts
from hicmae.errors import DataError
from hicmae.media.listing import VIDEO_SUFFIXES

log = logging.getLogger(__name__)

# UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.6; ...: sentence and target emotion, speaker (sex and
# session), condition, sexes of the pair and turn; then the consensus of the raters.
_HEADER = re.compile(
    r"(?:UTD|MSP)-(IMPROV-S\d\d[AHNS]-([FM]0([1-6]))-[PRST]-[FM]{2}\d+)\.avi\s*;\s*(\w+)\s*;"
)
_HEADER_STARTS = ("UTD-IMPROV", "MSP-IMPROV")
_EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
# Four happy and seven neutral turns.
_UNLISTED = (
    *("S01A-F04-P-MF03", "S01A-M04-P-MF03", "S02S-M04-S-MF02", "S05H-M06-P-MF01"),
    *("S06N-F04-P-MF01", "S08H-F05-S-FM05", "S10H-M06-S-FM04", "S12S-F04-P-MF01"),
    *("S14A-M04-P-FM03", "S14A-M04-P-MF04", "S15N-F02-P-MF07"),
)
_NO_CLASS = {"O": "another emotion", "X": "no agreement"}


@dataclass(frozen=True)
class MSPIMPROV(Corpus):
    """MSP-IMPROV: acted and natural turns of conversations, labelled by the raters' consensus.

    Turns whose consensus is another emotion (O) or that have none (X) are left out, and so are the
    eleven that the reference implementation's lists lack. Fold k tests session k, that is speakers
    F0k and M0k, as in those lists.
    """

    name: ClassVar[str] = "MSP-IMPROV"
    layout: ClassVar[str] = (
        "Evalution.txt (or Evaluation.txt) and, at any depth, MSP-IMPROV-*.avi and "
        "MSP-IMPROV-*.wav, side by side in session1 to session6 or in trees Video and Audio"
    )
    folders: ClassVar[str] = r"Audio|Video|session[1-6]|S\d\d[AHNS]|[PRST]"
    citation: ClassVar[str] = (
        "C. Busso, S. Parthasarathy, A. Burmania, M. AbdelWahab, N. Sadoughi and E. Mower Provost, "
        "MSP-IMPROV: An Acted Corpus of Dyadic Interactions to Study Emotion Perception, IEEE "
        "Transactions on Affective Computing 8(1), 67-80, 2017"
    )
    licence: ClassVar[str] = (
        "academic licence, signed by the institution; by request to the MSP laboratory of the "
        "University of Texas at Dallas"
    )

    known_bad: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            f"MSP-IMPROV-{turn}": "in none of the reference implementation's lists"
            for turn in _UNLISTED
        }
    )

    @property
    def expected(self) -> ExpectedCounts:
        """Counts of the public implementation's lists."""
        return ExpectedCounts(
            clips=7787,
            test_clips=(916, 1328, 1622, 1044, 1407, 1470),
            class_clips=MappingProxyType(
                {"angry": 792, "happy": 2640, "neutral": 3470, "sad": 885}
            ),
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Order of the public implementation."""
        return tuple(_EMOTIONS.values())

    @property
    def fold_count(self) -> int:
        """One session is tested at a time."""
        return 6

    def clips(self, root: Path) -> pd.DataFrame:
        """Lists the turns with one of the four emotions; see `Corpus.clips`."""
        turns = pd.DataFrame(self._labelled(self._label_file(root)))
        table = self.without_known_bad(turns)
        videos = self.files(root, (".avi",), VIDEO_SUFFIXES, wanted=table["id"])
        table = self.with_files(table, "video", videos, root, suffix=".avi")
        sounds = self.files(root, (".wav",), wanted=table["id"])
        return self.with_files(table, "audio", sounds, root, suffix=".wav")

    def _label_file(self, root: Path) -> Path:
        names = ("Evalution.txt", "Evaluation.txt")
        anywhere = (f"{folder}{name}" for folder in ("", "**/") for name in names)
        return self.find(root, *anywhere, what="label file")

    def _labelled(self, label_file: Path) -> list[dict[str, Any]]:
        """A row without files for every turn of the four emotions, sorted by name."""
        rows: dict[str, dict[str, Any]] = {}
        left_out = dict.fromkeys(_NO_CLASS, 0)
        # Only headers are read; the raters' comments between them are free text of any encoding.
        lines = label_file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.startswith(_HEADER_STARTS):
                continue
            header = _HEADER.match(line)
            if header is None:
                raise DataError(
                    f"MSP-IMPROV: {label_file}, line {number} is not "
                    f"'UTD-IMPROV-S01A-F01-P-FM01.avi; <emotion>; ...': {line[:60]!r}."
                )
            clip, label = f"MSP-{header[1]}", header[4]
            if label in _NO_CLASS:
                left_out[label] += 1
                continue
            if label not in _EMOTIONS:
                raise DataError(
                    f"MSP-IMPROV: {label_file}, line {number} gives {clip} the emotion {label!r}; "
                    f"expected one of {', '.join([*_EMOTIONS, *_NO_CLASS])}."
                )
            if clip in rows:
                raise DataError(
                    f"MSP-IMPROV: {label_file}, line {number} labels {clip} a second time; remove "
                    "one of its entries."
                )
            rows[clip] = {
                "id": clip,
                "subject": header[2],
                "fold": int(header[3]),
                "emotion": _EMOTIONS[label],
            }
        if not rows:
            raise DataError(
                f"MSP-IMPROV: {label_file} labels no turn with one of {', '.join(_EMOTIONS)}; "
                "expected lines like 'UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.6; V:3.0; ...'."
            )
        if any(left_out.values()):
            counts = ", ".join(f"{left_out[label]} {words}" for label, words in _NO_CLASS.items())
            log.info("MSP-IMPROV: turns without one of the classes are left out (%s).", counts)
        return [rows[clip] for clip in sorted(rows)]
