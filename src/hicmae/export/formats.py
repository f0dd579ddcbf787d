"""The file formats of exported models: how each is written, and run again."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.export import Dim, ExportedProgram

from hicmae.errors import ConfigError
from hicmae.export.graph import ClipModel, Tensors
from hicmae.weights.description import CONFIG

Arrays = Mapping[str, npt.NDArray[np.float32]]
Runner = Callable[[Tensors], Arrays]

SUFFIXES = {"onnx": ".onnx", "torch-export": ".pt2"}
"""Formats, and how the names of their files end."""

LEAST_OPSET = 18  # the one that torch's translations of operators are written in
LARGEST_BATCH = 1 << 20
LONGEST_SOUND = 1 << 30


def trace(model: ClipModel) -> ExportedProgram:
    """The graph of a model, for batches of any size and waveforms of any length."""
    batch = Dim("batch", min=1, max=LARGEST_BATCH)
    samples = Dim("samples", min=1, max=LONGEST_SOUND)
    sizes = {
        "frames": {0: batch},
        "waveform": {0: batch, 1: samples},
        "waveform_length": {0: batch},
        "senses": {0: batch},
    }
    inputs = model.example(2, model.window_samples)
    with _quiet(), torch.no_grad():
        program = torch.export.export(
            model, (), inputs, dynamic_shapes={name: sizes[name] for name in inputs}
        )
    program.example_inputs = None  # noise, which would be written with the model
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                # It names files of this machine, which are no business of whoever gets the model.
                node.meta.pop("stack_trace", None)
    return program


def require_onnx() -> None:
    """Checks that what ONNX takes is installed.

    Raises:
        ConfigError: It is not.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            import_module(package)
        except ImportError as error:
            raise ConfigError(
                f"--format onnx needs the package {package}: pip install 'hicmae[export]'."
            ) from error


def check_opset(opset: int) -> None:
    """Checks that a version of ONNX's operators can be written.

    Raises:
        ConfigError: It is too old or too new.
    """
    from onnx.defs import onnx_opset_version  # noqa: PLC0415 (an extra)

    newest = onnx_opset_version()
    if not LEAST_OPSET <= opset <= newest:
        raise ConfigError(f"--opset is {opset}: choose one of {LEAST_OPSET} to {newest}.")


def write_onnx(program: ExportedProgram, model: ClipModel, path: Path, opset: int | None) -> None:
    """Writes an ONNX file, whose metadata hold the description under `config.json`.

    Args:
        program: The graph.
        model: What it is the graph of.
        path: The file.
        opset: Version of ONNX's operators; None leaves it to torch.
    """
    with _quiet():
        exported = torch.onnx.export(
            program,
            opset_version=opset,
            output_names=list(model.output_names),
            verbose=False,
        )
    assert exported is not None  # noqa: S101 (it is None of other kinds of models)
    for value in exported.model.graph.inputs:
        for name, size in zip(("batch", "samples"), value.shape or (), strict=False):
            if not isinstance(size, int):
                exported.rename_axes({size: name})
    for node in exported.model.graph.all_nodes():
        node.metadata_props.clear()  # lines of source code
    exported.model.metadata_props[CONFIG] = model.description.as_json()
    exported.save(path, external_data=False)


def write_torch_export(program: ExportedProgram, model: ClipModel, path: Path) -> None:
    """Writes a file for `torch.export.load`, with the description as extra file `config.json`."""
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={CONFIG: model.description.as_json()})


def open_onnx(path: Path) -> Runner:
    """The model of an ONNX file, run by onnxruntime on the CPU.

    Raises:
        ConfigError: onnxruntime cannot run it.
    """
    onnxruntime = import_module("onnxruntime")  # an extra
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        raise ConfigError(
            f"onnxruntime {onnxruntime.__version__} cannot run the exported file "
            f"({str(error)[:200]}): leave --opset out or choose a lower one."
        ) from error
    names = [output.name for output in session.get_outputs()]

    def run(inputs: Tensors) -> Arrays:
        given = {name: tensor.numpy() for name, tensor in inputs.items()}
        return dict(zip(names, session.run(names, given), strict=True))

    return run


def open_torch_export(path: Path) -> Runner:
    """The model of a file of `torch.export.save`."""
    with _quiet(), path.open("rb") as file:
        module = torch.export.load(file).module()

    def run(inputs: Tensors) -> Arrays:
        with torch.no_grad():
            return {name: output.numpy() for name, output in module(**inputs).items()}

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps the exporters' remarks on their own workings out of the output."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
