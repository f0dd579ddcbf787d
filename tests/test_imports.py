"""The garbage collector is left as it was found, and what is imported is kept out of its way."""

import gc
import sys

import pytest

from hicmae.imports import quick_imports


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module that can be imported once."""
    (tmp_path / "imported_once.py").write_text("import gc\ncollects = gc.isenabled()\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "imported_once"
    sys.modules.pop("imported_once", None)
    gc.unfreeze()


def test_nothing_is_collected_while_it_is_imported(module):
    frozen = gc.get_freeze_count()
    with quick_imports():
        imported = __import__(module)
    assert not imported.collects
    assert gc.isenabled()
    assert gc.get_freeze_count() > frozen


def test_garbage_stays_collectable_where_nothing_is_imported():
    frozen = gc.get_freeze_count()
    with quick_imports():
        pass
    assert gc.get_freeze_count() == frozen


def test_a_failed_import_turns_collection_on_again():
    with pytest.raises(ModuleNotFoundError), quick_imports():
        import no_such_module_anywhere  # noqa: F401, PLC0415
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off(module):
    gc.disable()
    try:
        with quick_imports():
            __import__(module)
        assert not gc.isenabled()
    finally:
        gc.enable()
