"""What is learnt after training: how far answers can be trusted, and what is familiar."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hicmae.answers import Familiarity, Reliability
from hicmae.data.datamodules import AudioVisualDataModule
from hicmae.data.dataset import ClipDataset, ClipSampler
from hicmae.tasks import RecognitionTask
from hicmae.tasks.base import empty
from hicmae.tasks.confidence import confidence_scores
from hicmae.tasks.groups import GroupedOutputs
from hicmae.tasks.parallel import of_all_processes
from hicmae.tasks.recognition import require_plain_targets
from hicmae.weights.reading import read_torch

log = logging.getLogger(__name__)

MOST_CLIPS = 2048
"""Clips of training that are looked at, at most."""


def learn_reliability(
    trainer: Trainer, task: RecognitionTask[Any], data: AudioVisualDataModule, checkpoint: str
) -> None:
    """Learns from validation clips what the answers of a checkpoint are worth, and adds it there.

    Where nothing can be learnt, it is said in a line. All processes have to call this.

    Args:
        trainer: That of the run, which has ended.
        task: Its task; it takes on the weights of the checkpoint.
        data: Its data.
        checkpoint: The file.
    """
    splits = data.splits
    why_not = None
    if not len(splits.val_rows):
        why_not = "there are no validation clips (data.val_fraction holds some out)"
    elif np.isin(splits.val_rows, splits.test_rows).any():
        why_not = "validation uses test clips, by which nothing is fitted"
    elif trainer.strategy.restore_checkpoint_after_setup:
        why_not = f"{type(trainer.strategy).__name__} spreads the weights over processes"
    elif "://" in checkpoint:
        why_not = f"{checkpoint} is not a file of this machine, to which it could be added"
    if why_not:
        rank_zero_info(f"Answers are not calibrated: {why_not}.")
        return
    content = read_torch(Path(checkpoint))
    task.load_state_dict(content["state_dict"])
    reliability = _learnt(trainer, task, data)
    if reliability is None:
        return
    task.reliability = reliability
    if trainer.is_global_zero:
        task.on_save_checkpoint(content)  # describes the model anew, with what is now known of it
        trainer.strategy.checkpoint_io.save_checkpoint(content, checkpoint)
    trainer.strategy.barrier("the checkpoint knows its reliability")


def _learnt(
    trainer: Trainer, task: RecognitionTask[Any], data: AudioVisualDataModule
) -> Reliability | None:
    pattern, trained = data.val_dataloader(), data.train_dataloader()
    if not isinstance(pattern, DataLoader) or not isinstance(trained.dataset, ClipDataset):
        rank_zero_info("Answers are not calibrated: these data are read in a way of their own.")
        return None
    task.to(trainer.strategy.root_device).eval()
    learnt, _ = _pass(trainer, task, data, _as_tested(trainer, data, trained.dataset, pattern))
    seen, grouped = _pass(trainer, task, data, pattern)
    judged = grouped.merge()
    if not judged:
        rank_zero_info("Answers are not calibrated: no clip could be read.")
        return None
    outputs = torch.stack([group.output for group in judged])
    targets = torch.stack([group.target for group in judged])
    known = Familiarity.of(learnt, seen) if len(learnt) and len(seen) else None
    if task.kind == "regression":
        reliability = Reliability.of_values(outputs, targets, known)
        spread = ", ".join(f"{value:.3g}" for value in reliability.spread)
        rank_zero_info(
            f"Values are off by {spread} (standard deviation) on {len(judged)} validation clips."
        )
    elif not task.calibrates:
        reliability = Reliability(len(judged), familiarity=known)
        rank_zero_info("Answers are not calibrated: they are labels or blends.")
    else:
        reliability = Reliability.of_classes(outputs, targets, known)
        before, after = (
            confidence_scores(probabilities, targets)["ECE"]
            for probabilities in (outputs, reliability.calibrated(outputs))
        )
        rank_zero_info(
            f"Answers are calibrated by {len(judged)} validation clips: temperature "
            f"{reliability.temperature:.2f}, expected calibration error {before:.1%} before and "
            f"{after:.1%} after on these."
        )
    return reliability


def _as_tested(
    trainer: Trainer,
    data: AudioVisualDataModule,
    clips: ClipDataset,
    pattern: DataLoader[Any],
) -> DataLoader[Any]:
    """A loader of training clips, which reads them as that of validation does."""
    dataset = clips.evaluated(data.views, MOST_CLIPS)
    return DataLoader(
        dataset,
        batch_size=pattern.batch_size,
        sampler=ClipSampler(
            len(dataset),
            num_replicas=trainer.world_size,
            rank=trainer.global_rank,
            shuffle=False,
        ),
        num_workers=pattern.num_workers,
        collate_fn=pattern.collate_fn,
        pin_memory=pattern.pin_memory,
    )


def _pass(
    trainer: Trainer,
    task: RecognitionTask[Any],
    data: AudioVisualDataModule,
    loader: DataLoader[Any],
) -> tuple[Tensor, GroupedOutputs]:
    """Features of all clips (N, D), by all processes, and the outputs of this one's.

    Clips that lack a sense have outputs alone: what stands in for it is like nothing else.
    """
    features: list[Tensor] = []
    grouped = GroupedOutputs()

    def keep(_head: nn.Module, inputs: tuple[Tensor]) -> None:
        features.append(inputs[0].float().unflatten(0, (-1, data.views)).mean(1).cpu())

    hook = task.model.head.register_forward_pre_hook(keep)
    try:
        # A compiled model would be compiled anew for every batch that the hook has kept.
        with (
            torch.compiler.set_stance("force_eager"),
            torch.inference_mode(),
            trainer.strategy.precision_plugin.forward_context(),
        ):
            for raw in loader:
                batch = data.on_after_batch_transfer(move_data_to_device(raw, task.device), 0)
                if empty(batch):
                    continue
                groups = batch.get("group", [None] * len(batch["id"]))
                grouped.add(groups, batch["id"], task(batch), require_plain_targets(batch))
                if "senses" in batch:
                    features[-1] = features[-1][batch["senses"].all(1).cpu()]
    finally:
        hook.remove()
    own = torch.cat(features) if features else torch.empty(0, 0)
    return torch.cat([part for part in of_all_processes(own) if len(part)] or [own]), grouped
