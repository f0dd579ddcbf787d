"""The commands `hicmae data ...`: from a download to a table, a report, faces, sound, a pack."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

from hicmae.command_line import FromConfig, Group
from hicmae.faces.options import FaceOptions
from hicmae.imports import quick_imports
from hicmae.ledger import Plan
from hicmae.preparation.options import CheckOptions, PackOptions

DESCRIPTION = """\
Makes a corpus ready. Each command reads the corpus of a config, or SOURCE: a table of clips (CSV or
Parquet) or a folder of media files, with options such as --data.root, the folder of its files
(`hicmae data check clips.csv --help` lists them).

  hicmae data manifest --config finetune/ravdess.yaml --data.root RAVDESS --output ravdess.csv
  hicmae data check    --config finetune/ravdess.yaml --data.root RAVDESS --output checks/ravdess
  hicmae data faces    --config finetune/ravdess.yaml --data.root RAVDESS --output faces/ravdess
  hicmae data faces    clips.csv --data.root VIDEOS --output faces/mine
  hicmae data audio    VIDEOS --output SOUNDS
  hicmae data pack     --config finetune/ravdess.yaml --data.root RAVDESS --output packs/ravdess

What is interrupted goes on where it stopped when the command is given again. `--data.manifest FILE`
makes a run, or a further command, use a table in place of the corpus' folder.
"""

if TYPE_CHECKING:
    from hicmae.data.datamodules import AudioVisualDataModule

    Data = AudioVisualDataModule | None
else:
    Data = Annotated[
        Any,
        FromConfig(
            "hicmae.data.datamodules:AudioVisualDataModule",
            alone="hicmae.data.datamodules:ManifestDataModule",
        ),
    ]
_LIMITS, _FACES, _PACK, _PLAN = CheckOptions(), FaceOptions(), PackOptions(), Plan()


def manifest(
    source: str | Path | None = None,
    *,
    output: str | Path,
    data: Data = None,
    overwrite: bool = False,
    dry_run: bool = False,
) -> None:
    """Writes the table of a corpus, without opening media.

    Args:
        source: Table or folder of clips, in place of `data`.
        output: File to write: .csv, or .parquet for millions.
        data: The corpus.
        overwrite: Replace another table there.
        dry_run: List, but write nothing.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    _preparing().manifest(source, output=output, data=data, overwrite=overwrite, dry_run=dry_run)


def check(
    source: str | Path | None = None,
    *,
    output: str | Path,
    data: Data = None,
    limits: CheckOptions = _LIMITS,
    sheet_clips: int = 24,
    plan: Plan = _PLAN,
) -> bool:
    """Opens every clip and tells what is wrong or missing.

    Args:
        source: Table or folder of clips, in place of `data`.
        output: Folder for all that is written.
        data: The corpus.
        limits: What counts as a problem.
        sheet_clips: Clips on the contact sheet.
        plan: How and where clips are worked on.

    Returns:
        Whether all is well.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    return _preparing().check(
        source, output=output, data=data, limits=limits, sheet_clips=sheet_clips, plan=plan
    )


def faces(
    source: str | Path | None = None,
    *,
    output: str | Path,
    data: Data = None,
    crop: FaceOptions = _FACES,
    plan: Plan = _PLAN,
) -> bool:
    """Writes clips of the aligned face, with their sound.

    Args:
        source: Table or folder of clips, in place of `data`.
        output: Folder for all that is written.
        data: The corpus.
        crop: How faces are found, chosen, cut out and written.
        plan: How and where clips are worked on.

    Returns:
        Whether each clip has a face.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    return _preparing().faces(source, output=output, data=data, crop=crop, plan=plan)


def audio(
    source: str | Path | None = None,
    *,
    output: str | Path,
    data: Data = None,
    plan: Plan = _PLAN,
) -> bool:
    """Writes the sound of every clip as 16 kHz mono.

    Args:
        source: Table or folder of clips, in place of `data`.
        output: Folder for all that is written.
        data: The corpus.
        plan: How and where clips are worked on.

    Returns:
        Whether each clip has sound.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    return _preparing().audio(source, output=output, data=data, plan=plan)


def pack(
    source: str | Path | None = None,
    *,
    output: str | Path,
    data: Data = None,
    how: PackOptions = _PACK,
    plan: Plan = _PLAN,
) -> bool:
    """Writes cut and scaled clips into a few large files.

    Args:
        source: Table or folder of clips, in place of `data`.
        output: Folder for all that is written.
        data: The corpus.
        how: How clips are cut, coded and put together.
        plan: How and where clips are worked on.

    Returns:
        Whether each clip could be read.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    return _preparing().pack(source, output=output, data=data, how=how, plan=plan)


def _preparing() -> ModuleType:
    """The module that does the work, imported here so that help comes at once."""
    with quick_imports():
        from hicmae.preparation import preparing  # noqa: PLC0415

    return preparing


data = Group(
    DESCRIPTION,
    {"manifest": manifest, "check": check, "faces": faces, "audio": audio, "pack": pack},
    metavar="COMMAND",
)
