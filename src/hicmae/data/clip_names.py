"""Names of clips in a table that gives them none."""

import os
import re
from pathlib import Path
from typing import Any

import pandas as pd

from hicmae.media.listing import SOUND_SUFFIXES, VIDEO_SUFFIXES

_MEDIA_SUFFIX = re.compile(
    "(?:" + "|".join(map(re.escape, (*VIDEO_SUFFIXES, *SOUND_SUFFIXES))) + ")$", re.IGNORECASE
)


def clip_names(table: pd.DataFrame, folder: Path) -> "pd.Series[str]":
    """What clips are called by their files: paths below the folder that all share, with segments.

    The suffix of a file is no part of a name where names stay apart without it.

    Args:
        table: `video` as it stands in a table, and maybe `start` and `end`.
        folder: Folder against which its paths resolve.
    """
    names = table["video"]
    if names.str.contains(r"^/|^\.\.?/|/\.\.?/|//").any():
        whole = names.map(lambda path: os.path.normpath(folder.absolute() / path))
        shared = os.path.commonpath([str(Path(path).parent) for path in whole])
        names = whole.str.slice(len(shared.rstrip("/")) + 1)
    cut = pd.Series("", index=table.index)
    if "start" in table or "end" in table:
        edges = [_as_shown(table.get(edge), table.index) for edge in ("start", "end")]
        cut = cut.mask((edges[0] != "") | (edges[1] != ""), ":" + edges[0] + "-" + edges[1])
    bare = names.str.replace(_MEDIA_SUFFIX, "", regex=True)
    return (bare + cut).mask((bare + cut).duplicated(keep=False), names + cut)


def _as_shown(numbers: "pd.Series[Any] | None", index: pd.Index) -> "pd.Series[str]":
    """Seconds as text, whether they are text in their file or numbers."""
    if numbers is None:
        return pd.Series("", index=index)
    values = pd.to_numeric(numbers, errors="coerce")
    return values.map("{:.15g}".format).mask(values.isna(), numbers.astype("str")).fillna("")
