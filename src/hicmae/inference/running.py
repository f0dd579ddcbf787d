"""What `hicmae recognize` and `hicmae embed` do once their options are known."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from hicmae.choices import Faces, Per, Use
from hicmae.errors import ConfigError, DataError
from hicmae.files import whole_file
from hicmae.inference.embedding_store import FeatureStore
from hicmae.inference.listing import NamedClip, list_clips
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.inference.rendering import FORMATS, check_output, render
from hicmae.inference.results import Recognition
from hicmae.inference.tables import recognition_table
from hicmae.media.recording import FileRecording

Tell = Callable[[float], None]


def prepared(
    clips: Sequence[str | Path],
    checkpoint: str | Path,
    *,
    faces: Faces,
    use: Use,
    hop: float | None,
    people: int,
    device: str,
    batch_size: int,
) -> tuple[EmotionRecognizer, list[NamedClip]]:
    """Loads the model and looks for the clips; the options are those of `hicmae recognize`.

    Raises:
        HicmaeError: The model cannot be read, or there is no clip.
    """
    recognizer = EmotionRecognizer.from_pretrained(
        checkpoint,
        faces=faces,
        device=device,
        batch_size=batch_size,
        hop=hop,
        most_people=people,
    )
    hears_alone = recognizer.description.modality == "audio" or use == "audio"
    return recognizer, list_clips(clips, sounds_alone=hears_alone)


def recognize(
    recognizer: EmotionRecognizer,
    clips: Sequence[NamedClip],
    *,
    use: Use,
    skip: bool,
    json_to: str | Path | None,
    csv: str | Path | None,
    render_to: str | Path | None,
) -> list[Recognition]:
    """Recognises, shows and writes the emotions of clips.

    Args:
        recognizer: Recognises.
        clips: What `prepared` gave.
        use: What an audio-visual model is given of a clip.
        skip: Whether clips that cannot be used are left out and listed at the end.
        json_to: File to write, or - for the standard output.
        csv: Table to write.
        render_to: Annotated copy to write, or a folder for several.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    renders = _renders(render_to, clips)
    to_stdout = str(json_to) == "-"
    json_path = None if json_to is None or to_stdout else Path(json_to).expanduser()
    csv_path = None if csv is None else Path(csv).expanduser()
    _require_writable([json_path, csv_path, *renders.values()])

    console = Console(quiet=to_stdout)
    results: list[Recognition] = []
    failures: list[DataError] = []
    for number, clip in enumerate(clips, start=1):
        label = clip.source if len(clips) == 1 else f"{number} of {len(clips)}: {clip.source}"
        with _collected(failures, skip=skip):
            with _progress(label) as tell:
                # Most of the time of a rendered clip goes into its pictures.
                share = 0.5 if renders else 1.0
                result = recognizer.recognize(
                    FileRecording(clip.path, sound=clip.sound),
                    use=use,
                    progress=_scaled(tell, 0.0, share),
                )
                if renders:
                    told = _scaled(tell, share, 1.0)
                    render(clip.path, result, renders[clip], sound=clip.sound, progress=told)
            results.append(result)
            console.print(recognition_table(result, clip.source))
            if renders:
                console.print(f"rendered to {renders[clip]}", highlight=False, soft_wrap=True)
    _write_results(results, to_stdout, json_path, csv_path)
    _report(failures, len(clips))
    return results


def new_features(output: str | Path, *, overwrite: bool) -> Path:
    """Where features go, told before the model is loaded.

    Raises:
        ConfigError: There are some already, or the suffix stands for no format.
    """
    path = Path(output).expanduser()
    if path.exists() and not overwrite:
        raise ConfigError(
            f"{path} exists already: give --overwrite to replace it, or another --output."
        )
    FeatureStore(path, {})
    return path


def embed(
    recognizer: EmotionRecognizer,
    clips: Sequence[NamedClip],
    output: Path,
    *,
    faces: Faces,
    use: Use,
    hop: float | None,
    people: int,
    per: Per,
    layers: bool,
    skip: bool,
) -> None:
    """Writes the features of clips, going on where it was stopped.

    Args:
        recognizer: Makes them.
        clips: What `prepared` gave.
        output: What `new_features` gave.
        faces: How clips are read, as `prepared` was told; so are `use`, `hop` and `people`.
        use: What an audio-visual model is given of a clip.
        hop: Seconds from window to window.
        people: Most people of a clip to follow.
        per: What a row stands for.
        layers: Whether features of every layer are written, too.
        skip: Whether clips that cannot be used are left out and listed at the end.

    Raises:
        HicmaeError: A mistake that the user can mend.
        SystemExit: With status 1 if clips were left out.
    """
    _require_writable([output])
    settings = {
        "model": fingerprint(recognizer),
        "faces": faces,
        "use": use,
        "hop": hop,
        "people": people,
    }
    store = FeatureStore(output, settings, per=per, layers=layers)
    failures: list[DataError] = []
    sources: dict[Path, str] = {}
    held = {clip.path for clip in clips if store.holds(clip.path)}
    if held:
        Console(stderr=True).print(f"{len(held)} of {len(clips)} clips are done already.")
    with _progress(f"{len(clips)} clips") as tell:
        for number, clip in enumerate(clips):
            told = _scaled(tell, number / len(clips), (number + 1) / len(clips))
            if clip.path not in held:
                embeddings = None
                with _collected(failures, skip=skip):
                    recording = FileRecording(clip.path, sound=clip.sound)
                    embeddings = recognizer.embed(recording, use=use, progress=told)
                if embeddings is None:
                    continue
                store.add(clip.path, embeddings)
            sources[clip.path] = clip.source
            told(1.0)
    if not sources:
        _report(failures, len(clips))
    shapes = store.join(sources)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{output} holds features of {len(sources)} clips:")
    for name, shape in shapes.items():
        console.print(f"  {name:12} {' x '.join(map(str, shape))}")
    console.print("Read them in Python:")
    console.print("  from hicmae.inference.embedding_store import read_features", markup=False)
    console.print(
        f"  features = read_features({str(output)!r})  # features.table, features.joint",
        markup=False,
    )
    _report(failures, len(clips))


def fingerprint(recognizer: EmotionRecognizer) -> str:
    """24 hexadecimal digits that tell models apart whose features differ."""
    digest = hashlib.sha256(repr(recognizer.description.inputs).encode())
    for name, tensor in sorted(recognizer.model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:24]


def _renders(given: str | Path | None, clips: Sequence[NamedClip]) -> dict[NamedClip, Path]:
    """Where each clip is rendered to."""
    if given is None:
        return {}
    target = Path(given).expanduser()
    named = bool(target.suffix) and not target.is_dir()
    if len(clips) == 1 and named:
        check_output(target)
        return {clips[0]: target}
    if named and target.suffix.lower() in FORMATS:
        raise ConfigError(
            f"--render {given} is one file, but there are {len(clips)} clips: name a folder."
        )
    renders = {clip: target / clip.name.with_name(f"{clip.name.name}.mp4") for clip in clips}
    owners: dict[Path, NamedClip] = {}
    for clip, path in renders.items():
        if owners.setdefault(path, clip) is not clip:
            raise ConfigError(
                f"{owners[path].path} and {clip.path} would both be rendered to {path}: render "
                "them one by one, or rename one."
            )
    return renders


def _require_writable(paths: Sequence[Path | None]) -> None:
    """Tells before the work, not after it, what cannot be written."""
    for path in paths:
        if path is None:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise DataError(f"{path} is a folder: name a file to write.")
        except OSError as error:
            raise DataError(
                f"{path} cannot be written ({error.strerror}): name another place."
            ) from error


def _write_results(
    results: Sequence[Recognition], to_stdout: bool, json_path: Path | None, csv_path: Path | None
) -> None:
    content = json.dumps([result.to_dict() for result in results], indent=2, ensure_ascii=False)
    if to_stdout:
        sys.stdout.write(content + "\n")
    if json_path is not None:
        with whole_file(json_path) as part:
            part.write_text(content + "\n", encoding="utf-8")
    if csv_path is not None:
        frames = [result.to_frame() for result in results]
        with whole_file(csv_path) as part:
            (pd.concat(frames) if frames else pd.DataFrame()).to_csv(part, index=False)


@contextmanager
def _collected(failures: list[DataError], *, skip: bool) -> Iterator[None]:
    """Keeps a clip's mistake for the end, or lets it stop the command."""
    try:
        yield
    except DataError as error:
        if not skip:
            raise
        failures.append(error)


def _report(failures: Sequence[DataError], clips: int) -> None:
    if not failures:
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"{len(failures)} of {clips} clips were left out:", style="bold red")
    for failure in failures:
        console.print(f"  {failure}", markup=False)
    raise SystemExit(1)


@contextmanager
def _progress(label: str) -> Iterator[Tell]:
    """A bar on the standard error, which goes away; gives the function that moves it."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
    with bar:
        task = bar.add_task(label, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _scaled(tell: Tell, first: float, last: float) -> Tell:
    return lambda share: tell(first + (last - first) * share)
