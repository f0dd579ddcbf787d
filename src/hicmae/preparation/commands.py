"""The commands `hicmae data ...`: from a download to a table, a report, faces, sound, a pack."""

from __future__ import annotations

import warnings
from argparse import SUPPRESS
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from hicmae.configs import resolve_arguments
from hicmae.data.datamodules import AudioVisualDataModule, ManifestDataModule
from hicmae.data.folder import list_folder
from hicmae.data.manifest import Clip, clips_of, read_manifest, save_manifest
from hicmae.errors import ConfigError
from hicmae.faces import FaceOptions, build_detector
from hicmae.help import HelpFormatter
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
from hicmae.preparation.integrity import CheckOptions, inspect
from hicmae.preparation.pack import MANIFEST
from hicmae.preparation.pack import pack as pack_clips
from hicmae.preparation.pack_writing import PackOptions
from hicmae.preparation.report import compose_report, count_clips

DESCRIPTION = """\
Makes a corpus ready. Each command reads the corpus of a config, or SOURCE: a table of clips (CSV or
Parquet) or a folder of media files.

  hicmae data manifest --config finetune/ravdess.yaml --data.root RAVDESS --output ravdess.csv
  hicmae data check    --config finetune/ravdess.yaml --data.root RAVDESS --output checks/ravdess
  hicmae data faces    --config finetune/ravdess.yaml --data.root RAVDESS --output faces/ravdess
  hicmae data audio    VIDEOS --output SOUNDS
  hicmae data pack     --config finetune/ravdess.yaml --data.root RAVDESS --output packs/ravdess

What is interrupted goes on where it stopped when the command is given again. `--data.manifest FILE`
makes a run, or a further command, use a table in place of the corpus' folder.
"""

# What a run's config holds beside its data.
_OTHER_SECTIONS = (
    "model",
    "trainer",
    "seed_everything",
    "test_after_fit",
    "optimizer",
    "lr_scheduler",
    "ckpt_path",
    "weights_only",
)

_CLIPS_IN_CSV = 100_000


def main(arguments: list[str]) -> None:
    """Runs `hicmae data`.

    Args:
        arguments: What stands behind it.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if a check finds something wrong.
    """
    # The tables that these commands print say it.
    warnings.filterwarnings("ignore", message=r".*where the published protocol has")
    parser = _parser()
    options = parser.parse_args(_spelled_out(resolve_arguments(arguments) or ["--help"]))
    command = options.subcommand
    for section in _OTHER_SECTIONS:
        del options[command][section]
    chosen = parser.instantiate_classes(options)[command]
    run = {"manifest": manifest, "check": check, "faces": faces, "audio": audio, "pack": pack}
    good = run[command](chosen)
    if not good:
        raise SystemExit(1)


def _spelled_out(arguments: list[str]) -> list[str]:
    """`--dry_run` and `--overwrite` may stand without a value."""
    following = [*arguments[1:], ""]
    return [
        f"{argument}=true"
        if argument in {"--dry_run", "--overwrite"} and value not in {"true", "false"}
        else argument
        for argument, value in zip(arguments, following, strict=True)
    ]


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="hicmae data",
        description=DESCRIPTION,
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    commands = parser.add_subcommands()
    for name, describe, add in (
        ("manifest", "Writes the table of a corpus, without opening media.", _manifest_options),
        ("check", "Opens every clip and tells what is wrong or missing.", _check_options),
        ("faces", "Writes clips of the aligned face, with their sound.", _faces_options),
        ("audio", "Writes the sound of every clip as 16 kHz mono.", _audio_options),
        ("pack", "Writes cut and scaled clips into a few large files.", _pack_options),
    ):
        part = ArgumentParser(description=describe, exit_on_error=False)
        part.add_argument("source", type=str, nargs="?", help="table or folder of clips")
        part.add_argument("--config", action="config", help="config of a run")
        part.add_subclass_arguments(AudioVisualDataModule, "data", required=False)
        for section in _OTHER_SECTIONS:
            part.add_argument(f"--{section}", type=Any, help=SUPPRESS)
        add(part)
        commands.add_subcommand(name, part, help=describe)
    return parser


def _manifest_options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=str, required=True, help="file to write: .csv, or .parquet for millions"
    )
    parser.add_argument("--overwrite", type=bool, default=False, help="replace another table there")
    parser.add_argument("--dry_run", type=bool, default=False, help="list, but write nothing")


def _check_options(parser: ArgumentParser) -> None:
    _output_folder(parser)
    parser.add_class_arguments(CheckOptions, None)
    parser.add_argument("--sheet_clips", type=int, default=24, help="clips on the contact sheet")
    parser.add_class_arguments(Plan, None)


def _faces_options(parser: ArgumentParser) -> None:
    _output_folder(parser)
    parser.add_class_arguments(FaceOptions, None)
    parser.add_class_arguments(Plan, None)


def _audio_options(parser: ArgumentParser) -> None:
    _output_folder(parser)
    parser.add_class_arguments(Plan, None)


def _pack_options(parser: ArgumentParser) -> None:
    _output_folder(parser)
    parser.add_class_arguments(PackOptions, None)
    parser.add_class_arguments(Plan, None)


def _output_folder(parser: ArgumentParser) -> None:
    parser.add_argument("--output", type=str, required=True, help="folder for all that is written")


def manifest(options: Namespace) -> bool:
    """Writes the table of a corpus."""
    source, table = _table(options)
    path = Path(options.output).expanduser()
    console = Console()
    published = options.data.expected.clips if options.data is not None else None
    subjects = table["subject"].dropna().nunique()
    folds = ", ".join(
        f"{fold} ({n})" for fold, n in table["fold"].value_counts().sort_index().items()
    )
    parts = ", ".join(f"{name} {n}" for name, n in table["split"].value_counts().items())
    console.print(
        f"{source}: {len(table)} clips"
        + (f" (published: {published})" if published else "")
        + (f"; {subjects} subjects" if subjects else "")
        + (f"; folds (test clips): {folds}" if folds else "")
        + (f"; {parts}" if parts else "")
        + ".",
        highlight=False,
        soft_wrap=True,
    )
    if options.dry_run:
        console.print(f"Nothing is written to {path} (dry run).", highlight=False)
        return True
    written = save_manifest(table, path, overwrite=options.overwrite)
    console.print(f"{'Wrote' if written else 'Unchanged:'} {path}.", highlight=False)
    return True


def check(options: Namespace) -> bool:
    """Opens every clip and writes the report; gives whether all is well."""
    data = _data(options)
    folder = Path(options.output).expanduser()
    how = CheckOptions(**_chosen(options, CheckOptions))
    if how.max_length_difference is None:
        allowed = data.clip_options.max_length_difference
        how = CheckOptions(**vars(how) | {"max_length_difference": allowed})
    plan = Plan(**_chosen(options, Plan))
    settings = {"source": data.source, **vars(how)}
    log = ResultLog(folder, "check", settings)
    work = partial(inspect, options=how, folder_fps=data.clip_options.folder_fps)
    clips = clips_of(data.table)
    rows = process(work, clips, log, plan, is_done=_is_good, chunk=16)
    if plan.dry_run or not all_there(clips, rows):
        return True
    results = in_order(clips, rows)
    results.to_csv(folder / "clips.csv", index=False)
    problems = save_problems(results, folder / "problems.csv")
    report = compose_report(data, results, problems)
    count_clips(data).to_csv(folder / "counts.csv", index=False)
    good_rows = data.table[(results["status"] == DONE).to_numpy()]
    table_path = _table_path(folder, len(good_rows))
    save_manifest(good_rows, table_path, overwrite=True)
    chosen = np.random.default_rng(data.seed).permutation(len(data.table))[: options.sheet_clips]
    if len(chosen):
        contact_sheet(data, np.sort(chosen)).savefig(folder / "contact-sheet.png", dpi=110)
    (folder / "report.txt").write_text(report.text, encoding="utf-8")
    print(report.text)
    print(
        f"report.txt, clips.csv, problems.csv, contact-sheet.png and manifest.csv lie in {folder}."
    )
    return report.good


def faces(options: Namespace) -> bool:
    """Crops the face of every clip; gives whether each clip has one."""
    crop = FaceOptions(**_chosen(options, FaceOptions))
    build_detector(crop.detector, crop.min_face)  # here, a detector that is not there stops all
    work = partial(crop_face, output=Path(options.output).expanduser(), options=crop)
    return _convert(options, work, "faces", vars(crop))


def audio(options: Namespace) -> bool:
    """Extracts the sound of every clip; gives whether each clip has any."""
    work = partial(extract_audio, output=Path(options.output).expanduser())
    return _convert(options, work, "audio", {})


def pack(options: Namespace) -> bool:
    """Packs every clip; gives whether each could be read."""
    source, table = _table(options)
    folder = Path(options.output).expanduser()
    how = PackOptions(**_chosen(options, PackOptions))
    if options.data is not None:
        read = options.data.clip_options
        how = replace(
            how,
            region=how.region or read.region,
            folder_fps=how.folder_fps or read.folder_fps,
        )
    plan = Plan(**_chosen(options, Plan))
    clips = clips_of(table)
    rows = pack_clips(table, folder, how, plan, source=source)
    if plan.dry_run or not all_there(clips, rows):
        return True
    if not plan.is_whole:
        Console().print("All clips are ready; give the command once more without --shard.")
        return True
    return _tell(in_order(clips, rows), folder, "pack", folder / MANIFEST)


def _convert(
    options: Namespace, work: Callable[[Clip], Row], name: str, settings: dict[str, Any]
) -> bool:
    """Writes new media for every clip, and the table of the clips that have them."""
    source, table = _table(options, sounds_alone=name == "audio")
    folder = Path(options.output).expanduser()
    plan = Plan(**_chosen(options, Plan))
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
    problems = save_problems(results, folder / "problems.csv")
    console = Console(soft_wrap=True)
    console.print(f"{len(results) - len(problems)} of {len(results)} clips are in {table_path}.")
    for status, clips_with_it in problems.groupby("status")["id"]:
        names = ", ".join(clips_with_it.head(5)) + (", ..." if len(clips_with_it) > 5 else "")
        console.print(f"{len(clips_with_it)} clips: {status} ({names}); see problems.csv.")
    return problems.empty


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


def _chosen(options: Namespace, group: type[Any]) -> dict[str, Any]:
    return {name: options[name] for name in group.__dataclass_fields__}


def _data(options: Namespace) -> AudioVisualDataModule:
    """The data module of the config, or of a table."""
    _one_source(options)
    if options.data is not None:
        return options.data
    if Path(options.source).expanduser().is_dir():
        raise ConfigError(
            f"{options.source} is a folder: write its table with `hicmae data manifest "
            f"{options.source} --output clips.csv` and give that."
        )
    return ManifestDataModule(options.source)


def _table(options: Namespace, *, sounds_alone: bool = False) -> tuple[str, pd.DataFrame]:
    """What the clips come from, and the clips."""
    _one_source(options)
    if options.data is not None:
        return options.data.source, options.data.table
    path = Path(options.source).expanduser()
    if path.is_dir():
        return f"Folder {path}", list_folder(path, sounds_alone=sounds_alone)
    return f"Manifest {path}", read_manifest(path)


def _one_source(options: Namespace) -> None:
    if options.source is not None and options.data is not None:
        raise ConfigError(
            f"Both {options.source} and the data of a config are given; give one of them."
        )
    if options.source is None and options.data is None:
        raise ConfigError("Nothing to read: give --config and --data.root, or a table of clips.")
