"""The pages of the corpora agree with what the corpora state."""

import re
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from hicmae.configs import config_folder, config_names
from hicmae.data.datamodules import AudioVisualDataModule

PAGES = Path(__file__).parents[1] / "docs" / "corpora"
CONFIGS = [
    Path(name).stem
    for name in config_names()
    if name.startswith("finetune/") and "manifest" not in name
]


def page_of(config):
    """The page of a config; variants share that of the corpus."""
    pages = [path for path in PAGES.glob("*.md") if config.startswith(path.stem)]
    assert pages, f"docs/corpora has no page for finetune/{config}.yaml"
    return max(pages, key=lambda path: len(path.stem)).read_text()


def data_of(config):
    parser = ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_subclass_arguments(AudioVisualDataModule, "data")
    for section in ("model", "trainer", "seed_everything"):
        parser.add_argument(f"--{section}")
    options = parser.parse_args([f"--config={config_folder() / 'finetune' / config}.yaml"])
    for section in ("model", "trainer", "seed_everything"):
        del options[section]
    return parser.instantiate_classes(options).data


@pytest.mark.parametrize("config", CONFIGS)
def test_page_has_the_counts_and_the_commands(config):
    page = page_of(config)
    numbers = {int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", page)}
    expected = data_of(config).expected
    wanted = {*expected.test_clips, *expected.class_clips.values()}
    if expected.clips is not None:
        wanted.add(expected.clips)
    assert wanted <= numbers, f"the page lacks {sorted(wanted - numbers)}"
    assert f"finetune/{config}.yaml" in page
    for command in ("data manifest", "data check", "fit"):
        assert f"hicmae {command} --config finetune/" in page
    assert f"finetune/{config}.yaml" in (PAGES / "README.md").read_text()
