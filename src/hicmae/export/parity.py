"""Whether an exported file says what the model says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from hicmae.export.formats import Arrays, Runner
from hicmae.export.graph import ClipModel, Tensors
from hicmae.inference.recognizer import EmotionRecognizer
from hicmae.media.recording import FileRecording

_MOST_WINDOWS = 3
_TIMED_RUNS = 3


def made_inputs(model: ClipModel) -> dict[str, Tensors]:
    """Noise to compare on: one and three windows, longer and shorter than a model hears, by name.

    Args:
        model: What is exported.
    """
    whole = model.window_samples
    return {
        "1 window": model.example(1, whole, seed=1),
        "3 windows": model.example(3, whole, seed=2),
        "1 window, long sound": model.example(1, 2 * whole, seed=3),
        "3 windows, short sound": model.example(3, whole // 2, seed=4),
    }


def clip_inputs(model: ClipModel, clip: Path) -> dict[str, Tensors]:
    """Windows of a real clip to compare on, the first alone and several together, by name.

    Args:
        model: What is exported.
        clip: A file with what the model reads; of pictures the centre square is taken.

    Raises:
        DataError: The clip cannot be read, or lacks what the model reads.
    """
    recognizer = EmotionRecognizer(model.model, model.description, faces="none")
    _, windows = recognizer.windows(FileRecording(clip))
    few = list(islice(windows, _MOST_WINDOWS))
    sounds = [torch.from_numpy(window.waveform) for window in few]
    read: Tensors = {
        "frames": torch.from_numpy(np.stack([window.frames for window in few])),
        "waveform": torch.nn.utils.rnn.pad_sequence(sounds, batch_first=True),
        "waveform_length": torch.tensor([len(sound) for sound in sounds]),
        "senses": torch.tensor([window.senses for window in few]),
    }
    inputs = {name: read[name] for name in model.input_names}
    first = {name: tensor[:1] for name, tensor in inputs.items()}
    return {f"{clip.name}, first window": first, f"{clip.name}, {len(few)} windows": inputs}


def eager(model: ClipModel) -> Runner:
    """The model as it is, run like an exported one."""

    def run(inputs: Tensors) -> Arrays:
        with torch.no_grad():
            return {name: output.numpy() for name, output in model(**inputs).items()}

    return run


def largest_differences(
    expected: Runner, exported: Runner, inputs: Mapping[str, Tensors]
) -> dict[str, dict[str, float]]:
    """Largest absolute difference of every output, by input; NaN where one gives no number.

    Args:
        expected: The model.
        exported: What was made of it.
        inputs: What to compare on, by name.
    """
    return {
        title: _differences(expected(given), exported(given)) for title, given in inputs.items()
    }


def _differences(expected: Arrays, exported: Arrays) -> dict[str, float]:
    return {name: float(np.abs(expected[name] - exported[name]).max()) for name in expected}


def seconds_per_window(run: Runner, window: Tensors) -> float:
    """The shortest time that one window took, in seconds.

    Args:
        run: The model, which has run before.
        window: A batch of one.
    """
    return min(_seconds(lambda: run(window)) for _ in range(_TIMED_RUNS))


def _seconds(act: Callable[[], object]) -> float:
    start = perf_counter()
    act()
    return perf_counter() - start
