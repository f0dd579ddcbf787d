"""The commands `hicmae crossval` and `hicmae report`: folds and tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from hicmae.imports import quick_imports

CROSSVAL = """\
Fine-tunes and tests on every fold of a corpus, one after the other, and writes one table.

  hicmae crossval --config finetune/ravdess.yaml --data.root FOLDER --model.pretrained FILE

All options of `hicmae fit` can be given; they hold for every fold. What is interrupted goes on
where it stopped when the command is given again: finished folds are kept, and the fold in hand
goes on from its last checkpoint. A corpus that has one split counts as one fold.
"""

REPORT = """\
Joins runs into one table and one picture, with the published results of the same corpus, model and
modality beside them.

  hicmae report runs/crossval-ravdess runs/crossval-mafw --output report

FOLDER is what `hicmae crossval` wrote, or the folder of a single tested run (RUN/version_0).
"""


def crossval_main(arguments: list[str]) -> None:
    """Runs `hicmae crossval`.

    Args:
        arguments: What stands behind it.

    Raises:
        HicmaeError: A mistake that the user can mend, or a fold that failed.
    """
    parser = _parser("crossval", CROSSVAL)
    parser.add_argument("--folds", help="folds to run, such as 1,3; all of them if not given")
    parser.add_argument("--output", help="where to write; runs/crossval-CONFIG if not given")
    parser.add_argument("--dry_run", action="store_true", help="show the commands, run nothing")
    options, rest = parser.parse_known_args(arguments)
    with quick_imports():  # after the options, so that help comes at once
        from hicmae.evaluation.crossval import cross_validate  # noqa: PLC0415

    cross_validate(rest, **vars(options), command=["crossval", *arguments])


def report_main(arguments: list[str]) -> None:
    """Runs `hicmae report`.

    Args:
        arguments: What stands behind it.

    Raises:
        HicmaeError: A folder holds no results.
    """
    parser = _parser("report", REPORT)
    parser.add_argument("folder", nargs="+", type=Path, help="folders of runs")
    parser.add_argument("--output", type=Path, default=Path("report"), help="where to write")
    options = parser.parse_args(arguments)
    with quick_imports():  # after the options, so that help comes at once
        from hicmae.evaluation.report import write_report  # noqa: PLC0415

    write_report(options.folder, options.output)


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"hicmae {command}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
