"""The notebooks: they run on a demo, and show their outputs as they are committed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
sys.path.insert(0, str(FOLDER))

from execute import NAMES, execute  # noqa: E402 (lies beside the notebooks)

LARGEST_FILE = 200 * 1024
MACHINE_PATH = re.compile(r"(?<![\w.\-/<:])/\w[\w.\-]*/\w")

# One speaker each to train, validate and test, and an epoch of everything.
SMALLEST_DEMO = """
import sys
from pathlib import Path
from hicmae.demo.run import Effort, run_demo
effort = Effort(speakers=3, clips=1, labels=1, pretraining_epochs=1, finetuning_epochs=1)
run_demo(Path(sys.argv[1]), seed=0, effort=effort)
"""


@pytest.fixture(scope="session")
def demo_dir(tmp_path_factory):
    """Folder of a demo (HICMAE_DEMO_DIR), or of a very small one that is made here."""
    given = os.environ.get("HICMAE_DEMO_DIR")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-c", SMALLEST_DEMO, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    return folder


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook):
    """What the cells of a notebook show in words."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            yield output.get("text", "")
            for kind, content in output.get("data", {}).items():
                if kind.startswith("text/"):
                    yield content


def test_paths_of_a_machine_are_known():
    assert MACHINE_PATH.search("from /data/demo/clip.mp4")
    assert not MACHINE_PATH.search("corpus/clips/a.mp4 <td>1</td> https://x.org/a/b and/or 1/2/3")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_runs_on_a_demo(name, demo_dir):
    notebook = execute(name, demo_dir)  # raises where a cell fails
    kept = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    for cell, committed in zip(code_cells(notebook), code_cells(kept), strict=True):
        kinds, committed_kinds = (
            [sorted(output.get("data", [output.get("name")])) for output in one.outputs]
            for one in (cell, committed)
        )
        assert kinds == committed_kinds, f"{cell.id} shows other things than it was committed with"
    assert not [text for text in texts(notebook) if MACHINE_PATH.search(text)]


def test_every_notebook_is_known():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
class TestCommitted:
    def test_with_outputs_in_order(self, name):
        notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        nbformat.validate(notebook)
        cells = code_cells(notebook)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        assert all(cell.outputs for cell in cells[1:])  # the first sets up
        assert not any(output.output_type == "error" for cell in cells for output in cell.outputs)

    def test_small_and_free_of_this_machine(self, name):
        path = FOLDER / f"{name}.ipynb"
        assert path.stat().st_size < LARGEST_FILE
        notebook = nbformat.read(path, as_version=4)
        assert not [text for text in texts(notebook) if MACHINE_PATH.search(text)]
        outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
        assert not any(output.get("name") == "stderr" for output in outputs)
