"""A miniature of Werewolf-XL in its real layout."""

import shutil
from pathlib import Path

from media_factory import write_clip

COLUMNS = "VideoName,Categorical,Mean_P_1_2_3_4,Mean_A_1_2,Mean_D_1_2_4,Group"

GAMES = (1, 6, 7, 13, 19, 30)
"""One or two games of every fold; each has a clip of two seats, and a second one of the first."""

NOT_RATED = "07_05_4"
"""A listed clip whose dominance is empty."""

NOT_LISTED = "13_09_77"
"""A clip without a row in the label file."""


def ratings_of(index: int) -> tuple[float, float, float]:
    """Arousal, valence and dominance of the clip that stands at this place in the label file."""
    return (0.5 * (index % 4), 0.25 * (index % 7) - 0.75, 0.5 * (index % 5) - 1)


def write_werewolf_xl(root: Path, *, encoding: str = "gb18030") -> list[str]:
    """Writes 18 rated clips, one without a rating, one that is not listed, and what lies around.

    The clips of the first games lie in folders of their own. One clip has a suffix in capitals,
    another is in another container. There are a recording of a whole game, a hidden twin, the log
    of who took part, and the label file, with the row of a listener.

    Returns:
        The names of the rated clips, sorted.
    """
    root.mkdir(parents=True, exist_ok=True)
    speakers = root / "Werewolf-XL_Speaker_Video"
    clip = write_clip(root / "clip.mp4", seconds=0.5, size=(64, 36))
    other = write_clip(root / "clip.mkv", seconds=0.5, size=(64, 36))

    def put(file: Path, *parts: str) -> None:
        target = root.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)

    names = [
        f"{game:02d}_{seat}" for game in GAMES for seat in ("01_128", f"0{game % 8 + 2}_9", "01_31")
    ]
    lines = [COLUMNS]
    for index, name in enumerate(names):
        folder = (speakers.name, name[:2]) if index < 6 else (speakers.name,)
        suffix = {0: ".MP4", 1: ".mkv"}.get(index, ".mp4")
        put(other if suffix == ".mkv" else clip, *folder, name + suffix)
        arousal, valence, dominance = ratings_of(index)
        lines.append(f"{name},Neural,{valence},{arousal},{dominance},speaker")
    for name in (NOT_RATED, NOT_LISTED):
        put(clip, speakers.name, f"{name}.mp4")
    lines.insert(3, f"{NOT_RATED},惊讶,0.25,0.5,,speaker")
    lines.insert(4, f"{names[0][:3]}09_128,Neural,0.25,0.5,1,listener")
    put(clip, "Werewolf-XL_Video", "01.mp4")
    put(clip, speakers.name, "._30_01_31.mp4")
    (root / "labels").mkdir()
    (root / "labels" / "Speaker_202103.csv").write_text("\n".join(lines) + "\n", encoding=encoding)
    (root / "participation.csv").write_text("game,player\n1,7\n")
    for file in (clip, other):
        file.unlink()
    return sorted(names)
