"""The sound of a clip as a file of its own."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hicmae.data.manifest import Clip
from hicmae.files import whole_file
from hicmae.media import SAMPLE_RATE, read_audio
from hicmae.preparation.outputs import output_path


def extract_audio(clip: Clip, *, output: Path, sample_rate: int = SAMPLE_RATE) -> dict[str, Any]:
    """Writes the sound of a clip to `output`/<id>.wav: one channel of 16 bits.

    Args:
        clip: The clip; of a segment only that part is written.
        output: Folder of the sound files.
        sample_rate: Samples per second.

    Returns:
        Row with `status` ("ok"), `audio` (the file, relative to `output`), `seconds`, `peak` (the
        largest sample, of 1) and `message`.

    Raises:
        DataError: The sound is missing or broken, or the id cannot name a file.
        ConfigError: `sample_rate` is below 1.
    """
    path = output_path(output, clip.id, ".wav")
    waveform = read_sound(clip, sample_rate)
    with whole_file(path) as part:
        write_wav(part, waveform, sample_rate)
    return {
        "status": "ok",
        "audio": path.relative_to(output).as_posix(),
        "seconds": round(len(waveform) / sample_rate, 3),
        "peak": round(float(np.abs(waveform).max(initial=0.0)), 5),
        "message": "",
    }


def read_sound(clip: Clip, sample_rate: int = SAMPLE_RATE) -> npt.NDArray[np.float32]:
    """The sound of a clip, from its own file or from the video, as one channel (L,).

    Raises:
        DataError: The sound is missing or broken.
    """
    start, end = clip.sound_segment
    return read_audio(clip.sound, start=start, end=end, sample_rate=sample_rate)


def write_wav(path: Path, waveform: npt.NDArray[np.float32], sample_rate: int) -> None:
    """Writes a waveform (L,) in [-1, 1] as a WAV file of 16 bits; louder samples are clipped."""
    # 16-bit sound is read as whole numbers / 32768, so this gives back the numbers of such a file.
    samples = np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.tobytes())
