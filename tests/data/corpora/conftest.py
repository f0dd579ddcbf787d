"""Where miniatures of corpora lie, which the `names` of a module's corpus are written to."""

import shutil

import pytest


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture
def copy(root, names, tmp_path):
    """A copy of the miniature that a test may spoil."""
    del names
    return shutil.copytree(root, tmp_path / "corpus")
