"""Black and frozen frames at the ends of clips are found, told, and said to go with the label."""

from dataclasses import replace
from fractions import Fraction
from itertools import count as count_up

import av
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("cv2", reason="faces need the extra: pip install 'hicmae[faces]'")

from hicmae.cli import main
from hicmae.data.manifest import Clip
from hicmae.faces import FaceOptions
from hicmae.faces.alignment import FACE_POINTS
from hicmae.faces.detection import Face
from hicmae.media import VideoReader, read_audio
from hicmae.preparation.face_crops import crop_face
from hicmae.preparation.lead_ins import LeadIns, association, find_lead_ins


class WholePicture:
    """A face that fills the picture."""

    def __init__(self, min_face):
        self.min_face = min_face

    def detect(self, picture):
        return [Face(np.array([-0.5, -0.5, 63.5, 63.5]), FACE_POINTS * 64 - 0.5, 1.0)]


RNG = np.random.default_rng(0)


def write(path, *parts, rate=25, begin=0.0):
    """A clip of parts: a number of frames that are "black", "still" or "moving".

    Its pictures begin later than its sound by `begin` seconds.
    """
    still = RNG.integers(60, 200, (8, 8, 3))
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "12"})
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        shown = count_up()
        for count, kind in parts:
            for index in range(count):
                small = {
                    "black": np.zeros((8, 8, 3)),
                    "still": still,
                    "moving": np.roll(still, index, axis=1),
                }[kind]
                picture = np.kron(small, np.ones((8, 8, 1))).astype(np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.time_base = Fraction(1, 1000)
                frame.pts = round(1000 * (begin + next(shown) / rate))
                container.mux(video.encode(frame))
        container.mux(video.encode(None))
        seconds = sum(count for count, _ in parts) / rate
        samples = np.full((1, round(seconds * 16_000)), 0.2, np.float32)
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate = 16_000
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(20, "moving")], LeadIns()),
        ([(12, "black"), (20, "moving")], LeadIns(black_start=12)),
        ([(20, "moving"), (30, "black")], LeadIns(black_end=30)),
        ([(2, "still"), (20, "moving")], LeadIns()),
        ([(10, "moving"), (3, "black"), (10, "moving")], LeadIns()),
        ([(25, "black")], LeadIns(black_start=25)),
    ],
)
def test_frames_that_show_nothing_are_counted(tmp_path, parts, expected):
    with VideoReader(write(tmp_path / "clip.mp4", *parts)) as reader:
        assert find_lead_ins(reader) == expected


def test_a_still_picture_is_counted_from_its_end(tmp_path):
    parts = [(10, "still"), (20, "moving"), (12, "still")]
    with VideoReader(write(tmp_path / "clip.mp4", *parts)) as reader:
        found = find_lead_ins(reader)
    # The first moving frame is the still one, and the last frame itself does not count.
    assert found == LeadIns(frozen_start=10, frozen_end=11)
    assert (found.start, found.end) == (10, 11)


REAL = {"01-02-03_01.mp4": 19, "03-02-01_01.mp4": 17, "01-03-06_01.mp4": 1, "01-01-01_01.mp4": 0}


@pytest.mark.parametrize("name", REAL)
def test_clips_of_a_real_corpus(shared_dir, name):
    path = shared_dir / "clips" / "java_sed" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with VideoReader(path) as reader:
        assert find_lead_ins(reader) == LeadIns(black_start=REAL[name])


def test_crops_leave_them_out_with_their_sound(tmp_path):
    video = write(tmp_path / "clip.mp4", (10, "black"), (20, "moving"), (15, "black"))
    options = FaceOptions(detector=f"{__name__}.WholePicture", size=64, margin=0.0, trim=True)
    row = crop_face(Clip("a", str(video)), output=tmp_path / "out", options=options)
    assert (row["frames"], row["status"]) == (20, "ok")
    assert (row["trimmed_start"], row["trimmed_end"]) == pytest.approx((0.4, 0.6), abs=0.01)
    with VideoReader(tmp_path / "out" / row["video"]) as reader:
        assert reader.frame_count == 20
        assert find_lead_ins(reader) == LeadIns()
        assert len(reader.sound()) / 16_000 == pytest.approx(0.8, abs=0.07)
    kept = crop_face(
        Clip("b", str(video)), output=tmp_path / "out", options=replace(options, trim=False)
    )
    assert (kept["frames"], kept["trimmed_start"]) == (45, 0.0)


@pytest.mark.parametrize("kind", ["video", "frames"])
@pytest.mark.parametrize("begin", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("rate", [10, 25])
def test_sound_stays_with_the_pictures_that_are_left(tmp_path, kind, begin, rate):
    """It becomes loud with the first frame that is not black, in a file of its own."""
    video = write(tmp_path / "clip.mkv", (10, "black"), (20, "moving"), rate=rate, begin=begin)
    with VideoReader(video) as reader:
        loud = round(16_000 * reader.timeline.time_of(10))
        sound = np.where(np.arange(16_000 * 6) < loud, 0.0, 0.5).astype(np.float32)
    with av.open(str(tmp_path / "clip.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
    options = FaceOptions(
        detector=f"{__name__}.WholePicture", size=64, margin=0.0, trim=True, write=kind
    )
    clip = Clip("a", str(video), audio=str(tmp_path / "clip.wav"))
    row = crop_face(clip, output=tmp_path / "out", options=options)
    assert row["frames"] == 20
    with VideoReader(tmp_path / "out" / row["video"]) as reader:
        assert (reader.timeline.begin, find_lead_ins(reader)) == (0.0, LeadIns())
    heard = read_audio(tmp_path / "out" / (row["audio"] or row["video"]))
    assert np.flatnonzero(heard > 0.4)[0] / 16_000 < 0.002


def test_chance_of_an_uneven_spread():
    labels = pd.Series(["a"] * 30 + ["b"] * 30)
    assert association(pd.Series([True] * 15 + [False] * 30 + [True] * 15), labels) == 1
    uneven = association(pd.Series([True] * 20 + [False] * 40), labels)
    assert uneven == pytest.approx(7.74e-6 * 1e-2, rel=1)  # chi-squared of 30 with one freedom
    assert association(pd.Series([True] * 60), labels) == 1
    assert association(pd.Series([], dtype=bool), pd.Series([], dtype=str)) == 1


def test_a_check_says_that_they_go_with_the_label(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    rows = []
    for index in range(24):
        happy = index % 2 == 0
        parts = [(5, "black")] * happy + [(12, "moving")]
        video = write(tmp_path / f"{index}.mp4", *parts)
        rows.append(
            {"id": f"c{index}", "video": str(video), "emotion": "happy" if happy else "sad"}
        )
    pd.DataFrame(rows).to_csv(tmp_path / "clips.csv", index=False)
    options = ["--config", "finetune/manifest.yaml", "--data.manifest", f"{tmp_path}/clips.csv"]
    options += ["--data.label", "emotion", "--output", str(tmp_path / "check"), "--jobs", "1"]
    main(["data", "check", *options])
    said = " ".join(capsys.readouterr().out.split())
    assert "12 clips begin with black frames (up to 5): c0, c2, c4 and 9 more." in said
    assert "They go with emotion" in said
    assert "happy 12 of 12, sad 0 of 12" in said
    assert "All is well" not in said
    clips = pd.read_csv(tmp_path / "check" / "clips.csv")
    assert clips["black_start"].tolist() == [5, 0] * 12
