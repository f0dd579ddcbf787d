"""A miniature of CREMA-D in its real layout."""

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
    (root / "SentenceFilenames.csv").write_text(
        '"Stimulus_Number","Filename"\n1,"1001_IEO_NEU_XX"\n', encoding="utf-8"
    )
    for file in (whole, silent, sound):
        file.unlink()
    return sorted(names)
