"""A miniature of MELD in its real layout."""

import csv
import shutil
from pathlib import Path

from media_factory import write_clip

PARTS = {
    "train": "train/train_splits",
    "dev": "dev/dev_splits_complete",
    "test": "test/output_repeated_splits_test",
}
CLIPS = {
    "train": {
        (0, 0): "neutral",
        (0, 1): "surprise",
        (0, 2): "fear",
        (1, 0): "sadness",
        (1, 1): "joy",
        (2, 0): "disgust",
        (125, 3): "neutral",
        (125, 4): "anger",
    },
    "dev": {(0, 0): "sadness", (0, 1): "neutral", (110, 7): "neutral"},
    "test": {(0, 0): "surprise", (0, 1): "anger", (1, 0): "joy"},
}
"""Emotion of every utterance, by dialogue and place in it; two of them cannot be read."""
KNOWN_BAD = ("dev_dia110_utt7", "train_dia125_utt3")

_COLUMNS = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID")
_TIMES = ("Utterance_ID", "Season", "Episode", "StartTime", "EndTime")


def write_meld(root: Path) -> list[str]:
    """Writes three parts with their label files, of which one lies a folder deeper.

    One clip is not there and one does not open, as in the download; there are a clip without a
    label, a further cut of a test clip and a hidden twin.

    Returns:
        The clips that can be read, sorted.
    """
    root.mkdir(parents=True, exist_ok=True)
    clip = write_clip(root / "clip.mp4", seconds=0.5, size=(64, 36), sample_rate=48_000)
    for part, folder in PARTS.items():
        place = root / folder
        place.mkdir(parents=True)
        for dialogue, utterance in CLIPS[part]:
            if (part, dialogue) != ("dev", 110):
                shutil.copy(clip, place / f"dia{dialogue}_utt{utterance}.mp4")
        labels = root / ("train" if part == "train" else "") / f"{part}_sent_emo.csv"
        with labels.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow((*_COLUMNS, *_TIMES))
            for number, ((dialogue, utterance), emotion) in enumerate(CLIPS[part].items(), 1):
                said = "Oh my God, he’s lost it.\nHe’s totally lost it."
                times = (utterance, 4, 7, "00:20:57,256", "00:21:00,049")
                rows.writerow((number, said, "Phoebe", emotion, "neutral", dialogue, *times))
    (root / PARTS["train"] / "dia125_utt3.mp4").write_bytes(b"\x00" * 64)
    shutil.copy(clip, root / PARTS["dev"] / "dia66_utt9.mp4")
    shutil.copy(clip, root / PARTS["test"] / "final_videos_testdia0_utt0.mp4")
    (root / PARTS["test"] / "._dia0_utt0.mp4").write_bytes(b"\x00\x05\x16\x07")
    clip.unlink()
    names = {f"{part}_dia{d}_utt{u}" for part, clips in CLIPS.items() for d, u in clips}
    return sorted(names - set(KNOWN_BAD))
