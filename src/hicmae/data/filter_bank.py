"""From waveform to the spectrogram that the audio encoder reads."""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchaudio.compliance.kaldi import get_mel_banks

from hicmae.errors import ConfigError

_PREEMPHASIS = 0.97
_LOWEST_HERTZ = 20.0


class FilterBank(nn.Module):
    """Log-mel filter bank energies of a batch of waveforms, as Kaldi computes them.

    Windows of 25 ms (Hann) every 10 ms, HTK-compatible, no dither, no energy: row for row equal to
    `torchaudio.compliance.kaldi.fbank`, but over a batch and on any device. Rows behind the end of
    a waveform are zero before normalisation, as in the reference implementation.

    Args:
        num_frames: Rows of the spectrogram; the default holds 2.56 s (method: audio input).
        num_mel_bins: Mel bands.
        sample_rate: Samples per second of the waveforms.
        mean: Mean of the log energies (AudioSet, by the reference implementation).
        std: Standard deviation of the log energies; the spectrogram is divided by twice of it.

    Raises:
        ConfigError: A size is not positive.
    """

    mel_banks: Tensor

    def __init__(
        self,
        num_frames: int = 256,
        num_mel_bins: int = 128,
        sample_rate: int = 16_000,
        mean: float = -4.2677393,
        std: float = 4.5689974,
    ) -> None:
        super().__init__()
        if num_frames < 1 or num_mel_bins < 4 or sample_rate < 1000 or std <= 0:
            raise ConfigError(
                f"A filter bank of num_frames={num_frames}, num_mel_bins={num_mel_bins}, "
                f"sample_rate={sample_rate}, std={std} is not possible: it takes at least 1 frame, "
                "4 bins, 1000 Hz and a positive deviation."
            )
        self.num_frames = num_frames
        self.mean = mean
        self.std = std
        self.shift = sample_rate * 10 // 1000
        self.window_length = sample_rate * 25 // 1000
        self.fft_length = 1 << (self.window_length - 1).bit_length()
        banks, _ = get_mel_banks(
            num_mel_bins,
            self.fft_length,
            float(sample_rate),
            _LOWEST_HERTZ,
            high_freq=0.0,  # 0 is Kaldi's word for half the sample rate
            vtln_low=100.0,
            vtln_high=-500.0,
            vtln_warp_factor=1.0,
        )
        # Kaldi's triangles leave out the bin at half the sample rate.
        self.register_buffer("mel_banks", functional.pad(banks, (0, 1)), persistent=False)

    def forward(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Computes normalised spectrograms, time first.

        Args:
            waveform: Float samples (B, L) in [-1, 1]; what lies behind a length is not read.
            lengths: int64 (B,), the valid samples of each waveform, at most L. A waveform shorter
                than one window of 25 ms has only empty rows.

        Returns:
            Spectrograms (B, 1, num_frames, num_mel_bins), float32, or float64 for float64 samples.
        """
        if waveform.dtype != torch.float64:
            waveform = waveform.float()
        # Powers of spectra leave the range of half precision.
        with torch.autocast(waveform.device.type, enabled=False):
            energies = self._energies(self._centred(waveform, lengths))  # (B, T, M)
        rows = (lengths - self.window_length).div(self.shift, rounding_mode="floor") + 1  # (B,)
        valid = torch.arange(self.num_frames, device=rows.device) < rows[:, None]  # (B, T)
        energies = energies.where(valid[..., None], 0.0)
        return ((energies - self.mean) / (2 * self.std)).unsqueeze(1)

    def _centred(self, waveform: Tensor, lengths: Tensor) -> Tensor:
        """Takes the mean of all valid samples from the samples that the rows need, (B, N)."""
        valid = torch.arange(waveform.shape[1], device=lengths.device) < lengths[:, None]
        waveform = waveform.where(valid, 0.0)
        mean = waveform.sum(1) / lengths.clamp(min=1)
        needed = (self.num_frames - 1) * self.shift + self.window_length
        # Whatever its length: an exported graph must not take one of two ways by it.
        waveform = functional.pad(waveform, (0, needed))
        return waveform[:, :needed] - mean[:, None]

    def _energies(self, waveform: Tensor) -> Tensor:
        """Kaldi's log-mel energies, (B, T, M), of waveforms (B, N)."""
        frames = waveform.unfold(1, self.window_length, self.shift)  # (B, T, W)
        frames = frames - frames.mean(-1, keepdim=True)
        previous = torch.cat((frames[..., :1], frames[..., :-1]), -1)
        window = torch.hann_window(
            self.window_length, periodic=False, dtype=frames.dtype, device=frames.device
        )
        frames = (frames - _PREEMPHASIS * previous) * window
        spectra = torch.fft.rfft(frames, self.fft_length)  # (B, T, F)
        # The magnitude would take a root that its square takes back.
        power = spectra.real.square() + spectra.imag.square()
        energies = power @ self.mel_banks.to(power.dtype).T
        return energies.clamp(min=torch.finfo(torch.float32).eps).log()
