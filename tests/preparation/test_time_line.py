"""What preparation writes keeps when pictures and sound of a clip begin."""

from fractions import Fraction

import av
import numpy as np
import pandas as pd
import pytest
from media_factory import numbered_picture

pytest.importorskip("cv2", reason="faces need the extra: pip install 'hicmae[faces]'")

from hicmae.data.dataset import ClipDataset
from hicmae.data.manifest import Clip, complete_manifest, read_manifest
from hicmae.data.options import ClipOptions
from hicmae.faces import FaceOptions
from hicmae.faces.alignment import FACE_POINTS
from hicmae.faces.detection import Face
from hicmae.media import VideoReader
from hicmae.preparation.face_crops import crop_face
from hicmae.preparation.integrity import inspect
from hicmae.preparation.options import CheckOptions, PackOptions
from hicmae.preparation.pack import pack

RATE = 16_000


class WholePicture:
    """A face that fills the picture."""

    def __init__(self, min_face):
        self.min_face = min_face

    def detect(self, picture):
        box = np.array([-0.5, -0.5, 63.5, 63.5])
        return [Face(box, FACE_POINTS * 64 - 0.5, 1.0)]


def write(path, *, pictures_at, sound_at):
    """Two seconds of numbered pictures, and sound that becomes loud 0.2 s after both began."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"crf": "12"})
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for index in range(50):
            frame = av.VideoFrame.from_ndarray(numbered_picture(index, (64, 64)), format="rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(pictures_at * 1000) + 40 * index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        samples = np.full((1, 4 * RATE), 0.3, np.float32)
        samples[:, : round((0.2 + max(pictures_at - sound_at, 0.0)) * RATE)] = 0.0
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate, sound.time_base = RATE, Fraction(1, RATE)
        sound.pts = round(sound_at * RATE)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path


def loud_from(waveform):
    return int(np.flatnonzero(np.abs(waveform) > 0.15)[0]) / RATE


def prepared(kind, path, folder):
    """The clip as `kind` writes it, as a table."""
    table = complete_manifest(pd.DataFrame({"id": ["a"], "video": [str(path)]}))
    if kind == "pack":
        pack(table, folder, PackOptions(size=64))
        return read_manifest(folder / "manifest.parquet")
    options = FaceOptions(
        detector=f"{__name__}.WholePicture", size=64, margin=0.0, write=kind, crf=12
    )
    row = crop_face(Clip("a", str(path)), output=folder, options=options)
    return complete_manifest(
        pd.DataFrame(
            {
                "id": ["a"],
                "video": [str(folder / row["video"])],
                "audio": [str(folder / row["audio"]) if row["audio"] else None],
            }
        )
    )


@pytest.mark.parametrize("kind", ["video", "frames", "pack"])
@pytest.mark.parametrize(("pictures_at", "sound_at"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_sound_stays_with_the_pictures(kind, pictures_at, sound_at, tmp_path):
    path = write(tmp_path / "clip.mkv", pictures_at=pictures_at, sound_at=sound_at)
    written = prepared(kind, path, tmp_path / "written")
    options = ClipOptions(num_frames=10, stride=2, frame_size=64, audio_by="time")
    source = complete_manifest(pd.DataFrame({"id": ["a"], "video": [str(path)]}))
    ours, theirs = (ClipDataset(rows, options, views=2)[0] for rows in (source, written))
    for view in range(2):
        one, other = ours["waveform"][view], theirs["waveform"][view]
        assert abs(len(one) - len(other)) <= 0.07 * RATE
        if np.abs(one).max() > 0.15:
            assert loud_from(other) == pytest.approx(loud_from(one), abs=0.03)
        else:
            assert np.abs(other).max() < 0.15


@pytest.mark.parametrize("kind", ["video", "pack"])
def test_late_pictures_stay_late(kind, tmp_path):
    path = write(tmp_path / "clip.mkv", pictures_at=1.0, sound_at=0.0)
    written = prepared(kind, path, tmp_path / "written")
    with VideoReader(written["video"][0]) as reader:
        assert reader.timeline.begin == pytest.approx(1.0, abs=0.07)
        assert reader.frame_count == 50
        assert len(reader.sound()) == pytest.approx(4 * RATE, abs=0.1 * RATE)


def test_a_check_measures_the_time_line(tmp_path):
    path = write(tmp_path / "clip.mkv", pictures_at=0.0, sound_at=1.0)
    row = inspect(Clip("a", str(path)), options=CheckOptions())
    assert (row["video_seconds"], row["audio_seconds"]) == (2.0, pytest.approx(5.0, abs=0.05))
