"""A clip is judged by several views, but opened and decoded once for all of them."""

from collections import Counter
from pathlib import Path

import av
import pytest
from tiny import INPUTS
from tiny_tasks import classification, tiny_trainer

from hicmae.data.datamodules import ManifestDataModule


@pytest.fixture
def opened(monkeypatch):
    """How often each media file is opened."""
    counts = Counter()
    original = av.open

    def counting(file, *arguments, **options):
        counts[Path(str(file)).name] += 1
        return original(file, *arguments, **options)

    monkeypatch.setattr(av, "open", counting)
    return counts


def rows_seen(corpus, folder, views):
    """Tests on the corpus; gives how many views the model saw of how many clips."""
    options = {"label": "emotion", "views": views, "batch_size": 2, "stride": 2}
    data = ManifestDataModule(str(corpus / "manifest.csv"), **INPUTS, **options)
    task = classification()
    rows = []
    task.model.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    tiny_trainer(default_root_dir=folder).test(task, datamodule=data, verbose=False)
    return sum(rows)


@pytest.mark.filterwarnings("ignore:The 'test_dataloader' does not have many workers")
def test_testing_opens_a_clip_once_for_all_its_views(corpus, opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = rows_seen(corpus, tmp_path, views=1)
    for_one = Counter(opened)
    opened.clear()
    assert rows_seen(corpus, tmp_path, views=4) == 4 * one
    assert opened == for_one
    assert set(opened) == {f"clip{index:02d}.mp4" for index in (11, 12, 13)}
