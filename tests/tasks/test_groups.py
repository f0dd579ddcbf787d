"""Clips that are judged in groups: what is averaged, and that nothing else changes."""

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch
from media_factory import write_clip
from tiny_tasks import MAKERS, tiny_trainer
from torch.utils.data import DataLoader

from hicmae.data.collation import collate
from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import complete_manifest
from hicmae.data.options import ClipOptions
from hicmae.errors import DataError
from hicmae.tasks.groups import GroupedOutputs

CLASSES = ["anger", "calm", "joy"]
TARGETS = ["arousal", "valence"]

# Two batches of different size; "b" lies in both, and two clips stand alone, one of which bears the
# name of a group.
GROUPS = [["a", "b", "a"], ["b", None, "c", "b", None]]
IDS = [["a1", "b1", "a2"], ["b2", "b", "c1", "b3", "z"]]
CLASS_OF = {"a1": 0, "a2": 0, "b1": 2, "b2": 2, "b3": 2, "c1": 1, "b": 1, "z": 0}
MEMBERS = {"a": ["a1", "a2"], "b": ["b1", "b2", "b3"], "(b)": ["b"], "c": ["c1"], "(z)": ["z"]}


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_batches(kind):
    rng = torch.Generator().manual_seed(0)
    batches = []
    for groups, ids in zip(GROUPS, IDS, strict=True):
        count = len(ids)
        target = torch.tensor([CLASS_OF[name] for name in ids])
        if kind == "regression":
            target = torch.randn(count, len(TARGETS), generator=rng)
        batches.append(
            {
                "video": torch.randn(count, 2, 3, 4, 32, 32, generator=rng),
                "audio": torch.randn(count, 2, 1, 32, 32, generator=rng),
                "id": ids,
                "group": groups,
                "index": torch.arange(count),
                "skipped": [],
                "target": target,
            }
        )
    return batches


def make_task(kind):
    make, _ = MAKERS[kind]
    return make()


def loader(batches):
    return DataLoader(batches, batch_size=None)


def by_hand(task, batches):
    """Mean outputs and targets by clip name, and those of the groups in order."""
    with torch.no_grad():
        outputs = torch.cat([task.eval()(batch) for batch in batches])
    targets = torch.cat([batch["target"] for batch in batches])
    place = {name: row for row, name in enumerate(name for ids in IDS for name in ids)}
    rows = [[place[name] for name in names] for names in MEMBERS.values()]
    return (
        torch.stack([outputs[members].mean(0) for members in rows]),
        torch.stack([targets[members].float().mean(0) for members in rows]),
    )


class TestClassification:
    def test_metrics_are_over_groups(self, tmp_path):
        task, batches = make_task("classification"), make_batches("classification")
        outputs, targets = by_hand(task, batches)
        scores = tiny_trainer(tmp_path).test(task, loader(batches), verbose=False)[0]
        right = outputs.argmax(1) == targets
        assert scores["test/WAR"] == pytest.approx(right.float().mean().item())
        recalls = [right[targets == k].float().mean().item() for k in range(3)]
        assert scores["test/UAR"] == pytest.approx(sum(recalls) / 3)
        validated = tiny_trainer().validate(task, loader(batches), verbose=False)[0]
        assert {
            f"test/{name[4:]}": score for name, score in validated.items()
        }.items() <= scores.items()

    def test_loss_stays_that_of_the_clips(self):
        task, batches = make_task("classification"), make_batches("classification")
        alone = [{k: v for k, v in batch.items() if k != "group"} for batch in batches]
        grouped, ungrouped = (
            tiny_trainer().test(task, loader(given), verbose=False)[0] for given in (batches, alone)
        )
        assert grouped["test/loss"] == ungrouped["test/loss"]

    def test_both_files_are_written(self, tmp_path):
        task, batches = make_task("classification"), make_batches("classification")
        tiny_trainer(tmp_path).test(task, loader(batches), verbose=False)
        folder = tmp_path / "version_0"
        clips = pd.read_csv(folder / "test_predictions.csv")
        assert clips["id"].tolist() == [name for ids in IDS for name in ids]
        groups = pd.read_csv(folder / "test_group_predictions.csv")
        assert list(groups.columns) == ["group", "clips", "target", "prediction", *CLASSES]
        assert groups["group"].tolist() == ["a", "b", "b", "c", "z"]
        assert groups["clips"].tolist() == [2, 3, 1, 1, 1]
        assert groups["target"].tolist() == ["anger", "joy", "calm", "calm", "anger"]
        outputs, _ = by_hand(task, batches)
        torch.testing.assert_close(torch.tensor(groups[CLASSES].to_numpy()).float(), outputs)

    def test_classes_that_disagree_are_told_with_the_group(self):
        batches = make_batches("classification")
        batches[1]["target"][0] = 0
        with pytest.raises(DataError, match="Group b: its clips b1 and b2 are of different"):
            tiny_trainer().test(make_task("classification"), loader(batches), verbose=False)

    def test_a_set_measured_twice_is_not_accumulated(self):
        task, batches = make_task("classification"), make_batches("classification")
        run = tiny_trainer()
        first, again = (run.validate(task, loader(batches), verbose=False)[0] for _ in range(2))
        assert first == again

    def test_batches_of_skipped_clips_do_no_harm(self):
        task, batches = make_task("classification"), make_batches("classification")
        empty = {
            name: value[:0] if isinstance(value, list | torch.Tensor) else value
            for name, value in batches[0].items()
        }
        with_it = tiny_trainer().test(task, loader([empty, *batches]), verbose=False)[0]
        assert with_it == tiny_trainer().test(task, loader(batches), verbose=False)[0]


def test_regression_averages_values_and_targets(tmp_path):
    task, batches = make_task("regression"), make_batches("regression")
    outputs, targets = by_hand(task, batches)
    scores = tiny_trainer(tmp_path).test(task, loader(batches), verbose=False)[0]
    gaps = (outputs - targets).abs().mean(0)
    assert scores["test/MAE_arousal"] == pytest.approx(gaps[0].item(), rel=1e-5)
    assert scores["test/MAE_valence"] == pytest.approx(gaps[1].item(), rel=1e-5)
    correlation = torch.corrcoef(torch.stack([outputs[:, 0], targets[:, 0]]))[0, 1]
    assert scores["test/PCC_arousal"] == pytest.approx(correlation.item(), rel=1e-3)
    groups = pd.read_csv(tmp_path / "version_0" / "test_group_predictions.csv")
    found = torch.tensor(groups[["arousal_target", "valence_target"]].to_numpy()).float()
    torch.testing.assert_close(found, targets)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_group_for_every_clip_changes_nothing(kind, tmp_path):
    task, batches = make_task(kind), make_batches(kind)
    alone = [{k: v for k, v in batch.items() if k != "group"} for batch in batches]
    own = [batch | {"group": batch["id"]} for batch in batches]
    expected = tiny_trainer(tmp_path).test(task, loader(alone), verbose=False)[0]
    assert tiny_trainer().test(task, loader(own), verbose=False)[0] == pytest.approx(expected)
    assert not (tmp_path / "version_0" / "test_group_predictions.csv").exists()


def put_together(items):
    stacked = {
        name: torch.stack([item[name] for item in items]) for name in ("video", "audio", "target")
    }
    return stacked | {"id": [i["id"] for i in items], "group": [i["group"] for i in items]}


class Spread(pl.LightningDataModule):
    """The clips of the batches, one by one, of which every process gets some."""

    def __init__(self, kind, shares):
        super().__init__()
        self.shares = shares
        self.clips = [
            {name: value[row] for name, value in batch.items() if name != "skipped"}
            for batch in make_batches(kind)
            for row in range(len(batch["id"]))
        ]

    def test_dataloader(self):
        share = [self.clips[row] for row in self.shares[self.trainer.global_rank]]
        return DataLoader(share, batch_size=2, collate_fn=put_together)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "shares"),
    [
        ("classification", ([0, 1, 2, 3, 4, 5, 6], [7])),
        ("regression", ([0, 2, 4, 6], [1, 3, 5, 7])),
    ],
)
def test_groups_are_merged_over_processes(kind, shares, tmp_path):
    task = make_task(kind)
    expected = tiny_trainer().test(task, loader(make_batches(kind)), verbose=False)[0]
    run = tiny_trainer(tmp_path, devices=2, strategy="ddp_spawn", use_distributed_sampler=False)
    found = run.test(task, datamodule=Spread(kind, shares), verbose=False)[0]
    for name in set(expected) - {"test/loss"}:
        assert found[name] == pytest.approx(expected[name], abs=1e-5), name
    tables = [
        pd.read_csv(tmp_path / "version_0" / f"test_group_predictions-{rank}.csv")
        for rank in range(2)
    ]
    table = pd.concat(tables).sort_values(["group", "clips"])
    assert table["group"].tolist() == ["a", "b", "b", "c", "z"]
    assert table["clips"].tolist() == [2, 1, 3, 1, 1]


def test_group_of_one_clip_keeps_its_output():
    grouped = GroupedOutputs()
    outputs = torch.tensor([[0.1, 0.9], [0.3, 0.7]])
    grouped.add(["g", None], ["x", "g"], outputs, torch.tensor([1, 0]))
    first, second = grouped.merge()
    assert (first.name, first.clips, first.target.item()) == ("g", 1, 1)
    assert (second.name, second.clips, second.target.item()) == ("g", 1, 0)
    assert torch.equal(first.output, outputs[0])
    grouped.reset()
    assert grouped.merge() == []


SMALL = ClipOptions(num_frames=2, stride=1, frame_size=16, on_error="skip")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "clip.mp4", seconds=0.5, size=(32, 32))
    (folder / "broken.mp4").write_bytes(b"nothing")
    return folder


class TestBatches:
    """The manifest's groups on their way into a batch."""

    def batch(self, folder, groups, videos):
        rows = {"id": list("xyz"), "video": [str(folder / name) for name in videos]}
        table = complete_manifest(pd.DataFrame(rows | ({"group": groups} if groups else {})))
        dataset = ClipDataset(table, SMALL, views=1)
        return collate([dataset[index] for index in range(3)])

    def test_groups_of_the_clips_that_were_read(self, folder):
        batch = self.batch(folder, ["g", "g", None], ["clip.mp4", "broken.mp4", "clip.mp4"])
        assert batch["id"] == ["x", "z"]
        assert batch["group"] == ["g", None]
        assert [type(group) for group in batch["group"]] == [str, type(None)]

    def test_all_clips_skipped(self, folder):
        assert self.batch(folder, ["g", "g", "h"], ["broken.mp4"] * 3)["group"] == []

    def test_a_table_without_groups_has_none(self, folder):
        assert "group" not in self.batch(folder, None, ["clip.mp4"] * 3)
