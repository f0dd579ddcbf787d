"""The clips that speed is measured on: real ones where there are any, else synthetic."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from measure import CLIPS, Report

from hicmae.data.manifest import complete_manifest, read_manifest
from hicmae.demo.corpus import CorpusSettings, clip_path, make_clip


def clips_for(report: Report, folder: Path, count: int) -> pd.DataFrame:
    """A complete manifest of clips of 3 seconds, 224 × 224 pixels, 25 frames a second.

    Args:
        report: Where it is said which clips they are.
        folder: Folder that may be filled with synthetic clips.
        count: How many, at most.
    """
    real = CLIPS / "grid_s1" / "manifest.csv"
    if real.is_file():
        report.note(f"Clips: {count} real ones of GRID.")
        return read_manifest(real).iloc[:count].reset_index(drop=True)
    report.note(f"Clips: {count} synthetic ones; HICMAE_CLIPS names a folder with grid_s1.")
    settings = CorpusSettings(max(-(-count // 6), 3), 1, seed=0, size=224, seconds=3.0)
    paths = [folder / clip_path(key) for key in settings.clips()[:count]]
    for key, path in zip(settings.clips(), paths, strict=False):
        path.parent.mkdir(parents=True, exist_ok=True)
        make_clip(path, settings, key)
    names = [path.relative_to(folder).as_posix() for path in paths]
    return complete_manifest(pd.DataFrame({"id": names, "video": [str(path) for path in paths]}))
