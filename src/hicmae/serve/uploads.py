"""Uploaded clips: each in a folder of its own, until it is answered for or its owner is gone."""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hicmae.errors import DataError
from hicmae.serve.gradio_inside import UPLOAD_ROUTE

_receiving: ContextVar[Path] = ContextVar("folder of the upload that is being received")


class Uploads:
    """The clips that lie on the disk.

    A clip comes into a folder in `incoming`, and is taken out of there by the job that answers for
    it. Who knows its place can take it; the names of the folders cannot be guessed.

    Args:
        folder: An empty folder for this alone.

    Attributes:
        incoming: Where the clips lie that were not taken.
    """

    def __init__(self, folder: Path) -> None:
        self.incoming = folder / "uploads"
        self._taken = folder / "jobs"
        for place in (self.incoming, self._taken):
            place.mkdir()
        self._held: dict[str, str] = {}
        self._lock = threading.Lock()

    def new_folder(self) -> Path:
        """A folder for one upload."""
        folder = self.incoming / secrets.token_hex(16)
        folder.mkdir()
        return folder

    def hold(self, owner: str, clip: str) -> None:
        """Says whose a clip is. One clip of an owner is held; the older one goes.

        What a page tells comes in any order, so that the clip told last need not be the newest.
        """
        with self._lock:
            both = {clip, self._held.get(owner, clip)}
            self._held[owner] = max(both, key=lambda one: _came(self._folder_of(one)))
            gone = both - {self._held[owner]}
        for older in gone:
            self._remove(older)

    def release(self, owner: str) -> None:
        """Removes the clip of somebody, unless it was taken."""
        with self._lock:
            clip = self._held.pop(owner, None)
        if clip is not None:
            self._remove(clip)

    def take(self, clip: str | None) -> Taken:
        """Takes a clip out, so that nobody else can.

        Raises:
            DataError: It is not there, any more or at all.
        """
        folder = self._folder_of(clip or "")
        if folder is not None:
            with suppress(FileNotFoundError):
                moved = folder.rename(self._taken / folder.name)
                return Taken(moved, moved / Path(clip or "").relative_to(folder))
        raise DataError("There is no clip: drop, choose or record one first.")

    def forget_old(self, seconds: float) -> None:
        """Removes clips that came long ago and were not taken.

        Args:
            seconds: How long ago.
        """
        for folder in self.incoming.iterdir():
            if time.time() - _came(folder) > seconds:
                shutil.rmtree(folder, ignore_errors=True)

    def _remove(self, clip: str) -> None:
        folder = self._folder_of(clip)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _folder_of(self, clip: str) -> Path | None:
        """The folder of an upload, if the place is within one."""
        try:
            name, *inner = Path(clip).relative_to(self.incoming).parts
        except ValueError:
            return None
        return self.incoming / name if inner and ".." not in (name, *inner) else None


@dataclass(frozen=True, slots=True)
class Taken:
    """A clip that a job has for itself.

    Attributes:
        folder: Its own folder.
        path: Where it lies in there.
    """

    folder: Path
    path: Path

    def remove(self) -> None:
        """Removes it with its folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _came(folder: Path | None) -> float:
    """When the clip of a folder came, in seconds of the clock; 0 where there is none."""
    try:
        return folder.stat().st_mtime if folder else 0.0
    except FileNotFoundError:  # taken in the meantime
        return 0.0


class CurrentFolder(os.PathLike[str]):
    """Stands for the folder of the upload that is being received, else for that of all."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    def __fspath__(self) -> str:
        return str(_receiving.get(self._uploads.incoming))

    __str__ = __fspath__


class FolderForEach:
    """Gives every upload a folder, and removes those of uploads that failed or were broken off."""

    def __init__(self, app: ASGIApp, uploads: Uploads) -> None:
        self._app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a request."""
        if scope["type"] != "http" or scope["path"].rstrip("/") != UPLOAD_ROUTE:
            await self._app(scope, receive, send)
            return
        arrived = False

        async def watched(message: Message) -> None:
            nonlocal arrived
            arrived = arrived or message.get("status") == 200
            await send(message)

        folder = self._uploads.new_folder()
        before = _receiving.set(folder)
        try:
            with suppress(ClientDisconnect):  # nobody is there to be answered
                await self._app(scope, receive, watched)
        finally:
            _receiving.reset(before)
            if not arrived:
                shutil.rmtree(folder, ignore_errors=True)
