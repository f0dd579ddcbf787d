"""The usual way of loading clips for pre-training, as the yardstick of the loader.

decord decodes, PIL crops and scales frame by frame, every clip gets its own Kaldi filter bank, and
all of it is done where the clip is read.
"""

from __future__ import annotations

from collections.abc import Sequence

import decord
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchaudio.compliance.kaldi import fbank

SCALES = (1.0, 0.875, 0.75, 0.66)
MEAN, STD = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))


class UsualDataset(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """Clips as normalised frames (3, T, S, S) and a normalised spectrogram (1, F, M).

    Args:
        files: Video files with sound.
        num_frames: Frames T.
        stride: Distance between them.
        region: Part (top, left, height, width) of the frames to crop from.
        size: Side S of the crop.
        audio_frames: Rows F of the spectrogram, of 10 ms.
    """

    def __init__(
        self,
        files: Sequence[str],
        *,
        num_frames: int = 16,
        stride: int = 4,
        region: tuple[int, int, int, int] = (0, 32, 160, 160),
        size: int = 160,
        audio_frames: int = 256,
    ) -> None:
        self.files = files
        self.num_frames = num_frames
        self.stride = stride
        self.region = region
        self.size = size
        self.audio_frames = audio_frames
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Reads one clip."""
        reader = decord.VideoReader(self.files[index], num_threads=1)
        span = self.num_frames * self.stride
        start = int(self.rng.integers(max(len(reader) - span, 0) + 1))
        wanted = [min(i, len(reader) - 1) for i in range(start, start + span, self.stride)]
        frames = reader.get_batch(wanted).asnumpy()  # (T, H, W, 3)
        rate = reader.get_avg_fps()

        top, left, height, width = self.region
        tall, wide = (int(side * self.rng.choice(SCALES)) for side in (height, width))
        top += self.rng.choice((0, height - tall))
        left += self.rng.choice((0, width - wide))
        pictures = [
            Image.fromarray(frame)
            .crop((left, top, left + wide, top + tall))
            .resize((self.size, self.size), Image.Resampling.BILINEAR)
            for frame in frames
        ]
        video = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
        video = (video.float().div(255) - MEAN) / STD

        sound = decord.AudioReader(self.files[index], sample_rate=16_000, mono=True)
        waveform = torch.from_numpy(sound[:].asnumpy())  # (1, L)
        first = round(start / rate * 16_000)
        waveform = waveform[:, first : first + round(span / rate * 16_000)]
        waveform = waveform - waveform.mean()
        spectrogram = fbank(
            waveform,
            htk_compat=True,
            sample_frequency=16_000,
            use_energy=False,
            window_type="hanning",
            num_mel_bins=128,
            dither=0.0,
            frame_shift=10,
        )[: self.audio_frames]
        missing = self.audio_frames - len(spectrogram)
        spectrogram = torch.nn.functional.pad(spectrogram, (0, 0, 0, missing))
        return video.permute(3, 0, 1, 2), ((spectrogram + 4.2677393) / 9.1379948)[None]
