"""What is still being recorded, as a clip."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_factory import picture_number

from hicmae.errors import DataError
from hicmae.media.live import LiveStream
from hicmae.media.recording import FileRecording

LONGEST = 60.0  # seconds for anything to happen, beside other tests


def fed(path: Path, *, seconds: float = 2.0, piece: int = 3000) -> LiveStream:
    """A stream into which a file came in pieces, all of it."""
    stream = LiveStream("live", seconds)
    content = path.read_bytes()
    for begin in range(0, len(content), piece):
        stream.feed(content[begin : begin + piece])
    stream.finish(LONGEST)
    assert stream.is_over
    return stream


def as_fragments(path: Path) -> Path:
    """The same coded pictures and sound in fragments, as Safari records them."""
    target = path.with_stem("fragments")
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(path)) as whole, av.open(str(target), "w", options=options) as output:
        copies = {stream: output.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream]
                output.mux(packet)
    return target


@pytest.mark.parametrize("name", ["live.webm", "live.mkv", "live.mp4"])
def test_its_end_is_that_of_the_file(clip_factory: Callable[..., Path], name: str) -> None:
    path = clip_factory(name, seconds=4.0)
    path = as_fragments(path) if path.suffix == ".mp4" else path
    stream, file = fed(path), FileRecording(path)
    assert stream.failure is None
    live = stream.recording(lambda fps: round(1.2 * fps))
    assert (live.fps, live.width, live.height) == (file.fps, file.width, file.height)
    assert live.frame_count == 30
    first = round(live.time_of(0) * 25)
    assert 68 <= first <= 70  # to the end of the sound, which a coder ends a little early
    frames = range(0, 30, 7)
    whole = (0, 0, file.height, file.width)
    shown = [picture for _, picture in live.pictures(frames, region=whole)]
    expected = file.pictures([first + frame for frame in frames], region=whole)
    np.testing.assert_array_equal(shown, [picture for _, picture in expected])
    assert [picture_number(picture) for picture in shown] == [first + frame for frame in frames]
    begin, end = round(live.time_of(0) * 16_000), round(live.time_of(29) * 16_000)
    np.testing.assert_allclose(live.sound(begin, end), file.sound(begin, end), atol=1e-5)
    assert len(live.sound(begin, end + 16_000)) < end + 16_000 - begin
    stream.close()
    with pytest.raises(DataError, match="nothing has come"):
        stream.recording(lambda _: 1)


def test_holds_the_last_seconds_alone(clip_factory: Callable[..., Path]) -> None:
    stream = fed(clip_factory("live.webm", seconds=4.0), seconds=1.0)
    live = stream.recording(lambda _: 1000)
    assert live.frame_count <= 26
    assert live.duration == pytest.approx(4.0, abs=0.1)
    assert stream.end == pytest.approx(4.0, abs=0.1)


def test_of_many_pictures_some_are_left_out(clip_factory: Callable[..., Path]) -> None:
    fast = clip_factory("live-500-fps.webm", seconds=1.0, fps=500, size=(32, 32), sound=False)
    stream = fed(fast)
    assert len(stream._pictures) <= 64
    assert stream.recording(round).duration == pytest.approx(1.0, abs=0.05)
    slower = fed(clip_factory("live-60-fps.webm", seconds=1.0, fps=60, size=(32, 32), sound=False))
    assert len(slower._pictures) == 60


def test_a_long_pause_of_the_sound_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "pause.mkv"
    with av.open(str(path), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for second in (0, 9, 30):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, 8000 * second, Fraction(1, 8000)
            container.mux(sound.encode(frame))
    stream = fed(path, seconds=4.0)
    assert "no sound for 20 s" in str(stream.failure)
    assert stream.end == pytest.approx(10.0)


def test_of_one_sense(clip_factory: Callable[..., Path]) -> None:
    silent = fed(clip_factory("silent.webm", seconds=1.0, sound=False)).recording(lambda _: 10)
    assert (silent.has_video, silent.has_sound, silent.frame_count) == (True, False, 10)
    heard = fed(clip_factory("heard.webm", seconds=1.0, picture=False)).recording(lambda _: 10)
    assert (heard.has_video, heard.has_sound, heard.frame_count) == (False, True, 10)
    assert heard.duration == pytest.approx(1.0, abs=0.05)
    begin = round(heard.time_of(0) * 16_000)
    assert len(heard.sound(begin, begin + 4000)) == 4000
    with pytest.raises(DataError, match="no pictures"):
        next(heard.pictures([0], size=32))


def test_is_given_to_the_reader_at_once(clip_factory: Callable[..., Path]) -> None:
    """While more of it may come."""
    content = clip_factory("live.webm", seconds=4.0).read_bytes()
    stream = LiveStream("live", 2.0)
    stream.feed(content[: len(content) * 3 // 4])
    for _ in range(600):
        if stream.end > 2.0:
            break
        stream._thread.join(0.1)
    assert stream.end > 2.0
    assert not stream.is_over
    stream.close()
    stream._thread.join(LONGEST)
    assert stream.is_over


def test_tells_what_is_wrong(clip_factory: Callable[..., Path]) -> None:
    stream = LiveStream("live", 1.0)
    stream.feed(b"this is no video" * 5000)
    stream.finish(LONGEST)
    assert isinstance(stream.failure, DataError)
    assert "cannot be decoded" in str(stream.failure)
    other = fed(clip_factory("sound.wav", seconds=0.5, picture=False))
    assert isinstance(other.failure, DataError)  # no container that browsers make
    large = fed(clip_factory("large.mkv", seconds=0.08, size=(1296, 736), sound=False))
    assert "1296 x 736" in str(large.failure)


def test_forgets_what_it_held_when_nothing_comes(clip_factory: Callable[..., Path]) -> None:
    stream = LiveStream("live", 2.0, patience=0.5)
    stream.feed(clip_factory("live.webm", seconds=4.0).read_bytes())
    stream._thread.join(LONGEST)
    assert stream.is_over
    assert stream.failure is None
    with pytest.raises(DataError, match="nothing has come"):
        stream.recording(round)
    assert stream._pictures is stream._sound is None


def test_what_comes_too_fast_is_refused_and_what_stays_out_ends_it() -> None:
    stream = LiveStream("live", 1.0, patience=0.05)
    stream.finish(LONGEST)
    assert stream.is_over
    stream.feed(b"late")
    assert stream._pipe.waiting == 0
    with pytest.raises(DataError, match="more is recorded"):
        stream.feed(bytes(9_000_000))
