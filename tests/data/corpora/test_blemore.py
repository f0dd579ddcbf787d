from collections import Counter

import pytest
from fakes.blemore import write_blemore

from hicmae.data.corpora.blemore import BLEMORE
from hicmae.data.datamodules import BLEMOREDataModule
from hicmae.data.manifest import check_files, check_manifest
from hicmae.errors import DataError


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blemore")
    write_blemore(folder)
    return folder


def test_shares_folds_and_actors(root):
    table = BLEMORE().manifest(root)
    check_manifest(table, "BLEMORE")
    check_files(table, "BLEMORE")
    assert len(table) == 50
    assert Counter(table["fold"]) == dict.fromkeys(range(1, 6), 10)
    rows = table.set_index("id")
    blend = rows.loc["A101_mix_ang_hap_30_70_ver1"]
    assert (blend["subject"], blend["fold"]) == ("A101", 1)
    shares = {name: blend[name] for name in BLEMORE().class_names if blend[name]}
    assert shares == {"anger": 0.3, "happiness": 0.7}
    assert rows.loc["A103_neu_sit1_ver1", "neutral"] == 1
    assert rows[list(BLEMORE().class_names)].sum(axis=1).eq(1).all()


def test_the_data_module_gives_shares(root):
    data = BLEMOREDataModule(str(root), fold=2)
    assert data.target_kind == "distribution"
    targets = data.labelling.targets(data.splits.test, data.source)
    assert targets.shape == (10, 6)
    assert set((100 * targets).round().ravel().tolist()) == {0, 30, 50, 70, 100}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("mix,emotion_1", "mixed,emotion_1", "expected filename, mix"),
        (",ang,hap,30,70", ",ang,joy,30,70", r"line 4: the emotion is 'joy'"),
        (",ang,hap,30,70", ",ang,hap,30,", r"line 4: the salience of hap is ''"),
        (None, "", r"train_metadata.csv has no rows"),
        ("A101_mix_ang_hap", "A101_mix_ang_sad", r"have no file .*A101_mix_ang_sad_30_70_ver1.mov"),
    ],
)
def test_label_files_that_contradict_are_told(root, tmp_path, old, new, words):
    for entry in root.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    labels = tmp_path / "train_metadata.csv"
    text = labels.read_text()
    labels.unlink()
    labels.write_text(text.replace(old, new, 1) if old else text.partition("\n")[0] + "\n")
    with pytest.raises(DataError, match=words):
        BLEMORE().manifest(tmp_path)
