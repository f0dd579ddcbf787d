"""What `hicmae data ...` does once its options are known."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hicmae.consoles import plain_console
from hicmae.data.datamodules import AudioVisualDataModule, ManifestDataModule
from hicmae.data.folder import list_folder
from hicmae.data.manifest import Clip, clips_of, save_manifest
from hicmae.errors import ConfigError
from hicmae.faces import FaceOptions, build_detector
from hicmae.ledger import (
    DONE,
    FAILED,
    Plan,
    ResultLog,
    Row,
    all_there,
    in_order,
    process,
    save_problems,
)
from hicmae.preparation.audio import extract_audio
from hicmae.preparation.contact_sheet import contact_sheet
from hicmae.preparation.face_crops import crop_face
from hicmae.preparation.integrity import UNCHECKED, inspect
from hicmae.preparation.options import CheckOptions, PackOptions
from hicmae.preparation.pack import MANIFEST
from hicmae.preparation.pack import pack as pack_clips
from hicmae.preparation.report import compose_report, count_clips
from hicmae.workers import ChildError, each

_CLIPS_IN_CSV = 100_000


def manifest(
    source: str | Path | None,
    *,
    output: str | Path,
    data: AudioVisualDataModule | None,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """See `hicmae.preparation.commands.manifest`."""
    data = _data(source, data)
    table = data.table
    path = Path(output).expanduser()
    console = plain_console()
    published = data.expected.clips
    subjects = table["subject"].dropna().nunique()
    folds = ", ".join(
        f"{fold} ({n})" for fold, n in table["fold"].value_counts().sort_index().items()
    )
    parts = ", ".join(f"{name} {n}" for name, n in table["split"].value_counts().items())
    console.print(
        f"{data.source}: {len(table)} clips"
        + (f" (published: {published})" if published else "")
        + (f"; {subjects} subjects" if subjects else "")
        + (f"; folds (test clips): {folds}" if folds else "")
        + (f"; {parts}" if parts else "")
        + ".",
        soft_wrap=True,
    )
    if dry_run:
        console.print(f"Nothing is written to {path} (dry run).")
        return
    written = save_manifest(table, path, overwrite=overwrite)
    console.print(f"{'Wrote' if written else 'Unchanged:'} {path}.")


def check(
    source: str | Path | None,
    *,
    output: str | Path,
    data: AudioVisualDataModule | None,
    limits: CheckOptions,
    sheet_clips: int,
    plan: Plan,
) -> bool:
    """See `hicmae.preparation.commands.check`."""
    folder = Path(output).expanduser()
    data = _data(source, data, folder)
    if limits.max_length_difference is None:
        allowed = data.clip_options.max_length_difference
        limits = CheckOptions(**vars(limits) | {"max_length_difference": allowed})
    settings = {"source": data.source, **vars(limits)}
    log = ResultLog(folder, "check", settings)
    work = partial(inspect, options=limits, folder_fps=data.clip_options.folder_fps)
    clips = clips_of(data.table)
    rows = process(work, clips, log, plan, is_done=_is_good, chunk=16)
    if plan.dry_run or not all_there(clips, rows):
        return True
    results = in_order(clips, rows)
    # Nothing is known of a clip whose process ended.
    results.loc[results["status"] == FAILED, "problems"] = UNCHECKED
    results.to_csv(folder / "clips.csv", index=False)
    problems = save_problems(results, folder / "problems.csv")
    report = compose_report(data, results, problems)
    count_clips(data).to_csv(folder / "counts.csv", index=False)
    good_rows = data.table[(results["status"] == DONE).to_numpy()]
    table_path = _table_path(folder, len(good_rows))
    save_manifest(good_rows, table_path, overwrite=True)
    chosen = np.random.default_rng(data.seed).permutation(len(data.table))[:sheet_clips]
    if len(chosen):
        _draw_sheet(data, np.sort(chosen), folder / "contact-sheet.png", plan)
    (folder / "report.txt").write_text(report.text, encoding="utf-8")
    print(report.text)
    print(
        f"report.txt, clips.csv, problems.csv, contact-sheet.png and manifest.csv lie in {folder}."
    )
    return report.good


def faces(
    source: str | Path | None,
    *,
    output: str | Path,
    data: AudioVisualDataModule | None,
    crop: FaceOptions,
    plan: Plan,
) -> bool:
    """See `hicmae.preparation.commands.faces`."""
    build_detector(crop.detector, crop.min_face)  # here, a detector that is not there stops all
    folder = Path(output).expanduser()
    data = _data(source, data, folder)
    crop = replace(crop, folder_fps=crop.folder_fps or data.clip_options.folder_fps)
    work = partial(crop_face, output=folder, options=crop)
    clips_from = data.source, data.table
    return _convert(clips_from, folder, work, "faces", settings=vars(crop), plan=plan)


def audio(
    source: str | Path | None,
    *,
    output: str | Path,
    data: AudioVisualDataModule | None,
    plan: Plan,
) -> bool:
    """See `hicmae.preparation.commands.audio`."""
    folder = Path(output).expanduser()
    data = _data(source, data, folder)
    if isinstance(data, ManifestDataModule) and data.manifest.is_dir():
        table = list_folder(data.manifest, sounds_alone=True)
    else:
        table = data.table
    work = partial(extract_audio, output=folder)
    return _convert((data.source, table), folder, work, "audio", settings={}, plan=plan)


def pack(
    source: str | Path | None,
    *,
    output: str | Path,
    data: AudioVisualDataModule | None,
    how: PackOptions,
    plan: Plan,
) -> bool:
    """See `hicmae.preparation.commands.pack`."""
    folder = Path(output).expanduser()
    data = _data(source, data, folder)
    read = data.clip_options
    how = replace(
        how, region=how.region or read.region, folder_fps=how.folder_fps or read.folder_fps
    )
    clips = clips_of(data.table)
    rows = pack_clips(data.table, folder, how, plan, source=data.source)
    if plan.dry_run or not all_there(clips, rows):
        return True
    if not plan.is_whole:
        plain_console().print("All clips are ready; give the command once more without --shard.")
        return True
    return _tell(in_order(clips, rows), folder, "pack", folder / MANIFEST)


def _draw_sheet(data: AudioVisualDataModule, chosen: np.ndarray, path: Path, plan: Plan) -> None:
    """Draws the contact sheet in a process of its own, which decodes more than the check did."""
    draw = partial(_save_sheet, data, path)
    for _, outcome in each(draw, [chosen], processes=1, patience=plan.patience):
        if isinstance(outcome, ChildError):
            path.unlink(missing_ok=True)
            console = plain_console(stderr=True, soft_wrap=True)
            console.print(f"{path} could not be drawn: the process that read its clips {outcome}.")


def _save_sheet(data: AudioVisualDataModule, path: Path, chosen: np.ndarray) -> None:
    contact_sheet(data, chosen).savefig(path, dpi=110)


def _convert(
    clips_from: tuple[str, pd.DataFrame],
    folder: Path,
    work: Callable[[Clip], Row],
    name: str,
    *,
    settings: dict[str, Any],
    plan: Plan,
) -> bool:
    """Writes new media for every clip, and the table of the clips that have them."""
    source, table = clips_from
    log = ResultLog(folder, name, {"source": source, **settings})
    clips = clips_of(table)

    def is_done(row: Row) -> bool:
        files = [row[kind] for kind in ("video", "audio") if row.get(kind)]
        return row["status"] != FAILED and all((folder / file).exists() for file in files)

    rows = process(work, clips, log, plan, is_done=is_done)
    if plan.dry_run or not all_there(clips, rows):
        return True
    results = in_order(clips, rows)
    good = (results["status"] == DONE).to_numpy()
    table_path = _table_path(folder, int(good.sum()))
    save_manifest(_with_new_media(table[good], results[good], folder), table_path, overwrite=True)
    return _tell(results, folder, name, table_path)


def _tell(results: pd.DataFrame, folder: Path, name: str, table_path: Path) -> bool:
    """Writes and prints what became of the clips; gives whether all went well."""
    results.to_csv(folder / f"{name}.csv", index=False)
    good = (results["status"] == DONE).to_numpy()
    results[~good].to_csv(folder / "problems.csv", index=False)
    console = plain_console(soft_wrap=True)
    console.print(f"{good.sum()} of {len(good)} clips are in {table_path}.")
    for status, clips_with_it in results[~good].groupby("status")["id"]:
        names = ", ".join(clips_with_it.head(5)) + (", ..." if len(clips_with_it) > 5 else "")
        console.print(f"{len(clips_with_it)} clips: {status} ({names}); see problems.csv.")
    return bool(good.all())


def _table_path(folder: Path, clips: int) -> Path:
    """Where the table of a command goes; a large one is many times quicker to read as Parquet."""
    return folder / ("manifest.parquet" if clips > _CLIPS_IN_CSV else "manifest.csv")


def _with_new_media(table: pd.DataFrame, results: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The table with the files that were written, which are cut to the clip."""
    table = table.copy()
    for kind in ("video", "audio"):
        if kind in results and (results[kind].fillna("") != "").any():
            table[kind] = [
                str(folder / file) if isinstance(file, str) and file else None
                for file in results[kind]
            ]
    cut = ["audio_start", "audio_end"]
    if "video" in results:
        table["audio"] = table["audio"] if "audio" in results else None
        cut += ["start", "end"]
        table["side"] = None
    table[cut] = np.nan
    return table


def _is_good(row: Row) -> bool:
    return bool(row["status"] == DONE)


def _data(
    source: str | Path | None, data: AudioVisualDataModule | None, output: Path | None = None
) -> AudioVisualDataModule:
    """The data module of the config, or of a table or folder.

    Raises:
        ConfigError: There are none or two, or `output` is the folder that is read.
    """
    if source is not None and data is not None:
        raise ConfigError(f"Both {source} and the data of a config are given; give one of them.")
    if source is None and data is None:
        raise ConfigError("Nothing to read: give --config and --data.root, or a table of clips.")
    # The tables that these commands print say it.
    warnings.filterwarnings("ignore", message=r".*where the published protocol has")
    data = ManifestDataModule(str(source)) if data is None else data
    read = data.manifest if isinstance(data, ManifestDataModule) else data.root
    if output is not None and read.is_dir() and output.resolve() == read.resolve():
        raise ConfigError(
            f"--output is {output}, the folder that is read, whose clips would not be told from "
            f"what is written: give another, such as {output / 'out'}."
        )
    return data
