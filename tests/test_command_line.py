"""Functions become commands: documentation is help, parameters are options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from jsonargparse import ArgumentError

from hicmae.command_line import FromConfig, Group, Repeated, run


@pytest.fixture
def called():
    return []


@pytest.fixture
def paint(called):
    """A command that notes what it is called with."""

    def paint(
        pictures: list[str] | list[Path],
        *,
        output: str | Path,
        colour: Literal["red", "green"] = "red",
        layers: list[int] | None = None,
        tag: Repeated = None,
        width: float | None = None,
        overwrite: bool = False,
    ) -> None:
        """Paints pictures.

        With a brush, at 100 %.

          paint a.png --output b.png

        Args:
            pictures: What is
                painted.
            output: Where it goes.
            colour: Of the paint.
            layers: Numbers of layers.
            tag: A word for the picture.
            width: Of the brush in mm.
            overwrite: Replace what is there.

        Raises:
            ValueError: Never.
        """
        called.append(
            {
                "pictures": pictures,
                "output": output,
                "colour": colour,
                "layers": layers,
                "tag": tag,
                "width": width,
                "overwrite": overwrite,
            }
        )

    return paint


@pytest.fixture
def every(called):
    """A command that hands on what is not its own."""

    def every(*options: str, folds: str | None = None, dry_run: bool = False) -> None:
        """Repeats another command.

        Args:
            *options: Of the other.
            folds: Which.
            dry_run: Do nothing.
        """
        called.append((options, folds, dry_run))

    return every


@dataclass(frozen=True)
class Frame:
    """How a picture is framed.

    Attributes:
        width: In mm.
        gilded: With gold.
    """

    width: int = 10
    gilded: bool = False


def test_a_dataclass_stands_for_its_fields(called, capsys):
    def hang(place: str | None = None, *, frame: Frame = Frame()) -> bool:
        """Hangs a picture.

        Args:
            place: Where.
            frame: Around it.
        """
        called.append((place, frame))
        return place is None

    run(hang, "hang", ["--gilded"])
    with pytest.raises(SystemExit) as end:  # False is a status of its own
        run(hang, "hang", ["hall", "--width", "5"])
    assert end.value.code == 1
    assert called == [(None, Frame(gilded=True)), ("hall", Frame(5))]
    with pytest.raises(SystemExit):
        run(hang, "hang", ["--help"])
    text = capsys.readouterr().out
    assert "How a picture is framed:" in text
    assert "In mm. (type: int, default: 10)" in text


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("a", {}),
        ("a b --colour green", {"pictures": ["a", "b"], "colour": "green"}),
        ("a --layers 1 2 --width 3", {"layers": [1, 2], "width": 3.0}),
        ("--tag old --tag new a", {"tag": ["old", "new"]}),
        ("--overwrite a", {"overwrite": True}),
        ("a --overwrite false", {"overwrite": False}),
        ("a --overwrite true", {"overwrite": True}),
        ("a --overwrite=true", {"overwrite": True}),
    ],
)
def test_options_are_parameters(paint, called, line, changes):
    run(paint, "paint", [*line.split(), "--output", "o.png"])
    defaults = {
        "pictures": ["a"],
        "output": "o.png",
        "colour": "red",
        "layers": None,
        "tag": None,
        "width": None,
        "overwrite": False,
    }
    assert called == [defaults | changes]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a", "output"),
        ("--output o", "pictures"),
        ("a --output o --colour blue", "'red', 'green'"),
        ("a --output o --colours red", "--colours"),
        ("a --outp o", "--outp"),  # no option is guessed from its beginning
        ("a --output o --layers one", "int"),
        ("a --output o --width wide", "float"),
        ("a --output o --overwrite=perhaps", "bool"),
    ],
)
def test_what_does_not_fit_is_refused(paint, called, line, said):
    with pytest.raises(ArgumentError, match=said):
        run(paint, "paint", line.split())
    assert called == []


def test_documentation_is_help(paint, called, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    for arguments in (["--help"], ["a", "-h"], []):
        with pytest.raises(SystemExit) as end:
            run(paint, "paint", arguments)
        assert end.value.code in {None, 0}
        text = capsys.readouterr().out
        assert text.startswith("usage: hicmae paint --output OUTPUT")
        assert "PICTURE [PICTURE ...]" in text
        assert "at 100 %.\n\n  paint a.png --output b.png\n" in text
        assert "What is painted." in " ".join(text.split())
        assert "Where it goes. (required, type: str)" in text
        assert "--colour {red,green}" in text
        assert "default: red" in text
        assert "Never" not in text
    assert called == []


def test_the_options_of_another_command_are_handed_on(every, called, capsys):
    line = "--config c.yaml --folds 1,3 --data.fold 2 --dry_run --trainer.max_epochs=2"
    run(every, "every", line.split())
    run(every, "every", ["--folds=2", "--dry_run=false", "--colour", "true"])
    run(every, "every", [])
    assert called == [
        (("--config", "c.yaml", "--data.fold", "2", "--trainer.max_epochs=2"), "1,3", True),
        (("--colour", "true"), "2", False),
        ((), None, False),
    ]
    with pytest.raises(SystemExit):
        run(every, "every", ["--config", "c.yaml", "--help"])
    assert "Repeats another command." in capsys.readouterr().out
    with pytest.raises(ArgumentError, match="--folds"):
        run(every, "every", ["--config", "c.yaml", "--folds"])


def test_a_group_lists_its_commands(paint, every, called, capsys):
    group = Group("Makes art.", {"paint": paint, "every-day": every}, metavar="ART")
    for arguments in ([], ["--help"]):
        with pytest.raises(SystemExit):
            run(group, "art", arguments)
        text = capsys.readouterr().out
        for words in ("usage: hicmae art ART", "Makes art.", "every-day", "Paints pictures."):
            assert words in text
    run(group, "art", ["every-day", "--folds", "1"])
    assert called == [((), "1", False)]
    with pytest.raises(ArgumentError, match="sculpt"):
        run(group, "art", ["sculpt"])
    with pytest.raises(SystemExit):
        run(group, "art", ["paint"])
    assert "usage: hicmae art paint " in capsys.readouterr().out


class Picture:
    """A picture.

    Args:
        paint: What it is made of.
        width: In mm.
    """

    def __init__(self, paint: str, *, width: int = 10) -> None:
        self.made = (paint, width)


class TestWithoutAConfig:
    """An argument may stand in for the config that makes an object."""

    @pytest.fixture
    def hang(self, called):
        def hang(
            source: str | None = None,
            *,
            wall: str,
            picture: Annotated[Picture | None, FromConfig(alone=Picture)] = None,
        ) -> None:
            """Hangs a picture.

            Args:
                source: Paint.
                wall: Where.
                picture: What.
            """
            called.append((source, wall, picture and picture.made))

        return hang

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["oil", "--wall=north"], (None, "north", ("oil", 10))),
            (["oil", "--wall", "north", "--picture.width", "5"], (None, "north", ("oil", 5))),
            (["--wall=north", "--picture.width=5"], (None, "north", None)),
        ],
    )
    def test_an_argument_alone_is_the_first_of_its_class(self, hang, called, arguments, expected):
        run(hang, "hang", arguments)
        assert called == [expected]

    def test_help_with_an_argument_lists_the_options_of_the_class(self, hang, capsys):
        with pytest.raises(SystemExit):
            run(hang, "hang", ["oil", "--help"])
        assert "--picture.width WIDTH" in capsys.readouterr().out

    def test_a_misspelt_option_of_the_class_is_told(self, hang):
        with pytest.raises(ArgumentError, match=r"did you mean --picture\.width\?"):
            run(hang, "hang", ["oil", "--wall=north", "--picture.witdh=5"])
