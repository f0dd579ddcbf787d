"""The commands `hicmae serve` and `hicmae watch`."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from hicmae.choices import Faces
from hicmae.consoles import plain_console
from hicmae.errors import CheckpointError, ConfigError
from hicmae.serve.addresses import is_loopback
from hicmae.workers import preload, prepare


def serve(
    *,
    checkpoint: str | Path,
    host: str = "127.0.0.1",
    port: int = 7860,
    max_seconds: float = 60.0,
    max_megabytes: float = 100.0,
    faces: Faces = "crop",
    device: str = "cpu",
    calibrated: bool = True,
    wanted_error: float | None = None,
) -> None:
    """Serves a page on which clips are dropped or recorded and recognised, until it is interrupted.

    Several people can use it at once; their clips are answered for one after the other. Uploads
    are deleted as soon as the answer is given, and only this computer reaches the page unless
    --host says otherwise.

      hicmae serve --checkpoint RUN/checkpoints/best.ckpt
      hicmae serve --checkpoint FOLDER --faces none --device cuda   of clips that are faces
      hicmae serve --checkpoint FOLDER --host 0.0.0.0               for a whole network: see below

    The page asks nobody who they are. With another --host than 127.0.0.1, whoever reaches this
    computer can upload clips; browsers then give it a camera only over https, which a proxy in
    front of it adds.

    Args:
        checkpoint: Checkpoint or folder of a run, or folder or name of a shared model.
        host: Address to listen at.
        port: Port to listen at.
        max_seconds: Length of the longest clip taken.
        max_megabytes: Size of the largest file taken.
        faces: crop looks for faces; none takes clips that are face crops already.
        device: cpu, cuda, mps or auto.
        calibrated: Give calibrated probabilities, where validation clips of the training showed
            how.
        wanted_error: Say "not sure" of answers that are less sure than those of which this share
            was wrong on validation clips, such as 0.2.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    if max_seconds <= 0 or max_megabytes <= 0:
        raise ConfigError("--max_seconds and --max_megabytes are limits: give positive numbers.")
    _serve(
        "serve",
        limits=(max_seconds, max_megabytes),
        checkpoint=checkpoint,
        host=host,
        port=port,
        faces=faces,
        device=device,
        calibrated=calibrated,
        wanted_error=wanted_error,
    )


def watch(
    *,
    checkpoint: str | Path,
    host: str = "127.0.0.1",
    port: int = 7860,
    faces: Faces = "crop",
    device: str = "cpu",
    calibrated: bool = True,
    wanted_error: float | None = None,
) -> None:
    """Serves a page that recognises what camera and microphone record, until it is interrupted.

    It is the page of `hicmae serve`, with the tab "Live" in front. Windows of the last seconds are
    recognised as those of a file are, and a curve moves on; the page says how far behind it is.
    Nothing is stored, and only this computer reaches the page unless --host says otherwise.

      hicmae watch --checkpoint RUN/checkpoints/best.ckpt

    Args:
        checkpoint: Checkpoint or folder of a run, or folder or name of a shared model.
        host: Address to listen at; browsers give others than 127.0.0.1 a camera only over https.
        port: Port to listen at.
        faces: crop looks for the largest face; none takes the centre of the picture as the face.
        device: cpu, cuda, mps or auto.
        calibrated: As for `hicmae serve`.
        wanted_error: As for `hicmae serve`: say "not sure" of answers that are less sure.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    _serve(
        "watch",
        checkpoint=checkpoint,
        host=host,
        port=port,
        faces=faces,
        device=device,
        calibrated=calibrated,
        wanted_error=wanted_error,
    )


def _serve(
    command: str,
    *,
    checkpoint: str | Path,
    limits: tuple[float, ...] = (),
    host: str,
    port: int,
    faces: Faces,
    device: str,
    calibrated: bool,
    wanted_error: float | None,
) -> None:
    preload("hicmae.media.watched")  # decodes; it begins beside the imports and the model here
    prepare()
    try:
        from hicmae.serve.server import running_page  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ConfigError(
            f"hicmae {command} needs gradio: install it with `pip install 'hicmae[serve]'`."
        ) from error
    from hicmae.inference.recognizer import EmotionRecognizer  # noqa: PLC0415
    from hicmae.serve.analysis import UploadLimits  # noqa: PLC0415

    recognizer = EmotionRecognizer.from_pretrained(
        checkpoint, faces=faces, device=device, calibrated=calibrated, wanted_error=wanted_error
    )
    if recognizer.kind == "pretraining":
        raise CheckpointError(
            f"{checkpoint} was only pre-trained and recognises nothing: give a checkpoint "
            "that was fine-tuned."
        )
    console = plain_console(soft_wrap=True)
    stopped = threading.Event()
    # As on Ctrl-C, what was uploaded has to go.
    before = signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        with running_page(
            recognizer, UploadLimits(*limits), host, port, watch=command == "watch"
        ) as url:
            if not is_loopback(host):
                console.print(
                    f"Whoever reaches {host} can use this page: it has no login.",
                    style="bold yellow",
                )
            console.print(f"The page is at {url} (Ctrl-C stops it).")
            while not stopped.wait(1.0):
                pass
    except KeyboardInterrupt:
        console.print("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)
