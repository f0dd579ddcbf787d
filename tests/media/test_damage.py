"""Files that say odd things of themselves are refused in a sentence."""

import contextlib
import warnings

import av
import numpy as np
import pytest
from media_factory import write_clip

from hicmae.data.manifest import Clip
from hicmae.errors import DataError
from hicmae.media import VideoReader, read_audio
from hicmae.media.recording import FileRecording
from hicmae.media.timeline import Timeline
from hicmae.preparation.integrity import BROKEN_SOUND, BROKEN_VIDEO, CheckOptions, inspect


def problems(path):
    return inspect(Clip(id="c", video=str(path)), options=CheckOptions(decode="all"))["problems"]


def test_frames_out_of_order(tmp_path):
    path = tmp_path / "exchanged.mkv"
    source = write_clip(tmp_path / "whole.mkv", seconds=1.0, video_codec="mpeg4", sound=False)
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        packets = [packet for packet in read.demux(video=0) if packet.size]
        packets[10].pts, packets[12].pts = packets[12].pts, packets[10].pts
        for packet in packets:
            packet.dts -= 500  # or the container refuses them
            packet.stream = stream
            written.mux(packet)
    told = "frame 10 needed|frame 10 of 25 cannot be decoded"
    with VideoReader(path) as reader, pytest.raises(DataError, match=told):
        list(reader.pictures(range(25)))
    with pytest.raises(DataError, match=told):
        list(FileRecording(path).pictures(range(25)))
    assert BROKEN_VIDEO in problems(path)


@pytest.mark.parametrize("lost", ["pictures", "sound"])
def test_streams_that_nothing_decodes(tmp_path, lost):
    path = write_clip(tmp_path / "whole.mkv", seconds=0.4)
    codec, kind = {"pictures": (b"V_MPEG4/ISO/AVC", b"V"), "sound": (b"A_AAC", b"A")}[lost]
    content = path.read_bytes()
    assert content.count(codec) == 1
    path = tmp_path / "other.mkv"
    path.write_bytes(content.replace(codec, kind + b"_X" + b"Y" * (len(codec) - 3)))
    told = f"{path} has {lost} in a form that cannot be decoded here"
    read = VideoReader if lost == "pictures" else read_audio
    with pytest.raises(DataError, match=told):
        read(path)
    if lost == "pictures":
        with pytest.raises(DataError, match=told):
            FileRecording(path)
    else:
        assert not FileRecording(path).has_sound
    assert problems(path) == (BROKEN_VIDEO if lost == "pictures" else BROKEN_SOUND)


def test_a_stream_that_appears_amid_a_file(tmp_path):
    seen = write_clip(tmp_path / "seen.flv", seconds=12.0, size=(32, 32), sound=False).read_bytes()
    heard = write_clip(tmp_path / "heard.flv", seconds=1.0, picture=False).read_bytes()
    path = tmp_path / "grows.flv"
    path.write_bytes(seen + heard[13:])  # whose header would tell of the sound
    with av.open(str(path)) as container, pytest.raises(IndexError):
        list(container.demux())
    assert BROKEN_SOUND in problems(path)
    with contextlib.suppress(DataError):
        FileRecording(path)


def test_times_of_which_no_step_is_near_the_median():
    times = np.array([0.0, 0.1, 0.2, 5.2, 10.2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        timeline = Timeline.of_times(times)
    assert timeline.fps == pytest.approx(4 / 10.2)
    assert not timeline.regular
