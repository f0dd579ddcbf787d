"""Masked contrastive audio-visual pre-training (paper section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torchmetrics.utilities.distributed import gather_all_tensors

from hicmae.data.batches import Batch
from hicmae.data.options import InputSettings
from hicmae.models import (
    UNCHANGED,
    Architecture,
    ArchitectureChanges,
    FusionOrder,
    HiCMAE,
    Mask,
    PretrainingOutput,
    Size,
)
from hicmae.objectives.contrast import contrastive_loss, retrieval_at_1
from hicmae.objectives.masking import random_mask, tube_mask
from hicmae.objectives.reconstruction import audio_target, reconstruction_loss, video_target
from hicmae.tasks.base import AudioVisualTask, empty
from hicmae.tasks.figures import log_figure, reconstruction_figure
from hicmae.tasks.parallel import clips_of_processes
from hicmae.weights.description import ModelDescription, TrainingFacts

Negatives = Literal["global", "local"]


class PretrainingTask(AudioVisualTask):
    """Reconstructs masked video and audio and contrasts the two modalities layer by layer.

    Logged, for `train` and `val`: the total loss, `video` and `audio` reconstruction, `contrast_N`
    for every contrast layer N, and retrieval at rank 1 of the deepest contrast layer, audio to
    video and video to audio, within the batch. Validation adds retrieval among all its clips for
    every contrast layer and a figure of reconstructions. What a step logs is of the clips of one
    process.

    Args:
        video_mask_ratio: Share of frame positions masked, the same in all time slices.
        audio_mask_ratio: Share of spectrogram patches masked.
        contrast_weight: Weight of the summed contrastive losses; 0 turns contrast off.
        temperature: Of the contrastive losses.
        negatives: What a training clip is contrasted with: the clips of all processes ("global"),
            which makes loss and gradients those of one process with the joint batch, or those of
            its own process ("local"), as the public code does, whose loss thereby changes with the
            number of devices. Validation contrasts within a process' batch.
        size: Published size of the model: tiny, small or base.
        architecture: Fields of the architecture that differ from the size's.
        skip_layers: Encoder layers that feed the decoders, in place of what `architecture` says;
            [] for decoders of self-attention alone. -1 is the last layer.
        contrast_layers: Encoder layers contrasted, in place of what `architecture` says; [] for
            none.
        fusion_depth: Layers of the fusion encoder, in place of what `architecture` says.
        fusion_order: cross_then_self or self_then_cross, in place of what `architecture` says.
        frame_difference: Predict the later frames of a tube as differences from its first.
        normalise_targets: Predict every patch normalised; else pixels in [0, 1] and spectrogram
            values as the model reads them.
        figure_every_n_epochs: Epochs between figures of reconstructions at least, besides the
            first validation and the last; 0 for none.
        **optimisation: See `AudioVisualTask`.
    """

    model: HiCMAE
    described_options = AudioVisualTask.described_options | {
        "architecture",
        "contrast_layers",
        "figure_every_n_epochs",
        "fusion_depth",
        "fusion_order",
        "size",
        "skip_layers",
    }

    def __init__(
        self,
        *,
        video_mask_ratio: float,
        audio_mask_ratio: float,
        contrast_weight: float,
        temperature: float,
        negatives: Negatives = "global",
        size: Size = "base",
        architecture: ArchitectureChanges = UNCHANGED,
        skip_layers: list[int] | None = None,
        contrast_layers: list[int] | None = None,
        fusion_depth: int | None = None,
        fusion_order: FusionOrder | None = None,
        frame_difference: bool = True,
        normalise_targets: bool = True,
        figure_every_n_epochs: int = 10,
        **optimisation: Any,
    ) -> None:
        super().__init__(**optimisation)
        self.save_hyperparameters()
        self.video_mask_ratio = video_mask_ratio
        self.audio_mask_ratio = audio_mask_ratio
        self.contrast_weight = contrast_weight
        self.temperature = temperature
        self.negatives = negatives
        self.frame_difference = frame_difference
        self.normalise_targets = normalise_targets
        self.figure_every_n_epochs = figure_every_n_epochs
        self.architecture = Architecture.of_size(
            size,
            architecture,
            skip_layers=skip_layers,
            contrast_layers=contrast_layers,
            fusion_depth=fusion_depth,
            fusion_order=fusion_order,
        )
        self.model = HiCMAE(self.architecture)
        self._features: list[tuple[dict[int, Tensor], dict[int, Tensor]]] = []
        self._figure_epoch: int | None = None
        self._figure_batch: (
            tuple[tuple[Tensor, Tensor], tuple[Mask, Mask], PretrainingOutput] | None
        ) = None

    def describe(self, inputs: InputSettings, training: TrainingFacts) -> ModelDescription:
        """A model without outputs."""
        return ModelDescription(
            "pretraining", (), self.architecture, inputs=inputs, training=training
        )

    def example_forward(self) -> None:
        """Runs the model on one blank clip under masks."""
        self.model(*self.example_clip(), *self._masks(1, self.generator()))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor | None:
        """One step on a batch of `video` (B, 1, 3, T, H, W) and `audio` (B, 1, 1, T', F)."""
        if empty(batch) and self.trainer.world_size == 1:
            return None
        video, audio, clips = self._clips_of(batch)
        counts = clips_of_processes(clips, self.device)
        # A draw from the step's own random state, which `on_train_batch_start` has set.
        masks = self._masks(len(video), self.generator(int(torch.randint(2**31, ()))))
        shared = self.negatives == "global" and any(counts)
        losses, _ = self._losses(video, audio, *masks, counts if shared else None)
        if clips:
            self.log_losses(losses, "train", clips)
        # Gradients are averaged over processes, each of which counts alike. So weighted, each clip
        # counts alike, as in a joint batch; the weight is 1 unless clips were skipped.
        return losses["loss"] * (clips * len(counts) / max(sum(counts), 1))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures a batch under masks that stay the same from epoch to epoch."""
        self._measure(batch, batch_idx, "val")

    def on_validation_epoch_end(self) -> None:
        """Retrieval of whole clips over the validation set, and the figure."""
        self._summarise("val")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """The same as validation, on the test clips."""
        self._measure(batch, batch_idx, "test")

    def on_test_epoch_end(self) -> None:
        """The same as at the end of validation."""
        self._summarise("test")

    def _measure(self, batch: Batch, batch_idx: int, stage: str) -> None:
        if empty(batch) and self.trainer.world_size == 1:
            return
        video, audio, clips = self._clips_of(batch)
        masks = self._masks(len(video), self.generator(batch_idx))
        losses, output = self._losses(video, audio, *masks)
        self.log_losses(losses, stage, clips)
        if self.architecture.contrast_layers:
            videos, audios = self.model.features(video, audio)
            self._features.append(
                (
                    {layer: rows[:clips] for layer, rows in videos.items()},
                    {layer: rows[:clips] for layer, rows in audios.items()},
                )
            )
        if clips and batch_idx == 0 and self._wants_figure():
            self._figure_batch = ((video, audio), masks, output)

    def _clips_of(self, batch: Batch) -> tuple[Tensor, Tensor, int]:
        """Video (B, 3, T, H, W), audio (B, 1, T', F) and B.

        Where all were skipped, one blank clip that is to weigh nothing: other processes wait for
        what this one computes and logs.
        """
        video, audio = batch["video"].flatten(0, 1), batch["audio"].flatten(0, 1)
        clips = len(video)
        if not clips:
            video, audio = (blank.to(video) for blank in self.example_clip())
        return video, audio, clips

    def _summarise(self, stage: str) -> None:
        if self._features:
            for layer in self.architecture.contrast_layers:
                video = self._gathered([videos[layer] for videos, _ in self._features])
                audio = self._gathered([audios[layer] for _, audios in self._features])
                if not len(video):
                    continue
                figures = {
                    f"{stage}/audio_to_video_set_{layer}": retrieval_at_1(audio, video),
                    f"{stage}/video_to_audio_set_{layer}": retrieval_at_1(video, audio),
                }
                self.log_dict(figures, sync_dist=True)
        self._features.clear()
        if self._figure_batch is not None:
            batch, masks, output = self._figure_batch
            self._figure_batch = None
            figure = reconstruction_figure(
                batch,
                masks,
                output,
                self.architecture,
                frame_difference=self.frame_difference,
                normalised=self.normalise_targets,
            )
            log_figure(self, "reconstruction", figure)

    def _masks(self, batch: int, generator: torch.Generator) -> tuple[Mask, Mask]:
        rows, columns = self.architecture.audio_grid
        return (
            tube_mask(batch, self.architecture.video_grid, self.video_mask_ratio, generator),
            random_mask(batch, rows * columns, self.audio_mask_ratio, generator),
        )

    def _losses(
        self,
        video: Tensor,
        audio: Tensor,
        video_mask: Mask,
        audio_mask: Mask,
        counts: Sequence[int] | None = None,
    ) -> tuple[dict[str, Tensor], PretrainingOutput]:
        """Losses and retrieval of clips, contrasted with those of all processes.

        Args:
            video: Normalised frames (B, 3, T, H, W).
            audio: Normalised spectrograms (B, 1, T', F).
            video_mask: Visible and masked tubes.
            audio_mask: Visible and masked patches.
            counts: Clips of every process, by rank; None contrasts those of this one among
                themselves.
        """
        shape = self.architecture
        output: PretrainingOutput = self.model(video, audio, video_mask, audio_mask)
        tubes = video_target(
            video,
            video_mask.masked,
            tubelet_size=shape.tubelet_size,
            patch_size=shape.patch_size,
            frame_difference=self.frame_difference,
            normalise=self.normalise_targets,
        )
        patches = audio_target(
            audio,
            audio_mask.masked,
            patch_size=shape.patch_size,
            normalise=self.normalise_targets,
        )
        losses = {
            "video": reconstruction_loss(output.video.float(), tubes),
            "audio": reconstruction_loss(output.audio.float(), patches),
        }
        contrast = video.new_zeros(())
        retrieval = {}
        own = (
            counts[self.global_rank] if counts else len(video)
        )  # a blank clip is nobody's negative
        for layer in shape.contrast_layers:
            videos, audios = output.video_layers[layer].float(), output.audio_layers[layer].float()
            losses[f"contrast_{layer}"] = contrastive_loss(
                videos[:own], audios[:own], self.temperature, counts
            )
            contrast = contrast + losses[f"contrast_{layer}"]
            retrieval = {
                "audio_to_video_batch": retrieval_at_1(audios.detach(), videos.detach()),
                "video_to_audio_batch": retrieval_at_1(videos.detach(), audios.detach()),
            }
        total = losses["video"] + losses["audio"] + self.contrast_weight * contrast
        return {"loss": total, **losses, **retrieval}, output

    def _gathered(self, features: list[Tensor]) -> Tensor:
        """The features of all processes, which may hold different numbers of clips."""
        joined = torch.cat(features).float()
        return torch.cat(gather_all_tensors(joined)) if self.trainer.world_size > 1 else joined

    def _wants_figure(self) -> bool:
        if self.figure_every_n_epochs < 1 or self.trainer.sanity_checking:
            return False
        due = self._figure_epoch is None or (
            self.current_epoch - self._figure_epoch >= self.figure_every_n_epochs
        )
        if due or self.current_epoch + 1 == self.trainer.max_epochs:
            self._figure_epoch = self.current_epoch
            return True
        return False
