"""Parity with numbers that the authors' public implementation computed in float64.

Cases come from the folder in HICMAE_REFERENCE_DIR (default: ../shared/reference beside the project)
and, always, from tests/reference_micro. Tolerances are relative errors in the norm, between two and
three times what the public implementation itself shows on these files.
"""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from hicmae.checkpoints import load_pretrained, our_name, read_weights
from hicmae.models import Architecture, HiCMAE, Mask, RecognitionModel
from hicmae.objectives.contrast import contrastive_logits, info_nce
from hicmae.objectives.reconstruction import audio_target, reconstruction_loss, video_target
from hicmae.objectives.regression import ccc_loss, pcc_loss
from hicmae.tasks.optimisation import parameter_groups, warmup_cosine

TESTS = Path(__file__).parent
SHARED = Path(os.environ.get("HICMAE_SHARED_DIR", TESTS.parents[1] / "shared"))
REFERENCE = Path(os.environ.get("HICMAE_REFERENCE_DIR", SHARED / "reference"))
TOLERANCE = {torch.float32: 2e-6, torch.float64: 3e-7}
PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def cases(kind):
    found = []
    for folder in (TESTS / "reference_micro", REFERENCE):
        table = folder / "cases.json"
        if table.is_file():
            found += [
                pytest.param(folder, key, case, id=key)
                for key, case in json.loads(table.read_text()).items()
                if key.startswith(kind)
            ]
    if not (REFERENCE / "cases.json").is_file():
        reason = f"no reference numbers in {REFERENCE}: set HICMAE_REFERENCE_DIR to their folder"
        found.append(pytest.param(None, None, None, id="more", marks=pytest.mark.skip(reason)))
    return found


def architecture(case, **extra):
    return Architecture(
        width=case["embed_dim"],
        heads=case["num_heads"],
        depth=case["depth"],
        fusion_depth=case["fusion_depth"],
        mlp_ratio=case["mlp_ratio"],
        image_size=case["image_size"],
        num_frames=case["num_frames"],
        tubelet_size=case["tubelet_size"],
        patch_size=case["patch_size"],
        audio_frames=case["audio_size"][0],
        mel_bins=case["audio_size"][1],
        **extra,
    )


def mask_of(flags):
    """The indices of a boolean mask (B, N), true where masked."""
    order = flags.to(torch.uint8).argsort(dim=1, stable=True)  # each part ascends
    visible = flags.shape[1] - int(flags[0].sum())
    return Mask(visible=order[:, :visible], masked=order[:, visible:])


def assert_close(ours, theirs, tolerance):
    error = (ours.double() - theirs.double()).norm() / theirs.double().norm()
    assert error <= tolerance, f"relative error {error:.2e} above {tolerance:.0e}"


@PRECISIONS
@pytest.mark.parametrize(("folder", "key", "case"), cases("pretrain"))
def test_pretraining_matches_reference(folder, key, case, dtype):
    compare_pretraining(folder, key, case, dtype)


def compare_pretraining(folder, key, case, dtype, *, device="cpu", slack=1):
    """Compares on a device whose sums may be `slack` times as far off."""
    tolerance = slack * TOLERANCE[dtype]
    numbers = load_file(folder / f"{key}_io.safetensors", device=device)
    taps = tuple(layer + 1 for layer in case["skip_layers_zero_based"])
    shape = architecture(
        case,
        decoder_width=case["decoder_embed_dim"],
        decoder_heads=case["decoder_num_heads"],
        decoder_depth=case["decoder_depth"],
        skip_layers=taps,
        contrast_layers=taps,
    )
    model = HiCMAE(shape)
    report = load_pretrained(model, folder / f"{key}.pth")
    assert not report.fresh
    assert not report.dropped
    assert sum(parameter.numel() for parameter in model.parameters()) == case["parameters"]
    model.to(device, dtype)

    video, audio = numbers["video"].to(dtype), numbers["audio"].to(dtype)
    video_mask = mask_of(numbers["video_mask"])
    audio_mask = mask_of(numbers["audio_mask"])
    assert video_mask.masked.shape[1] == numbers["video_mask"][0].sum()
    output = model(video, audio, video_mask, audio_mask)
    assert_close(output.video, numbers["reconstructed_video"], tolerance)
    assert_close(output.audio, numbers["reconstructed_audio"], tolerance)

    cut = {"tubelet_size": shape.tubelet_size, "patch_size": shape.patch_size}
    difference = video_target(video, video_mask.masked, **cut)
    assert_close(difference, numbers["target_video_frame_difference"], tolerance)
    if "target_video_plain" in numbers:
        plain = video_target(video, video_mask.masked, **cut, frame_difference=False)
        assert_close(plain, numbers["target_video_plain"], tolerance)
    spectrogram = audio_target(audio, audio_mask.masked, patch_size=shape.patch_size)
    assert_close(spectrogram, numbers["target_audio"], tolerance)

    contrast = torch.zeros((), dtype=dtype, device=device)
    for position, layer in enumerate(taps):
        logits = contrastive_logits(
            output.video_layers[layer], output.audio_layers[layer], case["temperature"]
        )
        theirs = numbers[f"logits_video_to_audio.{position}"].to(dtype)
        assert (logits - theirs).abs().max() <= slack * 5e-6
        contrast = contrast + info_nce(logits)
    losses = {
        "video_reconstruction": reconstruction_loss(output.video, difference),
        "audio_reconstruction": reconstruction_loss(output.audio, spectrogram),
        "contrastive_sum": contrast,
    }
    losses["total"] = (
        losses["video_reconstruction"]
        + losses["audio_reconstruction"]
        + case["contrastive_weight"] * contrast
    )
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(case["losses"][name], rel=slack * 1e-6), name

    losses["total"].backward()
    gradients = {name: p.grad for name, p in model.named_parameters()}
    stored = {name for name in numbers if name.startswith("grad.")}
    assert stored
    for name in stored:
        ours = our_name(name.removeprefix("grad."))
        theirs = numbers[name]
        assert_close(gradients[ours].reshape(theirs.shape), theirs, tolerance)


@PRECISIONS
@pytest.mark.parametrize(("folder", "key", "case"), cases("finetune"))
def test_recognition_matches_reference(folder, key, case, dtype):
    compare_recognition(folder, key, case, dtype)


def compare_recognition(folder, key, case, dtype, *, device="cpu", slack=1):
    """Compares on a device whose sums may be `slack` times as far off."""
    tolerance = slack * TOLERANCE[dtype]
    numbers = load_file(folder / f"{key}_io.safetensors", device=device)
    model = RecognitionModel(architecture(case), case["num_outputs"])
    report = load_pretrained(model, folder / f"{key}.pth")
    assert not report.fresh
    assert not report.dropped
    assert sum(parameter.numel() for parameter in model.parameters()) == case["parameters"]
    model.to(device, dtype).eval()
    video, audio = numbers["video"].to(dtype), numbers["audio"].to(dtype)
    with torch.no_grad():
        assert_close(model.features(video, audio), numbers["features"], tolerance)
        assert_close(model(video, audio), numbers["logits"], tolerance)


@pytest.mark.parametrize(("folder", "key", "case"), cases("finetune"))
def test_parameter_groups_match_reference(folder, key, case):
    path = folder / f"{key}_parameter_groups.json"
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the reference numbers")
    expected = json.loads(path.read_text())
    shape = architecture(case)
    groups = parameter_groups(
        RecognitionModel(shape, case["num_outputs"]),
        learning_rate=1.0,
        weight_decay=expected["weight_decay"],
        layer_decay=expected["layer_decay"],
        depth=expected["depth"],
        fusion_depth=expected["fusion_depth"],
    )
    ours = {
        name: (group["lr"], group["weight_decay"]) for group in groups for name in group["names"]
    }
    theirs = {
        our_name(name): (entry["lr_scale"], entry["weight_decay"])
        for name, entry in expected["parameters"].items()
    }
    assert ours.keys() == theirs.keys()
    for name, (scale, decay) in theirs.items():
        assert ours[name] == pytest.approx((scale, decay), rel=1e-12), name


def test_learning_rates_match_reference(reference_file):
    for run in json.loads(reference_file("lr_schedules.json").read_text()):
        peak = run["base_lr"] * run["total_batch"] / 256
        rates = [
            peak
            * warmup_cosine(
                step,
                warmup_steps=run["warmup_epochs"] * run["steps_per_epoch"],
                total_steps=run["epochs"] * run["steps_per_epoch"],
                floor=run["min_lr"] / run["base_lr"],
            )
            for step in range(run["epochs"] * run["steps_per_epoch"])
        ]
        assert rates == pytest.approx(run["lr_per_step"], rel=1e-9, abs=1e-15)


def test_regression_losses_match_reference(reference_file):
    numbers = json.loads(reference_file("regression_metrics.json").read_text())
    prediction = torch.tensor(numbers["prediction"], dtype=torch.float64)
    target = torch.tensor(numbers["target"], dtype=torch.float64)
    assert ccc_loss(prediction, target).item() == pytest.approx(numbers["ccc_loss"], rel=1e-9)
    assert pcc_loss(prediction, target).item() == pytest.approx(numbers["pcc_loss"], rel=1e-9)


def test_reader_flattens_patch_embeddings_alone():
    weights = read_weights(TESTS / "reference_micro" / "pretrain_micro.pth")
    assert weights["video_encoder.embedding.projection.weight"].shape == (16, 3 * 2 * 16 * 16)
    assert weights["audio_encoder.embedding.projection.weight"].shape == (16, 256)
    assert weights["video_decoder.mask_token"].shape == (1, 1, 16)
