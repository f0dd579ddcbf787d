"""What holds on the processor holds on a CUDA card."""

import json
import signal

import numpy as np
import pytest
import test_reference
import torch
from interruption import in_a_process
from tiny import keep
from tiny_models import tiny_model

from hicmae import EmotionRecognizer
from hicmae.checkpoints import load_recognition_model
from hicmae.cli import dispatch
from hicmae.data.augmentation import FinetuningAugmentation, PretrainingAugmentation
from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.export.formats import open_torch_export
from hicmae.export.graph import ClipModel
from hicmae.media.colour import rgb_matrix
from hicmae.training.resuming import newest_checkpoint

DEVICE = "cuda"
# Cards sum in another order; TF32 would be a hundred times further off.
SLACK = 5

pytestmark = [
    pytest.mark.accelerator,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card here"),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
class TestParity:
    @pytest.mark.parametrize(("folder", "key", "case"), test_reference.cases("pretrain"))
    def test_pretraining_matches_reference(self, folder, key, case, dtype):
        test_reference.compare_pretraining(folder, key, case, dtype, device=DEVICE, slack=SLACK)

    @pytest.mark.parametrize(("folder", "key", "case"), test_reference.cases("finetune"))
    def test_recognition_matches_reference(self, folder, key, case, dtype):
        test_reference.compare_recognition(folder, key, case, dtype, device=DEVICE, slack=SLACK)


@pytest.mark.parametrize("precision", ["16-mixed", "bf16-mixed"])
def test_a_run_goes_on_where_it_was_stopped(precision, write_config, tmp_path):
    config = write_config(
        "pretrain",
        data={
            "batch_size": 2,
            "augmentation": {"class_path": "hicmae.data.augmentation.PretrainingAugmentation"},
        },
        trainer={
            "accelerator": DEVICE,
            "precision": precision,
            "default_root_dir": "runs",
            "callbacks": [keep(every_n_train_steps=1, save_last=True, filename="step")],
        },
        test_after_fit=False,
    )
    fit = ["fit", "--config", str(config), "--ckpt_path=last"]
    callback = {
        "class_path": "interruption.SendSignal",
        "init_args": {"number": int(signal.SIGTERM), "batch": 3},
    }
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    stopped.mkdir()
    whole.mkdir()
    status, printed = in_a_process([*fit, f"--trainer.callbacks+={json.dumps(callback)}"], stopped)
    assert status == 128 + signal.SIGTERM, printed
    weights = [last_weights(stopped)]
    for folder in (stopped, whole):
        status, printed = in_a_process(fit, folder)
        assert status == 0, printed
        weights.append(last_weights(folder))
    before, resumed, exact = weights
    # Some sums of a card differ from run to run.
    assert (resumed - exact).norm() < 0.1 * (before - exact).norm()


def last_weights(folder):
    """All weights of the newest checkpoint as one vector."""
    checkpoint = torch.load(newest_checkpoint(folder / "runs"), weights_only=True)
    return torch.cat(
        [weight.flatten().cpu().double() for weight in checkpoint["state_dict"].values()]
    )


def batch_on(device, pixels):
    """Noise as a loader gives it."""
    torch.manual_seed(0)
    planes = pixels == "yuv420"
    frames = (6, 1, 4, 48, 32) if planes else (6, 1, 4, 32, 32, 3)
    batch = {
        "frames": torch.randint(256, frames, dtype=torch.uint8),
        "waveform": 0.1 * torch.randn(6, 1, 16_000),
        "waveform_length": torch.tensor([[16_000], [9_000]] * 3),
        "target": torch.arange(6),
    }
    if planes:
        matrix = torch.from_numpy(rgb_matrix(1, full_range=False))
        batch["rgb_matrix"] = matrix.expand(6, 3, 4).contiguous()
    return {name: value.to(device) for name, value in batch.items()}


@pytest.mark.parametrize("pixels", ["rgb", "yuv420"])
class TestPreparing:
    def test_batches_are_those_of_the_processor(self, pixels):
        augmentation = PretrainingAugmentation(flip=0.5)
        ready = []
        for device in ("cpu", DEVICE):
            preprocess = BatchPreprocessor(
                image_size=24, audio_frames=64, mel_bins=32, augmentation=augmentation
            ).to(device)
            batch = batch_on(device, pixels)
            torch.manual_seed(1)
            ready.append(preprocess(batch, augment=True))
        here, there = ready
        # Bytes are rounded: once, or twice where planes become RGB before.
        levels = 2 if pixels == "yuv420" else 1
        assert (here["video"] - there["video"].cpu()).abs().max() < (levels + 0.5) / 255 / 0.224
        torch.testing.assert_close(here["audio"], there["audio"].cpu(), atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("kind", [PretrainingAugmentation, FinetuningAugmentation])
    def test_nothing_waits_for_the_card(self, kind, pixels):
        options = {"mixup": 0.8, "shift": 0.5} if kind is FinetuningAugmentation else {"flip": 0.5}
        preprocess = BatchPreprocessor(
            image_size=24, audio_frames=64, mel_bins=32, augmentation=kind(**options)
        ).to(DEVICE)
        batch = batch_on(DEVICE, pixels)
        preprocess(batch, augment=True)  # libraries are loaded
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(4):
                preprocess(batch, augment=True)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A shared folder with a model of random weights, written from the card."""
    model, description = tiny_model()
    folder = tmp_path_factory.mktemp("model") / "model"
    EmotionRecognizer(model, description, device=DEVICE).save_pretrained(folder)
    return folder


def test_recognition_says_the_same_as_the_processor(model_folder, clip_factory):
    clip = clip_factory("recognised_on_a_card.mp4", seconds=2.0)
    scores = [
        EmotionRecognizer.from_pretrained(model_folder, device=device, faces="none")
        .recognize(clip)
        .people[0]
        .window_scores
        for device in (DEVICE, "cpu")
    ]
    np.testing.assert_allclose(*scores, atol=1e-4)
    assert np.ptp(scores[0]) > 0.01


def test_an_exported_file_says_what_the_card_says(model_folder, tmp_path):
    file = tmp_path / "model.pt2"
    options = ["--checkpoint", str(model_folder), "--output", str(file)]
    dispatch(["export", "--format", "torch-export", *options])
    model = ClipModel(*load_recognition_model(model_folder))
    inputs = model.example(2, model.window_samples, seed=0)
    exported = open_torch_export(file)(inputs)
    model.to(DEVICE)
    with torch.no_grad():
        outputs = model(**{name: values.to(DEVICE) for name, values in inputs.items()})
    for name, values in exported.items():
        np.testing.assert_allclose(outputs[name].cpu().numpy(), values, atol=1e-3, err_msg=name)
