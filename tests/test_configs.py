from pathlib import Path

import pytest
import yaml

from hicmae import configs
from hicmae.configs import config_folder, config_names, describe, find_config, resolve_arguments
from hicmae.errors import ConfigError


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """No config lies in the current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class TestFolder:
    def test_an_installed_package_carries_its_configs(self, tmp_path, monkeypatch):
        (tmp_path / "hicmae" / "configs").mkdir(parents=True)
        monkeypatch.setattr(configs, "__file__", str(tmp_path / "hicmae" / "configs.py"))
        assert config_folder() == tmp_path / "hicmae" / "configs"

    def test_a_checkout_has_them_beside_the_source(self, tmp_path, monkeypatch):
        (tmp_path / "configs").mkdir()
        (tmp_path / "src" / "hicmae").mkdir(parents=True)
        monkeypatch.setattr(configs, "__file__", str(tmp_path / "src" / "hicmae" / "configs.py"))
        assert config_folder() == tmp_path / "configs"

    def test_names_do_not_depend_on_the_current_folder(self):
        assert config_folder().is_dir()
        assert {"pretrain.yaml", "finetune/ravdess.yaml", "trainer/cpu.yaml"} <= set(config_names())


class TestEveryConfig:
    @pytest.mark.parametrize("name", config_names())
    def test_says_what_it_is_for(self, name):
        assert len(describe(name)) > 10

    # A sweep is a file of Weights & Biases.
    @pytest.mark.parametrize("name", [n for n in config_names() if not n.startswith("sweeps/")])
    def test_holds_sections_of_the_command_line(self, name):
        content = yaml.safe_load((config_folder() / name).read_text(encoding="utf-8"))
        assert set(content) <= {"seed_everything", "model", "data", "trainer", "test_after_fit"}

    @pytest.mark.parametrize("name", config_names())
    def test_names_no_folder_of_a_machine(self, name):
        text = (config_folder() / name).read_text(encoding="utf-8")
        assert ": /" not in text


class TestLookup:
    def test_by_name_with_and_without_suffix(self):
        expected = str(config_folder() / "finetune" / "ravdess.yaml")
        assert find_config("finetune/ravdess.yaml") == expected
        assert find_config("finetune/ravdess") == expected

    def test_a_file_in_reach_comes_first(self, empty_folder):
        Path("pretrain.yaml").write_text("seed_everything: 1\n")
        assert find_config("pretrain.yaml") == "pretrain.yaml"
        assert find_config(str(empty_folder / "pretrain.yaml")).startswith(str(empty_folder))

    def test_a_folder_of_the_same_name_is_no_config(self):
        Path("pretrain.yaml").mkdir()
        assert find_config("pretrain.yaml") == str(config_folder() / "pretrain.yaml")

    def test_unknown_name_suggests_a_close_one(self):
        with pytest.raises(ConfigError, match=r"pretrian\.yaml.* did you mean pretrain\.yaml"):
            find_config("pretrian.yaml")

    def test_far_off_name_lists_all(self):
        with pytest.raises(ConfigError) as caught:
            find_config("zzzzzz")
        for name in config_names():
            assert name in str(caught.value)


class TestArguments:
    def test_names_become_paths_in_every_spelling(self):
        pretrain, cpu = find_config("pretrain"), find_config("trainer/cpu.yaml")
        expected = ["fit", f"--config={pretrain}", f"--config={cpu}", "--data.root", "x"]
        for option, joined in (("--config", False), ("--config", True), ("-c", False)):
            arguments = ["fit"]
            for name in ("pretrain", "trainer/cpu.yaml"):
                arguments += [f"{option}={name}"] if joined else [option, name]
            assert resolve_arguments([*arguments, "--data.root", "x"]) == expected

    def test_other_arguments_stay_as_they_are(self):
        arguments = ["fit", "--model.size=tiny", "--trainer.max_epochs", "3", "--print_config"]
        assert resolve_arguments(arguments) == arguments
        assert resolve_arguments([]) == []

    @pytest.fixture
    def checkpoint(self, empty_folder):
        folder = empty_folder / "run" / "checkpoints"
        folder.mkdir(parents=True)
        (folder / "best.ckpt").touch()
        return folder / "best.ckpt"

    @pytest.mark.parametrize("joined", [True, False])
    def test_a_checkpoint_brings_the_config_of_its_run(self, checkpoint, joined):
        config = checkpoint.parents[1] / "config.yaml"
        config.touch()
        given = [f"--ckpt_path={checkpoint}"] if joined else ["--ckpt_path", str(checkpoint)]
        assert resolve_arguments(["test", *given]) == [
            "test",
            f"--config={config}",
            f"--ckpt_path={checkpoint}",
        ]

    def test_a_config_of_ones_own_replaces_that_of_the_run(self, checkpoint):
        (checkpoint.parents[1] / "config.yaml").touch()
        arguments = ["test", "--config=pretrain", f"--ckpt_path={checkpoint}"]
        assert resolve_arguments(arguments) == [
            "test",
            f"--config={find_config('pretrain')}",
            f"--ckpt_path={checkpoint}",
        ]

    @pytest.mark.parametrize("command", [["test"], []])
    def test_options_override_configs_that_stand_behind_them(self, checkpoint, command):
        options = [f"--ckpt_path={checkpoint}", "--data.root", "x"]
        configs = [f"--config={find_config(name)}" for name in ("pretrain", "trainer/cpu")]
        given = [*command, *options, "--config", "pretrain", "--config=trainer/cpu"]
        assert resolve_arguments(given) == [*command, *configs, *options]

    def test_a_checkpoint_without_a_run_brings_nothing(self, checkpoint):
        arguments = ["test", f"--ckpt_path={checkpoint}"]
        assert resolve_arguments(arguments) == arguments
