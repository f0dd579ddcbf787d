"""A decoder that ends or stops its process at one clip: it is told, and the others are done."""

import os
import re
import signal
import time

import numpy as np
import pandas as pd
import pytest
from media_factory import write_clip
from shell import tell

pytest.importorskip("cv2")

from hicmae.faces.alignment import FACE_POINTS
from hicmae.faces.detection import Face
from hicmae.preparation import preparing
from hicmae.preparation.integrity import inspect

SIZES = {"one": (64, 48), "two": (64, 64), "crash": (64, 32), "hang": (64, 36)}


class DeadlyDetector:
    """A face in the middle of high pictures; low ones end or stop the process."""

    def __init__(self, min_face):
        self.min_face = min_face

    def detect(self, picture):
        end_at(picture.shape[0])
        box = np.array([8.0, 0, 56, 48])
        return [Face(box, FACE_POINTS * 48 + box[:2], 1.0)]


def end_at(height):
    if height == SIZES["crash"][1]:
        os.kill(os.getpid(), signal.SIGSEGV)
    if height == SIZES["hang"][1]:
        time.sleep(60)


def deadly_inspect(clip, **options):
    row = inspect(clip, **options)
    end_at(row["height"])
    return row


@pytest.fixture
def clips(as_command, tmp_path):
    for name, size in SIZES.items():
        write_clip(tmp_path / "clips" / f"{name}.mp4", seconds=0.2, size=size)
    return tmp_path / "clips"


def messages(path):
    problems = pd.read_csv(path)
    return dict(zip(problems["id"], problems["message"], strict=True))


def test_faces(clips, capsys):
    detector = f"--detector={__name__}.DeadlyDetector"
    options = ["--output=faces", detector, "--size=64", "--jobs=1", "--patience=1"]
    assert tell("data", "faces", clips, *options) == 1
    assert "2 of 4 clips are in faces/manifest.csv" in capsys.readouterr().out
    told = messages("faces/problems.csv")
    assert set(told) == {"crash", "hang"}
    assert "crashed (segmentation fault, SIGSEGV), twice" in told["crash"]
    assert "gave no sign of life for 1 s, twice" in told["hang"]


def test_check(clips, capsys, monkeypatch):
    monkeypatch.setattr(preparing, "inspect", deadly_inspect)
    options = ["--output=check", "--jobs=2", "--patience=1"]
    assert tell("data", "check", clips, *options) == 1
    told = messages("check/problems.csv")
    assert set(told) == {"crash", "hang"}
    assert "crashed (segmentation fault, SIGSEGV), twice" in told["crash"]
    assert re.search(r"could not be checked +2 +crash, hang", capsys.readouterr().out)
    assert pd.read_csv("check/manifest.csv")["id"].tolist() == ["one", "two"]
