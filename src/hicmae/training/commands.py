"""Training and evaluation on LightningCLI: `hicmae fit`, `validate`, `test` and `predict`."""

from __future__ import annotations

import logging
import re
import sys
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace, capture_parser
from jsonargparse.typing import restricted_number_type
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import (
    ArgsType,
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
)
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_info

from hicmae.answers import threshold_of
from hicmae.command_line import HelpFormatter
from hicmae.configs import resolve_arguments
from hicmae.data.datamodules import AudioVisualDataModule
from hicmae.errors import CheckpointError, ConfigError
from hicmae.models import UNCHANGED, Architecture
from hicmae.tasks import AudioVisualTask, RecognitionTask
from hicmae.training.callbacks import ModelCost, ResultsFile
from hicmae.training.precision import MachineTrainer
from hicmae.training.progress import ClipProgressBar
from hicmae.training.reliability import learn_reliability
from hicmae.training.resuming import (
    AtomicCheckpoints,
    ExactResume,
    LastCheckpoint,
    newest_checkpoint,
)
from hicmae.weights.reading import read_torch
from hicmae.weights.runs import checkpoint_of

log = logging.getLogger(__name__)

ShareOfErrors = restricted_number_type("ShareOfErrors", float, [(">=", 0), ("<", 1)])

_UNKNOWN_FIELD = re.compile(
    r"(?:unrecognized arguments: --architecture\.|'architecture' does not accept option ')(\w+)"
)

DESCRIPTION = """\
Pre-trains on unlabelled talking faces, fine-tunes on labelled ones, tests and predicts.

  hicmae fit --config pretrain.yaml --data.root FOLDER       pre-train on VoxCeleb2
  hicmae fit --config finetune/ravdess.yaml --data.root FOLDER --model.pretrained FILE
  hicmae fit --config pretrain.yaml --data.root FOLDER --ckpt_path last      go on after a stop
  hicmae test --ckpt_path RUN/checkpoints/best.ckpt          with the config of its run

A config that is no file in the current folder is looked up among the project's (`hicmae configs`);
later ones override earlier ones, options override configs.
"""


class HicmaeCLI(LightningCLI):
    """LightningCLI with the run folder, looks and links of this project."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Lets the data name the model's outputs and adds the project's own options."""
        for name in ("class_names", "target_names", "target_kind"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
        parser.add_argument(
            "--test_after_fit",
            type=bool,
            default=True,
            help="After fine-tuning, test the best checkpoint (the last where none is chosen).",
        )
        parser.add_argument(
            "--calibrated",
            type=bool,
            default=True,
            help="Test and predict with calibrated probabilities, where the checkpoint has them.",
        )
        parser.add_argument(
            "--wanted_error",
            type=ShareOfErrors | None,
            default=None,
            help="Tell in a column `sure` of predictions which answers are as sure as those that "
            "were wrong no more often on validation clips, such as 0.2.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses the command line; a field that an architecture lacks is told with those it has.

        The checkpoint is set aside: Lightning would feed its hyper-parameters into the options,
        where they collide with those that the data decides. The configs alone have the say.
        """
        with _fields_told():
            super().parse_arguments(parser, args)
        options = self.config[self.config.subcommand]
        self._checkpoint = self._checked(options.ckpt_path, options.trainer.default_root_dir)
        options.ckpt_path = None

    def _checked(self, path: str | None, root: str) -> str | None:
        """The path of a checkpoint; refuses a file that is none."""
        if path == "last":
            path = self._last_checkpoint(root)
        elif path:
            path = _meant(str(self.config.subcommand), path)
        if not path or not Path(path).is_file():
            return path
        if not zipfile.is_zipfile(path):
            raise CheckpointError(f"{path} is no checkpoint of a run, or is damaged.")
        resumes = self.config.subcommand == "fit"
        if resumes and "optimizer_states" not in read_torch(Path(path)):
            raise CheckpointError(
                f"{path} holds a model but no run to go on with: start from its weights with "
                f"--model.pretrained {path}."
            )
        return path

    def _last_checkpoint(self, root: str) -> str | None:
        """What `--ckpt_path last` stands for; every run has a folder of its own below the root."""
        newest = newest_checkpoint(root)
        if newest is not None:
            return str(newest)
        if self.config.subcommand != "fit":
            raise CheckpointError(
                f"There is no last.ckpt in {root} or below it: give --ckpt_path with the path of a "
                "checkpoint."
            )
        # The first start of a job that is written so that any later one resumes it.
        log.warning("There is no last.ckpt in %s or below it: the run starts anew.", root)
        return None

    def before_instantiate_classes(self) -> None:
        """Brings the checkpoint back; refuses a schedule that would be left out without a word.

        Configs of version 0.1 say null of an architecture that is the published one.
        """
        options = self.config[self.subcommand]
        options.ckpt_path = self._checkpoint
        model = options.model.init_args
        self._take_classes(options)
        if model.get("architecture", UNCHANGED) is None:
            model.architecture = Namespace(asdict(UNCHANGED))
        if options.get("lr_scheduler") and not options.get("optimizer"):
            raise ConfigError(
                "--lr_scheduler needs an --optimizer to steer: give both, or neither for the "
                "published ones."
            )

    def _take_classes(self, options: Namespace) -> None:
        """Gives a table the classes of the checkpoint, by which its outputs are numbered.

        Those of the table may be fewer, and would then be numbered otherwise.
        """
        data = options.data.init_args
        named = data.get("label") or data.get("labels")
        if not options.ckpt_path or "classes" not in data or not isinstance(named, str):
            return
        kept = read_torch(Path(options.ckpt_path)).get("hyper_parameters", {})
        outputs = [str(name) for name in kept.get("class_names") or ()]
        given = data.classes and [str(name) for name in data.classes]
        if given and outputs and given != outputs:
            raise ConfigError(
                f"data.classes are {', '.join(given)}, but the model of {options.ckpt_path} tells "
                f"apart {', '.join(outputs)}, in this order: leave data.classes out."
            )
        data.classes = outputs or data.classes

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """A trainer whose run folder always holds a metrics table."""
        options = self.config_init[self.subcommand].trainer
        if options.logger is not False and not options.fast_dev_run:
            root = options.default_root_dir
            table = CSVLogger(root, name="")
            if options.logger in (None, True):
                others: list[Logger] = [TensorBoardLogger(root, name="", version=table.version)]
            else:
                given = options.logger
                others = list(given) if isinstance(given, list) else [given]
            kwargs["logger"] = [table, *others]
        given = options.plugins or []
        plugins = list(given) if isinstance(given, list) else [given]
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*plugins, AtomicCheckpoints()]
        unwanted: list[type[Callback]] = []
        if options.enable_progress_bar is False:
            unwanted.append(ClipProgressBar)
        if options.enable_checkpointing is False:
            unwanted.append(LastCheckpoint)
        self.trainer_defaults["callbacks"] = [
            callback
            for callback in self.trainer_defaults["callbacks"]
            if not isinstance(callback, tuple(unwanted))
        ]
        try:
            return super().instantiate_trainer(**kwargs)
        except ValueError as error:  # such as an accelerator that does not exist
            raise ConfigError(f"trainer: {error}") from error

    def before_test(self) -> None:
        """Refuses to judge a model that was never trained."""
        self._require_checkpoint()
        self._set_answers()

    def before_predict(self) -> None:
        """Refuses to predict with a model that was never trained."""
        self._require_checkpoint()
        self._set_answers()

    def _set_answers(self) -> None:
        if isinstance(self.model, RecognitionTask):
            options = self.config[self.subcommand]
            self.model.calibrated = options.calibrated
            self.model.wanted_error = options.wanted_error

    def _require_checkpoint(self) -> None:
        if not self.config[self.subcommand].ckpt_path:
            raise ConfigError(
                f"{self.subcommand} needs a trained model: give --ckpt_path, for example "
                "RUN/checkpoints/best.ckpt."
            )

    def after_fit(self) -> None:
        """Learns what the answers of the chosen checkpoint are worth, and tests it."""
        keeper = self.trainer.checkpoint_callback
        # Without one, this was a dry run, or checkpointing is turned off.
        if (
            not isinstance(self.model, RecognitionTask)
            or keeper is None
            or self.trainer.interrupted
        ):
            return
        chosen = getattr(keeper, "best_model_path", "")
        chosen = chosen or newest_checkpoint(str(self.trainer.log_dir))
        if self.model.kind is not None and chosen:
            learn_reliability(self.trainer, self.model, self.datamodule, str(chosen))
        if self.config[self.subcommand].test_after_fit:
            splits = self.datamodule.splits
            if not len(splits.rows("test")):
                rank_zero_info(f"Nothing is tested: there are no test rows ({splits.policy}).")
                return
            self._set_answers()
            if self.model.wanted_error is not None:
                try:
                    threshold_of(self.model.reliability, self.model.wanted_error)
                except ConfigError as error:  # what was trained is worth a test all the same
                    log.warning("No answer is called sure or not sure: %s", error)
                    self.model.wanted_error = None
            self.trainer.test(self.model, datamodule=self.datamodule, ckpt_path=chosen or "last")


def run(arguments: list[str]) -> HicmaeCLI:
    """Runs a command line; mistakes are raised.

    Args:
        arguments: What stands behind `hicmae`.

    Returns:
        What ran, with its trainer, model and data.

    Raises:
        HicmaeError: A mistake that the user can mend.
        ArgumentError: An option that does not exist or does not fit.
    """
    quieten()
    before = sys.argv
    # With several devices, lightning starts the other processes by the command line of this one,
    # which is that of another command where training is a part of it. The first word stays.
    sys.argv = [sys.argv[0], *resolve_arguments(arguments, partial(_meant, arguments[0]))]
    try:
        return _command_line()
    finally:
        sys.argv = before


def _meant(command: str, path: str) -> str:
    """The checkpoint that is meant where the folder of a run is named.

    Raises:
        CheckpointError: There is none to go on with, or several may be meant.
    """
    folder = Path(path).expanduser()
    if path == "last" or not folder.is_dir() or folder.suffix == ".ckpt":
        return path
    if command != "fit":
        return str(checkpoint_of(folder))
    newest = newest_checkpoint(folder)
    if newest is None:
        raise CheckpointError(
            f"There is no last.ckpt in {path} or below it to go on with: give the path of a "
            "checkpoint."
        )
    log.warning("%s is the folder of a run, which goes on from its %s.", path, newest.name)
    return str(newest)


def parse_fit(options: Sequence[str]) -> dict[str, Any]:
    """All settings of a run, with their defaults, as its config.yaml will have them.

    Args:
        options: What stands behind `hicmae fit`.

    Raises:
        ConfigError: There is no such config.
        ArgumentError: An option that does not exist or does not fit.
    """
    parser = fit_parser()
    with _fields_told():
        parsed = parser.parse_args(resolve_arguments(["fit", *options]))
    config: dict[str, Any] = yaml.safe_load(parser.dump(parsed, skip_unset=False))["fit"]
    return config


def fit_parser() -> ArgumentParser:
    """The parser of the training commands."""
    return capture_parser(_command_line)


@contextmanager
def _fields_told() -> Iterator[None]:
    """Tells of a field that an architecture lacks by those that it has."""
    try:
        yield
    except ArgumentError as error:
        if unknown := _UNKNOWN_FIELD.search(str(error)):
            Architecture.of_size("base", {unknown[1]: None})
        raise


def _command_line() -> HicmaeCLI:
    """Parses the command line of the process and does what it says."""
    return HicmaeCLI(
        AudioVisualTask,
        AudioVisualDataModule,
        trainer_class=MachineTrainer,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        save_config_callback=SaveConfigCallback,
        save_config_kwargs={"overwrite": True},
        trainer_defaults={
            "default_root_dir": "runs",
            "enable_model_summary": False,
            "callbacks": [
                ExactResume(),
                ClipProgressBar(),
                ModelCost(),
                ResultsFile(),
                LastCheckpoint(),
            ],
        },
        parser_kwargs={
            "prog": "hicmae",
            "description": DESCRIPTION,
            "exit_on_error": False,
            "formatter_class": HelpFormatter,
        },
    )


def quieten() -> None:
    """Keeps advertisements and warnings that no user can act on out of the output."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "litlogger" not in record.getMessage()
    )
    warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)")
    warnings.filterwarnings("ignore", message=r".*does not have many workers")
    warnings.filterwarnings("ignore", message=r".*recommended to use `self.log\('train/")
    warnings.filterwarnings("ignore", message=r".*The dirpath has changed")
    # A linear probe and a search among neighbours are meant to be so.
    warnings.filterwarnings("ignore", message=r".*module\(s\) in eval mode")
    warnings.filterwarnings("ignore", message=r".*`configure_optimizers` returned `None`")
