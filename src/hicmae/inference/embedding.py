"""What `hicmae embed` does once its options are known."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from hicmae.consoles import plain_console
from hicmae.errors import ConfigError
from hicmae.inference.feature_store import PARTS, FeatureStore
from hicmae.inference.listing import NamedClip
from hicmae.inference.many_clips import (
    clip_state,
    finish,
    is_unchanged,
    open_log,
    open_model_and_clips,
    require_writable,
    settings_of,
    stops_at_failure,
    tell_failed,
)
from hicmae.inference.results import Embedding
from hicmae.ledger import DONE, FAILED, Plan, Row, Tell, all_there, process_here
from hicmae.media.watched import WatchedDecoder


def embed(options: Namespace) -> None:
    """Writes the features of clips, going on where it was stopped.

    Args:
        options: Those of `hicmae embed`.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    plan = Plan(shard=options.shard, dry_run=options.dry_run)
    if options.restart and not plan.is_whole:
        raise ConfigError("--restart drops what all shards did: give it without --shard.")
    output = Path(options.output).expanduser()
    if output.exists() and not options.overwrite:
        raise ConfigError(
            f"{output} exists already: give --overwrite to replace it, or another --output."
        )
    FeatureStore(output, {})  # a suffix that cannot be is told before the model is loaded
    with WatchedDecoder(options.patience) as decoder:
        _embed(options, plan, output, decoder)


def _embed(options: Namespace, plan: Plan, output: Path, decoder: WatchedDecoder) -> None:
    recognizer, clips = open_model_and_clips(options)
    settings = settings_of(recognizer, options)
    store = FeatureStore(output, settings, per=options.per, layers=options.layers)
    restart = options.restart and not plan.dry_run
    made_with = {**store.settings, "format": PARTS}
    log = open_log(store.folder, "embed", made_with, option="--output", restart=restart)
    if not plan.dry_run:
        require_writable([output])

    def compute(clip: NamedClip, tell: Tell) -> list[Embedding]:
        recording = decoder.open(clip.path, sound=clip.sound)
        return recognizer.embed(recording, use=options.use, progress=tell)

    def keep(clip: NamedClip, embeddings: list[Embedding]) -> Row:
        kept = store.add(clip.id, embeddings)
        return {"status": DONE, "message": "", "clip": clip_state(clip), **kept}

    unchanged = is_unchanged(clips)
    rows = process_here(
        compute,
        keep,
        clips,
        log,
        plan,
        is_done=lambda row: unchanged(row) and store.holds(row),
        label=lambda clip: clip.source,
        stop_at_failure=stops_at_failure(options, clips),
    )
    if plan.dry_run:
        return
    if not plan.is_whole:
        _end_shard(plan.share(clips), clips, rows)
        return
    done = [clip for clip in clips if rows[clip.id]["status"] == DONE]
    if done:
        _write_out(store, done, rows)
    finish(clips, rows, log, output)


def _end_shard(mine: list[NamedClip], clips: list[NamedClip], rows: dict[str, Row]) -> None:
    if all_there(clips, rows):
        plain_console().print("All clips are ready; give the command once more without --shard.")
    own = {clip.source: rows[clip.id] for clip in mine}
    failed = {source: row["message"] for source, row in own.items() if row["status"] == FAILED}
    tell_failed(failed, len(mine))


def _write_out(store: FeatureStore, clips: list[NamedClip], rows: dict[str, Row]) -> None:
    shapes = store.write_out([rows[clip.id] for clip in clips], [clip.source for clip in clips])
    console = plain_console(soft_wrap=True)
    console.print(f"{store.output} holds features of {len(clips)} clips:")
    for name, shape in shapes.items():
        console.print(f"  {name:12} {' x '.join(map(str, shape))}")
    console.print("Read them in Python:")
    console.print("  from hicmae.inference.features import read_features")
    console.print(
        f"  features = read_features({str(store.output)!r})  # features.table, features.joint",
    )
