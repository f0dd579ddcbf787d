"""What is exported: a model with all that lies between a decoded clip and its scores."""

from __future__ import annotations

import torch
from torch import Tensor

from hicmae.data.preprocessing import BatchPreprocessor
from hicmae.models import RecognitionModel
from hicmae.weights.description import ModelDescription

Tensors = dict[str, Tensor]


class ClipModel(BatchPreprocessor):
    """From frames and sound to scores.

    Inputs are given by name, those that the modality reads and no others:

    - `frames`: uint8 (B, T, S, S, 3), RGB pictures of a window; T and S are
      `architecture.num_frames` and `inputs.frame_size` of the description;
    - `waveform`: float (B, L), its sound in [-1, 1] at 16 kHz, one channel, L at least 1;
    - `waveform_length`: int64 (B,), how many samples of each row are sound. What lies behind them,
      in rows shorter than the longest, is not read;
    - `senses`: bool (B, 2), of a model with stand-ins alone: whether each window is seen and
      whether it is heard. What is not there is not read, whatever is given for it.

    Outputs by name; of a model that was only pre-trained there are the features alone:

    - `scores`: (B, O), probabilities of the classes, calibrated where the description says how, or
      values of the targets;
    - `logits`: (B, O), what the head gives before softmax or activation;
    - `features`: (B, 4 · C), or (B, C) of one modality, as `hicmae.models.Features.joint`.

    Args:
        model: The model; it is set to evaluation mode.
        description: What it is.
    """

    def __init__(self, model: RecognitionModel, description: ModelDescription) -> None:
        shape = description.architecture
        super().__init__(
            image_size=shape.image_size,
            audio_frames=shape.audio_frames,
            mel_bins=shape.mel_bins,
            crop_pct=description.inputs.crop_pct,
        )
        self.model = model
        self.description = description
        self.scoring = description.scoring()
        self.eval()

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs that the modality reads."""
        modality = self.description.modality
        seen = ("frames",) if modality != "audio" else ()
        heard = ("waveform", "waveform_length") if modality != "video" else ()
        lacking = ("senses",) if self.description.stand_ins else ()
        return seen + heard + lacking

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in their order."""
        return ("scores", "logits", "features") if self.description.outputs else ("features",)

    def forward(  # type: ignore[override]  # its base reads batches of several views
        self,
        frames: Tensor | None = None,
        waveform: Tensor | None = None,
        waveform_length: Tensor | None = None,
        senses: Tensor | None = None,
    ) -> Tensors:
        """Outputs by name; see the class."""
        video = audio = torch.empty(0)
        if frames is not None:
            pictures = self._centre(frames.movedim(-1, 2))
            video = torch.empty(self._video_shape(pictures), device=pictures.device)
            self._fill(video, pictures)  # (B, 3, T, S, S)
        if waveform is not None:
            audio = self.filter_bank(waveform, waveform_length)  # (B, 1, F, M)
        features = self.model.features(video, audio, senses)
        if not self.description.outputs:
            return {"features": features}
        logits = self.model.head(features)
        scores = self.scoring(logits)
        if self.description.reliability is not None:
            scores = self.description.reliability.calibrated(scores)
        return {"scores": scores, "logits": logits, "features": features}

    def example(self, batch_size: int, samples: int, seed: int = 0) -> Tensors:
        """Noise of the right shape, to trace and to compare with.

        Args:
            batch_size: Windows, B.
            samples: Samples of the longest waveform, L; every next one is half as long.
            seed: Draws the noise.
        """
        noise = torch.Generator().manual_seed(seed)
        side, count = self.description.inputs.frame_size, self.description.architecture.num_frames
        size = (batch_size, count, side, side, 3)
        made: Tensors = {
            "frames": torch.randint(0, 256, size, generator=noise, dtype=torch.uint8),
            "waveform": 0.1 * torch.randn(batch_size, samples, generator=noise),
            "waveform_length": samples // 2 ** torch.arange(batch_size),
            # Seen and heard, seen alone, heard alone, and so on.
            "senses": torch.tensor([[True, True], [True, False], [False, True]]).repeat(
                -(-batch_size // 3), 1
            )[:batch_size],
        }
        return {name: made[name] for name in self.input_names}

    @property
    def window_samples(self) -> int:
        """Samples that fill the spectrogram."""
        bank = self.filter_bank
        return (bank.num_frames - 1) * bank.shift + bank.window_length
