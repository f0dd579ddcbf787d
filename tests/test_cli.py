"""The command line end to end, in process wherever one process is enough."""

import json
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from media_factory import write_clip
from tiny import ARCHITECTURE, CONFIDENCE, SCORES, keep
from torch import nn

from hicmae.cli import COMMANDS, TRAINING, main
from hicmae.command_line import Group
from hicmae.configs import config_folder, config_names
from hicmae.tasks import ClassificationTask, PretrainingTask, RegressionTask
from hicmae.training.commands import HicmaeCLI, run

# Clips of as many frames as the data modules give by default.
FRAMES = {"num_frames": 16, "audio_frames": 64}
# Options of the model, and which checkpoint is kept.
RUNS = {
    "pretrain": ({"figure_every_n_epochs": 10}, {}),
    "classify": ({"drop_path": 0.1}, {"filename": "best", "monitor": "val/WAR", "mode": "max"}),
    "regress": ({"drop_path": 0.1}, {"filename": "best", "monitor": "val/MSE", "mode": "min"}),
}


@pytest.fixture(autouse=True)
def surroundings(as_command, monkeypatch):
    """Nothing is sent anywhere."""
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.fixture(scope="session")
def configs(write_config):
    """A config file of each task."""
    files = {}
    for kind, (options, best) in RUNS.items():
        model = {"architecture": ARCHITECTURE | FRAMES} | options
        trainer = {"callbacks": [keep(save_last=True, **best)]}
        files[kind] = write_config(kind, model=model, data=FRAMES, trainer=trainer)
    return files


def fit(config, root, *options):
    """Runs `hicmae fit` and gives the folder of the run."""
    done = run(["fit", "--config", str(config), f"--trainer.default_root_dir={root}", *options])
    return Path(done.trainer.log_dir)


@pytest.fixture(scope="session")
def pretrained(configs, tmp_path_factory):
    """A finished pre-training run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hicmae"])
        return fit(
            configs["pretrain"],
            tmp_path_factory.mktemp("pretrained"),
            "--model.figure_every_n_epochs=1",
        )


@pytest.fixture(scope="session")
def fine_tuned(configs, pretrained, tmp_path_factory):
    """A finished classification run that started from the pre-trained one."""
    checkpoint = pretrained / "checkpoints" / "last.ckpt"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["hicmae"])
        return fit(
            configs["classify"],
            tmp_path_factory.mktemp("fine-tuned"),
            f"--model.pretrained={checkpoint}",
        )


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def results(folder):
    return json.loads((folder / "test_metrics.json").read_text())


def in_a_new_process(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "hicmae.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


class TestRuns:
    def test_pretraining_leaves_what_one_looks_for(self, pretrained):
        assert (pretrained / "config.yaml").is_file()
        assert (pretrained / "checkpoints" / "last.ckpt").is_file()
        table = pd.read_csv(pretrained / "metrics.csv")
        assert {"train/loss_step", "val/loss", "val/audio_to_video_set_2"} <= set(table.columns)
        assert len(list(pretrained.glob("pictures/reconstruction-*.png"))) == 2
        assert list(pretrained.glob("events.out.tfevents.*"))

    def test_fine_tuning_leaves_what_one_looks_for(self, fine_tuned):
        for name in ("best.ckpt", "last.ckpt"):
            assert (fine_tuned / "checkpoints" / name).is_file()
        before_calibration = {f"{name}_raw" for name in CONFIDENCE}
        logged = SCORES | CONFIDENCE | before_calibration
        assert set(results(fine_tuned)) == {f"test/{name}" for name in logged}
        table = pd.read_csv(fine_tuned / "test_predictions.csv")
        told = ["id", "unfamiliarity", "target", "prediction", "anger", "calm", "joy"]
        assert list(table.columns) == told
        assert table["id"].tolist() == ["c11", "c12", "c13"]
        assert len(list(fine_tuned.glob("pictures/confusion-*.png"))) == 1

    def test_tasks_load_from_checkpoints_of_the_command_line(self, configs, tmp_path):
        """Whatever the data has: labels make no difference to pre-training."""
        for name, task, labels in (
            ("pretrain", PretrainingTask, ["--data.label=emotion"]),
            ("classify", ClassificationTask, []),
            ("regress", RegressionTask, []),
        ):
            folder = fit(configs[name], tmp_path / name, *labels, "--trainer.max_epochs=1")
            file = folder / "checkpoints" / "last.ckpt"
            loaded = task.load_from_checkpoint(file, weights_only=True)
            for key, tensor in loaded.state_dict().items():
                assert torch.equal(tensor, weights(file)[key]), key

    def test_fine_tuning_starts_from_the_pretrained_weights(self, configs, pretrained, tmp_path):
        checkpoint = pretrained / "checkpoints" / "last.ckpt"
        # Within a warm-up of many epochs the first step has a rate of 0.
        folder = fit(
            configs["classify"],
            tmp_path,
            f"--model.pretrained={checkpoint}",
            "--model.warmup_epochs=9",
            "--trainer.max_steps=1",
            "--test_after_fit=false",
        )
        ours = weights(folder / "checkpoints" / "last.ckpt")
        theirs = weights(checkpoint)
        shared = [name for name in ours if name in theirs]
        assert any(name.startswith("model.fusion_encoder") for name in shared)
        for name in shared:
            assert torch.equal(ours[name], theirs[name]), name
        assert not (folder / "test_metrics.json").exists()

    def test_a_table_without_test_rows_is_trained_on_to_the_end(
        self, corpus, configs, tmp_path, caplog
    ):
        table = pd.read_csv(corpus / "manifest.csv")[["video", "emotion"]]
        table["video"] = [str(corpus / video) for video in table["video"]]
        table.to_csv(tmp_path / "everyone.csv", index=False)
        folder = fit(
            configs["classify"],
            tmp_path / "run",
            f"--data.manifest={tmp_path / 'everyone.csv'}",
            "--trainer.max_steps=1",
        )
        assert (folder / "checkpoints" / "last.ckpt").exists()
        assert not (folder / "test_metrics.json").exists()
        assert "Nothing is tested: there are no test rows (every row" in caplog.text

    def test_same_command_gives_the_same_weights(self, configs, fine_tuned, pretrained, tmp_path):
        checkpoint = pretrained / "checkpoints" / "last.ckpt"
        again = fit(
            configs["classify"],
            tmp_path,
            f"--model.pretrained={checkpoint}",
            "--test_after_fit=false",
        )
        ours = weights(again / "checkpoints" / "last.ckpt")
        theirs = weights(fine_tuned / "checkpoints" / "last.ckpt")
        assert ours.keys() == theirs.keys()
        for name, tensor in theirs.items():
            assert torch.equal(tensor, ours[name]), name

    @pytest.mark.parametrize("seed", ["--seed_everything", "--model.seed", "--data.seed"])
    def test_every_seed_matters(self, configs, pretrained, tmp_path, seed):
        other = fit(configs["pretrain"], tmp_path, f"{seed}=1", "--model.figure_every_n_epochs=0")
        ours = weights(other / "checkpoints" / "last.ckpt")
        theirs = weights(pretrained / "checkpoints" / "last.ckpt")
        assert any(not torch.equal(tensor, ours[name]) for name, tensor in theirs.items())

    def test_run_is_resumed_with_its_own_config(self, fine_tuned, tmp_path):
        """Without --config; and the file of the pre-trained weights is no longer needed."""
        done = run(
            [
                "fit",
                f"--ckpt_path={fine_tuned / 'checkpoints' / 'last.ckpt'}",
                f"--trainer.default_root_dir={tmp_path}",
                "--trainer.max_epochs=3",
                f"--model.pretrained={tmp_path / 'gone.ckpt'}",
            ]
        )
        assert done.trainer.current_epoch == 3
        assert done.trainer.global_step == 6

    def test_regression(self, configs, tmp_path):
        folder = fit(configs["regress"], tmp_path, "--model.loss=ccc")
        scores = results(folder)
        assert {"test/CCC", "test/CCC_arousal", "test/RMSE_valence", "test/loss"} <= set(scores)
        table = pd.read_csv(folder / "test_predictions.csv")
        assert table["arousal_target"].tolist() == pytest.approx([11 / 14, 12 / 14, 13 / 14])
        best = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)
        assert best["hyper_parameters"]["target_names"] == ["arousal", "valence"]

    def test_a_dry_run_leaves_no_run_folder(self, configs, tmp_path):
        run(
            [
                "fit",
                f"--config={configs['classify']}",
                "--trainer.fast_dev_run=true",
                f"--trainer.default_root_dir={tmp_path / 'runs'}",
            ]
        )
        assert not list(tmp_path.rglob("version_*"))
        assert not list(tmp_path.rglob("test_metrics.json"))

    def test_labels_are_no_hindrance_to_pretraining(self, configs, tmp_path):
        fit(configs["pretrain"], tmp_path, "--data.label=emotion", "--trainer.max_steps=1")

    def test_without_validation_the_last_epoch_is_tested(self, configs, corpus, tmp_path):
        table = pd.read_csv(corpus / "manifest.csv")
        table["video"] = [str(corpus / name) for name in table["video"]]
        table = table[table["split"] != "val"]
        table.to_csv(tmp_path / "table.csv", index=False)
        folder = fit(
            configs["classify"],
            tmp_path,
            f"--data.manifest={tmp_path / 'table.csv'}",
            "--data.val_fraction=0",
        )
        assert "test/UAR" in results(folder)

    def test_progress_bar_can_be_turned_off(self, configs, tmp_path):
        options = ("--trainer.enable_progress_bar=false", "--trainer.max_steps=1")
        fit(configs["pretrain"], tmp_path, *options)

    def test_current_folder_holds_runs_by_default(self, configs, tmp_path):
        done = run(["fit", f"--config={configs['pretrain']}", "--trainer.max_steps=1"])
        assert Path(done.trainer.log_dir).resolve().parent == tmp_path / "runs"
        assert [path.name for path in tmp_path.iterdir()] == ["runs"]


class TestAfterwards:
    def test_new_process_gives_the_numbers_of_the_runs_own_test(self, fine_tuned, tmp_path):
        """Without --config: that of the run is found beside the checkpoint."""
        checkpoint = fine_tuned / "checkpoints" / "best.ckpt"
        root = f"--trainer.default_root_dir={tmp_path}"
        done = in_a_new_process("test", "--ckpt_path", checkpoint, root)
        assert done.returncode == 0, done.stderr
        assert results(tmp_path / "version_0") == results(fine_tuned)
        ours, theirs = (
            pd.read_csv(folder / "test_predictions.csv")
            for folder in (tmp_path / "version_0", fine_tuned)
        )
        pd.testing.assert_frame_equal(ours, theirs)

    def test_with_the_config_it_was_trained_with(self, configs, fine_tuned, tmp_path):
        run(
            [
                "test",
                f"--config={configs['classify']}",
                f"--ckpt_path={fine_tuned / 'checkpoints' / 'best.ckpt'}",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        assert results(tmp_path / "version_0") == results(fine_tuned)

    def test_predictions_are_written_with_probabilities(self, fine_tuned, tmp_path):
        run(
            [
                "predict",
                f"--ckpt_path={fine_tuned / 'checkpoints' / 'best.ckpt'}",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        table = pd.read_csv(tmp_path / "version_0" / "predictions.csv")
        tested = pd.read_csv(fine_tuned / "test_predictions.csv")
        columns = ["id", "prediction", "anger", "calm", "joy"]
        pd.testing.assert_frame_equal(table[columns], tested[columns])

    def test_validation_gives_the_value_that_chose_the_checkpoint(self, fine_tuned, tmp_path):
        done = run(
            [
                "validate",
                f"--ckpt_path={fine_tuned / 'checkpoints' / 'best.ckpt'}",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        saved = torch.load(fine_tuned / "checkpoints" / "best.ckpt", weights_only=True)
        state = next(
            state
            for name, state in saved["callbacks"].items()
            if name.startswith("ModelCheckpoint")
        )
        assert done.trainer.callback_metrics["val/WAR"] == pytest.approx(
            float(state["best_model_score"])
        )

    def test_pretraining_is_validated_alike(self, pretrained, tmp_path):
        done = run(
            [
                "validate",
                f"--ckpt_path={pretrained / 'checkpoints' / 'last.ckpt'}",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        logged = pd.read_csv(pretrained / "metrics.csv")["val/loss"].dropna()
        assert float(done.trainer.callback_metrics["val/loss"]) == pytest.approx(
            logged.iloc[-1], rel=1e-5
        )

    def test_settings_of_the_run_can_be_overridden(self, fine_tuned, tmp_path):
        done = run(
            [
                "test",
                f"--ckpt_path={fine_tuned / 'checkpoints' / 'best.ckpt'}",
                f"--trainer.default_root_dir={tmp_path}",
                "--data.views=3",
                "--data.batch_size=1",
            ]
        )
        assert done.datamodule.views == 3


def test_weights_and_biases_offline(configs, tmp_path):
    done = run(
        [
            "fit",
            f"--config={configs['classify']}",
            "--config=trainer/wandb.yaml",
            f"--trainer.logger.init_args.save_dir={tmp_path / 'logs'}",
            f"--trainer.default_root_dir={tmp_path / 'runs'}",
            "--trainer.max_epochs=1",
        ]
    )
    try:
        assert [type(logger) for logger in done.trainer.loggers] == [CSVLogger, WandbLogger]
        files = list((tmp_path / "logs" / "wandb").glob("offline-run-*/run-*.wandb"))
        assert len(files) == 1
        assert files[0].stat().st_size > 0
        # The run folder is as without it.
        assert "test/UAR" in results(Path(done.trainer.log_dir))
        pictures = list((tmp_path / "logs").rglob("media/images/confusion*.png"))
        assert len(pictures) == 1
    finally:
        done.trainer.loggers[1].experiment.finish()


PARTS = ("trainer/", "sweeps/", "ablations/", "probe/")


class TestShippedConfigs:
    FULL = tuple(name for name in config_names() if not name.startswith(PARTS))

    @pytest.mark.parametrize("name", FULL)
    def test_parses_and_instantiates(self, name, corpus, monkeypatch, tmp_path):
        """All but the command itself: model, data and trainer stand, and fit each other."""
        monkeypatch.setattr(HicmaeCLI, "_run_subcommand", lambda self, command: None)
        options = [f"--trainer.default_root_dir={tmp_path}"]
        content = yaml.safe_load((config_folder() / name).read_text(encoding="utf-8"))
        if "architecture" not in content["model"]["init_args"]:
            options.append("--model.size=tiny")  # sooner built than base
        data = content["data"]["init_args"]
        if "manifest" in data:
            options.append(f"--data.manifest={corpus / 'manifest.csv'}")
            if "labels" in name:
                options += ["--data.labels=emotion"]
            elif "Classification" in content["model"]["class_path"]:
                options += ["--data.label=emotion", "--data.classes=[anger, calm, joy]"]
            elif "Regression" in content["model"]["class_path"]:
                options.append("--data.targets=[arousal, valence]")
        built = run(["fit", f"--config={name}", "--config=trainer/cpu.yaml", *options])
        shape, prepare = built.model.architecture, built.datamodule.preprocessor
        assert shape.image_size == prepare.image_size
        assert (1, shape.audio_frames, shape.mel_bins) == prepare.spectrogram_shape
        assert shape.num_frames == built.datamodule.clip_options.num_frames

    def test_changes_of_the_architecture_add_up(self, monkeypatch, tmp_path):
        """Stacked configs and the command line each change what they name; null takes all back."""
        monkeypatch.setattr(HicmaeCLI, "_run_subcommand", lambda self, command: None)
        for name, text in (
            ("width", "{width: 96, heads: 3}"),
            ("depth", "{depth: 2, skip_layers: [1], contrast_layers: [2]}"),
            ("nothing", "null"),
        ):
            (tmp_path / f"{name}.yaml").write_text(
                f"model: {{init_args: {{architecture: {text}}}}}\n"
            )

        def built(*options):
            root = f"--trainer.default_root_dir={tmp_path}"
            command = ["fit", "--config=pretrain.yaml", "--config=trainer/cpu.yaml", root]
            return run([*command, "--model.size=tiny", *options]).model

        task = built("--config=width.yaml", "--config=depth.yaml", "--model.architecture.heads=6")
        shape = task.architecture
        assert (shape.width, shape.heads, shape.depth, shape.skip_layers) == (96, 6, 2, (1,))
        assert task.hparams["architecture"]["width"] == 96
        shape = built("--config=width.yaml", "--config=nothing.yaml").architecture
        assert (shape.width, shape.depth) == (256, 10)

    def test_a_schedule_without_an_optimiser_is_refused(self, capsys):
        scheduler = "--lr_scheduler=torch.optim.lr_scheduler.ExponentialLR"
        with pytest.raises(SystemExit, match="2"):
            main(["fit", "--config=demo/finetune.yaml", scheduler, "--lr_scheduler.gamma=0.5"])
        assert "needs an --optimizer" in capsys.readouterr().err

    @pytest.mark.parametrize("name", [n for n in config_names() if n.startswith("trainer/")])
    def test_overlays_parse(self, name, capsys):
        with pytest.raises(SystemExit) as caught:
            run(["fit", "--config=pretrain.yaml", f"--config={name}", "--print_config"])
        assert caught.value.code in {0, None}
        printed = yaml.safe_load(capsys.readouterr().out)
        assert printed["model"]["init_args"]["temperature"] == 0.07

    def test_published_numbers_reach_the_model(self, monkeypatch, tmp_path):
        monkeypatch.setattr(HicmaeCLI, "_run_subcommand", lambda self, command: None)
        # A linear layer without numbers in it: the base model at no cost.
        monkeypatch.setattr(nn.Linear, "reset_parameters", lambda self: None)
        built = run(
            [
                "fit",
                "--config=pretrain.yaml",
                "--config=trainer/cpu.yaml",
                "--model.architecture.depth=7",
                "--model.architecture.skip_layers=[4, 7]",
                "--model.architecture.contrast_layers=[4, 7]",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        assert isinstance(built.model, PretrainingTask)
        assert built.model.architecture.width == 512
        assert built.model.architecture.skip_layers == (4, 7)
        assert built.model.contrast_weight == 0.0025
        assert built.model.betas == (0.9, 0.95)
        assert built.datamodule.batch_size == 40


def helped(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code in {0, None}
    # Wrapping depends on the width of the terminal.
    return " ".join(capsys.readouterr().out.split())


class TestHelp:
    def test_bare_command_teaches_commands(self, capsys):
        for arguments in (["--help"], ["-h"], []):
            main(list(arguments))
            text = capsys.readouterr().out
            for words in ("hicmae demo", "--model.pretrained FILE", "HICMAE_TRACEBACK=1"):
                assert words in text
            for command in (*TRAINING, *COMMANDS):
                assert f"\n  {command} " in text

    def test_every_command_is_there(self):
        for command in COMMANDS.values():
            module, function = command.place.split(":")
            loaded = getattr(import_module(module), function)
            assert callable(loaded) or isinstance(loaded, Group)

    @pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
    def test_commands_teach_what_docstrings_say(self, capsys, command):
        text = helped(capsys, command, "--help")
        assert "A training task around one of the models" in text
        assert "Clips with sound, from a manifest to normalised batches" in text
        assert "--ckpt_path" in text
        for name in ("PretrainingTask", "ClassificationTask", "ManifestDataModule"):
            assert name in text
        assert "test the best checkpoint" in text

    @pytest.mark.parametrize(
        ("task", "said"),
        [
            ("PretrainingTask", "Share of frame positions masked"),
            ("ClassificationTask", "Share of the target spread over all classes"),
            ("RegressionTask", "one minus concordance"),
        ],
    )
    def test_options_of_a_task(self, capsys, task, said):
        text = helped(capsys, "fit", f"--model.help=hicmae.tasks.{task}")
        assert said in text
        assert "Factor of the learning rate from one layer to the one below" in text
        assert "--model.architecture.width" in text
        assert "Width of the encoders' tokens" in text

    @pytest.mark.parametrize(
        ("module", "said"),
        [
            ("ManifestDataModule", "Columns of numbers, for regression"),
            ("VoxCeleb2DataModule", "Speakers held out for validation"),
            ("RAVDESSDataModule", "Fold to test"),
        ],
    )
    def test_options_of_a_data_module(self, capsys, module, said):
        text = helped(capsys, "fit", f"--data.help=hicmae.data.datamodules.{module}")
        assert said in text
        assert "Clips per batch and device" in text

    def test_configs_are_listed_with_their_purpose(self, capsys):
        main(["configs"])
        text = capsys.readouterr().out
        for name in config_names():
            assert name in text
        assert "Pre-training on VoxCeleb2 as published" in text


@pytest.fixture
def refuse(capsys):
    """`refuse(arguments, *words)`: ends with status 2 and one line that has the words."""

    def check(arguments, *said):
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        assert caught.value.code == 2
        text = capsys.readouterr().err
        assert "Traceback" not in text
        lines = [line for line in text.splitlines() if line.startswith("hicmae: ")]
        assert len(lines) == 1, text
        assert text.splitlines()[-1] == lines[0]
        for words in said:
            assert words in lines[0]
        return lines[0]

    return check


# Base models take seconds to build; where the mistake is in the data, a tiny one does.
SMALL = ("--model.size=tiny", "--trainer.accelerator=cpu", "--trainer.precision=32-true")


class TestMistakes:
    def test_unknown_command(self, refuse):
        refuse(["train"], "no command 'train'", "fit, validate, test, predict")

    def test_unknown_config(self, refuse):
        refuse(["fit", "--config", "pretrian.yaml"], "pretrian.yaml", "did you mean pretrain.yaml")

    def test_config_that_is_no_yaml(self, refuse, tmp_path):
        (tmp_path / "odd.yaml").write_text("model: [1,\n")
        refuse(["fit", "--config=odd.yaml"], "line 2")

    def test_config_with_an_unknown_section(self, refuse, tmp_path):
        (tmp_path / "odd.yaml").write_text("modle:\n  class_path: PretrainingTask\n")
        refuse(["fit", "--config=odd.yaml"], "modle")

    def test_folder_without_clips(self, refuse, tmp_path):
        (tmp_path / "empty").mkdir()
        refuse(
            ["fit", "--config=pretrain.yaml", f"--data.root={tmp_path / 'empty'}", *SMALL],
            str(tmp_path / "empty"),
            "dev/mp4/<speaker>/<video>/<clip>.mp4",
        )

    @pytest.mark.parametrize("config", ["pretrain.yaml", "finetune/ravdess.yaml"])
    def test_missing_folder(self, refuse, tmp_path, config):
        root = tmp_path / "nowhere"
        refuse(["fit", f"--config={config}", f"--data.root={root}", *SMALL], str(root))

    @pytest.mark.parametrize(
        "option",
        [
            "--model.contrast_wieght=1",
            "--data.batchsize=1",
            "--trainer.max_epohcs=1",
            "--nonsense=1",
        ],
    )
    def test_unknown_option(self, refuse, configs, option):
        name = option.split("=")[0].split(".")[-1].strip("-")
        refuse(["fit", f"--config={configs['pretrain']}", option], name, "--help")

    @pytest.mark.parametrize(
        ("option", "said"),
        [
            ("--data.batch_size=many", "int"),
            ("--trainer.max_epochs=many", "int"),
            ("--trainer.precision=7", "16-mixed"),
            ("--trainer.accelerator=quantum", "cpu"),
            ("--model.size=huge", "tiny"),
            ("--model.betas=[1,2,3]", "2 elements"),
            ("--data.on_error=ignore", "skip"),
            ("--data.val_fraction=1.5", "[0, 1)"),
            ("--data.batch_size=0", "1 or more"),
            ("--model.architecture.heads=3", "width 16"),
            ("--model.architecture.widht=3", "width"),
            ("--model.architecture.decoder_depth=1", "skip_layers"),
            ("--model.architecture.skip_layers=[3]", "1 to 2"),
            ("--model.audio_mask_ratio=0.01", "at least one masked"),
            ("--data.image_size=48", "image_size"),
            ("--data.num_frames=8", "num_frames"),
            ("--data.mel_bins=16", "mel_bins"),
        ],
    )
    def test_wrong_value(self, refuse, configs, tmp_path, option, said):
        name = option.split("=")[0].split(".")[-1]
        line = refuse(
            [
                "fit",
                f"--config={configs['pretrain']}",
                f"--trainer.default_root_dir={tmp_path}",
                option,
            ],
            said,
        )
        if option != "--model.audio_mask_ratio=0.01":
            assert name in line

    def test_no_model(self, refuse):
        refuse(["fit"], "model", "required")

    def test_required_options_of_a_model(self, refuse):
        refuse(["fit", "--model=PretrainingTask"], "video_mask_ratio", "temperature")

    def test_emotions_of_data_without_labels(self, refuse, configs):
        refuse(
            ["fit", f"--config={configs['classify']}", "--data.label=null"],
            "no labels",
            "--data.label",
        )

    def test_label_column_that_is_not_there(self, refuse, configs):
        refuse(
            ["fit", f"--config={configs['classify']}", "--data.label=mood"],
            "mood",
            "emotion, arousal, valence",
        )

    def test_target_that_is_no_number(self, refuse, configs):
        refuse(
            ["fit", f"--config={configs['regress']}", "--data.targets=[arousal, emotion]"],
            "row 1 (clip c00)",
            "'anger'",
        )

    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            ("recognize a.mp4 --faces big", "--faces: expected one of 'crop', 'none', got big"),
            ("recognize a.mp4 --hop wide", "--hop: expected float, got wide"),
            ("recognize a.mp4 --people", "--people needs a value"),
            ("embed a.mp4 --checkpoint x", "required, but not given: output (File to write: "),
            (
                "serve --checkpoint x --prot 1",
                "unrecognized arguments: --prot 1; did you mean --port?",
            ),
            ("demo --seed high", "--seed: expected int, got high"),
            ("convert a b --skip_layers one", "--skip_layers: expected int, got one"),
            ("visualize paint", "PICTURE is 'paint': choose 'reconstruction', 'embeddings', "),
            ("crossval --folds", "--folds needs a value"),
            ("report x --config y", "unrecognized arguments: --config y"),
            (
                "data manifest --data=ManifestDataModule --output y",
                "--data: required, but not given: manifest",
            ),
            ("data faces x --output y --size big", "--size: expected int, got big"),
            ("fit", "required, but not given: data, model"),
            ("fit --config pretrain.yaml --model.size=4", "--model.size: expected one of 'tiny', "),
            (
                "test --config pretrain.yaml --wanted_error 1.5",
                "--wanted_error: expected a number from 0 to below 1, got 1.5",
            ),
            (
                "test --config pretrain.yaml --wanted_error 1.0",
                "--wanted_error: expected a number from 0 to below 1, got 1.0",
            ),
            ("fit --config pretrain.yaml --seed_everything=x", "expected bool or int, got x"),
        ],
    )
    def test_options_of_a_command(self, refuse, line, sentence):
        refuse(line.split(), sentence, f"(hicmae {line.split()[0]} --help shows all options)")

    def test_traceback_on_demand(self, monkeypatch, configs):
        monkeypatch.setenv("HICMAE_TRACEBACK", "1")
        with pytest.raises(Exception, match="no label column mood"):
            main(["fit", f"--config={configs['classify']}", "--data.label=mood"])

    def test_in_a_process_of_its_own(self, tmp_path):
        done = in_a_new_process("fit", "--config", "nothing-like-it")
        assert done.returncode == 2
        assert not done.stdout
        assert re.fullmatch(r"hicmae: There is no config nothing-like-it[^\n]*\n", done.stderr)


# Files to start from that cannot be, and what is said about them.
UNFIT = {
    "missing": "There is no checkpoint",
    "foreign": "holds no weights of this model",
    "text": "not a readable checkpoint",
    "architecture": "another architecture",
}


class TestMistakenCheckpoints:
    @pytest.mark.parametrize("command", ["test", "predict"])
    def test_none_at_all(self, refuse, configs, tmp_path, command):
        options = [f"--config={configs['classify']}", f"--trainer.default_root_dir={tmp_path}"]
        refuse([command, *options], f"{command} needs a trained model", "--ckpt_path")
        assert not list(tmp_path.rglob("*predictions.csv"))

    def test_missing(self, refuse, configs):
        refuse(
            ["test", f"--config={configs['classify']}", "--ckpt_path=gone/best.ckpt"], "best.ckpt"
        )

    def test_missing_one_in_the_folder_of_a_run(self, refuse, fine_tuned):
        refuse(["test", f"--ckpt_path={fine_tuned / 'checkpoints' / 'gone.ckpt'}"], "gone.ckpt")

    def test_of_another_model(self, refuse, configs, pretrained, tmp_path):
        refuse(
            [
                "test",
                f"--config={configs['classify']}",
                f"--ckpt_path={pretrained / 'checkpoints' / 'last.ckpt'}",
                f"--trainer.default_root_dir={tmp_path}",
            ],
            "of another model",
            "--model.pretrained",
        )

    def test_of_other_classes(self, refuse, corpus, fine_tuned, tmp_path):
        refuse(
            [
                "test",
                f"--ckpt_path={fine_tuned / 'checkpoints' / 'best.ckpt'}",
                "--data.classes=[anger, calm, joy, surprise]",
                f"--trainer.default_root_dir={tmp_path}",
            ],
            "data.classes are anger, calm, joy, surprise",
            "tells apart anger, calm, joy",
        )

    def test_that_would_run_code(self, refuse, fine_tuned, tmp_path):
        class Payload:
            def __reduce__(self):
                return (Path(tmp_path / "ran").touch, ())

        path = tmp_path / "foreign.ckpt"
        whole = torch.load(fine_tuned / "checkpoints" / "best.ckpt", weights_only=True)
        torch.save({**whole, "extra": Payload()}, path)
        refuse(
            [
                "test",
                f"--config={fine_tuned / 'config.yaml'}",
                f"--ckpt_path={path}",
                f"--trainer.default_root_dir={tmp_path}",
            ],
            "foreign code",
        )
        assert not (tmp_path / "ran").exists()

    def test_that_holds_no_run_to_go_on_with(self, refuse, configs, pretrained, tmp_path):
        path = tmp_path / "converted.ckpt"
        whole = torch.load(pretrained / "checkpoints" / "last.ckpt", weights_only=True)
        torch.save({name: whole[name] for name in ("state_dict", "hyper_parameters")}, path)
        refuse(
            ["fit", f"--config={configs['pretrain']}", f"--ckpt_path={path}"],
            "--model.pretrained",
            "converted.ckpt",
        )

    @pytest.mark.parametrize("content", ["text", "truncated"])
    def test_that_cannot_be_read(self, refuse, configs, fine_tuned, tmp_path, content):
        path = tmp_path / "odd.ckpt"
        whole = (fine_tuned / "checkpoints" / "best.ckpt").read_bytes()
        path.write_bytes(b"seed_everything: 0" if content == "text" else whole[: len(whole) // 2])
        refuse(
            [
                "test",
                f"--config={configs['classify']}",
                f"--ckpt_path={path}",
                f"--trainer.default_root_dir={tmp_path}",
            ],
            "odd.ckpt",
        )

    @pytest.mark.parametrize("kind", UNFIT)
    def test_pretrained_file(self, refuse, configs, pretrained, tmp_path, kind):
        path, options = tmp_path / "weights.pth", []
        if kind == "foreign":
            torch.save({"layer1.weight": torch.ones(2)}, path)
        elif kind == "text":
            path.write_text("seed_everything: 0")
        elif kind == "architecture":
            path = pretrained / "checkpoints" / "last.ckpt"
            options = ["--model.architecture.depth=3"]
        refuse(
            [
                "fit",
                f"--config={configs['classify']}",
                f"--model.pretrained={path}",
                f"--trainer.default_root_dir={tmp_path}",
                *options,
            ],
            path.name,
            UNFIT[kind],
        )


# Clips that cannot be used, and what is said about them.
UNREADABLE = {
    "truncated": "cut off",
    "soundless": "no audio stream",
    "pictureless": "no video stream",
}


@pytest.fixture(scope="session")
def broken(corpus, tmp_path_factory):
    """Files that cannot be used, by what is wrong with them."""
    folder = tmp_path_factory.mktemp("broken")
    files = {name: folder / f"{name}.mp4" for name in ("gone", "truncated", "soundless")}
    whole = (corpus / "clip00.mp4").read_bytes()
    files["truncated"].write_bytes(whole[: len(whole) // 2])
    write_clip(files["soundless"], seconds=0.8, size=(48, 48), sound=False)
    files["pictureless"] = write_clip(folder / "pictureless.wav", seconds=0.8)
    return files


@pytest.fixture
def table_with(corpus, tmp_path):
    """`table_with({row: {column: value}})` writes the corpus' manifest with cells replaced."""

    def write(cells):
        table = pd.read_csv(corpus / "manifest.csv")
        table["video"] = [str(corpus / name) for name in table["video"]]
        for row, values in cells.items():
            for column, value in values.items():
                table.loc[row, column] = value
        path = tmp_path / "table.csv"
        table.to_csv(path, index=False)
        return path

    return write


class TestMistakenManifests:
    def refused(self, refuse, configs, table, *said):
        return refuse(
            [
                "fit",
                f"--config={configs['classify']}",
                f"--data.manifest={table}",
                "--data.classes=[anger, calm, joy]",
                f"--trainer.default_root_dir={table.parent}",
            ],
            *said,
        )

    def test_table_that_is_not_there(self, refuse, configs, tmp_path):
        self.refused(refuse, configs, tmp_path / "gone.csv", str(tmp_path / "gone.csv"))

    def test_empty_table(self, refuse, configs, corpus, tmp_path):
        table = tmp_path / "table.csv"
        table.write_text((corpus / "manifest.csv").read_text().split("\n")[0] + "\n")
        self.refused(refuse, configs, table, str(table), "lists no clip")
        table.write_text("")
        self.refused(refuse, configs, table, str(table))

    def test_missing_file_is_named_with_its_row(self, refuse, configs, table_with, broken):
        table = table_with({1: {"video": str(broken["gone"])}})
        said = (str(table), "row 2 (clip c01)", str(broken["gone"]), "1 of 8 rows")
        self.refused(refuse, configs, table, *said)

    def test_label_outside_the_classes(self, refuse, configs, table_with):
        table = table_with({9: {"emotion": "surprise"}})
        self.refused(refuse, configs, table, "row 10 (clip c09)", "'surprise'", "anger, calm, joy")

    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_unreadable_clip_is_named(self, refuse, configs, table_with, broken, kind):
        table = table_with({1: {"video": str(broken[kind])}})
        self.refused(refuse, configs, table, str(broken[kind]), UNREADABLE[kind])

    def test_unreadable_clips_are_skipped_counted_and_reported(
        self, configs, table_with, broken, tmp_path, caplog
    ):
        kinds = dict(zip((1, 9, 12), UNREADABLE, strict=True))  # rows of train, val and test
        table = table_with({row: {"video": str(broken[kind])} for row, kind in kinds.items()})
        done = run(
            [
                "fit",
                f"--config={configs['classify']}",
                f"--data.manifest={table}",
                "--data.on_error=skip",
                f"--trainer.default_root_dir={tmp_path}",
            ]
        )
        assert len(done.datamodule.skipped_clips) == 3
        for row, kind in kinds.items():
            message = done.datamodule.skipped_clips[f"c{row:02d}"]
            assert str(broken[kind]) in message
            assert UNREADABLE[kind] in message
            warned = [text for text in caplog.messages if f"Clip c{row:02d}" in text]
            assert len(warned) == 1  # not again in every epoch
        assert "3 clips were skipped" in caplog.text
        folder = Path(done.trainer.log_dir)
        tested = pd.read_csv(folder / "test_predictions.csv")
        assert tested["id"].tolist() == ["c11", "c13"]
        assert "test/UAR" in results(folder)
