"""The smallest model that has every part, and the runs it is trained in: seconds each."""

from typing import Any

from hicmae.models import Architecture

# As configs write it.
ARCHITECTURE: dict[str, Any] = {
    "width": 16,
    "heads": 2,
    "depth": 2,
    "fusion_depth": 1,
    "decoder_width": 16,
    "decoder_heads": 2,
    "decoder_depth": 2,
    "skip_layers": [2],
    "contrast_layers": [1, 2],
    "image_size": 32,
    "num_frames": 4,
    "audio_frames": 32,
    "mel_bins": 32,
}
# What the fixture `corpus` is labelled with.
CLASSES = ["anger", "calm", "joy"]
TARGETS = ["arousal", "valence"]
# What validation logs of classes, and tests beside it.
SCORES = {"loss", "UAR", "WAR", "F1_weighted", "F1_macro"}
CONFIDENCE = {"ECE", "Brier", "NLL", "AURC"}
# How clips become what the model reads.
INPUTS: dict[str, Any] = {
    "num_workers": 0,
    "num_frames": 4,
    "frame_size": 32,
    "image_size": 32,
    "audio_frames": 32,
    "mel_bins": 32,
}
TRAINER: dict[str, Any] = {
    "max_epochs": 2,
    "accelerator": "cpu",
    "devices": 1,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 1,
}
# Options beside the architecture.
MODEL: dict[str, dict[str, Any]] = {
    "pretrain": {
        "learning_rate": 0.01,
        "video_mask_ratio": 0.75,
        "audio_mask_ratio": 0.75,
        "contrast_weight": 0.05,
        "temperature": 0.07,
        "figure_every_n_epochs": 0,
    },
    "classify": {"learning_rate": 0.01},
    "regress": {"learning_rate": 0.01},
}
TASKS = {
    "pretrain": "PretrainingTask",
    "classify": "ClassificationTask",
    "regress": "RegressionTask",
}
LABELS: dict[str, dict[str, Any]] = {
    "pretrain": {},
    "classify": {"label": "emotion"},
    "regress": {"targets": TARGETS},
}


def tiny_architecture(**changes: Any) -> Architecture:
    """The tiny architecture with some of its fields changed."""
    return Architecture.of_size("base", **ARCHITECTURE | changes)


def keep(**options: Any) -> dict[str, Any]:
    """A callback that writes checkpoints, as configs write it."""
    return {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": options}


def tiny_config(
    kind: str,
    *,
    model: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
    trainer: dict[str, Any] | None = None,
    **others: Any,
) -> dict[str, Any]:
    """A config of a run of two epochs, with options of its parts changed; `data` has the table."""
    return {
        "seed_everything": 0,
        "model": {
            "class_path": f"hicmae.tasks.{TASKS[kind]}",
            "init_args": {"architecture": ARCHITECTURE} | MODEL[kind] | (model or {}),
        },
        "data": {
            "class_path": "hicmae.data.datamodules.ManifestDataModule",
            "init_args": {"batch_size": 4} | INPUTS | LABELS[kind] | (data or {}),
        },
        "trainer": TRAINER | (trainer or {}),
        **others,
    }
