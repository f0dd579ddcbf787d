"""How far behind `hicmae watch` is: from the end of a window to its answer on the page.

    python benchmarks/speed/live.py

Chromium, whose camera shows and whose microphone plays a clip over and over, is watched for a
while by the command, on the same machine, as a user would do it. Weights are as drawn: what is
answered does not matter. Measured is what the page says; it counts from the call that begins the
recording, so that it says rather too much than too little.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

from clips import clips_for
from devices import fake_devices
from measure import Report, run
from pretraining_step import SMALLEST

from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.models.sizes import SIZES, Architecture
from hicmae.weights.description import ModelDescription

CLASSES = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
WANTED = 3.0  # seconds behind, of the base model on two cores
SECONDS = 60.0  # of watching
PATIENCE = 120.0  # seconds for a page or its first answer to be there
WATCHED = """() => new MutationObserver(() => tell({...document.querySelector('#live').dataset}))
  .observe(document.querySelector('#live'), {attributeFilter: ['data-end']})"""


def main(options: argparse.Namespace, report: Report) -> None:
    """Measures and reports."""
    shapes = {name: SIZES[name] for name in ("tiny", "base")}
    if options.smallest:
        shapes = {"smallest": Architecture(**SMALLEST)}
    rows: list[list[str | float]] = []
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        browser_options = fake_devices(Path(clips_for(report, folder, 1)["video"].iloc[0]), folder)
        for name, shape in shapes.items():
            write_model(shape, folder / name)
            faces = "none" if options.smallest else "crop"
            with served(folder / name, faces) as url:
                seen = watch(url, browser_options, 0.0 if options.smallest else SECONDS)
            behind = sorted(float(answer["behind"]) for answer in seen)
            missed = int(seen[-1]["missed"])
            share = 100 * missed / (missed + len(seen))
            worst, nine = behind[-1], behind[int(0.9 * (len(behind) - 1))]
            rows.append([name, len(seen), statistics.median(behind), nine, worst, share])
    columns = ["model", "windows", "s behind, median", "90 %", "worst", "left out %"]
    report.table("Watched live, Chromium on the same machine", columns, rows)
    report.target(f"{name}: behind, median window", float(rows[-1][2]), WANTED, "s", most=True)


def write_model(shape: Architecture, folder: Path) -> None:
    """A model with weights as drawn, as a shared folder."""
    description = ModelDescription("classification", CLASSES, shape)
    EmotionRecognizer(description.model(), description).save_pretrained(folder)


@contextmanager
def served(model: Path, faces: str) -> Iterator[str]:
    """`hicmae watch` in a process of its own, by the address of its page."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    command = [sys.executable, "-m", "hicmae.cli", "watch", "--checkpoint", str(model)]
    command += ["--port", str(port), "--faces", faces]
    process = subprocess.Popen(  # noqa: S603 (ours)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                urlopen(f"{url}config", timeout=PATIENCE).close()  # noqa: S310 (http)
                break
            except URLError as error:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"hicmae watch did not begin: {error}") from error
                time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def watch(url: str, options: list[str], seconds: float) -> list[dict[str, str]]:
    """What the page shows of every answer, for some seconds after the first."""
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415
    except ImportError as error:
        raise SystemExit("This drives a browser by playwright: pip install it.") from error
    program = os.environ.get("HICMAE_CHROMIUM") or shutil.which("chromium")
    if program is None:
        raise SystemExit("There is no chromium: install it, or set HICMAE_CHROMIUM to one.")
    seen: list[dict[str, str]] = []
    with sync_playwright() as playwright:
        chosen = ["--no-sandbox", "--disable-gpu", *options]
        browser = playwright.chromium.launch(executable_path=program, args=chosen)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(1000 * PATIENCE)
        page.expose_function("tell", lambda answer: seen.append(answer))  # noqa: PLW0108 (it is marked)
        page.goto(url)
        page.get_by_role("button", name="Start").click()
        page.evaluate(WATCHED)
        page.wait_for_function("document.querySelector('#live').dataset.end")
        page.wait_for_timeout(1000 * seconds)
        page.get_by_role("button", name="Stop").click()
        browser.close()
    if not seen:
        raise SystemExit("The page showed no answer.")
    return seen


if __name__ == "__main__":
    run(main, "live", __doc__)
