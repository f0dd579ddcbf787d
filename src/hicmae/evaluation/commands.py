"""The commands `hicmae crossval` and `hicmae report`: folds and tables."""

from __future__ import annotations

from pathlib import Path

from hicmae.imports import quick_imports


def crossval(
    *options: str,
    folds: str | None = None,
    output: str | Path | None = None,
    dry_run: bool = False,
) -> None:
    """Fine-tunes and tests on every fold of a corpus, one after the other, and writes one table.

      hicmae crossval --config finetune/ravdess.yaml --data.root FOLDER --model.pretrained FILE

    All options of `hicmae fit` can be given; they hold for every fold. What is interrupted goes on
    where it stopped when the command is given again: finished folds are kept, and the fold in hand
    goes on from its last checkpoint. A corpus that has one split counts as one fold.

    Args:
        *options: Options of `hicmae fit`.
        folds: Folds to run, such as 1,3; all of them if not given.
        output: Where to write; runs/crossval-CONFIG if not given.
        dry_run: Show the commands, run nothing.

    Raises:
        HicmaeError: A mistake that the user can mend, or a fold that failed.
    """
    with quick_imports():  # within, so that help comes at once
        from hicmae.evaluation.crossval import cross_validate  # noqa: PLC0415

    cross_validate(options, folds=folds, output=output, dry_run=dry_run)


def report(folders: list[str | Path], *, output: str | Path = "report") -> None:
    """Joins runs into one table and one picture, beside the published results.

    Published results are those of the same corpus, model and modality.

      hicmae report runs/crossval-ravdess runs/crossval-mafw --output report

    Args:
        folders: What `hicmae crossval` wrote, or the folder of a single tested run
            (RUN/version_0).
        output: Where to write.

    Raises:
        HicmaeError: A folder holds no results.
    """
    with quick_imports():  # within, so that help comes at once
        from hicmae.evaluation.report import write_report  # noqa: PLC0415

    write_report([Path(folder) for folder in folders], Path(output))
