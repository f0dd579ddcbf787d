"""Training on two real processes, and what changes memory and speed but no number."""

import math
import os
import socket
from functools import partial

import lightning.pytorch as pl
import pytest
import torch
import torch.multiprocessing as mp
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from tiny import ARCHITECTURE, MODEL, tiny_architecture
from tiny_tasks import tiny_trainer
from torch.utils.data import DataLoader

from hicmae.checkpoints import load_pretrained
from hicmae.errors import HicmaeError
from hicmae.models import HiCMAE, Mask, RecognitionModel
from hicmae.tasks import ClassificationTask, PretrainingTask, RegressionTask
from hicmae.tasks.parallel import checkpoint_activations

# Clips of each process in a step, and what they are contrasted with.
STEPS = [
    ("global", (3, 3)),
    ("local", (3, 3)),
    ("global", (4, 2)),
    ("global", (0, 5)),
    ("local", (2, 0)),
    ("global", (0, 0)),
]


class SameMasks(PretrainingTask):
    """Masks every clip alike, so that a clip's mask does not depend on the process it is in."""

    def _masks(self, batch, generator):
        alike = torch.Generator().manual_seed(0)
        return tuple(
            Mask(*(part.expand(batch, -1) for part in mask)) for mask in super()._masks(1, alike)
        )


class Steps(pl.LightningDataModule):
    """Gives each process its own batches, each of some clips: those from `first` on."""

    batch_size = 3

    def __init__(self, shares, val=()):
        super().__init__()
        self.shares, self.val = shares, val

    def steps_per_epoch(self, world_size=1):
        return len(self.shares[0])

    def train_dataloader(self):
        return self._loader(self.shares)

    def val_dataloader(self):
        return self._loader(self.val) if self.val else []

    test_dataloader = val_dataloader

    def _loader(self, shares):
        return DataLoader(shares[self.trainer.global_rank], batch_size=None)


def clips(first, count):
    """A batch of the clips `first` to `first + count` of a step."""
    rng = torch.Generator().manual_seed(0)
    rows = slice(first, first + count)
    return {
        "video": torch.randn(6, 1, 3, 4, 32, 32, generator=rng)[rows],
        "audio": torch.randn(6, 1, 1, 32, 32, generator=rng)[rows],
        "id": [f"clip{index}" for index in range(6)][rows],
        "skipped": [],
    }


def shares_of_steps():
    return [
        [clips(0, counts[0]) for _, counts in STEPS],
        [clips(counts[0], counts[1]) for _, counts in STEPS],
    ]


class Recorder(pl.Callback):
    """Sets the negatives of a step and keeps its loss and its gradients."""

    def __init__(self):
        self.losses, self.gradients = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        pl_module.negatives = STEPS[batch_idx][0]

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].item() if outputs else None)

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        gradients = {name: p.grad for name, p in pl_module.model.named_parameters()}
        self.gradients.append(
            {
                name: (g.full_tensor() if hasattr(g, "full_tensor") else g).clone()
                for name, g in gradients.items()
            }
        )

    def kept(self):
        return {"losses": self.losses, "gradients": self.gradients}


def make_task(**options):
    torch.manual_seed(0)
    # At this rate the weights of one step are those of the next.
    changes = {"architecture": ARCHITECTURE, "contrast_weight": 0.5, "learning_rate": 1e-30}
    return SameMasks(**MODEL["pretrain"] | changes | options)


make_trainer = partial(tiny_trainer, None, use_distributed_sampler=False)


def averaged(folder):
    """Gradients averaged over processes, as DDP leaves them."""
    recorder = Recorder()
    run = make_trainer(recorder, strategy="ddp", devices=2, precision="64-true")
    run.fit(make_task(), datamodule=Steps(shares_of_steps()))
    return recorder.kept()


def sharded(folder):
    """The same with FSDP2, validating and testing different numbers of batches."""
    recorder = Recorder()
    keep = ModelCheckpoint(folder, filename="sharded", save_weights_only=False)
    strategy = ModelParallelStrategy(save_distributed_checkpoint=False)
    run = make_trainer(recorder, keep, strategy=strategy, devices=2, max_epochs=1)
    task = make_task(activation_checkpointing=True)
    val = [[clips(0, 2), clips(2, 2)], [clips(4, 1)]]
    data = Steps(shares_of_steps(), val)
    run.fit(task, datamodule=data)
    placed = {type(p).__name__ for p in task.model.parameters()}
    own = sum(p.to_local().numel() for p in task.model.parameters())
    scores = run.test(task, datamodule=data, verbose=False)[0]
    return recorder.kept() | {"placed": placed, "numbers": own, "scores": scores}


def resumed(folder):
    """Goes on from the file of the sharded run, clipping gradients."""
    strategy = ModelParallelStrategy(save_distributed_checkpoint=False)
    run = make_trainer(
        Recorder(), strategy=strategy, devices=2, max_epochs=2, gradient_clip_val=1e-3
    )
    task = make_task()
    run.fit(task, datamodule=Steps(shares_of_steps()), ckpt_path=folder / "sharded.ckpt")
    gradients = [p.grad.full_tensor() for p in task.model.parameters() if p.grad is not None]
    return {
        "step": run.global_step,
        "norm": math.sqrt(sum(float(g.square().sum()) for g in gradients)),
    }


def poisoned(folder):
    """What a process says when the clips of the other one give no finite loss."""
    shares = [[clips(0, 3)] for _ in range(2)]
    shares[1][0]["video"][1] = math.nan
    task = make_task(negatives="local")
    try:
        run = make_trainer(strategy="ddp", devices=2)
        run.fit(task, datamodule=Steps(shares))
    except HicmaeError as error:
        return {"said": str(error)}
    return {"said": None}


SCENARIOS = {"averaged": averaged, "sharded": sharded, "resumed": resumed, "poisoned": poisoned}


def work(rank, folder, port):
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "NODE_RANK": "0",
        "LOCAL_RANK": str(rank),
    }
    os.chdir(folder)
    torch.set_num_threads(1)
    results = {name: scenario(folder) for name, scenario in SCENARIOS.items()}
    torch.save(results, folder / f"{rank}.pt")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each scenario gave in each of two processes, and the folder they wrote to."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(work, (folder, port), nprocs=2)
    ranks = [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]
    return {name: [rank[name] for rank in ranks] for name in SCENARIOS}, folder


@pytest.fixture(scope="module")
def alone():
    """Loss and gradients of one process with the joint batch, or one part of it; by precision."""

    def measure(first, count, precision):
        recorder = Recorder()
        run = make_trainer(recorder, precision=precision, devices=1)
        run.fit(make_task(), datamodule=Steps([[clips(first, count)]]))
        return recorder.losses[0], recorder.gradients[0]

    return measure


def expected(alone, step, precision):
    """Loss and gradients of the joint batch; with local negatives the means over processes."""
    negatives, (first, second) = STEPS[step]
    if negatives == "global":
        return alone(0, first + second, precision)
    parts = [alone(start, n, precision) for start, n in ((0, first), (first, second)) if n]
    weights = [n / (first + second) for n in (first, second) if n]
    loss = sum(weight * part[0] for weight, part in zip(weights, parts, strict=True))
    gradients = {
        name: sum(w * part[1][name] for w, part in zip(weights, parts, strict=True))
        for name in parts[0][1]
    }
    return loss, gradients


@pytest.mark.slow
class TestTwoProcesses:
    @pytest.mark.parametrize(
        ("scenario", "precision", "tolerance"),
        [("averaged", "64-true", 1e-6), ("sharded", "32-true", 1e-5)],
    )
    def test_loss_and_gradients_are_those_of_the_joint_batch(
        self, results, alone, scenario, precision, tolerance
    ):
        ranks = results[0][scenario]
        for step in range(len(STEPS) - 1):
            loss, gradients = expected(alone, step, precision)
            found = sum(rank["losses"][step] for rank in ranks) / 2
            assert found == pytest.approx(loss, abs=tolerance), STEPS[step]
            for rank in ranks:
                for name, gradient in gradients.items():
                    torch.testing.assert_close(
                        rank["gradients"][step][name], gradient, rtol=tolerance, atol=tolerance
                    )

    @pytest.mark.parametrize("scenario", ["averaged", "sharded"])
    def test_nothing_is_learned_from_no_clips(self, results, scenario):
        for rank in results[0][scenario]:
            assert rank["losses"][-1] == 0
            assert not any(gradient.any() for gradient in rank["gradients"][-1].values())

    def test_weights_are_spread_over_the_processes(self, results):
        ranks = results[0]["sharded"]
        whole = sum(p.numel() for p in make_task().model.parameters())
        assert all(rank["placed"] == {"DTensor"} for rank in ranks)
        assert sum(rank["numbers"] for rank in ranks) == whole
        assert max(rank["numbers"] for rank in ranks) < 0.6 * whole

    def test_sharded_file_starts_fine_tuning(self, results):
        model = RecognitionModel(tiny_architecture(), 3)
        load_pretrained(model, results[1] / "sharded.ckpt")
        start = make_task().model.state_dict()
        for name, tensor in model.state_dict().items():
            if name.startswith(("video_encoder", "audio_encoder", "fusion_encoder")):
                torch.testing.assert_close(tensor, start[name])

    def test_sharded_run_goes_on_and_clips_gradients(self, results):
        for rank in results[0]["resumed"]:
            assert rank["step"] == 2 * len(STEPS)
            assert rank["norm"] <= 1e-3 * 1.01

    def test_both_stop_and_name_the_clips_of_the_one(self, results):
        for rank in results[0]["poisoned"]:
            assert "not finite in epoch 0, step 0" in rank["said"]
            assert "the clips clip0, clip1, clip2:" in rank["said"]

    def test_negatives_of_the_other_process_matter(self, results):
        """Steps 0 and 1 have the same clips and weights."""
        for rank in results[0]["averaged"]:
            assert abs(rank["losses"][0] - rank["losses"][1]) > 1e-3


@pytest.fixture(params=["pretraining", "recogniser"])
def model_and_inputs(request):
    torch.manual_seed(0)
    batch = clips(0, 2)
    inputs = batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1)
    if request.param == "pretraining":
        return HiCMAE(tiny_architecture()), (*inputs, *make_task()._masks(2, None))
    return RecognitionModel(tiny_architecture(), 3, drop_path=0.5), inputs


def numbers(model, inputs):
    """All outputs and gradients, under the same draws of stochastic depth."""
    torch.manual_seed(1)
    model.zero_grad()
    outputs = model(*inputs)
    outputs = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs[:2])
    sum(output.square().sum() for output in outputs).backward()
    return outputs, {name: p.grad.clone() for name, p in model.named_parameters()}


def assert_same_numbers(model, inputs, before, **tolerance):
    for ours, theirs in zip(numbers(model, inputs), before, strict=True):
        torch.testing.assert_close(ours, theirs, **tolerance)


class TestCheckpointing:
    def test_changes_neither_numbers_nor_names(self, model_and_inputs):
        model, inputs = model_and_inputs
        before, names = numbers(model, inputs), list(model.state_dict())
        kept, kept_less = (saved_numbers(model, inputs, change) for change in (False, True))
        assert kept_less < 0.7 * kept
        assert_same_numbers(model, inputs, before)
        assert list(model.state_dict()) == names
        assert [name for name, _ in model.named_parameters()] == list(before[1])

    def test_twice_is_once(self, model_and_inputs):
        model, inputs = model_and_inputs
        checkpoint_activations(model)
        once = saved_numbers(model, inputs, change=True)
        assert saved_numbers(model, inputs, change=True) == once


def saved_numbers(model, inputs, change):
    """How many numbers a forward pass keeps for the backward pass."""
    if change:
        checkpoint_activations(model)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.numel()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model(*inputs)
    del outputs
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return sum(count for place, count in kept.items() if place not in own)


@pytest.mark.slow
class TestCompiling:
    """Without kernels of its own: writing them takes minutes on a processor."""

    def test_changes_neither_numbers_nor_names(self, model_and_inputs):
        model, inputs = model_and_inputs
        before, names = numbers(model, inputs), list(model.state_dict())
        model.compile(backend="eager")
        assert_same_numbers(model, inputs, before)
        assert list(model.state_dict()) == names

    def test_compiled_run_equals_a_plain_one(self, monkeypatch):
        """With checkpointing, and another size of batch in validation."""
        graphs = []

        def keep(graph, inputs):
            graphs.append(graph)
            return graph.forward

        monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=keep))
        torch._dynamo.reset()
        losses = []
        for compiled in (False, True):
            task = make_task(
                learning_rate=0.01, compile=compiled, activation_checkpointing=compiled
            )
            recorder = Recorder()
            data = Steps([[clips(0, 3)] * 2], [[clips(0, 2)]])
            make_trainer(recorder, devices=1).fit(task, datamodule=data)
            losses.append(recorder.losses)
            assert bool(graphs) == compiled
            assert list(task.state_dict()) == list(make_task().state_dict())
        assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def labelled(label):
    return clips(0, 3) | {"target": label}


TASKS = {
    "pretraining": (make_task, clips(0, 3)),
    "classification": (
        lambda: ClassificationTask(["a", "b"], learning_rate=0.1, architecture=ARCHITECTURE),
        labelled(torch.tensor([0, 1, 1])),
    ),
    "regression": (
        lambda: RegressionTask(["a"], learning_rate=0.1, architecture=ARCHITECTURE),
        labelled(torch.randn(3, 1)),
    ),
}


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_loss_that_is_not_finite_stops_the_run(kind, precision):
    make, batch = TASKS[kind]
    poisoned = batch | {"audio": torch.full_like(batch["audio"], math.inf)}
    task = make()
    before = {name: tensor.clone() for name, tensor in task.model.state_dict().items()}
    run = make_trainer(devices=1, precision=precision)
    said = r"not finite in epoch 0, step 0, on the clips clip0, clip1, clip2: lower .*gradient_clip"
    with pytest.raises(HicmaeError, match=said):
        run.fit(task, datamodule=Steps([[poisoned]]))
    for name, tensor in task.model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
