"""Runs the notebooks on the folder of a demo and keeps what they show.

    make demo
    .venv/bin/python notebooks/execute.py

DEMO names another folder than demo-run. Outputs are kept small and free of times and of paths of
this machine, so that they can be committed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent
NAMES = ("quickstart", "reconstruction", "embeddings", "results")
SECONDS_PER_CELL = 600


def execute(name: str, demo: Path) -> NotebookNode:
    """Runs a notebook from its first cell to its last.

    Args:
        name: One of `NAMES`.
        demo: Folder that `hicmae demo` wrote.

    Returns:
        The notebook with its new outputs.

    Raises:
        CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        record_timing=False,
        resources={"metadata": {"path": str(FOLDER)}},
    )
    # Progress bars as widgets are optional, and the warning names a path of this machine.
    quiet = {"PYTHONWARNINGS": "ignore:IProgress not found"}
    client.execute(env={**os.environ, **quiet, "DEMO": str(demo.resolve())})
    return notebook


def main() -> None:
    """Runs all notebooks in place."""
    demo = Path(os.environ.get("DEMO", FOLDER.parent / "demo-run"))
    if not (demo / "corpus").is_dir():
        sys.exit(f"{demo} is no folder of a demo: run `make demo`, or name it with DEMO=FOLDER.")
    for name in NAMES:
        path = FOLDER / f"{name}.ipynb"
        nbformat.write(execute(name, demo), path)
        print(f"{path.relative_to(FOLDER.parent)}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
