"""What the page uses of gradio beyond its documentation, seen in gradio 6.31.

It documents components, events with `Request.session_hash`, `unload`, `launch` and GRADIO_TEMP_DIR,
on which all else stands.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gradio as gr

UPLOAD_ROUTE = "/gradio_api/upload"

# The page has no use for these: programs call functions through the first three, editing recordings
# on the server leaves files behind, and the proxy fetches from other hosts.
UNUSED_ROUTES = tuple(
    f"/gradio_api/{route}" for route in ("api/", "call/", "run/", "process_recording", "proxy=")
)


def put_uploads_below(folder: os.PathLike[str], app: Any) -> None:
    """Makes a server ask for the folder of uploads anew at each.

    Below that folder, uploads of the same name and content come to the same place.

    Args:
        folder: Stands for the folder.
        app: What `launch` returned as the server.
    """
    vars(app)["uploaded_file_dir"] = folder


def keep_local(clip: gr.Video) -> None:
    """Makes an input refuse to have the server fetch a clip from an address.

    The method is replaced in the one component, since gradio writes a stub file beside the source
    of every class derived from its own. It builds a component anew for a session in which an event
    changes its properties or skips it as an output; no event may do so with this one.
    """
    take_uploaded = clip.async_move_resource_to_block_cache

    async def take(place: str | Path | None) -> str | None:
        if "://" in str(place):
            raise gr.Error("Clips are not fetched from addresses: upload the file.")
        return await take_uploaded(place)

    vars(clip)["async_move_resource_to_block_cache"] = take
