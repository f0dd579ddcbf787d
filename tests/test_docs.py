"""The documentation names what there is: commands, options, configs, pages, numbers."""

import ast
import re
import shlex
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from jsonargparse import ArgumentParser

from hicmae.cli import COMMANDS, TRAINING
from hicmae.command_line import parse
from hicmae.configs import config_folder, config_names, resolve_arguments
from hicmae.data.datamodules import AudioVisualDataModule
from hicmae.evaluation.published import published_corpora
from hicmae.preparation.commands import data
from hicmae.training.commands import fit_parser

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = DOCS / "corpora"
WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
OWN_OPTIONS_OF_CROSSVAL = {"--folds": 1, "--output": 1, "--dry_run": 0}
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
    return parser.instantiate(options).data


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


def module_of(path):
    spec = spec_from_file_location(f"docs_{path.stem}", path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hooks():
    return module_of(DOCS / "hooks.py")


def text_of(page, hooks):
    """A page as it is built; that of the command line is the help of the commands itself."""
    text = page.read_text(encoding="utf-8")
    return text if page.name == "command-line.md" else hooks.on_page_markdown(text)


def commands_in(text):
    """Every `hicmae ...` of a page, in blocks and in running text, as lists of words."""
    joined = re.sub(r"\\\n\s*", "", text)
    joined = re.sub(r"^```python\n.*?^```$", "", joined, flags=re.M | re.S)
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", joined, re.M | re.S)
    rest = re.sub(r"^ *```\w*\n.*?^ *```$", "", joined, flags=re.M | re.S)
    blocks += re.findall(r"(?:^(?: {4}|\t).*\n?)+", rest, re.M)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", rest)
    found = [
        re.search(r"(?:^|\s)hicmae( [^|]*)?$", re.split(r" \| | # ", line)[0]) for line in lines
    ]
    # Of a bare `hicmae` nothing is left to check.
    return [shlex.split(match[1], comments=True) for match in found if match and match[1]]


def test_commands_are_found_wherever_a_page_has_them():
    text = (
        "Give `hicmae one --a 1`.\n\n```bash\nhicmae two --b \\\n  '[x, y]'   # for c\n"
        "pip install 'hicmae[faces]'\n```\n\n    srun hicmae three\n\n| `hicmae four` | five |\n"
    )
    assert sorted(commands_in(text)) == [
        ["four"],
        ["one", "--a", "1"],
        ["three"],
        ["two", "--b", "[x, y]"],
    ]


@pytest.fixture(scope="module")
def training_parser():
    """That of `hicmae fit`."""
    return fit_parser()


@pytest.fixture(scope="module")
def checked():
    """Commands that were checked on an earlier page."""
    return set()


def without_own_options(words):
    """The words of a cross-validation that go to every fold."""
    kept, position = [], 0
    while position < len(words):
        taken = OWN_OPTIONS_OF_CROSSVAL.get(words[position])
        if taken is None:
            kept.append(words[position])
        position += 1 + (taken or 0)
    return kept


@pytest.mark.parametrize(
    "line",
    [
        "recognise clip.mp4",
        "recognize clip.mp4 --checkpont FILE",
        "fit --config finetune/mafw.yaml --model.sizes small",
        "fit --config finetune/mafw.yaml --model.size large",
        "fit --config finetune/nowhere.yaml",
        "crossval --config finetune/mafw.yaml --data.roots ROOT",
        "data face CLIPS --output faces",
        "data faces CLIPS --output faces --faces largest",
        "visualize confusions RUN",
    ],
)
def test_a_command_or_option_that_is_none_is_noticed(line, hooks, training_parser):
    with pytest.raises(Exception, match=r"no command|no option|(?i:unrecognized|config|size|key)"):
        check_command(shlex.split(line), hooks, training_parser)


def check_command(words, hooks, training_parser):
    name, *options = words
    if name == "COMMAND":  # stands for any
        return
    assert name in {*TRAINING, *COMMANDS, "configs"} or name.startswith("--"), f"no command {name}"
    if not options or "..." in options or "COMMAND" in options or "PICTURE" in options:
        return
    try:
        if name in TRAINING or name == "crossval":
            given = without_own_options(options) if name == "crossval" else options
            command = "fit" if name == "crossval" else name
            if "--ckpt_path" in given and "--config" not in given:  # that of its run
                given = ["--config=finetune/manifest.yaml", *given]
            training_parser.parse_args(resolve_arguments([command, *given]))
        elif name == "data":
            assert options[0] in hooks.commands_below("data"), f"no command data {options[0]}"
            if len(options) > 1:
                parse(data.commands[options[0]], f"data {options[0]}", options[1:])
        else:
            below = hooks.commands_below(name)
            assert not below or options[0] in below, f"no command {name} {options[0]}"
            known = re.findall(r"--[\w.]+", hooks.help_text(name, *(options[:1] if below else [])))
            unknown = {word for word in options if word.startswith("--")} - set(known)
            assert not unknown, f"no option {unknown} of hicmae {name}"
    except SystemExit as end:  # --help, --print_config and the like
        if end.code:
            raise AssertionError(f"status {end.code}") from end


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_and_their_options_exist(page, hooks, training_parser, checked, capsys):
    for words in commands_in(text_of(page, hooks)):
        if shlex.join(words) in checked:
            continue
        checked.add(shlex.join(words))
        try:
            check_command(words, hooks, training_parser)
        except Exception as error:
            raise AssertionError(f"hicmae {shlex.join(words)}: {error}") from error


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_configs_and_python_of_a_page_hold(page, hooks):
    text = text_of(page, hooks)
    prose = re.sub(r"^ *```\w*\n.*?^ *```$", "", text, flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" not in target and not target.startswith("#"):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page} links to {target}"
    folders = {name.partition("/")[0] for name in config_names() if "/" in name}
    for name in re.findall(
        rf"(?<![\w/-])(?:configs/)?((?:{'|'.join(folders)})/[\w.-]+\.yaml)", text
    ):
        assert name in config_names(), f"{page} names the config {name}"
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        imports = [
            line for line in ast.parse(block).body if isinstance(line, ast.ImportFrom | ast.Import)
        ]
        exec(compile(ast.Module(imports, []), str(page), "exec"), {})  # noqa: S102 (ours)


def test_every_page_is_in_the_menu():
    # The site's own tags, such as those of its icons, are of no interest here.
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("", lambda *_: None)
    menu = yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]  # noqa: S506
    listed = re.findall(r"[\w/.-]+\.md", str(menu))
    assert sorted(listed) == sorted(
        path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")
    )


def test_every_command_has_a_section_with_its_help(hooks):
    page = hooks.command_line()
    for name in (*TRAINING, *COMMANDS, "data faces", "visualize confusion"):
        assert re.search(rf"^##+ hicmae {name}$", page, re.M), name
        assert f"hicmae {name} --help" in page
    assert "--trainer.max_epochs" in page
    assert "--write {video,frames}" in page
    assert max(map(len, page.splitlines())) <= hooks.WIDTH + 40  # names of options are not broken


def test_every_published_row_has_its_command(hooks):
    page = (DOCS / "paper.md").read_text()
    assert "None of these rows has been run by us" in page
    page = hooks.on_page_markdown(page)
    rows = [row for corpus in published_corpora().values() for row in corpus.results]
    assert page.count("| not run |") == len(rows) + len(hooks.ablations())
    for row in rows:
        for value in row.scores.values():
            assert f" {value:.2f}" in page
        assert row.source in page
    mafw = published_corpora()["mafw"]
    assert hooks.row_command(mafw, mafw.results[2]) == (
        "hicmae crossval --config finetune/mafw.yaml --data.root ROOT "
        "--model.pretrained pretrained-base.ckpt --folds 1"
    )
    iemocap = published_corpora()["iemocap"]
    small_audio = next(
        row for row in iemocap.results if (row.model, row.modality) == ("HiCMAE-S", "audio")
    )
    assert hooks.row_command(iemocap, small_audio) == (
        "hicmae crossval --config finetune/iemocap.yaml --config ablations/audio-only.yaml "
        "--data.manifest faces/iemocap/manifest.csv --model.size small "
        "--model.pretrained pretrained-small.ckpt --output runs/crossval-iemocap-small-audio"
    )
    assert [name for name, _, _ in hooks.ablations()] == [
        "ablations/contrast-weight-0.0025.yaml",
        "ablations/contrast-weight-0.1.yaml",
        "ablations/contrast-weight-0.yaml",
        "ablations/no-hierarchy-finetune.yaml",
        "ablations/no-hierarchy-pretrain.yaml",
    ]


def test_drawings_are_those_of_their_script():
    folder = DOCS / "drawings"
    drawn = module_of(folder / "draw.py").files()
    assert {path.name for path in folder.glob("*.svg")} == set(drawn)
    for name, content in drawn.items():
        assert (folder / name).read_text(encoding="utf-8") == content, f"draw {name} anew"
        assert len(content) < 100_000
        svg = ElementTree.fromstring(content)  # noqa: S314 (ours)
        width = float(svg.get("width"))
        for text in svg.iter("{http://www.w3.org/2000/svg}text"):
            # Half an em for each letter: nothing may run over the border.
            length = len(text.text) * float(text.get("font-size")) * 0.5
            left = {"start": 0, "middle": length / 2, "end": length}[text.get("text-anchor")]
            assert float(text.get("x")) - left >= 0, (name, text.text)
            assert float(text.get("x")) - left + length <= width, (name, text.text)
