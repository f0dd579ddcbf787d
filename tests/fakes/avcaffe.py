"""A miniature of AVCAffe in its real layout."""

import shutil
from pathlib import Path

from media_factory import write_clip

TASKS = {
    "aiim001_task_1": (2, "Excited", "Pleasant"),
    "aiim001_task_2": (1, "Neutral", "Unpleasant"),
    "aiim002_task_1": (2, "Calm", "Pleased"),
    "aiim003_task_1": (2, "Wide-awake", "Neutral"),
    "aiim003_task_2": (1, "Dull", "Pleasant"),
    "aiim004_task_1": (2, "Excited", "Unsatisfied"),
    "aiim005_task_1": (2, "Neutral", "Unpleasant"),
    "aiim006_task_1": (2, "Calm", "Pleased"),
    "aiim006_task_3": (2, "Neutral", "Neutral"),
}
"""Clips, arousal and valence of a person's task; aiim001 and aiim002 are for testing."""

SILENT = "aiim003_task_1_clip_009"
"""A clip without sound that the corpus lists as such."""

UNLABELLED = "aiim004_task_9_clip_001"
"""A clip of a task without labels."""

VALIDATION = ("aiim001", "aiim006_task_1", "aiim006_task_3_clip_001.avi")
"""Lines of the validation list: a person for testing, a task and a clip."""


def write_avcaffe(
    root: Path, *, below: str = "data", validation: tuple[str, ...] = VALIDATION
) -> list[str]:
    """Writes 16 labelled clips, one that is silent, one without a label, and what lies around.

    One task keeps the folder of its archive within its own, another is in a folder named after the
    archive. There are the recording of a whole task, a clip of another name and a hidden twin. The
    label files spell classes and blanks in several ways and hold lines that are no labels.

    Args:
        root: Where to write.
        below: Folder around the folders of the corpus; empty for none.
        validation: Lines of the validation list; none leaves the file out.

    Returns:
        The names of the labelled clips with sound, sorted.
    """
    data = root / below
    data.mkdir(parents=True, exist_ok=True)
    clip = write_clip(root / "clip.avi", seconds=0.5, size=(64, 36))
    silent = write_clip(root / "silent.avi", seconds=0.5, size=(64, 36), sound=False)

    def put(file: Path, *parts: str) -> None:
        target = data.joinpath("videos", *parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)

    names = []
    for task, (count, _, _) in TASKS.items():
        person, folder = task[:7], task[8:]
        around = {"aiim005_task_1": (folder, folder), "aiim002_task_1": (task,)}
        for number in range(1, count + 1):
            name = f"{task}_clip_{number:03d}"
            names.append(name)
            place = around.get(task, (folder,))
            put(clip, "shorter_segments", person, *place, f"{name}.avi")
    put(silent, "shorter_segments", "aiim003", "task_1", f"{SILENT}.avi")
    put(clip, "shorter_segments", "aiim004", "task_9", f"{UNLABELLED}.avi")
    put(clip, "shorter_segments", "aiim004", "task_9", "trailer.avi")
    put(clip, "shorter_segments", "aiim003", "task_1", "._aiim003_task_1_clip_001.avi")
    put(clip, "per_participant_per_task", "aiim001", "aiim001_task_1.mp4")

    truths, info = data / "ground_truths", data / "info"
    truths.mkdir()
    info.mkdir()
    for column, target in ((1, "arousal"), (2, "valence")):
        lines = ["self-reported", ""]
        for row, (task, facts) in enumerate(TASKS.items()):
            label = facts[column]
            lines.append((f"{task}, {label}", f"{task} ,{label.upper()}  ")[row % 2])
        lines.append("aiim108_task_5, Neutral")
        (truths / f"{target}.txt").write_text("\n".join(lines) + "\n")
    (info / "train.txt").write_text("aiim003\naiim004\naiim005\n")
    (info / "no_audio_files.txt").write_text(f"{SILENT}.avi\naiim050_task_2_clip_003.avi\n")
    if validation:
        (info / "val.txt").write_text("\n".join(validation) + "\n")
    for file in (clip, silent):
        file.unlink()
    return sorted(names)
