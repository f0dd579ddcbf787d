"""A model as one file, compared with the model before it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from rich.table import Table
from rich.text import Text

from hicmae.checkpoints import load_recognition_model
from hicmae.choices import ExportFormat
from hicmae.consoles import plain_console
from hicmae.errors import ConfigError, HicmaeError
from hicmae.export import formats, parity
from hicmae.export.graph import ClipModel
from hicmae.files import whole_file

TOLERANCE = 1e-4
"""Largest absolute difference between the outputs of a file and of its model."""


def export(
    checkpoint: Path,
    output: Path,
    format: ExportFormat,
    *,
    check_clip: Path | None = None,
    opset: int | None = None,
    calibrated: bool = True,
) -> None:
    """Writes a model as one file, compares the two and prints a table.

    Args:
        checkpoint: The model; see `hicmae.checkpoints.load_recognition_model`.
        output: The file; it appears once it is found to agree with the model.
        format: Kind of the file.
        check_clip: A clip to compare on, beside noise.
        opset: Version of ONNX's operators; None leaves it to torch.
        calibrated: Whether scores are calibrated, where the model knows how.

    Raises:
        CheckpointError: The model cannot be read.
        ConfigError: An option cannot work, a package is missing, or the file cannot be written.
        DataError: The clip cannot be read.
        HicmaeError: The outputs of the file differ from those of the model.
    """
    _check_output(output, format)
    if format == "onnx":
        formats.require_onnx()
    if opset is not None:
        if format != "onnx":
            raise ConfigError("--opset is for --format onnx: leave it out.")
        formats.check_opset(opset)
    network, description = load_recognition_model(checkpoint)
    if not calibrated:
        description = replace(description, reliability=None)
    model = ClipModel(network, description)
    inputs = parity.made_inputs(model)
    if check_clip is not None:
        inputs |= parity.clip_inputs(model, check_clip)
    console = plain_console()
    with _written(output) as part:
        with console.status("Following the model's operations"):
            program = formats.trace(model)
        with console.status(Text(f"Writing {output}")):
            if format == "onnx":
                formats.write_onnx(program, model, part, opset)
            else:
                formats.write_torch_export(program, model, part)
        with console.status("Comparing it with the model"):
            expected = parity.eager(model)
            exported = (
                formats.open_onnx(part) if format == "onnx" else formats.open_torch_export(part)
            )
            differences = parity.largest_differences(expected, exported, inputs)
            window = next(iter(inputs.values()))
            seconds = [parity.seconds_per_window(run, window) for run in (expected, exported)]
        console.print(_differences_table(differences))
        _require_agreement(differences, output)
    console.print(
        f"Wrote {output}: {output.stat().st_size / 1e6:.1f} MB; a window takes {seconds[1]:.3g} s "
        f"(the model itself {seconds[0]:.3g} s) on this CPU.",
        soft_wrap=True,
    )


def _check_output(output: Path, format: ExportFormat) -> None:
    suffix = formats.SUFFIXES[format]
    if output.suffix != suffix:
        raise ConfigError(
            f"--output is {output}, but the name of a file of --format {format} ends in {suffix}."
        )
    if output.is_dir():
        raise ConfigError(f"--output {output} is a folder: name a file, such as model{suffix}.")


@contextmanager
def _written(output: Path) -> Iterator[Path]:
    """The hidden name of `whole_file`, tried before minutes are spent on what goes there."""
    with ExitStack() as stack:
        try:
            part = stack.enter_context(whole_file(output))
            part.touch()
        except OSError as error:
            raise ConfigError(
                f"--output {output} cannot be written ({error.strerror}): name a file in a folder "
                "that you may write to."
            ) from error
        yield part


def _differences_table(differences: Mapping[str, Mapping[str, float]]) -> Table:
    outputs = list(next(iter(differences.values())))
    table = Table("largest difference on", *outputs, title="The file beside the model", box=None)
    for title, by_output in differences.items():
        table.add_row(title, *(f"{by_output[name]:.1e}" for name in outputs))
    return table


def _require_agreement(differences: Mapping[str, Mapping[str, float]], output: Path) -> None:
    for title, by_output in differences.items():
        for name, difference in by_output.items():
            if not difference <= TOLERANCE:  # which NaN is not, either
                raise HicmaeError(
                    f"{name} of the exported file differ by {difference:.1e} from the model's on "
                    f"{title}, more than {TOLERANCE:.0e}: {output} was not written; try another "
                    "--format or --opset."
                )
