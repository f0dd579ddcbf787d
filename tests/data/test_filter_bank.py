from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torchaudio.compliance.kaldi import fbank

from hicmae.data.filter_bank import FilterBank
from hicmae.errors import ConfigError


def kaldi(waveform: torch.Tensor, rate: int = 16_000, bins: int = 128) -> torch.Tensor:
    """The filter bank of one waveform (L,) as the method states it: (rows, bins)."""
    centred = waveform - waveform.mean()
    return fbank(
        centred[None],
        htk_compat=True,
        sample_frequency=rate,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=bins,
        dither=0.0,
        frame_shift=10,
    )


def log_energies(bank: FilterBank, waveform: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """Kaldi's numbers within normalised spectrograms."""
    return bank(waveform, torch.tensor(lengths)) * (2 * bank.std) + bank.mean


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spectrograms_are_those_of_the_reference(
    reference_file: Callable[[str], Path], dtype: torch.dtype
) -> None:
    tensors = load_file(reference_file("audio_frontend.safetensors"))
    names = [name for name in tensors if name.startswith("waveform_")]
    assert names
    for name in names:
        waveform = tensors[name].to(dtype)
        expected = tensors[name.replace("waveform", "spectrogram")].to(dtype)
        bank = FilterBank(num_frames=expected.shape[0], num_mel_bins=expected.shape[1])
        spectrogram = bank(waveform, torch.tensor([waveform.shape[1]]))
        assert spectrogram.dtype == dtype
        assert spectrogram.shape == (1, 1, *expected.shape)
        assert (spectrogram[0, 0] - expected).norm() / expected.norm() < 2e-6, name


@settings(max_examples=20)
@given(
    lengths=st.lists(st.integers(400, 9000), min_size=1, max_size=4),
    rate=st.sampled_from([8000, 16_000]),
    bins=st.sampled_from([23, 64]),
    seed=st.integers(0, 1000),
)
def test_every_row_of_a_batch_is_kaldis(
    lengths: list[int], rate: int, bins: int, seed: int
) -> None:
    noise = torch.Generator().manual_seed(seed)
    waveform = torch.randn(
        len(lengths), max(lengths), generator=noise, dtype=torch.float64
    )  # what lies behind each length is not silent
    waveform = 0.1 * waveform + 0.05
    bank = FilterBank(num_frames=40, num_mel_bins=bins, sample_rate=rate)
    energies = log_energies(bank, waveform, lengths)[:, 0]
    for row, length in enumerate(lengths):
        expected = kaldi(waveform[row, :length], rate, bins)[:40]
        torch.testing.assert_close(energies[row, : len(expected)], expected, atol=1e-9, rtol=1e-9)
        assert energies[row, len(expected) :].abs().max() < 1e-12 if len(expected) < 40 else True


def test_the_mean_is_that_of_the_whole_waveform() -> None:
    waveform = torch.cat([torch.full((500,), 0.3), torch.full((500,), -0.5)])[None].double()
    bank = FilterBank(num_frames=2, num_mel_bins=32)
    torch.testing.assert_close(
        log_energies(bank, waveform, [1000])[0, 0],
        kaldi(waveform[0], bins=32)[:2],
    )


@pytest.mark.parametrize("length", [0, 1, 399])
def test_a_waveform_shorter_than_a_window_is_empty(length: int) -> None:
    bank = FilterBank(num_frames=4)
    assert (log_energies(bank, torch.randn(1, 1000), [length]).abs() < 1e-5).all()


def test_what_lies_behind_the_end_is_never_read() -> None:
    waveform = torch.randn(2, 3000, dtype=torch.float64)
    lengths = torch.tensor([3000, 1700])
    bank = FilterBank(num_frames=20)
    clean = bank(waveform, lengths)
    waveform[1, 1700:] = torch.nan
    torch.testing.assert_close(bank(waveform, lengths), clean, atol=0, rtol=0)
    longer = torch.nn.functional.pad(waveform, (0, 777), value=torch.nan)
    torch.testing.assert_close(bank(longer, lengths), clean)


def test_mixed_precision_does_not_reach_the_spectrum() -> None:
    waveform, lengths = torch.randn(1, 2000), torch.tensor([2000])
    bank = FilterBank(num_frames=8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = bank(waveform, lengths)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, bank(waveform, lengths), atol=0, rtol=0)


def test_nothing_of_it_goes_into_a_checkpoint() -> None:
    assert not FilterBank().state_dict()


@pytest.mark.parametrize(
    "options", [{"num_frames": 0}, {"num_mel_bins": 0}, {"sample_rate": 0}, {"std": 0.0}]
)
def test_impossible_sizes_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        FilterBank(**options)  # type: ignore[arg-type]
