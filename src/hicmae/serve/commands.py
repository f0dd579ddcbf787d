"""The command `hicmae serve`."""

from __future__ import annotations

import ipaddress
import signal
import threading

from jsonargparse import ArgumentParser
from rich.console import Console

from hicmae.choices import Faces
from hicmae.errors import CheckpointError, ConfigError
from hicmae.help import HelpFormatter

DESCRIPTION = """\
Serves a page on which clips are dropped or recorded and recognised. Uploads are deleted as soon as
the answer is given, and only this computer reaches the page unless --host says otherwise.

  hicmae serve --checkpoint RUN/checkpoints/best.ckpt
  hicmae serve --checkpoint FOLDER --faces none --device cuda     clips that are face crops already
  hicmae serve --checkpoint FOLDER --host 0.0.0.0                 for a whole network: see below

The page asks nobody who they are. With another --host than 127.0.0.1, whoever reaches this computer
can upload clips; browsers then give it a camera only over https, which a proxy in front of it adds.
"""


def main(arguments: list[str]) -> None:
    """Runs `hicmae serve` until it is interrupted.

    Args:
        arguments: What stands behind `hicmae serve`.

    Raises:
        HicmaeError: A mistake that the user can mend.
    """
    options = _parser().parse_args(arguments)
    if options.max_seconds <= 0 or options.max_megabytes <= 0:
        raise ConfigError("--max_seconds and --max_megabytes are limits: give positive numbers.")
    try:
        from hicmae.serve.page import running_page  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ConfigError(
            "hicmae serve needs gradio: install it with `pip install 'hicmae[serve]'`."
        ) from error
    from hicmae.inference.recognizer import EmotionRecognizer  # noqa: PLC0415
    from hicmae.serve.analysis import UploadLimits  # noqa: PLC0415

    recognizer = EmotionRecognizer.from_pretrained(
        options.checkpoint, faces=options.faces, device=options.device
    )
    if recognizer.kind == "pretraining":
        raise CheckpointError(
            f"{options.checkpoint} was only pre-trained and recognises nothing: give a checkpoint "
            "that was fine-tuned."
        )
    limits = UploadLimits(options.max_seconds, options.max_megabytes)
    console = Console(highlight=False, soft_wrap=True)
    stopped = threading.Event()
    # As on Ctrl-C, what was uploaded has to go.
    before = signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        with running_page(recognizer, limits, options.host, options.port) as url:
            if not is_loopback(options.host):
                console.print(
                    f"Whoever reaches {options.host} can use this page: it has no login.",
                    style="bold yellow",
                )
            console.print(f"The page is at {url} (Ctrl-C stops it).")
            while not stopped.wait(1.0):
                pass
    except KeyboardInterrupt:
        console.print("Stopped.")
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="hicmae serve",
        description=DESCRIPTION,
        formatter_class=HelpFormatter,
        exit_on_error=False,
    )
    parser.add_argument(
        "--checkpoint",
        type=str,
        required=True,
        help="checkpoint of a run, or folder or name of a shared model",
    )
    parser.add_argument("--host", type=str, default="127.0.0.1", help="address to listen at")
    parser.add_argument("--port", type=int, default=7860, help="port to listen at")
    parser.add_argument("--max_seconds", type=float, default=60.0, help="longest clip taken")
    parser.add_argument("--max_megabytes", type=float, default=100.0, help="largest file taken")
    parser.add_argument(
        "--faces",
        type=Faces,
        default="crop",
        help="crop looks for faces; none takes clips that are face crops already",
    )
    parser.add_argument("--device", type=str, default="cpu", help="cpu, cuda, mps or auto")
    return parser


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches what listens at an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
