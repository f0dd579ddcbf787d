"""A folder of media files as a table of clips."""

from pathlib import Path

import pandas as pd

from hicmae.data.manifest import complete_manifest
from hicmae.media.listing import clips_of_folder


def list_folder(root: Path, *, sounds_alone: bool = False) -> pd.DataFrame:
    """Lists the media files below a folder.

    A clip is called by its path below the folder, without suffix. A sound file of the same name in
    the same folder is its sound.

    Args:
        root: The folder.
        sounds_alone: Whether sound files without a video are clips too.

    Returns:
        A complete manifest without labels.

    Raises:
        DataError: There is no media file, or two videos differ in their suffix only.
    """
    rows = [
        {
            "id": path.with_suffix("").relative_to(root).as_posix(),
            "video": str(path),
            "audio": None if sound is None else str(sound),
        }
        for path, sound in clips_of_folder(root, sounds_alone=sounds_alone)
    ]
    return complete_manifest(pd.DataFrame(rows))
