"""A miniature of CREMA-D in its real layout."""

import csv
import shutil
from pathlib import Path

from media_factory import write_clip

CLIPS = {
    1001: ("DFA_ANG_XX", "IEO_HAP_HI", "ITS_DIS_XX"),
    1019: ("IEO_ANG_LO", "IEO_FEA_MD", "IWL_SAD_XX"),
    1040: ("DFA_DIS_XX", "IEO_NEU_XX", "TAI_HAP_XX"),
    1064: ("IEO_SAD_HI", "TSI_ANG_XX", "WSI_FEA_XX"),
    1091: ("IOM_DIS_XX", "ITH_NEU_XX", "WSI_SAD_XX"),
}
"""Sentence, emotion and level of each actor's clips; one actor per fold."""

VOTES = {"ANG": (7, 2, 1, 0, 0, 0), "NEU": (0, 0, 0, 3, 3, 2)}
"""Votes for A, D, F, H, N and S by those who saw and heard a clip of this emotion."""
OTHER_VOTES = (0, 1, 0, 0, 8, 0)
"""Those of all other clips, and of all who saw or heard a clip alone."""

KNOWN_BAD = ("1040_ITH_SAD_XX", "1064_TIE_SAD_XX", "1076_MTI_NEU_XX")


def write_crema_d(root: Path) -> list[str]:
    """Writes three clips per actor, three known bad ones and what lies around them in the clone.

    The sound of one bad clip is spelled otherwise than its video, as in the download; another has
    a video that does not open. One good video is silent, as in early copies.

    Returns:
        The clips of all six classes, sorted.
    """
    root.mkdir(parents=True, exist_ok=True)
    whole = write_clip(root / "whole.flv", seconds=0.5, size=(64, 36))
    silent = write_clip(root / "silent.flv", seconds=0.5, size=(64, 36), sound=False)
    sound = write_clip(root / "sound.wav", seconds=0.5)
    names = [f"{actor}_{rest}" for actor, clips in CLIPS.items() for rest in clips]
    folders = {name: root / name for name in ("VideoFlash", "AudioWAV", "AudioMP3")}
    for folder in folders.values():
        folder.mkdir()
    for name in (*names, *KNOWN_BAD):
        video = silent if name == "1019_IEO_ANG_LO" else whole
        shutil.copy(video, folders["VideoFlash"] / f"{name}.flv")
        stem = name.replace("1040_ITH_SAD_XX", "1040_ITH_SAD_X")
        shutil.copy(sound, folders["AudioWAV"] / f"{stem}.wav")
        (folders["AudioMP3"] / f"{name}.mp3").touch()
    (folders["VideoFlash"] / "1064_TIE_SAD_XX.flv").write_bytes(b"FLV\x01")
    (folders["VideoFlash"] / "._1001_DFA_ANG_XX.flv").touch()
    _write_votes(root / "processedResults" / "tabulatedVotes.csv", [*names, *KNOWN_BAD])
    (root / "SentenceFilenames.csv").write_text(
        '"Stimulus_Number","Filename"\n1,"1001_IEO_NEU_XX"\n', encoding="utf-8"
    )
    for file in (whole, silent, sound):
        file.unlink()
    return sorted(names)


def _write_votes(path: Path, clips: list[str]) -> None:
    """Writes votes on sound (rows from 100001), picture (200001) and both (300001)."""
    means = ("Emo", *("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad"))
    columns = ["", *"ADFHNS", "fileName", "numResponses", "agreement", "emoVote"]
    for end in ("", "Norm"):
        columns += [*(f"mean{name}Resp{end}" for name in means), f"medianEmoResp{end}"]
    path.parent.mkdir()
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        rows.writerow(columns)
        for seen in (1, 2, 3):
            for number, clip in enumerate(clips, start=1):
                votes = VOTES.get(clip[9:12], OTHER_VOTES) if seen == 3 else OTHER_VOTES
                share = max(votes) / sum(votes)
                best = "ADFHNS"[votes.index(max(votes))]
                row = [f"{seen}{number:05d}", *votes, clip, sum(votes), share, best, *[50.5] * 16]
                rows.writerow(row)
