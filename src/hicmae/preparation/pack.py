"""Clips cut and scaled for training, in a few large files that are read from front to back.

Every clip is first written as a file of its own, by all processes and machines of its plan.
When all are there, one process moves them into tar files of the layout of WebDataset, shuffled
once, and writes the manifest that tells where in them each clip lies. First the log says what will
be in a tar file, which holds once that appears, whole, and then the single files go: a killed run
goes on from there.
"""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from rich.progress import track

from hicmae.consoles import plain_console
from hicmae.data.manifest import Clip, check_manifest, clips_of, save_manifest
from hicmae.files import whole_file
from hicmae.ledger import DONE, Plan, ResultLog, Row, process
from hicmae.media import VideoReader
from hicmae.media.members import Member
from hicmae.preparation.audio import read_sound
from hicmae.preparation.options import PackOptions
from hicmae.preparation.pack_writing import frame_milliseconds, write_clip

MANIFEST = "manifest.parquet"
"""Name of the table of a pack in its folder."""

_SINGLE = "single"  # folder of the clips that are in no shard yet
_MIB = 2**20
_APPLIED = ("video", "audio", "start", "end", "audio_start", "audio_end", "side")


def pack(
    table: pd.DataFrame,
    folder: Path,
    options: PackOptions | None = None,
    plan: Plan | None = None,
    *,
    source: str = "",
) -> dict[str, Row]:
    """Packs clips into `folder`/shard-000000.tar and so on, with `folder`/manifest.parquet.

    A clip is `<key>.mkv` (H.264 with the clip's own frames at their own times; sound of one
    channel, 16 kHz and 16 bits) and `<key>.json` (its row) in a shard. The manifest has the rows of
    the clips that could be packed with all their labels, in the order of the shards, and is read
    like any other. The same clips and options make the same files.

    Args:
        table: A complete manifest with resolved paths.
        folder: Where everything lies; an interrupted pack in it is gone on with.
        options: How clips are cut, coded and put together.
        plan: Where to work.
        source: What the table was made from, for the log.

    Returns:
        Row of every clip that was worked on by now, by its id: `status`, `message`, and of packed
        ones `frames`, `fps`, `bytes`, `shard` and `offset`. Shards and manifest are written once
        every clip has a row, by a run without `plan.shard`.

    Raises:
        ConfigError: The folder holds a pack of other clips or options.
        DataError: A row of the table cannot be, such as one whose id another has, or a worker died.
        OSError: The folder cannot be written.
    """
    check_manifest(table, source or "The table")
    options, plan = options or PackOptions(), plan or Plan()
    log = ResultLog(folder, "pack", {"source": source, **vars(options)})
    clips = clips_of(table)
    rows = process(
        partial(pack_clip, folder=folder, options=options),
        clips,
        log,
        plan,
        is_done=partial(_is_done, folder),
    )
    if plan.dry_run or not plan.is_whole or any(c.id not in rows for c in clips):
        return rows
    with log.appending() as append:
        rows |= _write_shards(table, rows, folder, options, append)
    _save_manifest(table, rows, folder)
    shutil.rmtree(folder / _SINGLE, ignore_errors=True)
    return rows


def pack_clip(clip: Clip, *, folder: Path, options: PackOptions) -> Row:
    """Writes one clip, cut to its segment and region, as a file of its own.

    Args:
        clip: The clip.
        folder: Folder of the pack.
        options: How.

    Returns:
        Row with `status` ("ok"), `message`, `single` (the file, relative to `folder`), `bytes`,
        `frames` and `fps`.

    Raises:
        DataError: Picture or sound cannot be read.
    """
    # An id may be a whole path, which names no file below another folder.
    digest = hashlib.sha256(clip.id.encode()).hexdigest()
    path = folder / _SINGLE / digest[:2] / f"{digest}.mkv"
    waveform = read_sound(clip)
    with VideoReader(
        clip.video, start=clip.start, end=clip.end, folder_fps=options.folder_fps or 25.0
    ) as reader:
        frames, fps = reader.frame_count, reader.fps
        pictures = reader.pictures(
            range(frames), size=options.size, region=options.region or clip.side
        )
        with whole_file(path) as part:
            write_clip(
                part,
                (picture for _, picture in pictures),
                frame_milliseconds(reader.timeline),
                fps=fps,
                waveform=waveform,
                options=options,
            )
    return {
        "status": DONE,
        "message": "",
        "single": path.relative_to(folder).as_posix(),
        "bytes": path.stat().st_size,
        "frames": frames,
        "fps": round(fps, 3),
    }


def _is_done(folder: Path, row: Row) -> bool:
    files = [row[kind] for kind in ("shard", "single") if kind in row]
    return row["status"] == DONE and any((folder / file).is_file() for file in files)


def _write_shards(
    table: pd.DataFrame,
    rows: dict[str, Row],
    folder: Path,
    options: PackOptions,
    append: Callable[[Row], None],
) -> dict[str, Row]:
    """Puts the clips that are in no shard yet into further shards; gives their rows."""
    there = {path.name for path in folder.glob("*.tar")}
    order = np.random.default_rng(options.seed).permutation(len(table))
    ids = table["id"].tolist()
    good = [position for position in order.tolist() if rows[ids[position]]["status"] == DONE]
    waiting = [position for position in good if rows[ids[position]].get("shard") not in there]
    sizes = [rows[ids[position]]["bytes"] for position in waiting]
    taken = there & {row.get("shard") for row in rows.values()}
    names = (f"shard-{number:06d}.tar" for number in count())
    free_names = (name for name in names if name not in taken)
    written: dict[str, Row] = {}
    parts = list(_runs(waiting, sizes, options.shard_mib * _MIB))
    for part in track(parts, "shards", console=plain_console(stderr=True), disable=not parts):
        name = next(free_names)
        files = [folder / rows[ids[position]]["single"] for position in part]
        with whole_file(folder / name) as hidden:
            offsets = _write_shard(hidden, name.split(".")[0], files, _as_json(table.iloc[part]))
            for position, offset in zip(part, offsets, strict=True):
                row = rows[ids[position]] | {"shard": name, "offset": offset}
                append(row)
                written[row["id"]] = row
        for file in files:
            file.unlink()
    return written


def _runs(positions: Sequence[int], sizes: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Divides positions into runs whose sizes add up to at most `limit`, or of one alone."""
    run: list[int] = []
    total = 0
    for position, size in zip(positions, sizes, strict=True):
        if run and total + size > limit:
            yield run
            run, total = [], 0
        run.append(position)
        total += size
    if run:
        yield run


def _write_shard(
    path: Path, prefix: str, clips: Sequence[Path], descriptions: Sequence[str]
) -> list[int]:
    """Writes a tar file; gives where the content of every clip begins in it."""
    with tarfile.open(path, "w") as tar:
        for number, (clip, description) in enumerate(zip(clips, descriptions, strict=True)):
            for suffix, content in (
                ("mkv", clip.read_bytes()),
                ("json", description.encode()),
            ):
                # Neither owner nor time, so that the same clips make the same file.
                entry = tarfile.TarInfo(f"{prefix}-{number:06d}.{suffix}")
                entry.size = len(content)
                tar.addfile(entry, BytesIO(content))
    with tarfile.open(path) as tar:
        return [entry.offset_data for entry in tar if entry.name.endswith(".mkv")]


def _as_json(table: pd.DataFrame) -> list[str]:
    """Every row without what is true of its former files alone."""
    described = table.drop(columns=list(_APPLIED))
    lines = described.to_json(orient="records", lines=True, force_ascii=False, double_precision=15)
    # Not by splitlines, which also divides at characters that JSON leaves as they are.
    return lines.rstrip("\n").split("\n")


def _save_manifest(table: pd.DataFrame, rows: dict[str, Row], folder: Path) -> None:
    """Writes the table of the clips that are packed, in the order of the shards."""
    places = [
        (row["shard"], row["offset"], position)
        for position, row in enumerate(rows[name] for name in table["id"])
        if "shard" in row
    ]
    places.sort()
    packed = table.iloc[[position for *_, position in places]].reset_index(drop=True)
    sizes = [rows[name]["bytes"] for name in packed["id"]]
    packed = packed.assign(**dict.fromkeys(_APPLIED))
    members = [
        str(Member(folder / shard, offset, size))
        for (shard, offset, _), size in zip(places, sizes, strict=True)
    ]
    packed["video"] = pd.Series(members, dtype="str")
    save_manifest(packed, folder / MANIFEST, overwrite=True)
